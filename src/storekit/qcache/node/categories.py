"""Text with few different values is stored as codes of one or two bytes a row.

This is internal to stored tables. In the query language such a column is text: conditions are
evaluated once for each different value, and results have the text.
"""

from collections.abc import Callable, Container
from functools import reduce
from operator import or_

import polars as pl

from storekit.qcache.node.tables import TEXT

__all__ = [
    "as_text",
    "by_value",
    "compact",
    "fitting",
    "is_coded",
    "rank",
    "values_of",
    "with_text",
]

_LEAST = 10_000
"""Minimum number of rows for codes."""

_LEAST_CHUNK = 50_000
"""Rows that the pieces of a column have on average, or they are joined, which takes a tenth of
the time to store a table. With such pieces queries take as long as with one, with pieces of 13 000
rows up to a third longer."""

_SAMPLE = 10_000
_MOST_BYTES = 2**8 - 1  # codes of a byte: one stands for null
_FEW_CODES = 8  # up to this number, comparing each is faster than a look-up
_SHORT = 1_000  # up to this number of rows, either way to text is fast


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table in the form in which it takes the least memory."""
    if frame.height >= _LEAST and TEXT in frame.dtypes:
        dtypes = [fitting(column) for column in frame]
        try:  # all columns in parallel
            frame = frame.select(
                pl.nth(place).cast(first) for place, (first, _) in enumerate(dtypes)
            )
        except pl.exceptions.ComputeError:  # a column has more different values than its sample
            columns = zip(frame.get_columns(), dtypes, strict=True)
            frame = pl.DataFrame([_cast(column, *either) for column, either in columns])
    pieces = set(frame.n_chunks("all"))
    if len(pieces) == 1 and _LEAST_CHUNK * max(pieces) <= frame.height:
        return frame
    return frame.rechunk()


def fitting(column: pl.Series) -> tuple[pl.DataType, pl.DataType]:
    """Return two types for a column: one that probably fits, and one if it does not.

    They differ for text only, if the column is not short.
    """
    if column.dtype != TEXT or len(column) < _LEAST:
        return column.dtype, column.dtype
    sample = column.gather_every(max(len(column) // _SAMPLE, 1))
    different = sample.n_unique()
    if different > len(sample) // 2:
        return TEXT, TEXT
    # with its own categories, which are freed with the column
    wide = pl.Categorical(pl.Categories.random(physical=pl.UInt16))
    if different > _MOST_BYTES // 2:
        return wide, TEXT
    return pl.Categorical(pl.Categories.random(physical=pl.UInt8)), wide


def _cast(column: pl.Series, *dtypes: pl.DataType) -> pl.Series:
    for dtype in dtypes:
        try:
            return column.cast(dtype)
        except pl.exceptions.ComputeError:
            continue
    return column


def is_coded(dtype: pl.DataType) -> bool:
    """Whether a column is text that is stored as codes."""
    return isinstance(dtype, pl.Categorical)


def as_text(column: pl.Series) -> pl.Series:
    """Return a column with text instead of codes."""
    if not is_coded(column.dtype):
        return column
    if len(column) <= _SHORT:
        return column.cast(TEXT)
    return values_of(column).gather(column.to_physical()).alias(column.name)


def with_text(frame: pl.DataFrame, names: Container[str] | None = None) -> pl.DataFrame:
    """Return a table with text instead of codes, in all columns or the named ones."""
    if not any(map(is_coded, frame.dtypes)):
        return frame
    return pl.DataFrame(
        [as_text(column) if names is None or column.name in names else column for column in frame]
    )


def by_value(column: pl.Series, function: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Return the mask that a function of single values gives for a column."""
    if not is_coded(column.dtype):
        return function(column)
    values = values_of(column)
    if column.null_count():
        values = values.extend(pl.Series([None], dtype=TEXT))
    holds = function(values)
    codes = column.to_physical()
    wanted = holds.arg_true()
    null = len(values) - 1 if column.null_count() else None
    found = wanted.filter(wanted != null) if null is not None else wanted
    if len(found) <= _FEW_CODES:
        mask = reduce(or_, [codes == code for code in found], _nowhere(codes))
    else:
        mask = codes.is_in(found.cast(codes.dtype).implode())
    if null is None:
        return mask
    return mask | column.is_null() if len(found) < len(wanted) else mask & column.is_not_null()


def rank(column: pl.Series) -> pl.Series:
    """Return numbers in the order of the text of a column that is stored as codes."""
    ranks = values_of(column).arg_sort().arg_sort()
    return ranks.gather(column.to_physical()).alias(column.name)


def _nowhere(codes: pl.Series) -> pl.Series:
    return pl.Series([False]).new_from_index(0, len(codes))


def values_of(column: pl.Series) -> pl.Series:
    """Return the values that the codes of a column stand for, by code."""
    codes = column.to_physical()
    last = codes.max()
    count = last + 1 if isinstance(last, int) else 0
    each = pl.int_range(count, eager=True).cast(codes.dtype)
    values: pl.Series = each.cat.to(column.dtype).cast(TEXT)
    return values
