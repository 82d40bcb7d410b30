r"""The textual form of aliases that are not text.

Text is stored unchanged. Other objects are stored as text that starts with ESCAPE. Text that
would be read as such an object is stored with one more ESCAPE before it.

    ESCAPE "=" object     None, True, -5, 1.5, b'\x00', ('a', 2), UUID('...'), date('2026-01-31')
    ESCAPE "p" base64     any other object, pickled; only in clients with `pickle_aliases`

A listing reads aliases that other clients have written. So only text that `dump_alias` would
write is read as an object; any other text is returned unchanged. The length of an alias bounds
the time and memory of that.
"""

# ruff: noqa: ANN401 - aliases may stand for anything

import base64
import datetime
import decimal
import fractions
import io
import numbers
import operator
import pickle
import re
import uuid
from collections.abc import Callable
from typing import Any

from storekit.codecs.base import Codec
from storekit.codecs.plain import as_bytes, as_float, as_int, as_text
from storekit.errors import CodecError
from storekit.qdb.engine import MAX_ALIAS

__all__ = ["ESCAPE", "dump_alias", "load_alias"]

ESCAPE = "\x10"
"""Starts every alias that is not stored unchanged (DLE, "data link escape")."""

_DEEPEST = 32  # levels of nested tuples

_PROTOCOL = 2


def dump_alias(alias: object, pickled: Codec[Any] | None = None) -> str:
    """Return an alias as text: text unchanged, other objects in a form that `load_alias` reads.

    Equal objects of one type give equal text. `pickled` is the codec of pickled aliases: with
    it, any object that it can read back may be an alias. Equal objects must then have equal
    pickles, which sets do not always have.

    Raises `TypeError` for an object that can't be an alias, `ValueError` for tuples that are
    nested more than 32 levels deep.
    """
    if isinstance(alias, str):
        text = as_text(alias)
        is_own_alias = not text.startswith(ESCAPE) or load_alias(text, pickled) == text
        return text if is_own_alias else ESCAPE + text
    try:
        return f"{ESCAPE}={_dump(alias, 0)}"
    except TypeError:
        if pickled is None:
            raise
        return f"{ESCAPE}p{_dump_pickled(alias, pickled)}"


def load_alias(text: str, pickled: Codec[Any] | None = None) -> Any:
    """Return the object of an alias; text that `dump_alias` would not write comes unchanged."""
    if not text.startswith(ESCAPE) or len(text) > MAX_ALIAS:
        return text
    rest = text.lstrip(ESCAPE)
    try:
        value = _object_of(rest, pickled)
    except (ValueError, TypeError, CodecError, ArithmeticError, RecursionError):
        return text
    return value if len(text) == len(rest) + 1 else text[1:]


def _object_of(text: str, pickled: Codec[Any] | None) -> Any:
    """Return the object whose textual form follows ESCAPE. Raises if it is not such a form."""
    mark, rest = text[:1], text[1:]
    value: Any = None
    canonical = False
    if mark == "=":
        value, end = _load(rest, 0, 0)
        canonical = end == len(rest) and type(value) is not str and _dump(value, 0) == rest
    elif mark == "p" and pickled is not None:
        value = pickled.decode(base64.b64decode(rest, altchars=b"-_", validate=True))
        canonical = dump_alias(value, pickled) == ESCAPE + text
    if not canonical:
        raise ValueError("dump_alias would not write this")
    return value


def _dump_pickled(alias: object, codec: Codec[Any]) -> str:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, _PROTOCOL)
    pickler.fast = True  # no memo: equal parts give equal pickles, the same object or not
    try:
        pickler.dump(alias)
        codec.decode(buffer.getvalue())
    except Exception as error:
        raise TypeError(
            f"an alias of type {type(alias).__name__} can't be pickled and read back: {error}"
        ) from error
    return base64.urlsafe_b64encode(buffer.getvalue()).decode()


# Objects as text

_EXACT: dict[type, tuple[str, Callable[[Any], str]]] = {
    uuid.UUID: ("UUID", str),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.datetime: ("datetime", datetime.datetime.isoformat),
    datetime.time: ("time", datetime.time.isoformat),
    datetime.timedelta: (
        "timedelta",
        lambda each: f"{each.days},{each.seconds},{each.microseconds}",
    ),
    decimal.Decimal: ("Decimal", str),
    fractions.Fraction: ("Fraction", str),
    complex: ("complex", str),
}
"""Exact types: a subclass may have state that the text would lose."""


