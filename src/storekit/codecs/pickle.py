"""Values as pickles, decoded so that the pickle can't run code, whatever the store holds.

The content is a plain pickle, without a frame: other clients can read it, and this codec reads
theirs. On request, large buffers are stored after the pickle, so that neither pickling nor decoding
copies them.
"""

# ruff: noqa: ANN401 - pickles hold anything

import pickle
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from storekit.codecs.pickling import (
    LetIn,
    NotReadable,
    PicklerPool,
    dump_with_buffers,
    without_class,
)
from storekit.codecs.unpickling import (
    CAREFUL,
    FAST,
    ClassNotAllowed,
    UnreadableValue,
    import_named,
    names_nothing,
    unpickle,
    unpickle_anything,
)

__all__ = ["Allowed", "ClassNotAllowed", "Pickle", "UnreadableValue"]

Allowed = Iterable[type | Callable[..., Any] | str]

_LARGE = 32 * 1024
"""Bytes from which on storing a buffer after the pickle is faster than storing it inside."""

_MARK = b"\xf5PB\x01"
"""Starts a pickle with buffers; no plain pickle starts with this byte."""

_HEAD = struct.Struct("<4sIQ")  # mark, number of buffers, length of the pickle
_ALIGNMENT = 64

_ATOMS = frozenset({type(None), bool, int, float, str, bytes})
"""Types whose values are pickled without a check, since decoding never refuses them."""

_CONTAINERS = frozenset({dict, list, tuple, set})
"""Types for which `without_class` has nothing to do."""


class Pickle:
    """Values as pickles, decoded so that the pickle can't run code, whatever the store holds.

    Decoding accepts plain data and the standard value types (dates, decimals, fractions,
    UUIDs, collections, IP addresses, pure paths). It limits neither memory nor time: a pickle
    of few bytes can be a large value, or one that takes hours to decode. Put `Signed` around it if
    others can write to the store.
    """

    name: str = "pickle"
    content_type: str = "application/x-python-pickle"
    packages: tuple[str, ...] = ()  # to load on first use

    def __init__(
        self,
        allow: Allowed = (),
        *,
        trust: bool = False,
        protocol: int = 5,
        buffers: bool = False,
    ) -> None:
        """Make a codec.

        Args:
            allow: Classes and functions, or their names (`"module.Class"`), that decoding
                accepts as well. Their constructors and `__setstate__` are then called with any
                arguments that are in the store.
            trust: Accept everything, **so that anyone who can write to the store can run code
                in this process**.
            protocol: The pickle protocol to write; all protocols are read.
            buffers: Store buffers of 32 KiB and more, such as those of numpy's arrays, after
                the pickle. Decoded arrays are read-only and use the memory of the content. Every
                `Pickle` can read this, other unpicklers can't.

        """
        if isinstance(allow, str | type) or callable(allow):
            raise TypeError("allow must be a list, e.g. allow=[MyClass]")
        if isinstance(protocol, bool) or protocol not in range(pickle.HIGHEST_PROTOCOL + 1):
            raise ValueError(f"there is no pickle protocol {protocol!r}")
        if buffers and protocol < 5:
            raise ValueError("buffers need protocol 5")
        self._protocol = protocol
        self._trusts = trust
        self._buffers = buffers
        self._allowed: dict[tuple[str, str], Any] = {}
        self._allowed_names: set[str] = set()
        self._picklers = PicklerPool(protocol, self._lets_in)
        for item in allow:
            if isinstance(item, str):
                self._allowed_names.add(item)
            elif callable(item) and hasattr(item, "__qualname__"):
                self._allowed[item.__module__, item.__qualname__] = item
            else:
                raise TypeError(f"allow takes classes, functions and their names, not {item!r}")

    def encode(self, value: Any, /) -> bytes:
        """Return the pickle of a value.

        A value of a subclass of str, int, float or bytes is stored as a plain value, if the class
        is not allowed and the value has no attributes.

        Raises `TypeError` if the value can't be pickled, or if `decode` would refuse it: the
        message says what to allow.
        """
        try:
            if type(value) in _ATOMS or self._trusts:
                return self._dump(value, None)
            if type(value) not in _CONTAINERS:
                value = without_class(value, self._lets_in)
            return self._dump(value, self._lets_in)
        except NotReadable as error:
            raise TypeError(str(error)) from None
        except Exception as error:
            raise TypeError(
                f"a value of type {type(value).__name__} can't be pickled: {error}"
            ) from error

    def _dump(self, value: object, let_in: LetIn | None) -> bytes:
        if self._buffers:
            return _dump_with_buffers(value, let_in)
        return pickle.dumps(value, self._protocol) if let_in is None else self._picklers.dump(value)

    def decode(self, data: bytes | bytearray | memoryview, /) -> Any:
        """Return the value of a pickle of any protocol, of Python 2 as well.

        A string of Python 2, which may be text or bytes, becomes str: decoded as UTF-8 if it is
        valid, else as Latin-1, which loses nothing.

        Raises:
            ClassNotAllowed: It names a class or function that is not allowed; the message says
                how to allow it.
            UnreadableValue: It is not a pickle, or is damaged.

        """
        try:
            if names_nothing(data):  # needs no check
                with suppress(UnicodeDecodeError):  # text of Python 2 that is not ASCII
                    return pickle.loads(data)  # noqa: S301
            return self._load(data)
        except UnreadableValue:
            raise
        except Exception as error:
            raise UnreadableValue(
                f"the content can't be unpickled ({type(error).__name__}); "
                "read it with a raw client if it was not written by a Client"
            ) from error

    def _load(self, data: bytes | bytearray | memoryview) -> Any:
        content, buffers = _split(data) if data[:4] == _MARK else (data, None)
        if self._trusts:
            return unpickle_anything(content, buffers)
        return unpickle(content, self._find, buffers=buffers)

    def _lets_in(self, module: str, name: str) -> bool:
        named = (module, name)
        return (
            named in FAST
            or named in CAREFUL
            or named in self._allowed
            or f"{module}.{name}" in self._allowed_names
        )

    def _find(self, module: str, name: str) -> Any:
        if (module, name) in self._allowed:
            return self._allowed[module, name]
        if f"{module}.{name}" in self._allowed_names:
            return import_named(module, name)
        raise ClassNotAllowed(module, name)


