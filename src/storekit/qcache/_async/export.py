"""Writes results to files, page by page."""

import os
import secrets
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import IO

from storekit.codecs.tables import ArrowTable
from storekit.core.seam._async import call_blocking
from storekit.qcache._async.paging import uniform_pages
from storekit.qcache.exporting import ExportKind
from storekit.qcache.result import QueryResult

__all__ = ["write_pages"]


async def write_pages(
    pages: AsyncGenerator[tuple[bool, QueryResult], None], path: str, kind: ExportKind
) -> None:
    """Write pages, each with whether it is the last, to a file.

    They are written to a temporary file in the same directory, which replaces `path` at the end.
    If `path` exists and is not a regular file, e.g. a pipe, they are written to it directly.
    """
    target, mode = await call_blocking(_target_of, path)
    if mode is not None and not stat.S_ISREG(mode):
        with await call_blocking(open, target, "wb") as file:
            await _write(pages, file, kind)
        return
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with await call_blocking(open, temporary, "xb") as file:
            await _write(pages, file, kind)
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


async def _write(
    pages: AsyncGenerator[tuple[bool, QueryResult], None], file: IO[bytes], kind: ExportKind
) -> None:
    writer = await call_blocking(kind.writer, file)  # may load a part of pyarrow
    try:
        if kind.as_frames:
            async with aclosing(uniform_pages(pages, ArrowTable())) as tables:
                async for table in tables:
                    await call_blocking(writer.write, table)
        else:
            async for _, page in pages:
                await call_blocking(writer.write, page)
    except BaseException:
        with suppress(Exception):  # pyarrow's writers must be closed before their file
            writer.finish()
        raise
    await call_blocking(writer.finish)


def _target_of(path: str) -> tuple[str, int | None]:
    """Return the file that a path refers to, so that symbolic links are kept, and its mode."""
    target = os.path.realpath(path)
    try:
        return target, os.stat(target).st_mode
    except FileNotFoundError:
        return target, None
