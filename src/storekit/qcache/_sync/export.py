# Generated from src/storekit/qcache/_async/export.py by tools/generate_sync.py; do not edit.

"""Writes results to files, page by page."""

import os
import secrets
import stat
from collections.abc import Generator
from contextlib import closing, suppress
from typing import IO

from storekit.codecs.tables import ArrowTable
from storekit.core.seam._sync import call_blocking
from storekit.qcache._sync.paging import uniform_pages
from storekit.qcache.exporting import ExportKind
from storekit.qcache.result import QueryResult

__all__ = ["write_pages"]


def write_pages(
    pages: Generator[tuple[bool, QueryResult], None, None], path: str, kind: ExportKind
) -> None:
    """Write pages, each with whether it is the last, to a file.

    They are written to a temporary file in the same directory, which replaces `path` at the end.
    If `path` exists and is not a regular file, e.g. a pipe, they are written to it directly.
    """
    target, mode = call_blocking(_target_of, path)
    if mode is not None and not stat.S_ISREG(mode):
        with call_blocking(open, target, "wb") as file:
            _write(pages, file, kind)
        return
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with call_blocking(open, temporary, "xb") as file:
            _write(pages, file, kind)
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _write(
    pages: Generator[tuple[bool, QueryResult], None, None], file: IO[bytes], kind: ExportKind
) -> None:
    writer = call_blocking(kind.writer, file)  # may load a part of pyarrow
    try:
        if kind.as_frames:
            with closing(uniform_pages(pages, ArrowTable())) as tables:
                for table in tables:
                    call_blocking(writer.write, table)
        else:
            for _, page in pages:
                call_blocking(writer.write, page)
    except BaseException:
        with suppress(Exception):  # pyarrow's writers must be closed before their file
            writer.finish()
        raise
    call_blocking(writer.finish)


def _target_of(path: str) -> tuple[str, int | None]:
    """Return the file that a path refers to, so that symbolic links are kept, and its mode."""
    target = os.path.realpath(path)
    try:
        return target, os.stat(target).st_mode
    except FileNotFoundError:
        return target, None
