"""The answer to a query as JSON or CSV.

Polars writes long answers. It takes most of a millisecond to get going, so Python writes
short ones, and those with mixed columns.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Sequence

import polars as pl

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.tables import (
    FLOAT,
    TEXT,
    decode_mixed,
    is_bool,
    is_mixed,
    is_text,
)

__all__ = ["to_csv", "to_json"]

_SHORT = 500
"""Cells up to which Python is faster."""

# Decimals that a float has in JSON. Larger floats have no more than that anyway; in smaller
# ones those decimals would be all there is.
_DECIMALS = 10
_SMALLEST_ROUNDED = 1e-10
_LARGEST_ROUNDED = 9e5

_ROWS = json.JSONEncoder(separators=(",", ":"))


def to_json(answer: Answer) -> bytes:
    """Return the rows as a list of objects, in ASCII.

    Floats have 10 decimals at most; infinities are null. `BadQuery` if two columns have the
    same name.
    """
    frame, header = answer.frame, answer.header
    if len(set(header)) < len(header):
        twice, _ = Counter(header).most_common(1)[0]
        raise BadQuery(f"column {twice!r} is selected more than once: JSON cannot hold that")
    if _is_short(frame) or any(map(is_mixed, frame.dtypes)):
        return _json_of_few(frame, header)
    return _json_of_many(frame, header)


def to_csv(answer: Answer) -> bytes:
    """Return the rows with a header, lines ended by LF, null as nothing, floats in full."""
    frame, header = answer.frame, answer.header
    if _is_short(frame):
        columns = [_decoded(c) if is_mixed(c.dtype) else c.to_list() for c in frame]
        return _csv_of_few([header, *zip(*columns, strict=True)])
    rows = pl.DataFrame({c.name: _as_written(c, alone=frame.width == 1) for c in frame})
    text = io.BytesIO()
    text.write(_csv_of_few([header]))
    rows.write_csv(text, include_header=False)
    return text.getvalue()


def _is_short(frame: pl.DataFrame) -> bool:
    return frame.width * frame.height <= _SHORT


# -- JSON -----------------------------------------------------------------------------------


def _json_of_few(frame: pl.DataFrame, header: tuple[str, ...]) -> bytes:
    columns = [_json_values(column) for column in frame]
    rows = [dict(zip(header, row, strict=True)) for row in zip(*columns, strict=True)]
    return _ROWS.encode(rows).replace("/", "\\/").encode()


def _json_values(column: pl.Series) -> list[object]:
    if is_mixed(column.dtype):
        return [_rounded(value) for value in decode_mixed(column)]
    values = column.to_list()
    return [_rounded(value) for value in values] if column.dtype == FLOAT else values


def _rounded(value: object) -> object:
    if isinstance(value, float):
        if _SMALLEST_ROUNDED <= abs(value) <= _LARGEST_ROUNDED:
            return round(value, _DECIMALS)
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return value


def _json_of_many(frame: pl.DataFrame, header: tuple[str, ...]) -> bytes:
    if not frame.height:
        return b"[]"
    value = pl.col(FLOAT)
    is_rounded = value.abs().is_between(_SMALLEST_ROUNDED, _LARGEST_ROUNDED)
    rounded = frame.with_columns(pl.when(is_rounded).then(value.round(_DECIMALS)).otherwise(value))
    rounded.columns = list(header)
    lines = io.BytesIO()  # as few copies as can be: each takes new memory, and so time
    lines.write(b"[")
    rounded.write_ndjson(lines)
    lines.seek(-1, io.SEEK_END)
    lines.write(b"]")
    # A line feed inside a text is escaped, and a slash can only be inside a text.
    body = lines.getvalue().replace(b"\n", b",")
    if b"/" in body:
        body = body.replace(b"/", b"\\/")
    return body if body.isascii() else _ascii(body)


def _ascii(body: bytes) -> bytes:
    # No loop in Python, which would take several times as long.
    text = body.decode()
    if b"\\\\" not in body:
        escaped = text.encode("ascii", "backslashreplace")
        if b"\\U" not in escaped:  # what JSON has only as two surrogates
            return escaped.replace(b"\\x", b"\\u00")
    # JSON escaped once more; taken back is all of that but what is outside ASCII.
    twice = _ROWS.encode(text)[1:-1]
    return twice.replace('\\"', '"').replace("\\\\", "\\").encode()


# -- CSV ------------------------------------------------------------------------------------


def _csv_of_few(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if "\r" in text.getvalue():  # which not every version puts in quotes, if it stands alone
        text = io.StringIO()
        csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def _as_written(column: pl.Series, *, alone: bool) -> pl.Series:
    """Return a column with values as Polars is to write them: null as nothing, "" in quotes."""
    if is_mixed(column.dtype):
        column = pl.Series(column.name, _decoded(column), dtype=TEXT)
    elif is_bool(column.dtype):
        words = {True: "True", False: "False"}
        column = column.replace_strict(words, default=None, return_dtype=TEXT)
    if alone:
        return column.cast(TEXT).fill_null("")
    return column.set(column == "", None) if is_text(column.dtype) else column


def _decoded(column: pl.Series) -> list[str | None]:
    values = decode_mixed(column)
    texts = [None if value is None else str(value) for value in values]
    return [text and text.encode(errors="replace").decode() for text in texts]
