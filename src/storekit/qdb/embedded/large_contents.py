"""Large contents, in separate files beside the file of the store.

With its log, SQLite writes each byte twice, and in small pages; a file is written once. The
directory has only the contents. The tables of the store record which entry a file belongs to, and
which files are no longer needed:

- A file is synced to the disk before the transaction that refers to it is committed.
- A file whose entry was removed is deleted when the removal is synced to the disk, and no reader of
  an older state is left.
- No file is overwritten, and no number used twice, so one content can't be mistaken for another.
- If a transaction fails, its files are deleted. If the process is killed during a transaction, the
  log may still complete it, so its files are kept. If it was not completed, their numbers are
  above the highest recorded one; the transaction that gets such a number next marks the file for
  deletion.
- The name of the directory contains the mark of the store, so that no other store uses it.

The content of both the file of the store and the directory is checked before it is used. Numbers
are checked before they become file names. The directory is opened without following a link, and
all other operations are relative to it; only regular files are opened.
"""

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import FileIO
from pathlib import Path

from storekit.qdb.buffers import WRITTEN_AT_ONCE
from storekit.qdb.durable import begin_sync, sync_directory
from storekit.qdb.embedded.checks import MAX_CONTENT
from storekit.qdb.embedded.connection import Connection
from storekit.qdb.embedded.failures import no_more_files
from storekit.qdb.engine import Buffer
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["LARGE_CONTENT", "LargeContents"]

LARGE_CONTENT = 1 << 20
"""Contents of at least this many bytes are stored in separate files."""

_DELETED_AT_ONCE = 256  # files to delete at once; or half of them all, if that is more
_SYNCED_AT_ONCE = 1 << 20  # bytes
_MARK_BYTES = 8
_LAST_NUMBER = (1 << 63) - 1
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_FILES = (errno.EMFILE, errno.ENFILE)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN
_THERE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _PLAIN  # opening a pipe would block
_RELATIVE = os.open in os.supports_dir_fd and os.unlink in os.supports_dir_fd
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _PLAIN


