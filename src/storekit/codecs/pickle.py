"""Values as pickles that can't run code when they are read, whatever the store holds.

No frame and no mark: what any other client pickled reads back here, and the other way round.
Only where the caller asks for it, large buffers are stored beside the pickle: they are then
neither copied by the pickler nor on decoding.
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
"""Below this many bytes, a buffer beside the pickle costs as much as one in it."""

_MARK = b"\xf5PB\x01"
"""Starts a pickle with buffers; no plain pickle starts with this byte."""

_HEAD = struct.Struct("<4sIQ")  # mark, number of buffers, length of the pickle
_ALIGNMENT = 64

_ATOMS = frozenset({type(None), bool, int, float, str, bytes})
"""Types whose values can be pickled without a check: nothing in them is ever refused."""

_CONTAINERS = frozenset({dict, list, tuple, set})
"""Types whose values can't be of a subclass of str, int, float or bytes."""


class Pickle:
    """Values as pickles that cannot run code, whatever the store holds.

    Decoding lets in plain data and the standard value types (dates, decimals, fractions,
    UUIDs, collections, IP addresses, pure paths). It bounds neither memory nor time: a pickle
    of few bytes can stand for a large value, or for one that takes hours to make. Put `Signed`
    around it where others can write.
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
            allow: Classes and functions, themselves or by name (`"module.Class"`), that
                decoding lets in as well: their constructors and `__setstate__` then run with
                whatever arguments the store holds.
            trust: Let in everything, **so that whoever can write to the store can run code
                in this process**.
            protocol: The protocol of what is written; every one is read.
            buffers: Store buffers of 32 KiB and up, such as those of numpy's arrays, beside
                the pickle. Arrays come back read-only, on the memory of the content. Every
                `Pickle` reads this, but no other unpickler does.

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

        A value of a class below str, int, float or bytes that is not allowed, and that carries
        nothing else, is stored as the plain value that it is.

        Raises `TypeError` if it has none, or one that `decode` would refuse: the message says
        what to allow.
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

        Text of Python 2 that may be bytes becomes str: each string as UTF-8, or, where that
        does not fit, as Latin-1, which loses nothing.

        Raises:
            ClassNotAllowed: It names what is not let in; the message has the line to add.
            UnreadableValue: It is no pickle, or is damaged.

        """
        try:
            if names_nothing(data):  # so there is nothing that could be refused
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
        raise pickle.UnpicklingError("there can't be that many buffers")
    lengths = struct.unpack_from(f"<{count}Q", view, _HEAD.size)
    at = _HEAD.size + count * 8
    pickled, at = view[at : at + length], at + length
    buffers = []
    for size in lengths:
        at += -at % _ALIGNMENT
        buffers.append(view[at : at + size])
        at += size
    if at != len(view):
        raise pickle.UnpicklingError("the buffers do not fill the content")
    return pickled, buffers
