"""`order_by`, `offset` and `limit`."""

from collections import Counter
from collections.abc import Sequence

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.categories import is_coded, rank
from storekit.qcache.node.query.mixed import sort_key
from storekit.qcache.node.query.refusing import bad_query
from storekit.qcache.node.tables import INT, is_bool, is_mixed, unused_name

__all__ = ["Slice", "check_order", "check_slice", "ordered"]

Slice = tuple[int, int]
"""The first row, and the one after the last."""

_WORTH_IT = 4  # if there are this many times the wanted rows, sorting only candidates is faster


def check_order(header: Sequence[str], order: object) -> list[tuple[int, bool]]:
    """Return the columns to sort by, as places in the header, and whether each descends."""
    if not isinstance(order, list):
        raise bad_query("Invalid format for order_by", order)
    if not all(isinstance(name, str) for name in order):
        raise bad_query("Invalid order by format", order)
    names = [name.removeprefix("-") for name in order]
    places = {name: place for place, name in enumerate(header)}
    if not all(name in places for name in names):
        raise bad_query("Order by column not in table", names)
    if len(places) < len(header):
        times = Counter(header)
        if any(times[name] > 1 for name in names):
            raise bad_query("Order by column is selected twice", names)
    descends: dict[int, bool] = {}
    for name, sign in zip(names, order, strict=True):
        descends.setdefault(places[name], sign.startswith("-"))
    return [*descends.items()]


def check_slice(offset: object, limit: object, length: int) -> Slice:
    """Return the rows that are wanted. Negative numbers count from the end, as in Python."""
    start, stop, _ = slice(_number("offset", offset), None).indices(length)
    rest = max(stop - start, 0)
    _, stop, _ = slice(None, _number("limit", limit)).indices(rest)
    return start, start + stop


def _number(name: str, value: object) -> int | None:
    if not value:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad_query(f"Invalid type for {name}", value)
    return value


def ordered(
    frame: pl.DataFrame, order: list[tuple[int, bool]], wanted: Slice, budget: Budget
) -> pl.DataFrame:
    """Return the wanted rows of a sorted table.

    Nulls come last, whatever the direction. Rows that are equal stay in the order they had.
    """
    start, stop = wanted
    width = frame.width
    descending: dict[str, bool] = {}
    for place, descends in order:
        name = frame.columns[place]
        column = frame.to_series(place)
        if is_mixed(column.dtype) or is_coded(column.dtype):
            key = rank(column) if is_coded(column.dtype) else sort_key(column, budget)
            key = key.alias(unused_name(frame.columns, name))
            frame, name = frame.with_columns(key), key.name
        descending[name] = descends
    if stop * _WORTH_IT < frame.height:
        name = next(iter(descending))
        frame = _candidates(frame, name, descending[name], stop)
    budget.expect(frame.estimated_size() + 8 * frame.height, "sorted rows")
    rows = frame.sort(
        [*descending],
        descending=[*descending.values()],
        nulls_last=True,
        maintain_order=True,
    )
    rows = rows.slice(start, stop - start)
    return rows if rows.width == width else rows[:, :width]


def _candidates(frame: pl.DataFrame, name: str, descending: bool, count: int) -> pl.DataFrame:
    """Return the rows with one of the first `count` values of a column, and those equal to them."""
    key = frame.get_column(name)
    if is_bool(key.dtype):
        key = key.cast(INT)
    if not count or len(key) - key.null_count() < count:
        return frame
    first = key.top_k(count) if descending else key.bottom_k(count)
    last = first.min() if descending else first.max()
    return frame.filter(key >= last if descending else key <= last)
