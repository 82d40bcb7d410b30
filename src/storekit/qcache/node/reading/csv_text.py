"""The structure of CSV text: its header, and rows that Polars splits as pandas does.

The two agree on text whose lines end with LF or CRLF, whose quotes open and close whole fields,
and that has no blank lines: other text is rewritten first.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from storekit.qcache.node.errors import BadTable

__all__ = ["Rows", "header_of", "plain_rows", "rows_of", "unmarked", "without_blank_lines"]

_BOM = b"\xef\xbb\xbf"
_COMPRESSED = (b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda", b"(\xb5/\xfd")
"""How text begins that Polars would unpack, to whatever size: gzip, zlib, zstd."""

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


class Rows(NamedTuple):
    """Text with LF or CRLF at line ends, and quotes around whole fields only."""

    text: bytes
    start: int  # where the rows begin: the header is left in place, a copy takes time
    quoted: bool  # whether there are quotes at all

    @property
    def lines_before(self) -> int:
        """Lines in front of the first row."""
        return self.text.count(b"\n", 0, self.start)


def header_of(body: bytes) -> tuple[list[str], int]:
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


def rows_of(body: bytes, start: int) -> Rows:
    """Return the rows that begin at `start`, rewritten if need be. `BadTable`: an open quote."""
    plain = plain_rows(body, start)
    if plain is not None:
        return plain
    quoted = body.find(b'"', start) >= 0
    if _has_regular_lines(body) and _is_well_quoted(body, start):
        return Rows(_with_last_field(body, start), start, quoted)
    return Rows(_IRREGULAR.sub(_rewritten, body[start:]) + b"\n", 0, quoted)


def plain_rows(body: bytes, start: int) -> Rows | None:
    """Return the rows that begin at `start`; None if there are quotes or lone CRs."""
    if body.find(b'"', start) >= 0 or not _has_regular_lines(body):
        return None
    return Rows(_with_last_field(body, start), start, quoted=False)


def _has_regular_lines(body: bytes) -> bool:
    return b"\r" not in body or body.count(b"\r") == body.count(b"\r\n")


def _with_last_field(body: bytes, start: int) -> bytes:
    # After a comma at the end, Polars would not see that a field follows.
    return body + b"\n" if start < len(body) and body.endswith(b",") else body


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


def without_blank_lines(rows: Rows) -> Rows:
    """Return the rows without the lines that have nothing but blanks."""
    # Every other part is inside quotes; an escaped quote changes sides twice.
    parts = rows.text[_after_blank_lines(rows.text, rows.start) :].split(b'"')
    parts[::2] = [_BLANK_LINE.sub(b"", part) if b"\n" in part else part for part in parts[::2]]
    return Rows(b'"'.join(parts), 0, rows.quoted)


def unmarked(rows: Rows) -> bytes:
    """Return the text such that Polars takes all of it for text: it drops one BOM."""
    text, start = rows.text, rows.start
    if text.startswith(_BOM, start):
        text = text[:start] + _BOM + text[start:]
    return _BOM + text if text.startswith(_COMPRESSED) else text
