"""Writers of the pages of a result to one file, by format. No event loop, and no requests."""

import os
from collections.abc import Callable
from typing import IO, Any, Literal, NamedTuple, Protocol

from storekit._extras import require
from storekit.codecs.tables.base import CSV, JSON
from storekit.codecs.tables.reading import json_lines
from storekit.qcache.formats import format_of_name
from storekit.qcache.result import QueryResult
from storekit.qcache.sampling import header_end

__all__ = ["ExportFormat", "ExportKind", "PageWriter", "export_format"]

ExportFormat = Literal["csv", "json lines", "parquet", "arrow"]


class PageWriter(Protocol):
    """Writes pages to an open file, one after the other."""

    def write(self, page: Any, /) -> None:  # noqa: ANN401 - a result or a frame
        """Write one page."""

    def finish(self) -> None:
        """Write what comes after the last page."""


class ExportKind(NamedTuple):
    """How to ask for the pages of an export, and how to write them."""

    accept: str
    as_frames: bool
    writer: Callable[[IO[bytes]], PageWriter]


def export_format(path: str | os.PathLike[str], given: str | None) -> ExportKind:
    """Return how to export to a path, in a given format or that of the suffix of the path.

    Raises `TypeError`, `ValueError`, and `ModuleNotFoundError` without pyarrow if it is needed.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the path of a file, not {type(path).__name__}")
    chosen = format_of_name(os.fspath(path)) if given is None else given
    if chosen not in _KINDS:
        raise ValueError(
            f"export writes {', '.join(_KINDS)}: give format=, or a path that ends with .csv, "
            f".jsonl, .parquet or .arrow; not {chosen or os.fspath(path)!r}"
        )
    if os.fspath(path).lower().endswith(".gz"):
        raise ValueError("export does not compress files: give a path without .gz")
    kind = _KINDS[chosen]
    if kind.as_frames:
        require(f"an export of {chosen}", "arrow", "pyarrow")
    return kind


class _CsvWriter:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._any = False

    def write(self, page: QueryResult, /) -> None:
        content = page.content
        start = header_end(content) if self._any else 0
        self._any = True
        self._file.write(memoryview(content)[start:])

    def finish(self) -> None:
        """Do nothing: CSV has no footer."""


class _JsonLinesWriter:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, page: QueryResult, /) -> None:
        self._file.write(json_lines(page.content, "json lines"))

    def finish(self) -> None:
        """Do nothing: JSON lines have no footer."""


class _ArrowWriter:
    """Writes tables of pyarrow; `open_writer` makes a writer for the schema of the first table."""

    def __init__(self, file: IO[bytes], open_writer: Callable[[IO[bytes], Any], Any]) -> None:
        self._file = file
        self._open = open_writer
        self._writer: Any = None

    def write(self, page: Any, /) -> None:  # noqa: ANN401 - pyarrow has no types
        if self._writer is None:
            self._writer = self._open(self._file, page.schema)
        self._writer.write_table(page)

    def finish(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _parquet_writer(file: IO[bytes]) -> PageWriter:
    from pyarrow import parquet  # noqa: PLC0415 - an extra, loaded when it is needed

    return _ArrowWriter(file, parquet.ParquetWriter)


def _arrow_writer(file: IO[bytes]) -> PageWriter:
    from pyarrow import ipc  # noqa: PLC0415 - an extra, loaded when it is needed

    return _ArrowWriter(file, ipc.new_file)


_KINDS = {
    "csv": ExportKind(CSV, False, _CsvWriter),
    "json lines": ExportKind(JSON, False, _JsonLinesWriter),
    "parquet": ExportKind(JSON, True, _parquet_writer),
    "arrow": ExportKind(JSON, True, _arrow_writer),
}
