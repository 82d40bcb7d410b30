"""One table in a file: Parquet, of the plain types that a node stores."""

import json
from hashlib import file_digest, sha256
from io import BufferedReader
from typing import IO, cast

import polars as pl

from storekit.qcache.node.categories import compact, with_text
from storekit.qcache.node.reading.limits import MAX_COLUMNS
from storekit.qcache.node.snapshots.manifest import BadSnapshot, SavedTable
from storekit.qcache.node.tables import (
    BOOL,
    FLOAT,
    INT,
    MIXED,
    TEXT,
    UINT,
    enum_of,
    is_enum,
    is_integer,
    is_mixed,
)

__all__ = ["enums_of", "read_table", "write_table"]

_TYPES = (INT, UINT, FLOAT, BOOL, TEXT, MIXED)
_CELL = 8
"""Assumed bytes of a value in memory; a bool takes less."""


def enums_of(frame: pl.DataFrame) -> tuple[str, ...]:
    """Return the columns that are enums."""
    return tuple(name for name, dtype in frame.schema.items() if is_enum(dtype))


def write_table(frame: pl.DataFrame, file: IO[bytes]) -> tuple[int, str]:
    """Write a table; return the bytes and the checksum of what was written."""
    plain = with_text(frame).cast(dict.fromkeys(enums_of(frame), TEXT))
    writing = _Summed(file)
    plain.write_parquet(cast("IO[bytes]", writing), compression="lz4", statistics=False)
    return writing.count, writing.sum.hexdigest()


def read_table(file: BufferedReader, table: SavedTable, most: int) -> pl.DataFrame:
    """Read a table, in the form in which a node stores it.

    `most`: maximum size of a table in bytes. Raises `BadSnapshot` if the file is not the one that
    was written, or has content that a node does not store. The checksum is checked first.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if size != table.bytes:
        raise BadSnapshot(f"it has {size} bytes, and not {table.bytes}")
    if table.columns > MAX_COLUMNS or table.rows * table.columns * _CELL > most + size:
        raise BadSnapshot(f"{table.rows} rows of {table.columns} columns are more than it may have")
    if file_digest(file, "sha256").hexdigest() != table.sha256:
        raise BadSnapshot("its checksum is wrong: it is damaged")
    file.seek(0)
    try:
        _check_schema(pl.read_parquet_schema(file), table)
        file.seek(0)
        frame = pl.read_parquet(file)
        _check(frame, table)
        enums = [enum_of(frame[name]) for name in table.enums]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        raise BadSnapshot(f"it can't be read: {error}") from error
    return compact(frame.with_columns(enums))


def _check_schema(schema: dict[str, pl.DataType], table: SavedTable) -> None:
    if len(schema) != table.columns or not all(dtype in _TYPES for dtype in schema.values()):
        raise BadSnapshot("its columns are not those that were written")
    if not all(schema.get(name) == TEXT for name in table.enums):
        raise BadSnapshot("its enums are not those that were written")


def _check(frame: pl.DataFrame, table: SavedTable) -> None:
    """Check what a node relies on in columns: see `qcache/node/tables.py`."""
    if frame.height != table.rows:
        raise BadSnapshot(f"it has {frame.height} rows, and not {table.rows}")
    for column in frame.get_columns():
        if is_integer(column.dtype) and column.null_count():
            raise BadSnapshot(f"whole numbers are missing in {column.name!r}")
        if column.dtype == FLOAT and column.is_nan().any():
            raise BadSnapshot(f"there is NaN in {column.name!r}")
        if is_mixed(column.dtype):
            _check_values(column)


def _check_values(column: pl.Series) -> None:
    for value in column.drop_nulls():
        try:
            json.loads(value)
        except (ValueError, RecursionError) as error:
            raise BadSnapshot(f"a value of {column.name!r} is no JSON: {error}") from error


class _Summed:
    """Writes a file and computes its checksum."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = sha256()
        self.count = 0

    def write(self, piece: bytes) -> int:
        self.sum.update(piece)
        self.count += len(piece)
        return self._file.write(piece)

    def flush(self) -> None:
        self._file.flush()
