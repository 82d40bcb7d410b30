"""Reads results of QCache as rows."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from storekit.errors import CodecError

__all__ = ["columns_of", "json_lines", "read_csv_rows", "read_json_rows"]

Row = dict[str, Any]

_COMPACT = json.JSONEncoder(separators=(",", ":"))


def read_json_rows(content: bytes | memoryview, codec: str) -> list[Row]:
    """Return the rows of a JSON result. Raises `CodecError`."""
    try:
        rows = _json_reader()(content)
    except Exception as error:
        raise CodecError(
            f"the result is not valid JSON ({type(error).__name__})", codec=codec
        ) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CodecError("the result is not a list of rows", codec=codec)
    return rows


def json_lines(content: bytes, codec: str) -> bytes:
    """Return the rows of a JSON result as JSON lines. Raises `CodecError`."""
    rows = _split(content, codec)
    if rows is None:
        return _reencoded(content, codec)
    text = b"\n".join([*rows, b""])
    # JSON strings have no line breaks in them, so this checks that each row is one object in one
    # line, as QCache writes them.
    if text.count(b"\n") == len(rows) == (b"\n" + text).count(b"\n{"):
        return text
    return _reencoded(content, codec)


def _reencoded(content: bytes, codec: str) -> bytes:
    rows = read_json_rows(content, codec)
    return b"".join(_COMPACT.encode(row).encode() + b"\n" for row in rows)


def _split(content: bytes, codec: str) -> Sequence[bytes] | None:
    """Return the text of each item of a list; None if msgspec is not installed."""
    try:
        import msgspec
    except ImportError:
        return None
    try:
        content.decode()  # msgspec.Raw does not check that it is UTF-8
        rows: list[bytes] = msgspec.json.decode(content, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(
            f"the result is not valid JSON ({type(error).__name__})", codec=codec
        ) from error
    return rows


def read_csv_rows(content: bytes | memoryview, codec: str) -> list[Row]:
    """Return the rows of a CSV result; all values are text. Raises `CodecError`."""
    try:
        text = io.StringIO(str(content, "utf-8"), newline="")
        rows = list(csv.DictReader(text, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:  # e.g. for a cell above 128 KiB
        raise CodecError(f"the CSV can't be read ({type(error).__name__})", codec=codec) from error
    if any(None in row for row in rows):
        raise CodecError("a row of the CSV has more cells than there are columns", codec=codec)
    return rows


def columns_of(rows: list[Row], codec: str) -> dict[str, list[Any]]:
    """Return the columns of rows. Raises `CodecError` if the rows have different columns."""
    names = list(rows[0]) if rows else []
    try:
        columns = {name: [row[name] for row in rows] for name in names}
    except KeyError:
        columns = {}
    if any(len(row) != len(columns) for row in rows):
        raise CodecError("the rows of the result have different columns", codec=codec)
    return columns


def _json_reader() -> Callable[[bytes | memoryview], Any]:
    """Return the decoder of msgspec if it is installed: it takes a third of the time."""
    try:
        import msgspec
    except ImportError:
        return lambda content: json.loads(bytes(content))
    return msgspec.json.decode
