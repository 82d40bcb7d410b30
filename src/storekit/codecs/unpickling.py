"""Unpicklers that call only functions and classes that are allowed.

There are two. Plain data and immutable C types are decoded by the interpreter's unpickler in C. If
the pickle names a class written in Python, it is decoded anew by the slower unpickler in Python,
whose methods can be overridden: otherwise the pickle could modify the class that it names, for the
whole process.
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
    "is_attribute_let_in",
    "name_as_read",
    "names_nothing",
    "unpickle",
    "unpickle_anything",
]


_NAME = re.compile(r"[\w.]{1,250}")
"""A plausible name of a class; a pickle may contain anything there."""


class UnreadableValue(CodecError):
    """Content that is not a pickle, or a damaged one."""

    def __init__(self, *args: object, codec: str = "pickle", key: str | None = None) -> None:
        super().__init__(*args, codec=codec, key=key)


class ClassNotAllowed(UnreadableValue):
    """A pickle that names a class or function that is not allowed. `name` is what to allow."""

    def __init__(self, module: str = "", name: str = "") -> None:
        self.name: str = f"{module}.{name}"
        super().__init__(
            f"the value has {self.name} in it, which decoding does not accept. If you trust it, "
            f'add it where the client is made: allow=["{self.name}"]'
            if _NAME.fullmatch(self.name)
            else "the value names something that is neither class nor function"
        )


class _NeedsCare(Exception):
    """The pickle names something that needs the slower unpickler."""


class _Sealed:
    """Wraps a function, so that a pickle can call it but not modify it."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError("a pickle tried to modify a function")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Do what `_codecs.encode` does, with which pickles below protocol 3 represent bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"a pickle asked for the codec {encoding!r}")
    return text.encode("latin-1")


def is_attribute_let_in(holder: object, name: object) -> bool:
    """Return whether a pickle may get this attribute: a method of ZoneInfo, or an enum member."""
    if holder is zoneinfo.ZoneInfo:
        return name == "_unpickle"
    return isinstance(holder, enum.EnumMeta) and name in holder.__members__


def _getattr(holder: object, name: str) -> Any:
    """Do what `getattr` does, for attributes that are allowed."""
    if not is_attribute_let_in(holder, name):
        raise pickle.UnpicklingError(f"a pickle asked for an attribute, {str(name)[:50]!r}")
    return _ZONE if holder is zoneinfo.ZoneInfo else getattr(holder, name)


def _reconstruct(kind: type, base: type, state: object) -> object:
    """Do what `copyreg._reconstructor` does, which makes objects in protocols 0 and 1."""
    if not isinstance(kind, type) or not isinstance(base, type) or not issubclass(kind, base):
        raise pickle.UnpicklingError("a pickle names something that is not a class")
    constructor: Any = base  # any class that is allowed
    made = constructor.__new__(kind) if base is object else constructor.__new__(kind, state)
    if constructor.__init__ is not object.__init__:
        constructor.__init__(made, state)
    return made


_ZONE = _Sealed(zoneinfo.ZoneInfo._unpickle)  # type: ignore[attr-defined] # noqa: SLF001 - its pickles name it

# Immutable C types, and wrapped functions.
FAST: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Sealed(_encode),
    ("builtins", "getattr"): _Sealed(_getattr),
    ("copyreg", "_reconstructor"): _Sealed(_reconstruct),
    ("zoneinfo", "ZoneInfo"): zoneinfo.ZoneInfo,
    ("zoneinfo", "ZoneInfo._unpickle"): _ZONE,
    ("decimal", "Decimal"): decimal.Decimal,
}
FAST |= {
    (module, kind.__name__): kind
    for module in ("builtins", "__builtin__")  # its name in Python 2 and in protocols below 3
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
# Classes written in Python, which a pickle could modify in the fast unpickler.
CAREFUL: dict[tuple[str, str], Any] = {
    (kind.__module__, kind.__name__): kind
    for kind in (
        collections.Counter, fractions.Fraction, uuid.UUID, uuid.SafeUUID,
        ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network,
        ipaddress.IPv6Network,
    )
}  # fmt: skip


class _Utc:
    """Replaces `TimeZone` of the 1.x clients of QuasarDB, which is UTC."""

    def __new__(cls) -> Any:
        return datetime.UTC


def _is_time_zone_of_1_x(module: str, name: str) -> bool:
    return name == "TimeZone" and module.partition(".")[0] in ("qdb", "quasardb")


CAREFUL |= {
    (module, kind.__name__): kind
    for module in ("pathlib", "pathlib._local")  # the latter in Python 3.13
    for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath)
}


def import_named(module: str, name: str) -> Any:
    """Import a class or function that the caller allowed by name."""
    found: Any = __import__(module, level=0, fromlist=["_"])
    for part in name.split("."):
        found = getattr(found, part)
    return found


