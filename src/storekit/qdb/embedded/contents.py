"""Large contents, each in a file of its own beside the database.

SQLite writes each byte twice, to its log and to its file, in pieces of 4 kB; from about a
megabyte up a plain file is several times as fast. The row then has, instead of the content,
the name of the file as text, with the size at its end.

A file is complete before its name is in the store, and is deleted after its name has gone
from there: triggers note such names in the table `loose`. What a process that died has left
behind is found by looking through the directory when a store is opened.
"""

import contextlib
import errno
import mmap
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from storekit.qdb.embedded.checks import NAME, size_of
from storekit.qdb.embedded.connection import Connection
from storekit.qdb.engine import Buffer
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["APART", "ContentGone", "Contents", "lost"]

APART = 1 << 20
"""Contents of this many bytes and more are kept apart."""

_ORPHANED = 3600.0  # seconds; by then, a change that has written a file is over
_AT_ONCE = 64


class ContentGone(Exception):
    """The file was deleted after its name was read: somebody has changed the entry since."""


class Contents:
    """The files of one store."""

    def __init__(self, connection: Connection, *, durable: bool) -> None:
        assert connection.path is not None  # noqa: S101 - it is no store in memory
        self._connection = connection
        self._durable = durable
        self._directory = Path(f"{connection.path}-contents")

    @contextlib.contextmanager
    def kept(self, content: Buffer) -> Iterator[str]:
        """Write a file for a change that names it; it goes if the change has failed."""
        name = self.write(content)
        try:
            yield name
        except Exception:
            with contextlib.suppress(QuasardbException):
                self._delete_orphan(name)
            raise

    def write(self, content: Buffer) -> str:
        """Write a file, and return its name."""
        name = f"{uuid.uuid4().hex}-{len(content)}"
        try:
            self._write(self._directory / name, content)
        except OSError as error:
            self.delete(name)
            raise _failure(error) from error
        return name

    def _write(self, path: Path, content: Buffer) -> None:
        try:
            file = path.open("xb", buffering=0)
        except FileNotFoundError:
            self._directory.mkdir(exist_ok=True)
            if self._durable:
                _sync_directory(self._directory.parent)
            file = path.open("xb", buffering=0)
        with file:
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            if self._durable:
                os.fsync(file.fileno())
        if self._durable:
            _sync_directory(self._directory)

    def read(self, name: str) -> memoryview:
        """Return a view of a content, which stays when the file goes. Raises `ContentGone`.

        Files never change, so they can be mapped: nothing is copied.
        """
        try:
            with (self._directory / name).open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size == size_of(name):
                    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
        except FileNotFoundError:
            raise ContentGone from None
        except OSError as error:
            raise _failure(error) from error
        raise error_for(
            ErrorCode.DATA_CORRUPTION,
            f"The file {name} of a content has {size} bytes: restore it.",
        )

    def delete(self, name: str) -> None:
        """Delete a file that no entry names."""
        with contextlib.suppress(OSError):  # it is found again as an orphan
            (self._directory / name).unlink()

    def tidy(self) -> None:
        """Delete files whose names have gone from the store."""
        while True:
            rows = self._connection.all("SELECT name FROM loose LIMIT ?", (_AT_ONCE,))
            for (name,) in rows:
                self.delete(name)
            for row in rows:
                self._connection.change("DELETE FROM loose WHERE name = ?", row)
            if len(rows) < _AT_ONCE:
                return

    def tidy_orphans(self) -> None:
        """Delete files that a process has left behind when it died in the middle of a change."""
        try:
            files = list(os.scandir(self._directory))
        except FileNotFoundError:
            return
        except OSError as error:
            raise _failure(error) from error
        before = time.time() - _ORPHANED
        for file in files:
            with contextlib.suppress(OSError, QuasardbException):
                if file.stat().st_mtime < before:
                    self._delete_orphan(file.name)

    def _delete_orphan(self, name: str) -> None:
        named = "SELECT 1 FROM entry WHERE content = ? AND typeof(content) = 'text'"
        if not self._connection.one(named, (name,)):
            self.delete(name)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failure(error: OSError) -> QuasardbException:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error_for(ErrorCode.NO_SPACE_LEFT, "Nothing of this call was stored.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return error_for(
            ErrorCode.OPERATION_NOT_PERMITTED,
            "The directory of large contents, or a file in it, cannot be accessed.",
        )
    return error_for(ErrorCode.SYSTEM_LOCAL, f"A large content cannot be accessed: {error}.")


def lost(name: str) -> QuasardbException:
    """Return the error for a content whose file is not there."""
    return error_for(
        ErrorCode.DATA_CORRUPTION,
        f"The file {name[:NAME]}... of its content is missing: restore the directory of "
        "large contents that belongs to the store.",
    )
