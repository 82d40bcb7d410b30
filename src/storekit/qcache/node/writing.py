"""The answer to a query as JSON or CSV.

Polars writes long answers. It takes most of a millisecond to get going, so Python writes
short ones, and those with mixed columns.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import polars as pl

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.budget import Budget
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

_STEP = 16 * 2**20
"""Bytes that Polars writes in one step, at most; between two, the budget is asked."""

_PYTHON_STEP = 2**20
"""The same where values become objects of Python, which take many times as much."""

_PIECE = 2**20
"""Bytes of lines that Python changes at a time: nobody else has a turn meanwhile. With 4 MiB here
and in a step, 100 000 rows take a quarter longer: memory so large is new each time."""

_WHOLE = 4 * 2**20
"""Bytes of lines up to which they are one piece: to join two takes longer than it helps."""

_VALUE = 16
"""Bytes of a number in an answer, about, and of what stands around each value."""

_WHAT = "the answer"

_LIGHT = 10_000
"""Bytes of cells and names for which the budget need not be asked, if the cells are that few."""

# Decimals that a float has in JSON. Larger floats have no more than that anyway; in smaller
# ones those decimals would be all there is.
_DECIMALS = 10
_SMALLEST_ROUNDED = 1e-10
_LARGEST_ROUNDED = 9e5

_TEXT = json.JSONEncoder(separators=(",", ":"))


def to_json(answer: Answer, budget: Budget) -> bytes:
    """Return the rows as a list of objects, in ASCII.

    Floats have 10 decimals at most; infinities are null. `BadQuery` if two columns have the
    same name, or if that is more than the budget has.
    """
    frame, header = answer.frame, answer.header
    if len(set(header)) < len(header):
        twice, _ = Counter(header).most_common(1)[0]
        raise BadQuery(f"column {twice!r} is selected more than once: JSON cannot hold that")
    if not frame.height:
        return b"[]"
    if _is_short(frame) and _is_light(answer):
        return _json_by_python(frame, header, b"[", b"]")
    return _gathered(_json_parts(frame, header, budget), budget)


def to_csv(answer: Answer, budget: Budget) -> bytes:
    """Return the rows with a header, lines ended by LF, null as nothing, floats in full."""
    frame, header = answer.frame, answer.header
    if _is_short(frame):
        columns = [_decoded(c) if is_mixed(c.dtype) else c.to_list() for c in frame]
        return _csv_by_python([header, *zip(*columns, strict=True)])
    text = io.BytesIO()
    text.write(_csv_by_python([header]))
    by_python = any(map(is_mixed, frame.dtypes))
    for rows in _steps(frame, frame.width, budget, by_python=by_python):
        start = text.tell()
        _csv_by_polars(frame[rows], text)
        budget.take(text.tell() - start, _WHAT)
    return text.getvalue()  # no copy


def _is_light(answer: Answer) -> bool:
    """Whether the few cells of an answer and their names are no longer than most are."""
    return answer.frame.estimated_size() + sum(map(len, answer.header)) <= _LIGHT


def _steps(frame: pl.DataFrame, names: int, budget: Budget, *, by_python: bool) -> Iterator[slice]:
    """Return some rows after the other: as many as take some MB, with so many bytes of names."""
    values = int(frame.estimated_size()) + _VALUE * frame.width * frame.height
    budget.expect(names * frame.height + frame.estimated_size(), _WHAT)
    step = _PYTHON_STEP if by_python else _STEP
    at_once = step * frame.height // (values + names * frame.height + 1)
    for rows in budget.steps(frame.height, at_once):
        # Of text, each character may be six in JSON, but hardly is.
        budget.expect(2 * min(_STEP, values + names * frame.height), _WHAT)
        yield rows


def _gathered(parts: Iterator[bytes], budget: Budget) -> bytes:
    first = next(parts)
    budget.take(len(first), _WHAT)
    second = next(parts, None)
    if second is None:  # as for most answers: each copy takes new memory, and so time
        return first
    whole = io.BytesIO()
    whole.write(first)
    for part in chain([second], parts):
        budget.take(len(part), _WHAT)
        whole.write(part)
    return whole.getvalue()  # no copy


def _is_short(frame: pl.DataFrame) -> bool:
    return frame.width * frame.height <= _SHORT


# -- JSON -----------------------------------------------------------------------------------


def _json_parts(frame: pl.DataFrame, header: tuple[str, ...], budget: Budget) -> Iterator[bytes]:
    by_python = _is_short(frame) or any(map(is_mixed, frame.dtypes))
    names = sum(len(_TEXT.encode(name)) + 4 for name in header)
    for rows in _steps(frame, names, budget, by_python=by_python):
        start = b"," if rows.start else b"["
        end = b"]" if rows.stop == frame.height else b""
        if by_python:
            yield _json_by_python(frame[rows], header, start, end)
        else:
            yield from _json_by_polars(frame[rows], header, start, end)


def _json_by_python(
    frame: pl.DataFrame, header: tuple[str, ...], start: bytes, end: bytes
) -> bytes:
    """Return rows with commas between them, and what is to stand before and after them."""
    columns = [_json_values(column) for column in frame.get_columns()]
    # A header is as long as its frame is wide. To check that in each row takes a third of the time.
    rows = [dict(zip(header, row)) for row in zip(*columns)]  # noqa: B905
    return start + _TEXT.encode(rows)[1:-1].replace("/", "\\/").encode() + end


def _json_values(column: pl.Series) -> list[object]:
    dtype = column.dtype
    if dtype == FLOAT:
        return [_rounded(value) for value in column.to_list()]
    if is_mixed(dtype):
        return [_rounded(value) for value in decode_mixed(column)]
    values: list[object] = column.to_list()
    return values


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


def _json_by_polars(
    frame: pl.DataFrame, header: tuple[str, ...], start: bytes, end: bytes
) -> Iterator[bytes]:
    """Return the same in pieces."""
    value = pl.col(FLOAT)
    is_rounded = value.abs().is_between(_SMALLEST_ROUNDED, _LARGEST_ROUNDED)
    rounded = frame.with_columns(pl.when(is_rounded).then(value.round(_DECIMALS)).otherwise(value))
    rounded.columns = list(header)
    lines = io.BytesIO()  # as few copies as can be: each takes new memory, and so time
    lines.write(start)
    rounded.write_ndjson(lines)
    lines.seek(-1, io.SEEK_END)
    lines.write(end)
    lines.truncate()
    for piece in _pieces(lines.getvalue()):
        # A line feed inside a text is escaped, and a slash can only be inside a text.
        body = piece.replace(b"\n", b",")
        if b"/" in body:
            body = body.replace(b"/", b"\\/")
        yield body if body.isascii() else _ascii(body)


def _pieces(lines: bytes) -> Iterator[bytes]:
    """Return some whole lines after the other. The last one need not be ended."""
    start, size = 0, _PIECE if len(lines) > _WHOLE else _WHOLE
    while start < len(lines):
        end = start + size
        if end < len(lines):
            end = lines.rfind(b"\n", start, end) + 1 or lines.find(b"\n", end) + 1 or len(lines)
        yield lines[start:end]
        start = end


def _ascii(body: bytes) -> bytes:
    # No loop in Python, which would take several times as long.
    text = body.decode()
    if b"\\\\" not in body:
        escaped = text.encode("ascii", "backslashreplace")
        if b"\\U" not in escaped:  # what JSON has only as two surrogates
            return escaped.replace(b"\\x", b"\\u00")
    # JSON escaped once more; taken back is all of that but what is outside ASCII.
    twice = _TEXT.encode(text)[1:-1]
    return twice.replace('\\"', '"').replace("\\\\", "\\").encode()


# -- CSV ------------------------------------------------------------------------------------


def _csv_by_python(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if "\r" in text.getvalue():  # which not every version puts in quotes, if it stands alone
        text = io.StringIO()
        csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def _csv_by_polars(frame: pl.DataFrame, text: io.BytesIO) -> None:
    """Add rows to what is written."""
    rows = pl.DataFrame({c.name: _as_written(c, alone=frame.width == 1) for c in frame})
    rows.write_csv(text, include_header=False)


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
