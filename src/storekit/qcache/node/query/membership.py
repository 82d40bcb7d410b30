"""`in`: whether a column has one of some values.

The values are cast to the type of the column, as pandas does it: for whole numbers `"1"` and
`1.9` are 1. If one of them cannot be cast, none is, and only equal values match.
"""

import math
import re
from collections.abc import Sequence
from functools import reduce
from operator import or_

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.comparing import Incomparable, compare_plain
from storekit.qcache.node.query.masks import everywhere
from storekit.qcache.node.query.mixed import is_in_mixed, values_of_mixed
from storekit.qcache.node.tables import (
    INT,
    LIMITS,
    TEXT,
    UINT,
    is_bool,
    is_enum,
    is_integer,
    is_mixed,
    is_number,
    is_text,
)

__all__ = ["is_in_column", "is_in_values"]

# Up to so many values, comparing each is faster than a look-up: always, and with few rows.
_FEW, _SOME = 3, 16
_SMALL = 1000
_MEMBER = 100  # bytes of a value to look for, and of its place in a hash table
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)


class _NoCast(Exception):
    """A value cannot be cast to the type of the column."""


def is_in_values(column: pl.Series, values: Sequence[object], budget: Budget) -> pl.Series:
    """Return where a column has one of the values of a list of JSON.

    Lists or objects among the values are `Incomparable`. `BadQuery` if a number is too large for
    a column of whole numbers.
    """
    budget.expect(_MEMBER * len(values), "the values of in")
    if any(isinstance(value, list | dict) for value in values):
        raise Incomparable
    dtype = column.dtype
    if is_mixed(dtype):
        return _or_null(is_in_mixed(column, values, budget), column, None in values)
    if is_text(dtype) or is_enum(dtype):
        return _found(column, [value for value in values if isinstance(value, str)])
    if is_bool(dtype):
        nullable = bool(column.null_count())
        column = column.cast(INT)
        numbers = _equal_to_whole(values) if nullable else _whole_numbers(values, UINT)
        return _found(column, [number for number in numbers if number in (0, 1)])
    if is_integer(dtype):
        return _found(column, _whole_numbers(values, dtype))
    try:
        floats = [_float(value) for value in values]
    except _NoCast:
        return _found(column, [value for value in values if isinstance(value, int | float)])
    mask = _found(column, [value for value in floats if value == value])
    return _or_null(mask, column, any(value != value for value in floats))


def is_in_column(column: pl.Series, found: pl.Series, budget: Budget) -> pl.Series:
    """Return where a column has one of the values of another one; null is in it as null.

    A column of numbers is `Incomparable` with text.
    """
    budget.expect(_MEMBER * len(found) + found.estimated_size(), "the values of in")
    budget.check()
    if is_mixed(column.dtype) or is_mixed(found.dtype):
        return _is_in_objects(column, found, budget)
    if is_bool(column.dtype) and is_bool(found.dtype):
        return _look_up(column, found)
    if is_number(column.dtype) or (is_bool(column.dtype) and not column.null_count()):
        return _is_in_numbers(column, found)
    if is_number(found.dtype) or (is_bool(found.dtype) and not found.null_count()):
        raise Incomparable
    if is_bool(column.dtype) != is_bool(found.dtype):
        return column.is_null() if found.null_count() else everywhere(False, len(column))
    if is_enum(column.dtype) or is_enum(found.dtype):
        column, found = column.cast(TEXT), found.cast(TEXT)
    return _look_up(column, found)


def _is_in_objects(column: pl.Series, found: pl.Series, budget: Budget) -> pl.Series:
    values = values_of_mixed(found, budget) if is_mixed(found.dtype) else found.to_list()
    if any(isinstance(value, list | dict) for value in values):
        raise Incomparable
    if is_mixed(column.dtype):
        mask = is_in_mixed(column, values, budget)
    else:
        mask = is_in_values(column, [value for value in values if value is not None], budget)
    return _or_null(mask, column, None in values)


def _is_in_numbers(column: pl.Series, found: pl.Series) -> pl.Series:
    if is_bool(column.dtype):
        column = column.cast(INT)
    if is_enum(found.dtype):
        found = found.cast(TEXT)
    cast = found.cast(column.dtype, strict=False)
    if is_text(found.dtype) and cast.null_count() > found.null_count():
        return everywhere(False, len(column))
    return _look_up(column, cast)


def _or_null(mask: pl.Series, column: pl.Series, wanted: bool) -> pl.Series:
    return mask | column.is_null() if wanted else mask


def _look_up(column: pl.Series, found: pl.Series) -> pl.Series:
    return column.is_in(found.implode(), nulls_equal=bool(found.null_count()))


def _found(column: pl.Series, values: Sequence[float | str]) -> pl.Series:
    if not values:
        return everywhere(False, len(column))
    if len(values) <= (_SOME if len(column) < _SMALL else _FEW):
        return reduce(or_, [compare_plain("==", column, value) for value in values])
    dtype = TEXT if isinstance(values[0], str) else column.dtype
    return column.is_in(pl.Series(values, dtype=dtype, strict=False).implode())


def _whole_numbers(values: Sequence[object], dtype: pl.DataType) -> list[int]:
    """Return values as whole numbers of the type of a column."""
    try:
        numbers = [_whole(value) for value in values]
    except _NoCast:
        return _within(_equal_to_whole(values), dtype)
    most = 2**63 if dtype == INT else 2**64
    if not all(-(2**63) <= number < most for number in numbers):
        raise BadQuery("in: a number of the list is too large for a column of whole numbers")
    return _within(numbers, dtype)


def _within(numbers: Sequence[int], dtype: pl.DataType) -> list[int]:
    least, most = LIMITS[dtype]
    return [number for number in numbers if least <= number <= most]


def _equal_to_whole(values: Sequence[object]) -> list[int]:
    return [
        int(value)
        for value in values
        if isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    ]


def _whole(value: object) -> int:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value == value:
        if math.isinf(value):
            raise BadQuery("in: infinity is not in a column of whole numbers")
        return math.trunc(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise _NoCast


def _float(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise _NoCast
    try:
        return float(value)  # type: ignore[arg-type] # lists and objects were refused
    except ValueError as error:
        raise _NoCast from error
    except OverflowError:
        return math.inf
