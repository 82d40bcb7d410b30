"""The structure of CSV text: its header, and rows that Polars splits as pandas does.

They agree if lines end with LF or CRLF, quotes enclose whole fields, and there are no blank lines:
other text is rewritten first.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading.limits import check_columns

__all__ = [
    "CsvRows",
    "header_of",
    "plain_rows",
    "rows_in",
    "rows_of",
    "unmarked",
    "without_blank_lines",
]

# Other threads run between calls of `re` and `bytes` only. So no call processes more than some
# 100 kB, except those that search one byte, or copy.
_STEP = 2**18

_BOM = b"\xef\xbb\xbf"
_COMPRESSED = (b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda", b"(\xb5/\xfd")
"""Prefixes of text that Polars would decompress, to any size: gzip, zlib, zstd."""

_BLANK_LINES = re.compile(rb"(?:[ \t]*+(?:\r\n|\r|\n)|[ \t]++\Z){1,10000}+")
_BLANK_LINE = re.compile(rb"(?<=\n)[ \t]*(?:\r?\n|\Z)")
_HAS_BLANK_LINES = re.compile(rb"\n[ \t]*+\r?(?:\n|\Z)")

# They have no capturing groups: `re` would store positions for each repetition.
_QUOTED = re.compile(rb'(?:[^"]++|"")++')
_UNQUOTED = re.compile(rb"[^,\r\n]++")
_QUOTED_FIELDS = re.compile(
    rb'(?:[^"]*+(?<![^,\n])"[^"]*+(?:""[^"]*+){0,10}+"(?=[,\n]|\r\n|\Z)){1,1000}+'
)
_ENDS = b",\r\n"


class CsvRows(NamedTuple):
    """Text with LF or CRLF at line ends, and quotes around whole fields only."""

    text: bytes
    start: int  # where the rows begin: the header is kept, since a copy takes time
    quoted: bool  # whether there are quotes at all

    @property
    def lines_before(self) -> int:
        """Number of lines before the first row."""
        return _count(self.text, b"\n", 0, self.start)


def header_of(body: bytes) -> tuple[list[str], int]:
    """Return the names of the columns, and where the rows start. `BadTable` for too many."""
    position = len(_BOM) if body.startswith(_BOM) else 0
    position = _after_blank_lines(body, position)
    if position == len(body):
        raise BadTable("the CSV is empty: it needs at least a header")
    fields: list[bytes] = []
    end = b","
    while end == b",":
        field, position = _field(body, position)
        fields.append(field)
        check_columns(len(fields))
        end = body[position : position + 1]
        position += 2 if body.startswith(b"\r\n", position) else len(end)
    try:
        return list(_distinct([field.decode() for field in fields])), position
    except UnicodeDecodeError as error:
        raise BadTable(f"the header of the CSV is not UTF-8: {error}") from error


def _field(text: bytes, start: int) -> tuple[bytes, int]:
    """Return the field that begins at `start`, and where it ends."""
    if not text.startswith(b'"', start):
        end = _end_of_unquoted(text, start)
        return text[start:end], end
    quote = _end_of_quoted(text, start + 1)
    end = _end_of_unquoted(text, quote + 1)
    return text[start + 1 : quote].replace(b'""', b'"') + text[quote + 1 : end], end


def _end_of_quoted(text: bytes, start: int) -> int:
    """Return the position of the closing quote. `BadTable` if there is none."""
    closing = text.find(b'"', start)
    if closing >= 0 and not text.startswith(b'""', closing):  # as in most fields
        return closing
    while part := _QUOTED.match(text, start, start + _STEP):
        start = part.end()
    if start == len(text):
        raise BadTable("the CSV ends inside a quoted field: a quote is not closed")
    return start


def _end_of_unquoted(text: bytes, start: int) -> int:
    while part := _UNQUOTED.match(text, start, start + _STEP):
        start = part.end()
    return start


def _after_blank_lines(text: bytes, position: int) -> int:
    while blank := _BLANK_LINES.match(text, position):
        position = blank.end()
    return position


def _distinct(fields: list[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for position, field in enumerate(fields):
        name = field or f"Unnamed: {position}"
        while times := seen.get(name, 0):
            seen[name] = times + 1
            name = f"{name}.{times}"
        seen[name] = 1
        yield name


def rows_of(body: bytes, start: int) -> CsvRows:
    """Return the rows that begin at `start`, rewritten if need be. `BadTable`: an open quote."""
    plain = plain_rows(body, start)
    if plain is not None:
        return plain
    quoted = body.find(b'"', start) >= 0
    if _has_regular_lines(body) and _is_well_quoted(body, start):
        return CsvRows(_with_last_field(body, start), start, quoted)
    if not quoted or not _has_quoted_fields(body, start):  # quotes inside fields are ordinary text
        return CsvRows(_with_last_field(_with_regular_lines(body, start), 0), 0, quoted=False)
    return CsvRows(_rewritten(body, start), 0, quoted)


def plain_rows(body: bytes, start: int) -> CsvRows | None:
    """Return the rows that begin at `start`; None if there are quotes or lone CRs."""
    if body.find(b'"', start) >= 0 or not _has_regular_lines(body):
        return None
    return CsvRows(_with_last_field(body, start), start, quoted=False)


def rows_in(rows: CsvRows) -> int:
    """Return an upper bound of the number of rows: line ends in quotes are counted, too."""
    text = rows.text
    return _count(text, b"\n", rows.start, len(text)) + (not text.endswith(b"\n"))


def _count(text: bytes, what: bytes, start: int, end: int) -> int:
    more = len(what) - 1
    return sum(text.count(what, at, min(at + _STEP + more, end)) for at in range(start, end, _STEP))


def _has_regular_lines(body: bytes) -> bool:
    size = len(body)
    return b"\r" not in body or _count(body, b"\r", 0, size) == _count(body, b"\r\n", 0, size)


def _with_regular_lines(body: bytes, start: int) -> bytes:
    lines = bytearray()
    while start < len(body):
        end = start + _STEP
        end += body.startswith(b"\n", end)  # it may be part of a CRLF
        lines += body[start:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        start = end
    return bytes(lines)


def _with_last_field(body: bytes, start: int) -> bytes:
    # After a comma at the end, Polars would not see that a field follows.
    return body + b"\n" if start < len(body) and body.endswith(b",") else body


def _has_quoted_fields(body: bytes, start: int) -> bool:
    if body.startswith(b'"', start):
        return True
    return any(
        body.find(end + b'"', at, at + _STEP + 1) >= 0
        for at in range(max(start - 1, 0), len(body), _STEP)
        for end in (b",", b"\n", b"\r")
    )


def _is_well_quoted(body: bytes, start: int) -> bool:
    """Whether all quotes open and close whole fields."""
    while True:
        while fields := _QUOTED_FIELDS.match(body, start):
            start = fields.end()
        quote = body.find(b'"', start)
        if quote < 0:
            return True
        if quote > start and body[quote - 1] not in _ENDS:
            return False
        # A field with many quotes inside, or a malformed one.
        start = _end_of_quoted(body, quote + 1) + 1
        if start < len(body) and body[start] not in _ENDS:
            return False


def _rewritten(body: bytes, start: int) -> bytes:
    """Return rows with LF at line ends, and quotes around all fields that contain some."""
    text = bytearray()
    done = start
    quote, cr = body.find(b'"', start), body.find(b"\r", start)
    while quote >= 0 or cr >= 0:
        if cr >= 0 and (quote < 0 or cr < quote):
            text += body[done:cr] + b"\n"
            done = cr + 1 + body.startswith(b"\n", cr + 1)
            cr = body.find(b"\r", done)
            continue
        # The field that contains the quote; all before it is done.
        if quote == done or body[quote - 1] in _ENDS:
            first = quote
            closing = _end_of_quoted(body, quote + 1)
            end = _end_of_unquoted(body, closing + 1)
            content = body[quote + 1 : closing] + body[closing + 1 : end].replace(b'"', b'""')
        else:
            first = 1 + max(body.rfind(b",", done, quote), body.rfind(b"\n", done, quote)) or done
            end = _end_of_unquoted(body, quote)
            content = body[first:end].replace(b'"', b'""')
        text += body[done:first] + b'"' + content + b'"'
        done = end
        quote = body.find(b'"', done)
        if 0 <= cr < done:
            cr = body.find(b"\r", done)
    text += body[done:] + b"\n"
    return bytes(text)


def without_blank_lines(rows: CsvRows) -> CsvRows:
    """Return the rows without blank lines."""
    text = rows.text
    kept = bytearray()
    start = _after_blank_lines(text, rows.start)
    inside = 0  # whether inside quotes; an escaped one toggles this twice
    while start < len(text):
        end = text.rfind(b"\n", start, start + _STEP) + 1
        end = end or text.find(b"\n", start + _STEP) + 1 or len(text)
        before = b"\n" if kept and text.startswith(b"\n", start - 1) else b""
        lines = before + text[start:end]
        if _HAS_BLANK_LINES.search(lines[:-1]):
            parts = lines.split(b'"') if rows.quoted else [lines]
            parts[inside::2] = [
                _BLANK_LINE.sub(b"", part) if b"\n" in part else part for part in parts[inside::2]
            ]
            kept += b'"'.join(parts)[len(before) :]
        else:
            kept += lines[len(before) :]
        inside ^= rows.quoted and lines.count(b'"') % 2
        start = end
    return CsvRows(bytes(kept), 0, rows.quoted)


def unmarked(rows: CsvRows) -> bytes:
    """Return the text, with a BOM in front if Polars would drop one, or decompress the text."""
    text, start = rows.text, rows.start
    if text.startswith(_BOM, start):
        text = text[:start] + _BOM + text[start:]
    return _BOM + text if text.startswith(_COMPRESSED) else text
