"""Answers of QCache as rows."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from storekit.errors import CodecError

__all__ = ["columns_of", "read_csv_rows", "read_json_rows"]

Row = dict[str, Any]


def read_json_rows(content: bytes | memoryview, codec: str) -> list[Row]:
    """Return the rows of a JSON answer. Raises `CodecError`."""
    try:
        rows = _json_reader()(content)
    except Exception as error:
        raise CodecError(f"the result is no JSON ({type(error).__name__})", codec=codec) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CodecError("the result is no list of rows", codec=codec)
    return rows


def read_csv_rows(content: bytes | memoryview, codec: str) -> list[Row]:
    """Return the rows of a CSV answer: all values are text. Raises `CodecError`."""
    try:
        text = io.StringIO(str(content, "utf-8"), newline="")
        rows = list(csv.DictReader(text, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:  # e.g. for a cell above 128 KiB
        raise CodecError(f"the CSV cannot be read ({type(error).__name__})", codec=codec) from error
    if any(None in row for row in rows):
        raise CodecError("a row of the CSV has more cells than there are columns", codec=codec)
    return rows


def columns_of(rows: list[Row], codec: str) -> dict[str, list[Any]]:
    """Return the columns of rows, which must all have the same. Raises `CodecError`."""
    names = list(rows[0]) if rows else []
    try:
        columns = {name: [row[name] for row in rows] for name in names}
    except KeyError:
        columns = {}
    if any(len(row) != len(columns) for row in rows):
        raise CodecError("the rows of the result differ in their columns", codec=codec)
    return columns


def _json_reader() -> Callable[[bytes | memoryview], Any]:
    """Return the reader of msgspec where it is installed: it takes a third of the time."""
    try:
        import msgspec
    except ImportError:
        return lambda content: json.loads(bytes(content))
    return msgspec.json.decode
