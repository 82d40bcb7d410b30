"""Columns of bools that select rows.

A null in a mask counts as false. It is kept where that makes no difference: in `and`, `or` and
the selection of rows, but not in `not`.
"""

import polars as pl

__all__ = ["everywhere", "settled", "where_both", "where_known"]

_FALSE = pl.Series([False])
_TRUE = pl.Series([True])


def everywhere(value: bool, length: int) -> pl.Series:
    """Return a mask of one value."""
    return (_TRUE if value else _FALSE).new_from_index(0, length)


def settled(mask: pl.Series) -> pl.Series:
    """Return a mask with false for null."""
    return mask & mask.is_not_null() if mask.null_count() else mask


def where_known(value: bool, column: pl.Series) -> pl.Series:
    """Return a mask of one value, but false where a column is null."""
    if not value or not column.null_count():
        return everywhere(value, len(column))
    return column.is_not_null()


def where_both(value: bool, left: pl.Series, right: pl.Series) -> pl.Series:
    """Return a mask of one value, but false where one of the columns is null."""
    return (
        where_known(value, left) & where_known(value, right) if value else where_known(value, left)
    )
