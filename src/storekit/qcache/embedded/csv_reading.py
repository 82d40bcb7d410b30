"""CSV to a table: the structure of the text here, the types of the columns in `inference`.

Polars splits the text. It agrees with pandas on text whose lines end with LF or CRLF, whose
quotes open and close whole fields, and that has no blank lines: other text is rewritten first.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import polars as pl

from storekit.qcache.embedded.errors import BadTable
from storekit.qcache.embedded.inference import declared, guess, has_decimals, infer
from storekit.qcache.embedded.limits import check_shape
from storekit.qcache.embedded.tables import BOOL, INT, TEXT

__all__ = ["read_csv"]

_BOM = b"\xef\xbb\xbf"
_BLANK_LINES = re.compile(rb"(?:[ \t]*(?:\r\n|\r|\n)|[ \t]+\Z)*+")
_FIELD = re.compile(rb'(?:"((?:[^"]++|"")*+)"([^,\r\n]*+)|(?!")([^,\r\n]*+))(,|\r\n|\r|\n|\Z)')

# As many well-formed quoted fields as are checked in one go, to give other threads their turn.
_QUOTED_FIELDS = re.compile(
    rb'(?:[^"]*+(?<![^,\n])"[^"]*+(?:""[^"]*+)*+"(?=[,\n]|\r\n|\Z)){1,10000}+'
)
# What is to be rewritten: lone CRs, fields with quotes, and quotes that nothing closes.
_IRREGULAR = re.compile(
    rb'(?P<end>\r\n?)|(?<![^,\r\n])(?:"(?P<quoted>(?:[^"]++|"")*+)"(?P<rest>[^,\r\n]*+)'
    rb'|(?P<plain>[^",\r\n]++"[^,\r\n]*+)|(?P<open>"))'
)
_BLANK_LINE = re.compile(rb"(?<=\n)[ \t]*(?:\r?\n|\Z)")

_SAMPLE_ROWS = 1000
_WORTH_A_GUESS = 2**18
"""Bytes from which on it pays to guess the types of the columns from their first rows."""

_WIDE = 16
"""Columns up to which rows that are too short cannot blow up a table."""


def read_csv(body: bytes, types: Mapping[str, str]) -> pl.DataFrame:
    """Return the table that `body` has. `types`: what columns are declared to be.

    `BadTable` if it has none: no header, rows longer than it, an open quote, text that is not
    UTF-8, a declared float that is none.
    """
    names, start = _header(body)
    check_shape(0, len(names), len(body))
    rows = _rows(body, start)
    if len(names) > _WIDE:
        check_shape(rows.text.count(b"\n") + 1, len(names), len(body))
    cells = _split(rows, names, types)
    if _may_have_blank_lines(cells.frame):
        cells = _split(_without_blank_lines(rows), names, types)
    empty_quotes = rows.quoted and b'""' in rows.text
    return pl.DataFrame(
        [
            _typed(column, types.get(column.name), cells.decimals, empty_quotes)
            for column in cells.frame
        ]
    )


class _Rows(NamedTuple):
    """Text with LF or CRLF at line ends, and quotes around whole fields only."""

    text: bytes
    start: int  # where the rows begin: the header is left in place, a copy takes time
    quoted: bool  # whether there are quotes at all

    @property
    def lines_before(self) -> int:
        return self.text.count(b"\n", 0, self.start)


class _Cells(NamedTuple):
    """Columns of text, or of what Polars read from it, and what is known about the text."""

    frame: pl.DataFrame
    decimals: frozenset[str] = frozenset()  # columns that begin with numbers, some not whole


def _header(body: bytes) -> tuple[list[str], int]:
    """Return the names of the columns, and where the rows start."""
    position = len(_BOM) if body.startswith(_BOM) else 0
    position = _after_blank_lines(body, position)
    if position == len(body):
        raise BadTable("the CSV is empty: it needs at least a header")
    fields: list[bytes] = []
    end = b","
    while end == b",":
        field = _FIELD.match(body, position)
        if field is None:
            raise _open_quote()
        quoted, rest, plain, end = field.groups()
        fields.append(plain if quoted is None else quoted.replace(b'""', b'"') + rest)
        position = field.end()
    try:
        return list(_distinct([field.decode() for field in fields])), position
    except UnicodeDecodeError as error:
        raise BadTable(f"the header of the CSV is not UTF-8: {error}") from error


def _after_blank_lines(text: bytes, position: int) -> int:
    blank = _BLANK_LINES.match(text, position)
    return blank.end() if blank else position


def _distinct(fields: list[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for position, field in enumerate(fields):
        name = field or f"Unnamed: {position}"
        while times := seen.get(name, 0):
            seen[name] = times + 1
            name = f"{name}.{times}"
        seen[name] = 1
        yield name


def _open_quote() -> BadTable:
    return BadTable("the CSV ends inside a quoted field: a quote is not closed")


def _rows(body: bytes, start: int) -> _Rows:
    returns = body.count(b"\r") if b"\r" in body else 0
    lines_are_regular = returns == (body.count(b"\r\n") if returns else 0)
    quoted = b'"' in body
    if lines_are_regular and (not quoted or _is_well_quoted(body, start)):
        if start < len(body) and body.endswith(b","):  # Polars would not see that a field follows
            body += b"\n"
        return _Rows(body, start, quoted)
    return _Rows(_IRREGULAR.sub(_rewritten, body[start:]) + b"\n", 0, quoted)


def _is_well_quoted(body: bytes, start: int) -> bool:
    while fields := _QUOTED_FIELDS.match(body, start):
        start = fields.end()
    return body.find(b'"', start) < 0


def _rewritten(match: re.Match[bytes]) -> bytes:
    if match["end"]:
        return b"\n"
    if match["open"]:
        raise _open_quote()
    if match["plain"]:
        text = match["plain"]
    elif match["rest"]:
        text = match["quoted"].replace(b'""', b'"') + match["rest"]
    else:
        return match[0]
    return b'"' + text.replace(b'"', b'""') + b'"'


def _may_have_blank_lines(frame: pl.DataFrame) -> bool:
    """Whether there may be rows with nothing behind the first column."""
    return all(column.null_count() for column in frame.get_columns()[1:])


def _without_blank_lines(rows: _Rows) -> _Rows:
    # Every other part is inside quotes; an escaped quote changes sides twice.
    parts = rows.text[_after_blank_lines(rows.text, rows.start) :].split(b'"')
    parts[::2] = [_BLANK_LINE.sub(b"", part) if b"\n" in part else part for part in parts[::2]]
    return _Rows(b'"'.join(parts), 0, rows.quoted)


def _split(rows: _Rows, names: list[str], types: Mapping[str, str]) -> _Cells:
    """Return the cells as text, or as numbers or bools where Polars reads the same ones."""
    text = dict.fromkeys(names, TEXT)
    if len(rows.text) < _WORTH_A_GUESS:
        return _Cells(_cells(rows, text))
    sample = _cells(rows, text, _SAMPLE_ROWS)
    dtypes = {c.name: TEXT if c.name in types else guess(c) for c in sample}
    decimals = frozenset(c.name for c in sample if c.name not in types and has_decimals(c))
    try:
        frame = _cells(rows, dtypes)
    except BadTable:  # a value of another kind than those that its column began with
        return _Cells(_cells(rows, text), decimals)
    doubtful = [column.name for column in frame if not _is_certain(column)]
    if doubtful:
        frame = _cells(rows, dtypes | dict.fromkeys(doubtful, TEXT))
    return _Cells(frame, decimals)


def _is_certain(column: pl.Series) -> bool:
    # As numbers, Polars reads blanks as null, and "nan" and "infinity" as floats. Here they
    # are text.
    if column.dtype in (TEXT, BOOL):
        return True
    return not column.null_count() and (column.dtype == INT or column.is_finite().all())


def _cells(rows: _Rows, dtypes: Mapping[str, pl.DataType], most: int | None = None) -> pl.DataFrame:
    if rows.start == len(rows.text):
        return pl.DataFrame(schema=dtypes)
    try:
        return pl.read_csv(
            rows.text,
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


def _typed(
    column: pl.Series, kind: str | None, decimals: frozenset[str], empty_quotes: bool
) -> pl.Series:
    if column.dtype != TEXT:
        return column
    if empty_quotes:
        column = column.set(column == "", None)
    if kind is not None:
        return declared(column, kind)
    return infer(column, decimal=column.name in decimals)
