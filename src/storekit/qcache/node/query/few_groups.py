"""Aggregates few large groups one after the other, instead of hashing the rows.

Sums of half a million rows in 14 groups take less than half of the time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from storekit.qcache.node.categories import is_coded, values_of
from storekit.qcache.node.query.aggregates import plain_function
from storekit.qcache.node.tables import FLOAT, INT

__all__ = ["few_groups"]

_MOST = 16
"""Maximum number of groups for which this is faster."""

_DTYPES = {"count": INT, "mean": FLOAT}
"""Types of results that are not the type of the column."""


def few_groups(frame: pl.DataFrame, key: str, functions: Mapping[str, str]) -> pl.DataFrame | None:
    """Return one row for each text in a column, in no order, but for null.

    None unless the column is stored as few codes, and the functions are simple ones of numbers.
    """
    column = frame.get_column(key)
    if not is_coded(column.dtype):
        return None
    texts = values_of(column)
    if len(texts) > _MOST:
        return None
    results: list[_Result] = []
    for name, function in functions.items():
        values = frame.get_column(name)
        call = plain_function(function, values)
        if call is None:
            return None
        results.append(_Result(values, call, _DTYPES.get(function, values.dtype)))
    codes = column.to_physical()
    kept: list[int] = []
    for code in range(len(texts)):
        mask = codes == code
        if mask.any():
            kept.append(code)
            for result in results:
                result.add(mask)
    return pl.DataFrame([texts.gather(kept).alias(key), *(result.column() for result in results)])


@dataclass(frozen=True, slots=True)
class _Result:
    """The results of a function, group by group."""

    values: pl.Series
    function: Callable[[pl.Series], object]
    dtype: pl.DataType
    found: list[object] = field(default_factory=list)

    def add(self, mask: pl.Series) -> None:
        self.found.append(self.function(self.values.filter(mask)))

    def column(self) -> pl.Series:
        return pl.Series(self.values.name, self.found, self.dtype)
