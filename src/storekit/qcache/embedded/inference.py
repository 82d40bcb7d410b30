"""What a column of CSV text is: whole numbers, floats, bools or text, as pandas 0.20 sees it."""

import re

import polars as pl

from storekit.qcache.embedded.errors import BadTable
from storekit.qcache.embedded.tables import BOOL, FLOAT, INT, TEXT, UINT, enum_of

__all__ = ["declared", "guess", "has_decimals", "infer"]

_BLANKS = " \t\n\r\x0b\x0c"
_INTEGER = re.compile(r"\+?0*([0-9]*)", re.ASCII)
_NUMBER = re.compile(
    rf"[{_BLANKS}]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[{_BLANKS}]*"
    r"|[+-]?[iI][nN][fF]"
)
_INFINITY = r"^[+-]?[iI][nN][fF]$"
_MAX_INT = 2**63 - 1
_MAX_UINT = 2**64 - 1


def infer(column: pl.Series, *, decimal: bool = False) -> pl.Series:
    """Return a column of text, null where a cell was empty, as what all its values are.

    `decimal`: its first values are numbers, not all of them whole, which saves some looks.
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
    if first.lower() in ("true", "false"):
        return _bools(column)
    return column


def guess(column: pl.Series) -> pl.DataType:
    """Return what to read a whole column as, by its first values: INT, FLOAT, BOOL or TEXT.

    TEXT if there are nulls among numbers: what is null in a column of numbers is not certain.
    """
    inferred = infer(column).dtype
    if inferred == BOOL:
        return BOOL
    if inferred not in (INT, FLOAT) or not len(column) or column.null_count():
        return TEXT
    return FLOAT if has_decimals(column) else INT


def has_decimals(column: pl.Series) -> bool:
    """Whether a column of text has numbers only, and the first that is not whole is a decimal."""
    if infer(column).dtype != FLOAT:
        return False
    text = column.str.strip_chars(_BLANKS)
    return text.cast(INT, strict=False).null_count() > text.null_count()


def declared(column: pl.Series, kind: str) -> pl.Series:
    """Return a column of text as the type that a header gave it."""
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
        if _is_beyond(strange.lstrip("-"), _MAX_INT):
            dtype = _beyond_int(text)
            if dtype != FLOAT:
                return column if dtype == TEXT else text.cast(UINT)
        return _floats(column, text)
    return whole.cast(FLOAT) if whole.null_count() else whole


def _is_beyond(digits: str, limit: int) -> bool:
    """Whether a text starts with digits that make a number above `limit`."""
    match = _INTEGER.match(digits)
    number = match[1] if match else ""
    return len(number) > 20 or int(number or 0) > limit


def _beyond_int(text: pl.Series) -> pl.DataType:
    """Return what a column is that has a number beyond int64 before any other oddity.

    Above int64 it is uint64 if all of it fits. Then the order of the values matters in the
    reference: what comes first of a decimal number, which makes all floats, and a number that
    is beyond uint64 as well, which makes all text.
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
    odd = column.filter(floats.is_finite().not_())
    # Polars takes "nan" and "infinity" as well, and what is too large becomes infinite.
    if not odd.str.contains(_INFINITY).all():
        return None
    return floats


def _bools(column: pl.Series) -> pl.Series:
    lowered = column.str.to_lowercase()
    if not lowered.is_in(["true", "false"]).all():
        return column
    return (lowered == "true").cast(BOOL)
