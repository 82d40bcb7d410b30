"""Values as plain pickles, which nothing in the store can turn into running code.

No frame and no mark: what any other client pickled reads back here, and the other way
round. Decoding has two speeds. Plain data and immutable C types go through the
interpreter's own unpickler. What names a class written in Python is decoded a second time,
by the slower one of the standard library, whose steps can be watched: a class that is
handed out could otherwise be changed for the whole process by the pickle that names it.
"""

# ruff: noqa: ANN401 - pickles hold anything

import base64
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
import uuid
import zoneinfo
from ast import literal_eval
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, ClassVar

from storekit.errors import StoreKitError

__all__ = [
    "DEFAULT_PICKLER",
    "PROTOCOL",
    "Allowed",
    "ClassNotAllowed",
    "UnreadableValue",
    "ValuePickler",
]

PROTOCOL = 2
"""The protocol of what is written. Compare-and-swap compares pickles, so it must be the same
in every client and on every Python; 2 is the newest that every client there has been reads."""

_MARK = "\x10"
"""Starts every alias that stands for something else than itself (DLE, "data link escape")."""

Allowed = Iterable[type | Callable[..., Any] | str]


class UnreadableValue(StoreKitError):
    """Content that is not a pickle, or a damaged one."""


class ClassNotAllowed(UnreadableValue):
    """A pickle that names what the client was not told to let in. `name` is what to allow."""

    def __init__(self, module: str, name: str) -> None:
        self.name: str = f"{module}.{name}"
        super().__init__(
            f"the value holds {self.name}, which decoding does not let in. If you trust it, "
            f'add it where the client is made: allow=["{self.name}"]'
        )


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
_FAST: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Sealed(_encode),
    ("builtins", "getattr"): _Sealed(_getattr),
    ("copyreg", "_reconstructor"): _Sealed(_reconstruct),
    ("zoneinfo", "ZoneInfo"): zoneinfo.ZoneInfo,
    ("zoneinfo", "ZoneInfo._unpickle"): _ZONE,
    ("decimal", "Decimal"): decimal.Decimal,
}
_FAST |= {
    ("builtins", kind.__name__): kind
    for kind in (
        bool, bytearray, bytes, complex, dict, float, frozenset, int, list, object, range, set,
        slice, str, tuple,
    )
}  # fmt: skip
_FAST |= {
    ("datetime", kind.__name__): kind
    for kind in (
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone,
    )
}  # fmt: skip
_FAST |= {
    ("collections", kind.__name__): kind
    for kind in (collections.OrderedDict, collections.defaultdict, collections.deque)
}
# Classes that a pickle could change if nobody watched it.
_CAREFUL: dict[tuple[str, str], Any] = {
    (kind.__module__, kind.__name__): kind
    for kind in (
        collections.Counter, fractions.Fraction, uuid.UUID, uuid.SafeUUID,
        ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network,
        ipaddress.IPv6Network,
    )
}  # fmt: skip
_CAREFUL |= {
    (module, kind.__name__): kind
    for module in ("pathlib", "pathlib._local")  # where Python 3.13 has them
    for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath)
}