class _FastUnpickler(pickle.Unpickler):
    """The interpreter's unpickler, for types that a pickle can't modify."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return FAST[module, name]
        except KeyError:
            raise _NeedsCare from None


_Base: Any = pickle._Unpickler  # noqa: SLF001 - in Python, so that steps can be overridden


class _TextUnpickler(_Base):  # type: ignore[misc]
    """The standard library's unpickler in Python, which decodes each string of Python 2 by itself.

    Such a string may be text or bytes. If it is valid UTF-8, it is decoded as that, otherwise as
    Latin-1, which loses nothing. Dates and times of Python 2 have such a string for their fields.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_Base.dispatch)

    def _decode_string(self, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def load_reduce(self) -> None:
        function, args = self.stack[-2:]
        if function in _FIELDS and type(args) is tuple and args and type(args[0]) is str:
            # Fields that happen to be valid UTF-8 give a shorter text, which tells the two apart.
            text, size = args[0], _FIELDS[function]
            fields = text.encode("latin-1") if len(text) == size else text.encode()
            self.stack[-1] = (fields, *args[1:])
        _Base.load_reduce(self)

    dispatch[pickle.REDUCE[0]] = load_reduce


_FIELDS: dict[Any, int] = {datetime.datetime: 10, datetime.date: 4, datetime.time: 6}
"""Bytes that the fields of dates and times have in a pickle."""


class _WatchedUnpickler(_TextUnpickler):
    """An unpickler that refuses to modify classes, functions, modules and enum members."""

    dispatch: ClassVar[dict[int, Any]] = dict(_TextUnpickler.dispatch)

    def __init__(
        self,
        file: io.BytesIO,
        find: Callable[[str, str], Any],
        buffers: Iterable[memoryview] | None,
    ) -> None:
        super().__init__(file, buffers=buffers)
        self._find_other = find

    def find_class(self, module: str, name: str) -> Any:
        if self.proto < 3:
            module, name = _of_python_2(module, name)
        for table in (FAST, CAREFUL):
            if (module, name) in table:
                return table[module, name]
        if _is_time_zone_of_1_x(module, name):
            return _Utc
        return self._find_other(module, name)

    def load_build(self) -> None:
        target = self.stack[-2]
        if isinstance(target, (type, *_SHARED)):
            raise pickle.UnpicklingError(f"a pickle tried to modify {type(target).__name__}")
        _Base.load_build(self)

    dispatch[pickle.BUILD[0]] = load_build

    def load_extension(self) -> None:
        raise pickle.UnpicklingError("a pickle uses extension codes")

    for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4):
        dispatch[_code[0]] = load_extension


_SHARED = (_Sealed, enum.Enum, ModuleType, FunctionType, BuiltinFunctionType)
"""Types of objects that the whole process shares."""


_compat: Any = __import__("_compat_pickle")
_NAMES: dict[tuple[str, str], tuple[str, str]] = _compat.NAME_MAPPING
_MODULES: dict[str, str] = _compat.IMPORT_MAPPING


def _of_python_2(module: str, name: str) -> tuple[str, str]:
    """Return the module and name in Python 3 of what had this name in Python 2."""
    return _NAMES.get((module, name), (_MODULES.get(module, module), name))


def name_as_read(module: str, name: str, protocol: int) -> tuple[str, str]:
    """Return the module and name that decoding finds after they were written in this protocol."""
    if protocol >= 3:
        return module, name
    written = _compat.REVERSE_NAME_MAPPING.get(
        (module, name), (_compat.REVERSE_IMPORT_MAPPING.get(module, module), name)
    )
    return _of_python_2(*written)


class _Peekable(io.BytesIO):
    """A file that the interpreter's unpickler reads in large pieces.

    Without `peek`, it reads each opcode by itself if the pickle has no frames.
    """

    def peek(self, size: int) -> memoryview:
        at = self.tell()
        return self.getbuffer()[at : at + size]


_FRAMED = (b"\x80\x04", b"\x80\x05")

# As numbers: searching for them takes half the time of searching for bytes.
_PROTO, _STACK_GLOBAL, _NEWLINE = pickle.PROTO[0], pickle.STACK_GLOBAL[0], ord("\n")

_KNOWN = pickle.HIGHEST_PROTOCOL == 5 and pickle.loads.__module__ == "_pickle"
"""Whether `names_nothing` covers all opcodes, and `pickle.loads` is the interpreter's own."""

_SMALL = 4096 if _KNOWN else 0
"""Bytes up to which `names_nothing` saves time."""

_EXTENSIONS: dict[Any, Any] = copyreg._extension_registry  # type: ignore[attr-defined] # noqa: SLF001
"""Copyreg extension codes, which the fast unpickler resolves without `find_class`."""


def names_nothing(content: bytes | bytearray | memoryview) -> bool:
    """Return whether this is a small pickle that certainly names no class or function.

    The opcodes that name one are STACK_GLOBAL (93), those of extension codes, and GLOBAL and INST,
    which are followed by two lines.
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
    buffers: Iterable[memoryview] | None = None,
) -> Any:
    """Return the value of a pickle. `find` returns what is not in `FAST` or `CAREFUL`, or raises.

    A damaged or malicious pickle may raise any exception.
    """
    if not _EXTENSIONS:  # the fast unpickler resolves these without `find_class`
        file = io.BytesIO(content) if content[:2] in _FRAMED else _Peekable(content)
        try:
            return _FastUnpickler(file, encoding="ascii", buffers=buffers).load()
        except (_NeedsCare, UnicodeDecodeError):
            pass
    return _WatchedUnpickler(io.BytesIO(content), find, buffers).load()


class _TrustingUnpickler(pickle.Unpickler):
    """The interpreter's unpickler, with the time zone of the 1.x clients of QuasarDB."""

    def find_class(self, module: str, name: str) -> Any:
        return _Utc if _is_time_zone_of_1_x(module, name) else super().find_class(module, name)


class _TrustingTextUnpickler(_TextUnpickler):
    """The same for strings of Python 2."""

    def find_class(self, module: str, name: str) -> Any:
        return _Utc if _is_time_zone_of_1_x(module, name) else super().find_class(module, name)


def unpickle_anything(
    content: bytes | bytearray | memoryview, buffers: Iterable[memoryview] | None = None
) -> Any:
    """Return the value of a pickle that may call any function."""
    try:
        return _TrustingUnpickler(io.BytesIO(content), buffers=buffers).load()
    except UnicodeDecodeError:
        return _TrustingTextUnpickler(io.BytesIO(content), buffers=buffers).load()
