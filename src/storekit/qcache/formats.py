"""Recognizes the formats of tables by file names and first bytes. No I/O."""

import json
import re
import zlib
from typing import Literal

__all__ = ["BOM", "PEEK", "Format", "JsonLines", "check_content", "format_of", "format_of_name"]

Format = Literal["csv", "json", "json lines", "parquet", "arrow"]

PEEK = 4096
"""How many bytes from the beginning are enough to recognize the format of content."""

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),  # a stream rather than a file
)
_LIST_OF_ROWS = re.compile(rb"\[\s*(\{\s*(\"|\})|\]\s*$)")
_OBJECT = re.compile(rb'\{\s*("([^"\\]|\\.)*"\s*:|\}\s*$)')
BOM = b"\xef\xbb\xbf"
"""The byte order mark that some programs write before UTF-8; servers reject it in JSON."""
_WHOLE = 1_000_000
"""Bytes: up to this size, content that begins like JSON is parsed to see whether it is."""


def format_of_name(name: str) -> Format | None:
    """Return the format by the suffix of a file name, ignoring `.gz`; None if it is unknown."""
    match = re.search(r"\.[a-z]+$", name.lower().removesuffix(".gz"))
    return None if match is None else _SUFFIXES.get(match[0])


def format_of(start: bytes, name: str = "") -> tuple[Format, bool]:
    """Return the format of content, given its beginning, and whether gzip has compressed it.

    Binary formats are recognized by their first bytes; CSV and JSON by the suffix of the name if
    it has one, else by their first characters. Raises `ValueError` for unsupported formats.
    """
    if start.startswith(b"\x1f\x8b"):
        try:
            inner = zlib.decompressobj(wbits=31).decompress(start, PEEK)
        except zlib.error as error:
            raise ValueError(f"the content is broken gzip: {error}") from error
        kind, packed_twice = format_of(inner, name)
        if packed_twice:
            raise ValueError("the content is packed with gzip twice: unpack it once")
        if kind not in ("csv", "json"):
            raise ValueError(f"the content is {kind} packed with gzip: unpack it")
        return kind, True
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind, False
    if start.startswith(b"PK\x03\x04"):
        raise ValueError(
            "the content is a ZIP or Excel file: post a frame, e.g. pandas.read_excel(path)"
        )
    if (named := format_of_name(name)) is not None:
        return named, False
    head = start.removeprefix(BOM).lstrip()
    if _LIST_OF_ROWS.match(head):
        return "json", False
    if _OBJECT.match(head):
        return "json lines", False
    return "csv", False


def check_content(content: bytes) -> Format:
    """Return the format of complete content.

    Raises `ValueError` for JSON that is not a table, that is, a list of objects.
    """
    kind, _ = format_of(content[:PEEK])
    if kind == "json lines" and not _has_lines(content):
        raise ValueError(
            "the content is one JSON object; QCache takes a list of them: post [row], or '[...]'"
        )
    if kind == "csv" and len(content) <= _WHOLE and content.lstrip()[:1] == b"[":
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            return kind
        what = type(parsed[0]).__name__ if parsed else "nothing"
        raise ValueError(
            f"the content is a JSON list of {what}; QCache takes a list of objects, one a row"
        )
    return kind


def _has_lines(content: bytes) -> bool:
    first, _, rest = content.removeprefix(BOM).lstrip().partition(b"\n")
    try:
        return isinstance(json.loads(first), dict) and rest.lstrip()[:1] == b"{"
    except (ValueError, RecursionError):
        return False


class JsonLines:
    """Converts JSON lines to the JSON list that QCache takes, piece by piece."""

    def __init__(self) -> None:
        self._rest = b""
        self._before = b"["

    def feed(self, piece: bytes) -> bytes:
        """Return the next part of the list: the lines that this piece completes."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        return self._listed(lines)

    def end(self) -> bytes:
        """Return the rest of the list."""
        rest = self._listed([self._rest])
        return rest + (b"[]" if self._before == b"[" else b"]")

    def _listed(self, lines: list[bytes]) -> bytes:
        rows = [row for line in lines if (row := line.strip().removeprefix(BOM))]
        if not rows:
            return b""
        before, self._before = self._before, b","
        return before + b",".join(rows)
