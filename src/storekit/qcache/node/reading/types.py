"""Types of CSV columns: whole numbers, floats, bools or text, as pandas 0.20 infers them."""

import math
import re
from typing import NamedTuple

import polars as pl

from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.tables import BOOL, FLOAT, INT, TEXT, UINT, enum_of

__all__ = ["Guess", "begins_with_text", "declared", "guess", "infer", "is_finite"]

_BLANKS = " \t\n\r\x0b\x0c"
_INTEGER = re.compile(r"\+?0*([0-9]*)", re.ASCII)
_NUMBER = re.compile(
    rf"[{_BLANKS}]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[{_BLANKS}]*"
    r"|[+-]?[iI][nN][fF]"
)
_BOOLS = frozenset(("true", "false"))  # in any case, as Polars parses them
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(  # without numbers beyond int64, which may make a text
    r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]*|(?=[eE]))|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII
)
_INFINITY = r"^[+-]?[iI][nN][fF]$"
_MAX_INT = 2**63 - 1
_MAX_UINT = 2**64 - 1


class Guess(NamedTuple):
    """The expected type of a column, INT, FLOAT, BOOL or TEXT, and details of numbers."""

    dtype: pl.DataType
    decimal: bool = False  # the first values are numbers, not all of them whole


def infer(column: pl.Series, *, decimal: bool = False) -> pl.Series:
    """Convert a column of text, with null for empty cells, to the type of all its values.

    `decimal`: its first values are numbers, not all of them whole, which saves some checks.
    """
    if not len(column):
        return column
    if decimal:
        floats = _floats(column, column)
        if floats is not None:
            return floats
    first = _first(column)
    if first is None:
        return column.cast(FLOAT)
    if _NUMBER.fullmatch(first):
        number = _numbers(column)
        return column if number is None else number
    return _bools(column) if _is_bool(first) else column


def begins_with_text(column: pl.Series) -> bool:
    """Whether the first value of a column is neither number nor bool: then the column is text."""
    first = _first(column)
    return first is not None and not _NUMBER.fullmatch(first) and not _is_bool(first)


def _is_bool(text: str) -> bool:
    return len(text) <= len("false") and text.lower() in _BOOLS


def guess(column: pl.Series) -> Guess:
    """Guess the type of a column by its first values.

    If a column of numbers has nulls, they may be other values: it is then parsed as text.
    """
    values = column.drop_nulls().to_list()
    decimal = False
    for value in values:
        if _DECIMAL.fullmatch(value):
            decimal = True
        elif not _WHOLE.fullmatch(value):
            return Guess(BOOL if _BOOLS.issuperset(map(str.lower, values)) else TEXT)
    if not values:
        return Guess(TEXT)
    if column.null_count():
        return Guess(TEXT, decimal)
    return Guess(FLOAT if decimal else INT, decimal)


def declared(column: pl.Series, kind: str) -> pl.Series:
    """Convert a column of text to the type that a header declares."""
    if kind == "enum":
        return enum_of(column)
    if kind == "string":
        return column
    floats = _floats(column, column.str.strip_chars(_BLANKS))
    if floats is None:
        bools = _bools(column)
        if bools.dtype == BOOL:
            return bools.cast(FLOAT)
        raise BadTable(f"column {column.name!r} is declared as float, but has text")
    return floats


def _first(column: pl.Series) -> str | None:
    if column.null_count() == len(column):
        return None
    value = column.item(column.is_not_null().arg_max())
    return str(value)


def _numbers(column: pl.Series) -> pl.Series | None:
    """Return the column as whole numbers, or else as floats; None if it has other text."""
    text = column
    whole = text.cast(INT, strict=False)
    if whole.null_count() > text.null_count():
        text = text.str.strip_chars(_BLANKS)
        whole = text.cast(INT, strict=False)
    if whole.null_count() > text.null_count():
        strange = str(text.filter(whole.is_null() & text.is_not_null()).item(0))
        if _is_beyond_int(strange):
            dtype = _beyond_int(text)
            if dtype != FLOAT:
                return column if dtype == TEXT else text.cast(UINT)
        return _floats(column, text)
    if not whole.null_count():
        return whole
    minus_zero = text.filter(whole == 0).str.starts_with("-").any()
    return text.cast(FLOAT) if minus_zero else whole.cast(FLOAT)


def is_finite(floats: pl.Series) -> bool:
    """Whether a column of floats certainly has neither infinity nor NaN, by its sum.

    The sum is the fastest check. The result may be False for very large numbers.
    """
    return math.isfinite(floats.sum())


def _is_beyond_int(text: str) -> bool:
    """Whether a text starts with digits that make a number beyond int64."""
    if text.startswith("-"):
        return _is_beyond(text[1:], _MAX_INT + 1)
    return _is_beyond(text, _MAX_INT)


def _is_beyond(digits: str, limit: int) -> bool:
    """Whether a text starts with digits that make a number above `limit`."""
    match = _INTEGER.match(digits)
    number = match[1] if match else ""
    return len(number) > 20 or int(number or 0) > limit


def _beyond_int(text: pl.Series) -> pl.DataType:
    """Return the type of a column whose first irregular value is a number beyond int64.

    It is uint64 if all values fit. Otherwise the order of values matters, as in QCache: the first
    of a decimal number, which makes all floats, and a number beyond uint64, which makes all text.
    """
    negative = large = False
    for value in text.drop_nulls():
        if value.startswith("-"):
            negative = True
        elif _is_beyond(value, _MAX_UINT):
            return TEXT
        elif not value.removeprefix("+").isdecimal() or not value.isascii():
            return FLOAT
        else:
            large = large or _is_beyond(value, _MAX_INT)
    return TEXT if negative or (large and text.null_count()) else UINT


def _floats(column: pl.Series, text: pl.Series) -> pl.Series | None:
    """Return `text`, the column without blanks around values, as floats if all are."""
    floats = text.cast(FLOAT, strict=False)
    if floats.null_count() > text.null_count():
        return None
    if is_finite(floats):
        return floats
    odd = column.filter(floats.is_finite().not_())
    # Polars also accepts "nan" and "infinity", and too large numbers become infinite.
    if not odd.str.contains(_INFINITY).all():
        return None
    return floats


def _bools(column: pl.Series) -> pl.Series:
    lowered = column.str.to_lowercase()
    if not lowered.is_in(list(_BOOLS)).all():
        return column
    return (lowered == "true").cast(BOOL)
