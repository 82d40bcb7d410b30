"""The result of a query, before it is written as JSON or CSV."""

from dataclasses import dataclass

import polars as pl

__all__ = ["Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows to be written.

    `header` has the names of the columns of `frame` as they are shown: a query may select a
    column twice, but names in a frame are unique. `unsliced_length` is the number of rows before
    offset and limit.
    """

    frame: pl.DataFrame
    header: tuple[str, ...]
    unsliced_length: int
