"""Operations on mixed columns, value by value.

Such columns hold whatever a client stored as JSON. Values of different types are in the order
that Python 2 gives them: numbers, objects, lists, text. Null is in no order.

As objects, values take many times the memory of their JSON, so they are decoded in steps.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.tables import BOOL, INT, TEXT, decode_mixed, is_mixed

__all__ = ["compare_mixed", "is_in_mixed", "sort_key", "text_of", "values_of_mixed"]

_STEP = 2**20
"""Bytes of JSON that are decoded at a time."""

_TIMES_JSON = 30
"""Maximum bytes of objects for one byte of JSON: an empty list takes 72, and a reference."""

_KEY = 200
"""Bytes of a sort key besides its text."""

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare_mixed(op: str, left: pl.Series, right: object, budget: Budget) -> pl.Series:
    """Return where a column compares with another one, or with a value, one of them mixed."""
    lengths = [len(side) for side in (left, right) if isinstance(side, pl.Series)]
    rows = max(lengths) if min(lengths) else 0
    pairs = zip(_side(left, rows, budget), _side(right, rows, budget), strict=False)
    if op == "==":
        found = [_equal(a, b) for a, b in pairs]
    elif op == "!=":
        found = [not _equal(a, b) for a, b in pairs]
    else:
        order = _ORDERS[op]
        found = [_ordered(order, a, b) for a, b in pairs]
    return pl.Series(found, dtype=BOOL)


def is_in_mixed(column: pl.Series, values: Iterable[object], budget: Budget) -> pl.Series:
    """Return where a mixed column has one of some values, none of which is a list or object."""
    wanted = {value for value in values if value is not None}
    found = [_is_plain(value) and value in wanted for value in _values(column, budget)]
    return pl.Series(found, dtype=BOOL)


def sort_key(column: pl.Series, budget: Budget) -> pl.Series:
    """Return numbers in the order of the values of a mixed column."""
    with budget.lend(_KEY * len(column) + 2 * column.estimated_size(), "the order of values"):
        keys = [None if value is None else _key(value) for value in _values(column, budget)]
        places = {
            key: place for place, key in enumerate(sorted({key for key in keys if key is not None}))
        }
        numbers = [None if key is None else places[key] for key in keys]
        return pl.Series(column.name, numbers, dtype=INT)


def text_of(column: pl.Series, budget: Budget) -> pl.Series:
    """Return the text in a mixed column, null for other values."""
    budget.take(16 * len(column) + column.estimated_size(), "the text of a column")
    values = [value if isinstance(value, str) else None for value in _values(column, budget)]
    return pl.Series(column.name, values, dtype=TEXT)


def values_of_mixed(column: pl.Series, budget: Budget) -> list[object]:
    """Return all values of a mixed column as objects."""
    budget.take(_TIMES_JSON * column.estimated_size(), "values of several types")
    return [*_values(column, budget)]


def _side(side: object, rows: int, budget: Budget) -> Iterator[object]:
    """Yield the values of a column; a single value is repeated for all rows."""
    if not isinstance(side, pl.Series):
        return repeat(side)
    values = _values(side, budget)
    return values if len(side) == rows else repeat(next(values))


def _values(column: pl.Series, budget: Budget) -> Iterator[object]:
    if not is_mixed(column.dtype):
        for rows in budget.steps(len(column), _STEP // 16):
            yield from column[rows].to_list()
        return
    ends = column.bin.size().fill_null(0).cast(INT).cum_sum()
    start = passed = 0
    while start < len(column):
        budget.check()
        # the rows of one step, at least one
        stop = max(int(ends.search_sorted(passed + _STEP, "right")), start + 1)
        end = int(ends[stop - 1])
        with budget.lend(_TIMES_JSON * (end - passed), "values of several types"):
            yield from decode_mixed(column[start:stop])
        start, passed = stop, end


def _equal(a: object, b: object) -> bool:
    return a is not None and a == b


def _ordered(order: Callable[[Any, Any], bool], a: object, b: object) -> bool:
    if a is None or b is None:
        return False
    return order(_key(a), _key(b))


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float | str)


def _key(value: object) -> tuple[int, float, str]:
    """Return a key that orders values as Python 2 does, lists and objects by their text."""
    if isinstance(value, int | float):
        return 0, value, ""
    if isinstance(value, str):
        return 3, 0, value
    return 1 if isinstance(value, dict) else 2, 0, str(value)
