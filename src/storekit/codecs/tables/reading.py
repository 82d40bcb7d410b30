"""Answers of QCache as rows."""

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
    """Return the rows of a JSON answer. Raises `CodecError`."""
    try:
        rows = _json_reader()(content)
    except Exception as error:
        raise CodecError(f"the result is no JSON ({type(error).__name__})", codec=codec) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CodecError("the result is no list of rows", codec=codec)
    return rows


def json_lines(content: bytes, codec: str) -> bytes:
    """Return the rows of a JSON answer, each as it is there, in a line. Raises `CodecError`."""
    rows = _split(content, codec)
    if rows is None:
        return _lines_anew(content, codec)
    text = b"\n".join([*rows, b""])
    # No text in JSON has a break of a line in it, so this tells whether each row is one object in
    # one line, as QCache writes them.
    if text.count(b"\n") == len(rows) == (b"\n" + text).count(b"\n{"):
        return text
    return _lines_anew(content, codec)


def _lines_anew(content: bytes, codec: str) -> bytes:
    rows = read_json_rows(content, codec)
    return b"".join(_COMPACT.encode(row).encode() + b"\n" for row in rows)


def _split(content: bytes, codec: str) -> Sequence[bytes] | None:
    """Return the text of each item of a list, None where msgspec is not there to find it."""
    try:
        import msgspec
    except ImportError:
        return None
    try:
        content.decode()  # which what is left as it is would not be checked for
        rows: list[bytes] = msgspec.json.decode(content, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"the result is no JSON ({type(error).__name__})", codec=codec) from error
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
