"""Limits of the table in a body: a small body could otherwise need all memory."""

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadTable

__all__ = ["MAX_COLUMNS", "MAX_DEPTH", "check_columns", "check_shape", "take_cells"]

MAX_COLUMNS = 20_000
"""Columns of a table."""

MAX_DEPTH = 200
"""Levels of lists and objects inside a value."""

_CELL = 16  # bytes of a number or text in a column, besides its content
_FREE_CELLS = 1_000_000
_CELLS_A_BYTE = 8


def check_columns(columns: int) -> None:
    """Raise `BadTable` for too many columns; to be called before all of them are parsed."""
    if columns > MAX_COLUMNS:
        raise BadTable(f"a table of {columns} columns, or more: the most are {MAX_COLUMNS}")


def take_cells(count: float, budget: Budget) -> None:
    """Draw the memory of cells before they are parsed: each may be text."""
    budget.take(_CELL * count, f"a table of {count} cells")


def check_shape(rows: int, columns: int, size: int) -> None:
    """Raise `BadTable` if a body of `size` bytes has too little in too many rows and columns."""
    check_columns(columns)
    if rows * columns > _FREE_CELLS + _CELLS_A_BYTE * size:
        raise BadTable(
            f"{rows} rows of {columns} columns from {size} bytes: nearly all cells would be empty"
        )
