"""Unpicklers that run no code of the pickle's choosing.

Decoding has two speeds. Plain data and immutable C types go through the interpreter's own
unpickler. What names a class written in Python is decoded a second time, by the slower one
of the standard library, whose steps can be overridden: otherwise the pickle could change the
class that it names, for the whole process.
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
"""What may be the name of a class: the pickle chooses it, and may write anything there."""


class UnreadableValue(CodecError):
    """Content that is not a pickle, or a damaged one."""

    def __init__(self, *args: object, codec: str = "pickle", key: str | None = None) -> None:
        super().__init__(*args, codec=codec, key=key)


class ClassNotAllowed(UnreadableValue):
    """A pickle that names what decoding does not let in. `name` is what to allow."""

    def __init__(self, module: str = "", name: str = "") -> None:
        self.name: str = f"{module}.{name}"
        super().__init__(
            f"the value holds {self.name}, which decoding does not let in. If you trust it, "
            f'add it where the client is made: allow=["{self.name}"]'
            if _NAME.fullmatch(self.name)
            else "the value names what can be no class or function"
        )


class _NeedsCare(Exception):
    """The pickle names something that is left to the slower unpickler."""


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


def is_attribute_let_in(holder: object, name: object) -> bool:
    """Tell whether a pickle may get this by `getattr`: a method of ZoneInfo, members of enums."""
    if holder is zoneinfo.ZoneInfo:
        return name == "_unpickle"
    return isinstance(holder, enum.EnumMeta) and name in holder.__members__


def _getattr(holder: object, name: str) -> Any:
    """Stand in for `getattr`."""
    if not is_attribute_let_in(holder, name):
        raise pickle.UnpicklingError(f"a pickle asked for an attribute, {str(name)[:50]!r}")
    return _ZONE if holder is zoneinfo.ZoneInfo else getattr(holder, name)


def _reconstruct(kind: type, base: type, state: object) -> object:
    """Stand in for `copyreg._reconstructor`, the constructor of protocols 0 and 1."""
    if not isinstance(kind, type) or not isinstance(base, type) or not issubclass(kind, base):
        raise pickle.UnpicklingError("a pickle names something that is no class")
    constructor: Any = base  # any class that was let in
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
# Classes written in Python, which a pickle could change in the fast unpickler.
CAREFUL: dict[tuple[str, str], Any] = {
    (kind.__module__, kind.__name__): kind
    for kind in (
        collections.Counter, fractions.Fraction, uuid.UUID, uuid.SafeUUID,
        ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network,
        ipaddress.IPv6Network,
    )
}  # fmt: skip


class _Utc:
    """Stands for `TimeZone` of the 1.x clients of QuasarDB, which is UTC."""

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
    """Import what the caller allowed by name."""
    found: Any = __import__(module, level=0, fromlist=["_"])
    for part in name.split("."):
        found = getattr(found, part)
    return found


class _FastUnpickler(pickle.Unpickler):
    """The interpreter's unpickler, for types that a pickle can't change."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return FAST[module, name]
        except KeyError:
            raise _NeedsCare from None


_Base: Any = pickle._Unpickler  # noqa: SLF001 - in Python, so that steps can be overridden


class _TextUnpickler(_Base):  # type: ignore[misc]
    """The standard library's unpickler in Python, which reads the strings of Python 2 one by one.

    Those may be text or bytes, and nothing says which: what is UTF-8 becomes that text, anything
    else the text of Latin-1, which loses nothing. Dates and times of Python 2 have such a string
    with their fields.
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
            # To be UTF-8 by chance makes fewer characters of the bytes, and is undone.
            text, size = args[0], _FIELDS[function]
            fields = text.encode("latin-1") if len(text) == size else text.encode()
            self.stack[-1] = (fields, *args[1:])
        _Base.load_reduce(self)

    dispatch[pickle.REDUCE[0]] = load_reduce


_FIELDS: dict[Any, int] = {datetime.datetime: 10, datetime.date: 4, datetime.time: 6}
"""Bytes that the fields of dates and times have in a pickle."""


class _WatchedUnpickler(_TextUnpickler):
    """An unpickler that refuses steps which would change objects that others use."""

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
            raise pickle.UnpicklingError(f"a pickle tried to change {type(target).__name__}")
        _Base.load_build(self)

    dispatch[pickle.BUILD[0]] = load_build

    def load_extension(self) -> None:
        raise pickle.UnpicklingError("a pickle uses extension codes")

    for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4):
        dispatch[_code[0]] = load_extension


_SHARED = (_Sealed, enum.Enum, ModuleType, FunctionType, BuiltinFunctionType)
"""What exists once in the process, so that a change would concern everybody."""


_compat: Any = __import__("_compat_pickle")
_NAMES: dict[tuple[str, str], tuple[str, str]] = _compat.NAME_MAPPING
_MODULES: dict[str, str] = _compat.IMPORT_MAPPING


def _of_python_2(module: str, name: str) -> tuple[str, str]:
    """Return where Python 3 has what Python 2 had by that name."""
    return _NAMES.get((module, name), (_MODULES.get(module, module), name))


def name_as_read(module: str, name: str, protocol: int) -> tuple[str, str]:
    """Return the name that is read where a pickle of this protocol is to name something."""
    if protocol >= 3:
        return module, name
    written = _compat.REVERSE_NAME_MAPPING.get(
        (module, name), (_compat.REVERSE_IMPORT_MAPPING.get(module, module), name)
    )
    return _of_python_2(*written)


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
"""Extension codes of this program, which the fast unpickler resolves without `find_class`."""


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
    buffers: Iterable[memoryview] | None = None,
) -> Any:
    """Return the value of a pickle. `find` gives what neither of the tables has, or raises.

    Raises whatever the pickle provokes.
    """
    if not _EXTENSIONS:  # which bypass `find_class` in the fast one
        file = io.BytesIO(content) if content[:2] in _FRAMED else _Peekable(content)
        try:
            return _FastUnpickler(file, encoding="ascii", buffers=buffers).load()
        except (_NeedsCare, UnicodeDecodeError):
            pass
    return _WatchedUnpickler(io.BytesIO(content), find, buffers).load()


class _TrustingUnpickler(pickle.Unpickler):
    """The interpreter's unpickler, which also knows the time zone of the 1.x clients."""

    def find_class(self, module: str, name: str) -> Any:
        return _Utc if _is_time_zone_of_1_x(module, name) else super().find_class(module, name)


class _TrustingTextUnpickler(_TextUnpickler):
    """The same for strings of Python 2."""

    def find_class(self, module: str, name: str) -> Any:
        return _Utc if _is_time_zone_of_1_x(module, name) else super().find_class(module, name)


def unpickle_anything(
    content: bytes | bytearray | memoryview, buffers: Iterable[memoryview] | None = None
) -> Any:
    """Return the value of a pickle that may name, and run, whatever it wants to."""
    try:
        return _TrustingUnpickler(io.BytesIO(content), buffers=buffers).load()
    except UnicodeDecodeError:
        return _TrustingTextUnpickler(io.BytesIO(content), buffers=buffers).load()
