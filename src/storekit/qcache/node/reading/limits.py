"""How large a table a body may unfold to: a small one could ask for all the memory there is."""

from storekit.qcache.node.errors import BadTable

__all__ = ["MAX_COLUMNS", "MAX_DEPTH", "check_shape"]

MAX_COLUMNS = 20_000
"""Columns of a table."""

MAX_DEPTH = 200
"""Levels of lists and objects inside a value."""

_FREE_CELLS = 1_000_000
_CELLS_A_BYTE = 8


def check_shape(rows: int, columns: int, size: int) -> None:
    """Raise `BadTable` if a body of `size` bytes has too little in too many rows and columns."""
    if columns > MAX_COLUMNS:
        raise BadTable(f"a table of {columns} columns: the most are {MAX_COLUMNS}")
    if rows * columns > _FREE_CELLS + _CELLS_A_BYTE * size:
        raise BadTable(
            f"{rows} rows of {columns} columns from {size} bytes: nearly all cells would be empty"
        )
