"""Parses CSV to a table. `csv_text` handles the structure of the text, `types` column types."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading.csv_text import (
    CsvRows,
    header_of,
    rows_in,
    rows_of,
    unmarked,
    without_blank_lines,
)
from storekit.qcache.node.reading.limits import check_shape, take_cells
from storekit.qcache.node.reading.types import declared, guess, infer, is_finite
from storekit.qcache.node.tables import FLOAT, INT, TEXT

__all__ = ["cells_of", "check_rows", "may_have_blank_lines", "read_csv", "typed", "typed_cells"]

_SAMPLE_ROWS = 1000
_WORTH_A_GUESS = 2**18
"""Bytes: for larger texts, guessing column types from the first rows saves time."""

_WIDE = 16
"""Up to this number of columns, short rows cannot make a table too large."""


def read_csv(body: bytes, types: Mapping[str, str], budget: Budget) -> pl.DataFrame:
    """Parse a table. `types`: the declared types of columns.

    `BadTable` if it is malformed: no header, rows longer than it, an open quote, text that is not
    UTF-8, an invalid value in a declared float. `TooLarge` if the budget does not suffice.
    """
    names, start = header_of(body)
    budget.check()
    rows = rows_of(body, start)
    budget.check()
    count = rows_in(rows)
    check_rows(count, len(names), len(body))
    take_cells(count * len(names), budget)
    cells = _split(rows, names, types)
    budget.check()
    if may_have_blank_lines(cells.frame):
        del cells  # frees memory for the next ones
        cells = _split(without_blank_lines(rows), names, types)
    columns = cells.frame.get_columns()
    if rows.quoted and b'""' in rows.text:
        columns = [c.set(c == "", None) if c.dtype == TEXT else c for c in columns]
    return pl.DataFrame(
        [typed(c, types.get(c.name), decimal=c.name in cells.decimals) for c in columns]
    )


def check_rows(count: int, columns: int, size: int) -> None:
    """Raise `BadTable` if short rows make far more cells than `size` bytes can have."""
    check_shape(count if columns > _WIDE else 0, columns, size)


class _Cells(NamedTuple):
    """Columns of text, or as parsed by Polars, and what is known about the text."""

    frame: pl.DataFrame
    decimals: frozenset[str] = frozenset()  # columns whose first values are numbers, not all whole


def may_have_blank_lines(frame: pl.DataFrame) -> bool:
    """Whether there may be rows with values in the first column only."""
    return all(column.null_count() for column in frame.get_columns()[1:])


def _split(rows: CsvRows, names: list[str], types: Mapping[str, str]) -> _Cells:
    """Return the cells as text, or as numbers or bools where Polars parses them as pandas does."""
    text: dict[str, pl.DataType] = dict.fromkeys(names, TEXT)
    if len(rows.text) < _WORTH_A_GUESS:
        return _Cells(cells_of(rows, text))
    sample = cells_of(rows, text, _SAMPLE_ROWS)
    guesses = {column.name: guess(column) for column in sample if column.name not in types}
    dtypes = {**text, **{name: guessed.dtype for name, guessed in guesses.items()}}
    decimals = frozenset(name for name, guessed in guesses.items() if guessed.decimal)
    return _Cells(typed_cells(rows, dtypes), decimals)


def typed_cells(rows: CsvRows, dtypes: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return columns with their expected types if all their cells have it.

    The other columns are text; all are text if parsing with these types fails.
    """
    try:
        frame = cells_of(rows, dtypes)
    except BadTable:
        return cells_of(rows, dict.fromkeys(dtypes, TEXT))
    doubtful = [column.name for column in frame if not _is_certain(column)]
    if doubtful:
        del frame
        return cells_of(rows, {**dtypes, **dict.fromkeys(doubtful, TEXT)})
    return frame


def _is_certain(column: pl.Series) -> bool:
    # Polars parses blanks in numbers as null, and "nan" and "infinity" as floats. Here they
    # are text.
    if column.dtype not in (INT, FLOAT):
        return True
    return not column.null_count() and (column.dtype == INT or is_finite(column))


def cells_of(
    rows: CsvRows, dtypes: Mapping[str, pl.DataType], most: int | None = None
) -> pl.DataFrame:
    """Return the cells of the first rows, or all, as these types; `BadTable` if they are not."""
    if rows.start == len(rows.text):
        return pl.DataFrame(schema=dtypes)
    try:
        return pl.read_csv(
            unmarked(rows),
            has_header=False,
            skip_lines=rows.lines_before,
            schema=dtypes,
            n_rows=most,
            missing_columns="insert",
            quote_char='"' if rows.quoted else None,
        )
    except pl.exceptions.PolarsError as error:
        try:
            rows.text.decode()
        except UnicodeDecodeError as cause:
            raise BadTable(f"the CSV is not UTF-8: {cause}") from cause
        raise BadTable("the CSV has a row with more fields than the header") from error


def typed(column: pl.Series, kind: str | None, *, decimal: bool) -> pl.Series:
    """Return a column, which may be text, with its declared or else its inferred type."""
    if column.dtype != TEXT:
        return column
    if kind is not None:
        return declared(column, kind)
    return infer(column, decimal=decimal)
