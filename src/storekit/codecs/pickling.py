"""A pickler that refuses to write what `unpickling` would refuse to read.

It checks every object that is not of a built-in type, and every class and function that the
pickle would name. That takes 0.1 µs an object; values of built-in types need no check.
"""

# ruff: noqa: ANN401 - pickles hold anything

import codecs
import copyreg
import io
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any

from storekit.codecs.plain import as_bytes, as_float, as_int, as_text, carries_state
from storekit.codecs.unpickling import CAREFUL, FAST, is_attribute_let_in, name_as_read

__all__ = [
    "CheckedPickler",
    "LetIn",
    "NotReadable",
    "PicklerPool",
    "dump_with_buffers",
    "without_class",
]

_READABLE = frozenset(each for each in (*FAST.values(), *CAREFUL.values()) if type(each) is type)
"""Classes whose instances need no check: their pickles name only the class."""

_PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, as_text),
    (int, as_int),
    (float, as_float),
    (bytes, as_bytes),
)

_ALWAYS_NAMED = {
    id(each): each
    for each in (*_READABLE, codecs.encode, getattr, copyreg._reconstructor)  # type: ignore[attr-defined] # noqa: SLF001
}
"""What pickles of standard values name, and every codec accepts, by its `id`."""

_EXTENSIONS: dict[Any, Any] = copyreg._extension_registry  # type: ignore[attr-defined] # noqa: SLF001

LetIn = Callable[[str, str], bool]
"""Returns whether decoding accepts a class or function, by its module and qualified name."""


class NotReadable(Exception):
    """The value has something in it that decoding would refuse."""


class CheckedPickler(pickle.Pickler):
    """Raises `NotReadable` for an object, at any depth, that decoding would refuse."""

    def __init__(
        self, file: Any, protocol: int, let_in: LetIn, named: dict[int, Any], **options: Any
    ) -> None:
        """Make a pickler. `named` has the objects that may be named, by `id`; it is added to."""
        super().__init__(file, protocol, **options)
        self._written_protocol = protocol
        self._let_in = let_in
        self._named = named

    def reducer_override(self, obj: Any, /) -> Any:
        """Return how to pickle an object, or NotImplemented for the default."""
        kind = type(obj)
        if kind in _READABLE or (id(obj) in self._named and not _EXTENSIONS):
            return NotImplemented
        if kind is FunctionType or issubclass(kind, type):
            self._check_name(obj, obj.__qualname__)
            return NotImplemented
        if not self._let_in(kind.__module__, kind.__qualname__):
            for base, plain in _PLAIN:
                if isinstance(obj, base) and not carries_state(obj):
                    return base, (plain(obj),)
        reduce = copyreg.dispatch_table.get(kind)
        reduced: Any = obj.__reduce_ex__(self._written_protocol) if reduce is None else reduce(obj)
        if isinstance(reduced, str):
            self._check_name(obj, reduced)
        elif (
            type(reduced) is tuple
            and reduced[0] is getattr
            and not is_attribute_let_in(*reduced[1])
        ):
            raise NotReadable(
                f"the value has a method or attribute, {reduced[1][1]!r} of "
                f"{_shown(reduced[1][0])}, which decoding does not accept"
            )
        return reduced

    def _check_name(self, obj: Any, name: str) -> None:
        if "<" in name:  # a lambda, or defined in a function, which the pickler refuses
            return
        module = pickle.whichmodule(obj, name)  # type: ignore[attr-defined]
        read_as = name_as_read(module, name, self._written_protocol)
        if read_as != (module, name):
            raise NotReadable(
                f"a pickle of protocol {self._written_protocol} can't name {module}.{name}: "
                f"it would be read as {'.'.join(read_as)}"
            )
        if not self._let_in(module, name):
            raise NotReadable(
                f"the value has {module}.{name} in it, which decoding does not accept. If you "
                f'trust it, add it where the client is made: allow=["{module}.{name}"]'
            )
        if (module, name) in _EXTENSIONS and self._written_protocol >= 2:
            raise NotReadable(
                f"the value has {module}.{name} in it, which has a copyreg extension code in this "
                "program; decoding refuses extension codes"
            )
        self._named[id(obj)] = obj  # the reference keeps the id from being reused


def _shown(holder: object) -> str:
    if isinstance(holder, type):
        return f"the class {holder.__module__}.{holder.__qualname__}"
    return f"an object of the class {type(holder).__module__}.{type(holder).__qualname__}"


def without_class(value: object, let_in: LetIn) -> object:
    """Return a value of a subclass of str, int, float or bytes as a plain one.

    Its pickle is then that of the plain value, as operations that compare stored bytes need.
    Values of a class that is accepted, values with attributes, and all others are returned as is.
    """
    kind = type(value)
    for base, plain in _PLAIN:
        if (
            isinstance(value, base)
            and kind is not base
            and kind is not bool
            and not let_in(kind.__module__, kind.__qualname__)
            and not carries_state(value)
        ):
            return plain(value)
    return value


class _Output:
    """A file for a pickler that keeps the pieces written to it, without a copy."""

    __slots__ = ("parts", "write")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.write = self.parts.append


class PicklerPool:
    """Reuses picklers, since making one takes as long as pickling a small value.

    `dump` may be called in any thread; each call has a pickler of its own.
    """

    # Picklers of larger pickles are not reused: their memo stays large and takes long to clear.
    _LARGE = 4096

    def __init__(self, protocol: int, let_in: LetIn) -> None:
        self._protocol = protocol
        self._let_in = let_in
        self._named = dict(_ALWAYS_NAMED)
        self._free: list[tuple[CheckedPickler, list[bytes]]] = []

    def dump(self, value: object) -> bytes:
        """Return a pickle. Raises `NotReadable`, and what the classes of the value raise."""
        try:
            pickler, parts = self._free.pop()
        except IndexError:
            output = _Output()
            pickler = CheckedPickler(output, self._protocol, self._let_in, self._named)
            parts = output.parts
        pickler.dump(value)
        content = parts[0] if len(parts) == 1 else b"".join(parts)
        if len(content) < self._LARGE:
            parts.clear()
            pickler.clear_memo()
            self._free.append((pickler, parts))
        return content

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._protocol, self._let_in)


def dump_with_buffers(value: object, protocol: int, let_in: LetIn | None, callback: Any) -> bytes:
    """Return a pickle without the buffers that `callback` takes."""
    file = io.BytesIO()
    if let_in is None:
        pickle.Pickler(file, protocol, buffer_callback=callback).dump(value)
    else:
        named = dict(_ALWAYS_NAMED)
        CheckedPickler(file, protocol, let_in, named, buffer_callback=callback).dump(value)
    return file.getvalue()