def _dump_with_buffers(value: object, let_in: LetIn | None) -> bytes:
    views: list[memoryview] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _LARGE:
            return True
        views.append(view)
        return False

    pickled = dump_with_buffers(value, 5, let_in, keep_in_band)
    if not views:
        return pickled
    head = _HEAD.pack(_MARK, len(views), len(pickled))
    lengths = struct.pack(f"<{len(views)}Q", *(view.nbytes for view in views))
    parts: list[bytes | memoryview] = [head, lengths, pickled]
    at = len(head) + len(lengths) + len(pickled)
    for view in views:
        parts += [bytes(-at % _ALIGNMENT), view]
        at += -at % _ALIGNMENT + view.nbytes
    return b"".join(parts)


def _split(data: bytes | bytearray | memoryview) -> tuple[memoryview, list[memoryview]]:
    """Return the pickle and its buffers, which are parts of `data`."""
    view = memoryview(data).toreadonly()
    _, count, length = _HEAD.unpack_from(view)
    if count * 8 > len(view):
        raise pickle.UnpicklingError("the number of buffers does not fit the content")
    lengths = struct.unpack_from(f"<{count}Q", view, _HEAD.size)
    at = _HEAD.size + count * 8
    pickled, at = view[at : at + length], at + length
    buffers = []
    for size in lengths:
        at += -at % _ALIGNMENT
        buffers.append(view[at : at + size])
        at += size
    if at != len(view):
        raise pickle.UnpicklingError("the size of the buffers does not fit the content")
    return pickled, buffers