class LargeContents:
    """Writes, reads and deletes files. Callers hold the lock of the connection."""

    def __init__(self, connection: Connection) -> None:
        assert connection.path is not None  # noqa: S101 - not a store in memory
        self._store = connection
        self._path = Path(os.path.realpath(connection.path))
        rows = connection.all("SELECT mark FROM store LIMIT 2")
        mark = rows[0][0] if len(rows) == 1 else None
        if not isinstance(mark, bytes) or len(mark) != _MARK_BYTES:
            raise error_for(ErrorCode.DATA_CORRUPTION, "The mark of the store is malformed.")
        self.directory: Path = self._path.with_name(f"{self._path.name}-large-{mark.hex()}")

    def write(self, content: Buffer) -> int:
        """Write a content, sync it to the disk, and return the number of its file.

        To be called in a write transaction, which excludes other writers.
        """
        number = self._next_number()
        try:
            self._write(number, memoryview(content))
        except OSError as error:
            raise self._failure(error) from error
        return number

    def _next_number(self) -> int:
        while True:
            row = self._store.one("UPDATE store SET last_file = last_file + 1 RETURNING last_file")
            number = _checked(row[0] if row else None, 1, _LAST_NUMBER)
            if not os.path.lexists(self.directory / str(number)):
                return number
            self._store.change("INSERT OR IGNORE INTO dropped VALUES (?)", (number,))

    def _write(self, number: int, content: memoryview) -> None:
        like = self._path.stat()
        if not self._store.one("SELECT 1 FROM large LIMIT 1"):
            self._make_directory(like)
        # A file object rather than a descriptor, so that it is closed if this is interrupted.
        with (
            self._opened() as directory,
            self._open(number, _NEW, "wb", directory) as file,
        ):
            self._store.undo.append(partial(self._delete, number))
            _grant_access(file.fileno(), like, like.st_mode)
            for start in range(0, len(content), _SYNCED_AT_ONCE):
                left = content[start : start + _SYNCED_AT_ONCE]
                while left:
                    left = left[os.write(file.fileno(), left[:WRITTEN_AT_ONCE]) :]
                begin_sync(file.fileno(), start, _SYNCED_AT_ONCE)
            os.fsync(file.fileno())
        sync_directory(self.directory)

    def _make_directory(self, like: os.stat_result) -> None:
        # It may exist, if another process was killed before it recorded a file.
        self.directory.mkdir(mode=0o700, exist_ok=True)
        with self._opened() as directory:
            # Users who may read the store may search the directory. That of another user is
            # not changed.
            if directory is not None and os.fstat(directory).st_uid == os.geteuid():
                _grant_access(directory, like, like.st_mode | (like.st_mode & 0o444) >> 2)
        sync_directory(self._path.parent)

    @contextmanager
    def _opened(self) -> Iterator[int | None]:
        """Yield a descriptor of the directory; None if the system has no relative paths."""
        if not _RELATIVE:
            yield None
            return
        directory = os.open(self.directory, _DIRECTORY)
        try:
            yield directory
        finally:
            os.close(directory)

    def _open(self, number: int, flags: int, mode: str, directory: int | None) -> FileIO:
        place = self.directory if directory is None else Path()

        def opener(name: str, _: int) -> int:
            return os.open(name, flags, 0o600, dir_fd=directory)

        return FileIO(str(place / str(number)), mode, opener=opener)

    def read(self, entry: int, place: memoryview | None = None) -> memoryview:
        """Return the content of an entry, in `place` if it fits.

        To be called in the transaction in which the row of the entry was read.
        """
        row = self._store.one("SELECT file, size FROM large WHERE entry = ?", (entry,))
        if row is None:
            raise error_for(ErrorCode.DATA_CORRUPTION, "The store does not record its content.")
        number, size = _checked(row[0], 1, _LAST_NUMBER), _checked(row[1], 1, MAX_CONTENT)
        try:
            with (
                self._opened() as directory,
                self._open(number, _THERE, "rb", directory) as file,
            ):
                status = os.fstat(file.fileno())
                # Checked before memory is allocated for it.
                if stat.S_ISREG(status.st_mode) and status.st_size == size:
                    content, end = _read_whole(file, size, place)
                    actual = end
                else:
                    content, actual = memoryview(b""), status.st_size
        except OSError as error:
            raise self._failure(error) from error
        if not len(content) == actual == size:
            raise error_for(
                ErrorCode.DATA_CORRUPTION,
                f"Its content had {size} bytes, and the file {number} in "
                f"{self.directory.name!r} has {actual}: restore it, and the store with it.",
            )
        return content.toreadonly()

    def tidy(self) -> None:
        """Delete some of the files that no entry has any more, unless they may be needed."""
        if self._store.in_transaction:
            return
        dropped = self._store.all(
            "SELECT file FROM dropped ORDER BY file "
            "LIMIT max(?, (SELECT count(*) FROM dropped) / 2)",
            (_DELETED_AT_ONCE,),
        )
        if not dropped:
            return
        row = self._store.one("PRAGMA wal_checkpoint(PASSIVE)")
        # During a checkpoint of another connection, this makes none, and both numbers are -1.
        if row is None or row[0] or row[1] != row[2]:
            return  # a power failure could undo the removal, or a reader has an older state
        gone = [row for row in dropped if self._delete(row[0])]
        with self._store.transaction():
            for row in gone:
                self._store.change("DELETE FROM dropped WHERE file = ?", row)

    def _delete(self, number: object) -> bool:
        try:
            with self._opened() as directory:
                name = str(_checked(number, 1, _LAST_NUMBER))
                os.unlink(self.directory / name if directory is None else name, dir_fd=directory)
        except FileNotFoundError:
            return True
        except (OSError, QuasardbException):
            return False  # to be tried again later
        return True

    def _failure(self, error: OSError) -> QuasardbException:
        if isinstance(error, FileNotFoundError):
            return error_for(
                ErrorCode.DATA_CORRUPTION,
                f"A large content is missing: restore the directory {self.directory.name!r}, "
                "which belongs beside the file of the store.",
            )
        if error.errno == errno.ENOMEM:
            return error_for(ErrorCode.NO_MEMORY_LOCAL)
        if error.errno in _NO_FILES:
            return no_more_files()
        if error.errno in _IN_THE_WAY or isinstance(error, FileExistsError):
            return error_for(
                ErrorCode.OPERATION_NOT_PERMITTED,
                f"{self.directory.name!r}, where large contents belong, is not a directory, or "
                "there is a link in it: find out who created it, and remove it.",
            )
        if error.errno in _FULL:
            return error_for(ErrorCode.NO_SPACE_LEFT, "Nothing of this call was stored.")
        if error.errno in _REFUSED:
            return error_for(
                ErrorCode.OPERATION_NOT_PERMITTED,
                f"The directory {self.directory.name!r}, for large contents, or a file in it "
                "can't be accessed.",
            )
        return error_for(ErrorCode.SYSTEM_LOCAL, f"A large content can't be accessed: {error}.")


def _checked(value: object, least: int, most: int) -> int:
    """Return a number from the store. Raises `DATA_CORRUPTION` if it is out of range."""
    if type(value) is not int or not least <= value <= most:
        raise error_for(
            ErrorCode.DATA_CORRUPTION, "The number or size recorded for a large content is wrong."
        )
    return value


def _read_whole(file: FileIO, size: int, place: memoryview | None) -> tuple[memoryview, int]:
    """Return a content, in `place` if it fits, and the size of the file in bytes."""
    if place is None or len(place) < size:
        # Not a bytearray: the allocator keeps some of the freed ones, for each thread.
        place = memoryview(mmap.mmap(-1, size))
    content = place[:size]
    end = 0
    while end < size and (read := file.readinto(content[end:])):
        end += read
    if end < size:
        return content[:end], end
    return content, os.fstat(file.fileno()).st_size


def _grant_access(target: int, like: os.stat_result, mode: int) -> None:
    """Give a file the owner and mode of the file of the store."""
    if hasattr(os, "chown"):
        # As far as permitted, as SQLite does for its files: only root may change the owner,
        # and some file systems have no owners.
        with suppress(PermissionError):
            os.chown(target, -1, like.st_gid)
        with suppress(PermissionError):
            os.chown(target, like.st_uid, -1)
        with suppress(PermissionError):
            os.chmod(target, mode & 0o777)