class ValuePickler:
    """Pickles and unpickles the values and aliases of one client.

    `allow` adds classes and functions, themselves or by name (`"module.Class"`), to what
    decoding lets in: their constructors and `__setstate__` then run with whatever
    arguments the store holds. `trust_pickle` lets in everything, **so that whoever can
    write to the store can run code in this process**.

    Decoding otherwise runs no code of the pickle's choosing. It does not bound memory: a
    pickle of few bytes can stand for a large value.
    """

    def __init__(
        self, allow: Allowed = (), *, trust_pickle: bool = False, protocol: int = PROTOCOL
    ) -> None:
        if isinstance(allow, str | type) or callable(allow):
            raise TypeError("allow must be a list, e.g. allow=[MyClass]")
        if isinstance(protocol, bool) or protocol not in range(pickle.HIGHEST_PROTOCOL + 1):
            raise ValueError(f"there is no pickle protocol {protocol!r}")
        self._protocol = protocol
        self._trusts = trust_pickle
        self._allowed: dict[tuple[str, str], Any] = {}
        self._allowed_names: set[str] = set()
        for item in allow:
            if isinstance(item, str):
                self._allowed_names.add(item)
            elif callable(item) and hasattr(item, "__qualname__"):
                self._allowed[item.__module__, item.__qualname__] = item
            else:
                raise TypeError(f"allow takes classes, functions and their names, not {item!r}")

    def dump(self, value: object) -> bytes:
        """Return the pickle of a value. Raises `TypeError` if there is none."""
        try:
            return pickle.dumps(value, self._protocol)
        except Exception as error:
            raise TypeError(
                f"a value of type {type(value).__name__} can't be pickled: {error}"
            ) from error

    def load(self, content: bytes | bytearray | memoryview) -> Any:
        """Return the value of a pickle of any protocol, of Python 2 as well.

        Text of Python 2 that may be bytes becomes str: as UTF-8, or, where that does not
        fit, as Latin-1, which loses nothing.

        Raises:
            ClassNotAllowed: It names what is not let in; the message has the line to add.
            UnreadableValue: It is no pickle, or is damaged.

        """
        try:
            try:
                return self._load(content, "utf-8")
            except UnicodeDecodeError:
                return self._load(content, "latin-1")
        except UnreadableValue:
            raise
        except Exception as error:
            raise UnreadableValue(
                f"the content can't be unpickled ({type(error).__name__}); "
                "read it with a raw client if it was not written by a Client"
            ) from error

    def _load(self, content: bytes | bytearray | memoryview, encoding: str) -> Any:
        if self._trusts:
            return pickle.loads(content, encoding=encoding)  # noqa: S301 - the caller asked for it
        # Registered extension codes bypass `find_class` in the fast one.
        if not copyreg._extension_registry:  # type: ignore[attr-defined] # noqa: SLF001
            try:
                return _FastUnpickler(io.BytesIO(content), encoding=encoding).load()
            except _NeedsCare:
                pass
        return _WatchedUnpickler(io.BytesIO(content), encoding, self._find).load()

    def _find(self, module: str, name: str) -> Any:
        key = (module, name)
        for table in (_FAST, _CAREFUL, self._allowed):
            if key in table:
                return table[key]
        if f"{module}.{name}" in self._allowed_names:
            return _import(module, name)
        raise ClassNotAllowed(module, name)

    # Aliases

    def dump_alias(self, alias: object) -> str:
        """Return an alias as text: text as it is, anything else in a form that reads back.

        Equal numbers, bytes, and tuples of these are equal text. Of other objects, the
        pickles must be equal, which those of sets are not.

        Raises `TypeError` if the object can't be pickled.
        """
        if isinstance(alias, str):
            return _MARK + alias if alias.startswith(_MARK) else str(alias)
        if _is_literal(alias):
            return f"{_MARK}={alias!r}"
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, PROTOCOL)
        pickler.fast = True  # no memo: whether two parts are one object must not matter
        try:
            pickler.dump(alias)
        except Exception as error:
            raise TypeError(
                f"an alias of type {type(alias).__name__} can't be pickled: {error}"
            ) from error
        return f"{_MARK}p{base64.urlsafe_b64encode(buffer.getvalue()).decode()}"

    def load_alias(self, text: str) -> Any:
        """Return the object that an alias stands for; text that stands for none as it is."""
        if not text.startswith(_MARK):
            return text
        mark, rest = text[1:2], text[2:]
        if mark == _MARK:
            return text[1:]
        try:
            if mark == "=":
                value = literal_eval(rest)
            elif mark == "p":
                value = self.load(base64.b64decode(rest, altchars=b"-_", validate=True))
            else:
                return text
        except (SyntaxError, ValueError, RecursionError, MemoryError, UnreadableValue):
            return text
        return value


def _is_literal(value: object) -> bool:
    if type(value) is tuple:
        return all(type(item) is str or _is_literal(item) for item in value)
    if type(value) is float:
        return value - value == 0  # neither infinite nor no number
    return value is None or type(value) in (int, bool, bytes)


def _import(module: str, name: str) -> Any:
    """Import what the caller allowed by name."""
    found: Any = __import__(module, level=0, fromlist=["_"])
    for part in name.split("."):
        found = getattr(found, part)
    return found


class _FastUnpickler(pickle.Unpickler):
    """The interpreter's unpickler, for what it can't harm."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _FAST[module, name]
        except KeyError:
            raise _NeedsCare from None


_Base: Any = pickle._Unpickler  # noqa: SLF001 - the one that can be watched


class _WatchedUnpickler(_Base):  # type: ignore[misc]
    """The standard library's unpickler in Python, with eyes on what changes objects."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Base.dispatch)

    def __init__(self, file: io.BytesIO, encoding: str, find: Callable[[str, str], Any]) -> None:
        super().__init__(file, encoding=encoding)
        self._find = find

    def find_class(self, module: str, name: str) -> Any:
        if self.proto < 3:  # names of Python 2
            module, name = _NAMES.get((module, name), (_MODULES.get(module, module), name))
        return self._find(module, name)

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

DEFAULT_PICKLER = ValuePickler()
"""Lets in plain data and the standard value types."""
