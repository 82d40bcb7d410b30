"""The result of a query as the page shows it, with bounded size.

Each row is a list. Long text is cut: `{"cut": TEXT, "length": CHARACTERS}` represents it. Whole
numbers that JavaScript would round are text, as are infinities, which JSON lacks.
"""

import math
from collections.abc import Callable

import polars as pl

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.tables import (
    TEXT,
    is_bool,
    is_enum,
    is_integer,
    is_mixed,
    is_number,
)

__all__ = ["MOST_ROWS", "columns_of", "described_columns", "piece_of_cell", "shown_rows"]

MOST_ROWS = 1000
"""Maximum rows of one response to the page."""

_MOST_COLUMNS = 500
"""Maximum columns of one response to the page; the others are left out."""

_MOST_CELLS = 20_000
"""Maximum cells of one response to the page: a browser draws them in half a second."""

_MOST_TEXT = 4_000_000  # characters of all cells together
_LONG, _SHORTEST = 300, 32  # characters that are shown of a cell, at most and at least

_MOST_PIECE = 64 * 1024
"""Maximum characters of one cell in a response."""

_MOST_NAME = 300

_EXACT = 2**53 - 1
"""The largest whole number up to which JavaScript represents all exactly."""


def columns_of(answer: Answer) -> list[dict[str, object]]:
    """Return names and types of the columns that are shown."""
    named = zip(answer.header[:_MOST_COLUMNS], answer.frame.dtypes, strict=False)
    return [{"name": name[:_MOST_NAME], "type": _type_name(dtype)} for name, dtype in named]


def described_columns(frame: pl.DataFrame, start: int) -> list[dict[str, object]]:
    """Return names, types and numbers of nulls of some columns, from number `start` on."""
    return [
        {
            "name": column.name[:_MOST_NAME],
            "type": _type_name(column.dtype),
            "nulls": column.null_count(),
        }
        for column in frame.get_columns()[start : start + _MOST_COLUMNS]
    ]


def _type_name(dtype: pl.DataType) -> str:
    """Return the name of a type as the page shows it."""
    if is_enum(dtype):
        return "enum"
    if is_bool(dtype):
        return "bool"
    if is_mixed(dtype):
        return "mixed"
    if is_number(dtype):
        return "int" if is_integer(dtype) else "float"
    return "text"


def shown_rows(frame: pl.DataFrame) -> list[list[object]]:
    """Return the rows of a frame, up to the limits of a response."""
    columns = frame.get_columns()[:_MOST_COLUMNS]
    if not columns:
        return []
    rows = min(frame.height, MOST_ROWS, max(_MOST_CELLS // len(columns), 1))
    length = max(min(_LONG, _MOST_TEXT // (rows * len(columns) + 1)), _SHORTEST)
    shown = [_shown(column.head(rows), length) for column in columns]
    return [list(row) for row in zip(*shown, strict=True)]


def piece_of_cell(frame: pl.DataFrame, column: int, start: int) -> dict[str, object]:
    """Return a part of a cell of a frame with one row, and the length of its text."""
    if not frame.height or not 0 <= column < frame.width:
        raise BadQuery("There is no such cell")
    text = _as_text(frame.to_series(column).head(1))
    return {
        "text": text.str.slice(start, _MOST_PIECE).item(),
        "length": text.str.len_chars().item(),
        "start": start,
    }


def _shown(column: pl.Series, length: int) -> list[object]:
    dtype = column.dtype
    if is_bool(dtype):
        return column.to_list()
    if is_integer(dtype):
        return _each(column, lambda value: value if abs(value) <= _EXACT else str(value))
    if is_number(dtype):
        return _each(column, lambda value: value if math.isfinite(value) else str(value))
    text = _as_text(column)
    lengths = text.str.len_chars().to_list()
    return [
        value if count is None or count <= length else {"cut": value, "length": count}
        for value, count in zip(text.str.head(length).to_list(), lengths, strict=True)
    ]


def _each(column: pl.Series, change: Callable[..., object]) -> list[object]:
    return [None if value is None else change(value) for value in column.to_list()]


def _as_text(column: pl.Series) -> pl.Series:
    """Return a column as text; lists, objects and values of several types as their JSON."""
    return column if column.dtype == TEXT else column.cast(TEXT)
