"""Decodes the pages of one result to tables with the same column types. No I/O.

Codecs infer the type of a column from its values, and on some pages a column may have only nulls,
or only whole numbers. So a sample is put before the rows of each page: a few rows that have one
value of each kind that occurs on any page, in the order of first occurrence. They are dropped again
from the decoded table.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

from storekit.codecs.tables.base import CSV, TableCodec, media_type
from storekit.codecs.tables.reading import columns_of, read_json_rows

__all__ = ["TableSample", "TypedTableCodec", "header_end"]

T = TypeVar("T")

_MOST_KINDS = 100
"""Limit of the kinds of values in a sample of one column: text in CSV can have any number."""


@runtime_checkable
class TypedTableCodec(TableCodec[T], Protocol[T]):
    """A codec whose tables have a type for each column, inferred from the values."""

    def skip(self, table: T, rows: int, /) -> T:
        """Return a table without its first rows."""


class TableSample:
    """One value of each kind that occurs in each column of the pages."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[object, Any]] = {}  # value by kind
        self._header = b""

    def add(self, content: bytes, content_type: str) -> None:
        """Add the kinds of values on a page. Raises `CodecError`."""
        if media_type(content_type) == CSV:
            self._header = content[: header_end(content)]
            lines = csv.reader(io.StringIO(content.decode(), newline=""))
            names = next(lines, [])
            for name, cells in zip(names, zip(*lines, strict=False), strict=False):
                self._add_values(name, cells, _kinds_of_cells)
            return
        for name, values in columns_of(read_json_rows(content, "pages"), "pages").items():
            self._add_values(name, values, _kinds_of_values)

    def _add_values(
        self,
        name: str,
        values: Iterable[Any],
        kinds_of: Callable[[Any], Iterable[tuple[object, Any]]],
    ) -> None:
        known = self._columns.setdefault(name, {})
        for kind, value in kinds_of(values):
            if kind not in known and len(known) < _MOST_KINDS:
                known[kind] = value

    def decode(self, codec: TypedTableCodec[Any], content: bytes, content_type: str) -> Any:  # noqa: ANN401
        """Decode a page with the column types of the whole result. Raises `CodecError`."""
        size = max((len(known) for known in self._columns.values()), default=0)
        rows = [
            {name: _nth(known, number) for name, known in self._columns.items()}
            for number in range(size)
        ]
        if media_type(content_type) == CSV:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(row.values() for row in rows)
            sample = text.getvalue().encode()
            together = self._header + sample + content[header_end(content) :]
        else:
            listed = json.dumps(rows).encode()
            rest = content.strip()[1:]  # without "["
            joined = b"" if not rows or rest.strip() == b"]" else b","
            together = listed.strip()[:-1] + joined + rest
        return codec.skip(codec.decode(together, content_type), size)


def header_end(content: bytes) -> int:
    """Return the offset after the header of CSV, which may have line breaks in quotes."""
    quoted = False
    position = 0
    while True:
        end = content.find(b"\n", position)
        if end < 0:
            return len(content)
        quoted ^= content.count(b'"', position, end) % 2 == 1
        if not quoted:
            return end + 1
        position = end + 1


def _nth(known: dict[object, Any], number: int) -> Any:  # noqa: ANN401 - a value of JSON
    values = list(known.values())
    return values[number] if number < len(values) else values[0]


def _kinds_of_values(values: list[Any]) -> list[tuple[object, Any]]:
    """Return one value of each kind in a column of JSON, in the order of first occurrence."""
    found: dict[object, tuple[int, Any]] = {}
    for kind in set(map(type, values)):
        if kind is int:
            whole = [value for value in values if type(value) is int]
            examples: dict[object, Any] = {
                _size(value): value for value in (min(whole), max(whole), whole[0])
            }
        elif kind in (list, dict):
            examples = {}
            for value in values:
                if type(value) is kind:
                    examples.setdefault(_shape(value), value)
        else:
            examples = {kind: next(value for value in values if type(value) is kind)}
        for name, value in examples.items():
            place = next(
                place
                for place, other in enumerate(values)
                if type(other) is kind and (other is value or other == value or value != value)
            )
            found[name] = (place, value)
    return [
        (kind, value) for kind, (_, value) in sorted(found.items(), key=lambda item: item[1][0])
    ]


def _size(value: int) -> str:
    """Return the kind of a whole number: the integer types of frames that can hold it."""
    if value < 0:
        return "int64" if value >= -(2**63) else "below int64"
    return "int64, positive" if value < 2**63 else "uint64" if value < 2**64 else "beyond uint64"


def _shape(value: Any) -> str:  # noqa: ANN401 - a value of JSON
    if isinstance(value, list):
        return f"[{','.join(sorted({_shape(part) for part in value}))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name!r}:{_shape(value[name])}' for name in sorted(value))}}}"
    return _size(value) if type(value) is int else type(value).__name__


_INTEGER = re.compile(r"[+-]?[0-9]+")
_RUNS = ((re.compile(r"[0-9]+"), "9"), (re.compile(r"[^\W\d_]+"), "a"), (re.compile(r"\s+"), " "))


def _kinds_of_cells(cells: Iterable[str]) -> list[tuple[object, str]]:
    """Return one cell of each kind in a column of CSV: each pattern of digits and letters."""
    found: dict[object, str] = {}
    for cell in cells:
        kind = cell.lower() if cell.isalpha() and len(cell) < 6 else cell[:40]
        if _INTEGER.fullmatch(cell) and len(cell) < 40:
            kind = _size(int(cell))
        else:
            for pattern, sign in _RUNS:
                if not kind.isalpha():
                    kind = pattern.sub(sign, kind)
        found.setdefault(kind, cell)
        if len(found) == _MOST_KINDS:
            break
    return list(found.items())
