"""Unpicklers that run no code of the pickle's choosing.

Decoding has two speeds. Plain data and immutable C types go through the interpreter's own
unpickler. What names a class written in Python is decoded a second time, by the slower one
of the standard library, whose steps can be watched: a class that is handed out could
otherwise be changed for the whole process by the pickle that names it.
"""

# ruff: noqa: ANN401 - pickles hold anything

import collections
import copyreg
import datetime
import decimal
import enum
import fractions
import io
import ipaddress
import pathlib
import pickle
import re
import uuid
import zoneinfo
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, ClassVar

from storekit.errors import CodecError

__all__ = [
    "CAREFUL",
    "FAST",
    "ClassNotAllowed",
    "UnreadableValue",
    "import_named",
    "names_nothing",
    "unpickle",
]


_NAME = re.compile(r"[\w.]{1,250}")
"""What may be the name of a class: the pickle chooses it, and may write anything there."""


class UnreadableValue(CodecError):
    """Content that is not a pickle, or a damaged one."""

    def __init__(self, reason: str, *, codec: str = "pickle", key: str | None = None) -> None:
        super().__init__(reason, codec=codec, key=key)


class ClassNotAllowed(UnreadableValue):
    """A pickle that names what the client was not told to let in. `name` is what to allow."""

    def __init__(self, module: str, name: str) -> None:
        self.name: str = f"{module}.{name}"
        self._named = (module, name)
        super().__init__(
            f"the value holds {self.name}, which decoding does not let in. If you trust it, "
            f'add it where the client is made: allow=["{self.name}"]'
            if _NAME.fullmatch(self.name)
            else "the value names what can be no class or function"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._named, self.__dict__


class _NeedsCare(Exception):
    """The pickle names something that only the watched unpickler may handle."""


class _Sealed:
    """Stands for a function, so that a pickle can call it and do nothing else with it."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError("a pickle tried to change a function")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stand in for `_codecs.encode`, in which pickles below protocol 3 have their bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"a pickle asked for the codec {encoding!r}")
    return text.encode("latin-1")


def _getattr(holder: object, name: str) -> Any:
    """Stand in for `getattr`, by which pickles name a method of ZoneInfo."""
    if holder is zoneinfo.ZoneInfo and name == "_unpickle":
        return _ZONE
    raise pickle.UnpicklingError(f"a pickle asked for an attribute, {str(name)[:50]!r}")


def _reconstruct(kind: type, base: type, state: object) -> object:
    """Stand in for `copyreg._reconstructor`, the constructor of protocols 0 and 1."""
    if not isinstance(kind, type) or not isinstance(base, type) or not issubclass(kind, base):
        raise pickle.UnpicklingError("a pickle names something that is no class")
    constructor: Any = base  # of which nothing is known but that it was let in
    made = constructor.__new__(kind) if base is object else constructor.__new__(kind, state)
    if constructor.__init__ is not object.__init__:
        constructor.__init__(made, state)
    return made


_ZONE = _Sealed(zoneinfo.ZoneInfo._unpickle)  # type: ignore[attr-defined] # noqa: SLF001 - its pickles name it

# Types that the interpreter keeps from being changed, and functions that are sealed.
FAST: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Sealed(_encode),
    ("builtins", "getattr"): _Sealed(_getattr),
    ("copyreg", "_reconstructor"): _Sealed(_reconstruct),
    ("zoneinfo", "ZoneInfo"): zoneinfo.ZoneInfo,
    ("zoneinfo", "ZoneInfo._unpickle"): _ZONE,
    ("decimal", "Decimal"): decimal.Decimal,
}
FAST |= {
    ("builtins", kind.__name__): kind
    for kind in (
        bool, bytearray, bytes, complex, dict, float, frozenset, int, list, object, range, set,
        slice, str, tuple,
    )
}  # fmt: skip
FAST |= {
    ("datetime", kind.__name__): kind
    for kind in (
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone,
    )
}  # fmt: skip
FAST |= {
    ("collections", kind.__name__): kind
    for kind in (collections.OrderedDict, collections.defaultdict, collections.deque)
}
# Classes that a pickle could change if nobody watched it.
CAREFUL: dict[tuple[str, str], Any] = {
    (kind.__module__, kind.__name__): kind
    for kind in (
        collections.Counter, fractions.Fraction, uuid.UUID, uuid.SafeUUID,
        ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network,
        ipaddress.IPv6Network,
    )
}  # fmt: skip
CAREFUL |= {
    (module, kind.__name__): kind
    for module in ("pathlib", "pathlib._local")  # where Python 3.13 has them
    for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath)
}


def import_named(module: str, name: str) -> Any:
    """Import what the caller allowed by name."""
    found: Any = __import__(module, level=0, fromlist=["_"])
    for part in name.split("."):
        found = getattr(found, part)
    return found


class _FastUnpickler(pickle.Unpickler):
    """The interpreter's unpickler, for what it can't harm."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return FAST[module, name]
        except KeyError:
            raise _NeedsCare from None


_Base: Any = pickle._Unpickler  # noqa: SLF001 - the one that can be watched


class _WatchedUnpickler(_Base):  # type: ignore[misc]
    """The standard library's unpickler in Python, with eyes on what changes objects."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Base.dispatch)

    def __init__(
        self,
        file: io.BytesIO,
        encoding: str,
        find: Callable[[str, str], Any],
        buffers: Iterable[memoryview] | None,
    ) -> None:
        super().__init__(file, encoding=encoding, buffers=buffers)
        self._find_other = find

    def find_class(self, module: str, name: str) -> Any:
        if self.proto < 3:  # names of Python 2
            module, name = _NAMES.get((module, name), (_MODULES.get(module, module), name))
        for table in (FAST, CAREFUL):
            if (module, name) in table:
                return table[module, name]
        return self._find_other(module, name)

    def load_build(self) -> None:
        target = self.stack[-2]
        if isinstance(target, (type, *_SHARED)):
            raise pickle.UnpicklingError(f"a pickle tried to change {type(target).__name__}")
        _Base.load_build(self)

    dispatch[pickle.BUILD[0]] = load_build

    def load_extension(self) -> None:
        raise pickle.UnpicklingError("a pickle uses extension codes")

    for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4):
        dispatch[_code[0]] = load_extension


_SHARED = (_Sealed, enum.Enum, ModuleType, FunctionType, BuiltinFunctionType)
"""What exists once in the process: to change it is to change it for everybody."""


_compat: Any = __import__("_compat_pickle")
_NAMES: dict[tuple[str, str], tuple[str, str]] = _compat.NAME_MAPPING
_MODULES: dict[str, str] = _compat.IMPORT_MAPPING


class _Peekable(io.BytesIO):
    """Content that the interpreter's unpickler reads in large pieces.

    Without `peek` it reads each opcode by itself, where a pickle has no frames.
    """

    def peek(self, size: int) -> memoryview:
        at = self.tell()
        return self.getbuffer()[at : at + size]


_FRAMED = (b"\x80\x04", b"\x80\x05")

# As numbers, which are looked for in half the time that bytes take.
_PROTO, _STACK_GLOBAL, _NEWLINE = pickle.PROTO[0], pickle.STACK_GLOBAL[0], ord("\n")

_KNOWN = pickle.HIGHEST_PROTOCOL == 5 and pickle.loads.__module__ == "_pickle"
"""Whether all opcodes are known, and the unpickler is the interpreter's own."""

_SMALL = 4096 if _KNOWN else 0
"""Up to so many bytes, it pays to look whether a pickle can name anything at all."""

_EXTENSIONS: dict[Any, Any] = copyreg._extension_registry  # type: ignore[attr-defined] # noqa: SLF001
"""Extension codes that the program has given meaning to; the fast unpickler asks nobody."""


def names_nothing(content: bytes | bytearray | memoryview) -> bool:
    """Tell whether this is a small pickle that certainly names no class or function.

    What does is the opcode STACK_GLOBAL (93), those of extension codes, and GLOBAL and INST,
    which two lines follow.
    """
    return (
        type(content) is bytes
        and 0 < len(content) <= _SMALL
        and content[0] == _PROTO
        and _STACK_GLOBAL not in content
        and content.count(_NEWLINE) < 2
        and not _EXTENSIONS
    )


def unpickle(
    content: bytes | bytearray | memoryview,
    find: Callable[[str, str], Any],
    *,
    encoding: str,
    buffers: Iterable[memoryview] | None = None,
) -> Any:
    """Return the value of a pickle. `find` gives what neither of the tables has, or raises.

    Raises whatever the pickle provokes.
    """
    if not _EXTENSIONS:  # which bypass `find_class` in the fast one
        file = io.BytesIO(content) if content[:2] in _FRAMED else _Peekable(content)
        try:
            return _FastUnpickler(file, encoding=encoding, buffers=buffers).load()
        except _NeedsCare:
            pass
    return _WatchedUnpickler(io.BytesIO(content), encoding, find, buffers).load()
