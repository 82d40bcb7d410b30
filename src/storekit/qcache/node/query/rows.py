"""The selected rows of a query, with their row numbers if it needs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from storekit.qcache.node.tables import is_bool, unused_name

__all__ = ["RowSelection"]


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Some rows of a table.

    `labels` are their row numbers in the table, or None if they are not needed. They are not a
    column of `frame`, since a query could name it.
    """

    frame: pl.DataFrame
    labels: pl.Series | None = None

    @classmethod
    def of(cls, frame: pl.DataFrame, *, labelled: bool) -> Self:
        """Return all rows of a table."""
        labels = pl.int_range(frame.height, dtype=pl.UInt32, eager=True) if labelled else None
        return cls(frame, labels)

    def filter(self, mask: pl.Series, names: Sequence[str]) -> "RowSelection":
        """Return the rows where a mask is true, with some of the columns."""
        # twice as fast as DataFrame.filter for a small table, and no slower for a large one
        frame = pl.DataFrame([self.frame.get_column(name).filter(mask) for name in names])
        return RowSelection(frame, None if self.labels is None else self.labels.filter(mask))

    def choose(self, chosen: pl.Series) -> "RowSelection":
        """Return the rows of a mask, or of a list of row numbers."""
        if is_bool(chosen.dtype):
            labels = None if self.labels is None else self.labels.filter(chosen)
            return RowSelection(self.frame.filter(chosen), labels)
        labels = None if self.labels is None else self.labels.gather(chosen)
        return RowSelection(self.frame[chosen], labels)

    def with_labels(self) -> tuple[pl.DataFrame, str]:
        """Return the table with the labels as a column, and the name of that column."""
        if self.labels is None:
            return self.frame, ""
        name = unused_name(self.frame.columns, "row")
        return self.frame.with_columns(self.labels.alias(name)), name
