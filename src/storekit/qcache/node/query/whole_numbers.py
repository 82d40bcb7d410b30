"""Arithmetic on columns of whole numbers: exact, or refused if a result exceeds 64 bits.

Mostly the extremes of columns show that all results fit. Otherwise 128 bits are used.
"""

from collections.abc import Callable
from operator import add, floordiv, mul, sub
from typing import Any

import polars as pl

from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.floats import without_nan
from storekit.qcache.node.tables import FLOAT, INT, LIMITS, UINT

__all__ = [
    "WIDE",
    "absolute",
    "broadcast",
    "floor_divide",
    "minus",
    "modulo",
    "negative",
    "plus",
    "power",
    "times",
    "too_large",
    "within_64_bits",
]

WIDE = pl.Int128()
"""The type of sums that may have more than 64 bits."""

_EXPONENT = 2**32  # Polars supports no larger exponents of whole numbers
_SURELY_BEYOND = 2.0**66


def too_large() -> BadQuery:
    """Return the refusal of a result that no column can hold."""
    return BadQuery("A whole number of the result has more than 64 bits")


def plus(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return the sums."""
    return _exact(add, a, b)


def minus(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return the differences."""
    return _exact(sub, a, b)


def times(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return the products."""
    largest = (a.cast(FLOAT) * b.cast(FLOAT)).abs().max()
    if isinstance(largest, float) and largest >= _SURELY_BEYOND:
        raise too_large()  # also for 128 bits
    return _exact(mul, a, b)


def negative(column: pl.Series) -> pl.Series:
    """Return the negated numbers."""
    if column.dtype == INT and column.min() != LIMITS[INT][0]:
        return -column
    return within_64_bits(pl.Series([0], dtype=WIDE) - column.cast(WIDE), INT)


def absolute(column: pl.Series) -> pl.Series:
    """Return the absolute values."""
    if column.dtype == UINT:
        return column
    if column.min() == LIMITS[INT][0]:
        raise too_large()
    return column.abs()


def floor_divide(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return the quotients, rounded down; floats if a divisor is zero."""
    if a.dtype == INT and a.min() == LIMITS[INT][0] and (b == -1).any():
        quotient = within_64_bits(floordiv(a.cast(WIDE), b.cast(WIDE)), INT)
    else:
        quotient = a // b
    if not quotient.null_count():
        return quotient
    a, b = broadcast(a.cast(FLOAT), b.cast(FLOAT))
    return without_nan((a / b).zip_with(b == 0, quotient.cast(FLOAT)))


def modulo(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return the remainders; floats if a divisor is zero, whose remainder is null."""
    rest = a % b
    return rest.cast(FLOAT) if rest.null_count() else rest


def power(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return the powers. `BadQuery` for exponents below zero, or of more than 32 bits."""
    least, most = b.min(), b.max()
    if isinstance(least, int) and least < 0:
        raise BadQuery("Unknown function in alias: a whole number to the power of a negative one")
    if isinstance(most, int) and most >= _EXPONENT:
        raise BadQuery("An exponent of a whole number is too large")
    # As floats, powers that fit are below all that do not, except those to the power of one.
    sizes = a.cast(FLOAT).abs() ** b.cast(FLOAT)
    if ((sizes >= float(LIMITS[a.dtype][1])) & (b > 1)).any():
        raise too_large()
    return a**b


def broadcast(a: pl.Series, b: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return two columns of the same length, one of which may be a single value."""
    if len(a) == len(b):
        return a, b
    return (a.new_from_index(0, len(b)), b) if len(a) == 1 else (a, b.new_from_index(0, len(a)))


def within_64_bits(numbers: pl.Series, *dtypes: pl.DataType) -> pl.Series:
    """Return numbers of 128 bits as the first type that can hold them all, else `BadQuery`."""
    least, most = _extremes(numbers)
    for dtype in dtypes:
        if least is None or (LIMITS[dtype][0] <= least and most <= LIMITS[dtype][1]):
            return numbers.cast(dtype)
    raise too_large()


def _exact(function: Callable[[Any, Any], Any], a: pl.Series, b: pl.Series) -> pl.Series:
    """Apply a function whose extremes are its values at the extremes of its operands."""
    if a.len() and b.len():
        corners = [function(left, right) for left in _extremes(a) for right in _extremes(b)]
        least, most = LIMITS[a.dtype]
        if min(corners) < least or max(corners) > most:
            return within_64_bits(function(a.cast(WIDE), b.cast(WIDE)), a.dtype)
    result: pl.Series = function(a, b)
    return result


def _extremes(column: pl.Series) -> tuple[Any, Any]:
    return column.min(), column.max()
