"""Operations on mixed columns, value by value.

Such columns hold whatever a client stored as JSON. Values of different types are in the order
that Python 2 gives them: numbers, objects, lists, text. Null is in no order.
"""

import operator
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import polars as pl

from storekit.qcache.node.tables import BOOL, INT, TEXT, decode_mixed, is_mixed

__all__ = ["compare_mixed", "is_in_mixed", "sort_key", "text_of"]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare_mixed(op: str, left: pl.Series, right: object) -> pl.Series:
    """Return where a column compares with another one, or with a value, one of them mixed."""
    values, others = _values(left), _values(right)
    if op in ("==", "!="):
        equal = [_equal(a, b) for a, b in _pairs(values, others)]
        return pl.Series(equal if op == "==" else [not each for each in equal], dtype=BOOL)
    order = _ORDERS[op]
    return pl.Series([_ordered(order, a, b) for a, b in _pairs(values, others)], dtype=BOOL)


def is_in_mixed(column: pl.Series, values: Iterable[object]) -> pl.Series:
    """Return where a mixed column has one of some values, none of which is a list or object."""
    wanted = {value for value in values if value is not None}
    return pl.Series(
        [_is_plain(value) and value in wanted for value in decode_mixed(column)], dtype=BOOL
    )


def sort_key(column: pl.Series) -> pl.Series:
    """Return numbers that are in the order of the values of a mixed column."""
    values = decode_mixed(column)
    keys = {_key(value) for value in values if value is not None}
    places = {key: place for place, key in enumerate(sorted(keys))}
    numbers = [None if value is None else places[_key(value)] for value in values]
    return pl.Series(column.name, numbers, dtype=INT)


def text_of(column: pl.Series) -> pl.Series:
    """Return the text in a mixed column, null for all else."""
    values = [value if isinstance(value, str) else None for value in decode_mixed(column)]
    return pl.Series(column.name, values, dtype=TEXT)


def _values(side: object) -> object:
    if not isinstance(side, pl.Series):
        return side
    return decode_mixed(side) if is_mixed(side.dtype) else side.to_list()


def _pairs(left: object, right: object) -> Iterable[tuple[object, object]]:
    left = left if isinstance(left, list) else repeat(left)
    right = right if isinstance(right, list) else repeat(right)
    return zip(left, right, strict=False)


def _equal(a: object, b: object) -> bool:
    return a is not None and a == b


def _ordered(order: Callable[[Any, Any], bool], a: object, b: object) -> bool:
    if a is None or b is None:
        return False
    return order(_key(a), _key(b))


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float | str)


def _key(value: object) -> tuple[int, float, str]:
    """Return what Python 2 would order values by; of lists and objects, just their text."""
    if isinstance(value, int | float):
        return 0, value, ""
    if isinstance(value, str):
        return 3, 0, value
    return 1 if isinstance(value, dict) else 2, 0, str(value)
