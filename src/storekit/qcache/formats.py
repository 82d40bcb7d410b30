"""Formats of tables, as their names and first bytes tell them. No I/O."""

import json
import re
import zlib
from typing import Literal

__all__ = ["BOM", "PEEK", "Format", "JsonLines", "check_content", "format_of", "format_of_name"]

Format = Literal["csv", "json", "json lines", "parquet", "arrow"]

PEEK = 4096
"""How many bytes from the beginning tell what content is."""

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
"""The byte order mark that some programs write before UTF-8; servers do not take it in JSON."""
_WHOLE = 1_000_000
"""Content up to this size is parsed to see whether it is JSON, if it may be."""


def format_of_name(name: str) -> Format | None:
    """Return what the suffix of a file's name says, before one of gzip."""
    match = re.search(r"\.[a-z]+$", name.lower().removesuffix(".gz"))
    return None if match is None else _SUFFIXES.get(match[0])


def format_of(start: bytes, name: str = "") -> tuple[Format, bool]:
    """Return the format of content, from its beginning, and whether it is packed with gzip.

    What can be neither CSV nor JSON is known by its first bytes, the rest by the suffix of its
    name if it has one. Raises `ValueError` for files of other kinds.
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
    """Return the format of content that is there as a whole.

    Raises `ValueError` for JSON that is no list of objects, and so no table.
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
    """Turns JSON lines into the list of JSON that QCache takes, piece by piece."""

    def __init__(self) -> None:
        self._rest = b""
        self._before = b"["

    def feed(self, piece: bytes) -> bytes:
        """Return what the lines that this piece completes are in a list."""
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
