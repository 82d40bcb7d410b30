"""Floats without NaN, which a table has null for."""

import polars as pl

__all__ = ["without_nan"]


def without_nan(column: pl.Series) -> pl.Series:
    """Return a column of floats with null for NaN."""
    total = column.sum()  # NaN if there is one, and far quicker than a search
    return column.fill_nan(None) if total != total else column
