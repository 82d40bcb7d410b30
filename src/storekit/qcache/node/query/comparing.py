"""`==`, `<` and so on, between columns, and between a column and a value.

As in pandas on Python 2: null is unequal to everything and in no order; a bool is 0 or 1; where
two values have no common type they are unequal, and numbers come before text.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.query.masks import everywhere, where_both, where_known
from storekit.qcache.node.query.mixed import compare_mixed
from storekit.qcache.node.tables import (
    BOOL,
    FLOAT,
    INT,
    LIMITS,
    TEXT,
    is_bool,
    is_enum,
    is_integer,
    is_mixed,
    is_text,
)

__all__ = [
    "COMPARISONS",
    "Incomparable",
    "compare",
    "compare_columns",
    "compare_plain",
    "mirrored",
]

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NUMBER, _OBJECT, _TEXT = range(3)  # the order of values without a common type


class Incomparable(Exception):
    """The column cannot be compared with this value."""


def mirrored(op: str) -> str:
    """Return the comparison that is equivalent with its sides exchanged."""
    return _MIRRORED.get(op, op)


def compare(op: str, column: pl.Series, value: object, budget: Budget) -> pl.Series:
    """Return where a column compares with a value of JSON; a str is text, not a column."""
    if is_mixed(column.dtype) and value is not None and value == value:
        return compare_mixed(op, column, value, budget)
    return compare_plain(op, column, value)


def compare_plain(op: str, column: pl.Series, value: object) -> pl.Series:
    """Return where a column that is not mixed compares with a value of JSON."""
    dtype = column.dtype
    if is_enum(dtype):
        _check_enum(op)
    if value is None or value != value:
        return everywhere(op == "!=", len(column))
    if isinstance(value, str):
        if is_text(dtype) or is_enum(dtype):
            return _unequal_to_null(op, column, _apply(op, column, value))
        if not is_bool(dtype) or not column.null_count():
            raise Incomparable
        return _apart(op, column, _rank(dtype) < _TEXT)
    if isinstance(value, int | float) and _rank(dtype) == _NUMBER:
        return _unequal_to_null(op, column, _compare_number(op, column, value))
    number = isinstance(value, int | float)
    return _apart(op, column, _rank(dtype) < (_NUMBER if number else _OBJECT))


def compare_columns(op: str, left: pl.Series, right: pl.Series, budget: Budget) -> pl.Series:
    """Return where two columns compare. One of them may be a single value."""
    if is_enum(left.dtype) or is_enum(right.dtype):
        _check_enum(op)
        left, right = _enums_as_text(left, right)
    if is_mixed(left.dtype) or is_mixed(right.dtype):
        return compare_mixed(op, left, right, budget)
    ranks = _rank(left.dtype), _rank(right.dtype)
    if ranks[0] != ranks[1]:
        if op in ("==", "!="):
            return everywhere(op == "!=", max(len(left), len(right)))
        holds = (ranks[0] < ranks[1]) == (op in ("<", "<="))
        return where_both(holds, left, right)
    if left.dtype != right.dtype or is_bool(left.dtype):
        left, right = _as_number(left), _as_number(right)
    mask = _apply(op, left, right)
    if op == "!=" and mask.null_count():
        return mask | mask.is_null()
    return mask


def _apply(op: str, left: pl.Series, right: object) -> pl.Series:
    mask = COMPARISONS[op](left, right)
    assert isinstance(mask, pl.Series)  # noqa: S101 - what columns compare to
    return mask


def _unequal_to_null(op: str, column: pl.Series, mask: pl.Series) -> pl.Series:
    return mask | column.is_null() if op == "!=" and column.null_count() else mask


def _apart(op: str, column: pl.Series, before: bool) -> pl.Series:
    """Compare a column with a value of a type that is ordered before or after all its values."""
    if op in ("==", "!="):
        return everywhere(op == "!=", len(column))
    return where_known(before == (op in ("<", "<=")), column)


def _compare_number(op: str, column: pl.Series, value: float) -> pl.Series:
    if is_bool(column.dtype):
        if isinstance(value, bool) and op in ("==", "!="):
            return _apply(op, column, value)
        column = column.cast(INT)
    if isinstance(value, bool):
        value = int(value)
    if column.dtype == FLOAT:
        return _apply(op, column, _as_float(value))
    if isinstance(value, int):
        least, most = LIMITS[column.dtype]
        if not least <= value <= most:
            return _apart(op, column, value > most)
    return _apply(op, column, value)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _as_number(column: pl.Series) -> pl.Series:
    return column.cast(INT) if is_bool(column.dtype) else column


def _rank(dtype: pl.DataType) -> int:
    return _NUMBER if dtype in (FLOAT, BOOL) or is_integer(dtype) else _TEXT


def _check_enum(op: str) -> None:
    if op not in ("==", "!="):
        raise Incomparable  # categories have no order


def _enums_as_text(left: pl.Series, right: pl.Series) -> tuple[pl.Series, pl.Series]:
    if is_enum(left.dtype) and is_enum(right.dtype):
        if left.dtype != right.dtype:
            raise Incomparable
        return left, right
    return (
        left.cast(TEXT) if is_enum(left.dtype) else left,
        right.cast(TEXT) if is_enum(right.dtype) else right,
    )