def _dump(value: object, depth: int) -> str:
    if value is None or value is True or value is False:
        return str(value)
    if isinstance(value, str):
        return _quote(as_text(value))
    if isinstance(value, bytes):
        return repr(as_bytes(value))
    if isinstance(value, int):
        return repr(as_int(value))
    if isinstance(value, float):
        return repr(as_float(value))
    if isinstance(value, tuple):
        if depth >= _DEEPEST:
            raise ValueError(f"the tuples of an alias are nested at most {_DEEPEST} levels deep")
        items = [_dump(item, depth + 1) for item in tuple.__iter__(value)]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if type(value) in _EXACT:
        name, write = _EXACT[type(value)]
        return f"{name}('{write(value)}')"
    if isinstance(value, numbers.Integral):  # integers of numpy
        return repr(operator.index(value))
    raise TypeError(
        "an alias is text, a number, bytes, a date, time or UUID, None, or a tuple of these, not "
        f"{type(value).__name__}; a client with pickle_aliases=True accepts any object"
    )


_NAMED_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quote(text: str) -> str:
    """Return text in quotes as `repr` does, but the same in every version of Python."""
    mark = '"' if "'" in text and '"' not in text else "'"
    escaped = "".join(
        _NAMED_ESCAPES.get(each)
        or (f"\\{each}" if each == mark else f"\\x{ord(each):02x}" if each < " " else each)
        for each in text
    )
    return f"{mark}{escaped}{mark}"


# Text as objects

_NUMBER = re.compile(r"-?(?:inf|nan|[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?)")
_QUOTED = re.compile(r"""(b?)(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")
_NAMED = re.compile(r"([A-Za-z]+)\('([^'\\]*)'\)")
_ESCAPED = re.compile(r"\\(x[0-9a-f]{2}|[^x])")
_CONSTANTS = {"None": None, "True": True, "False": False}


def _load(text: str, at: int, depth: int) -> tuple[Any, int]:
    """Return the object that begins at an index of a text, and the index where it ends.

    Raises `ValueError`. This also accepts some text that `_dump` would not write: the caller
    has to compare.
    """
    if text.startswith("(", at):
        return _load_tuple(text, at + 1, depth + 1)
    for word, value in _CONSTANTS.items():
        if text.startswith(word, at):
            return value, at + len(word)
    if found := _QUOTED.match(text, at):
        is_bytes, single, double = found.groups()
        content = _ESCAPED.sub(_unescape, double if single is None else single)
        return content.encode("latin-1") if is_bytes else content, found.end()
    if found := _NAMED.match(text, at):
        name, content = found.groups()
        if name not in _READERS:
            raise ValueError(f"an alias has no type {name}")
        return _READERS[name](content), found.end()
    if found := _NUMBER.match(text, at):
        whole = found[0].lstrip("-").isdecimal()
        return int(found[0]) if whole else float(found[0]), found.end()
    raise ValueError("no object begins here")


def _load_tuple(text: str, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise ValueError("the tuples are nested too deep")
    items: list[Any] = []
    while not text.startswith(")", at):
        item, at = _load(text, at, depth)
        items.append(item)
        if text.startswith(", ", at):
            at += 2
        elif text.startswith(",", at):
            at += 1
        elif not text.startswith(")", at):
            raise ValueError("a tuple has no end")
    return tuple(items), at + 1


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    if code.startswith("x"):
        return chr(int(code[1:], 16))
    return {"n": "\n", "r": "\r", "t": "\t"}.get(code, code)


def _timedelta(text: str) -> datetime.timedelta:
    days, seconds, microseconds = text.split(",")
    return datetime.timedelta(int(days), int(seconds), int(microseconds))


def _fraction(text: str) -> fractions.Fraction:
    over, _, under = text.partition("/")  # Fraction(text) would also compute 1e999999999
    return fractions.Fraction(int(over), int(under or 1))


_READERS: dict[str, Callable[[str], Any]] = {
    "UUID": uuid.UUID,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": _timedelta,
    "Decimal": decimal.Decimal,
    "Fraction": _fraction,
    "complex": complex,
}
