"""Large contents, in files of their own beside the one of the store.

The store's log makes SQLite write each byte twice, and in small pages; a file takes it once.
The directory of these files holds nothing but bytes. Which file is whose, and which are not
needed any more, the store says, and only its commits count:

- A file is durable before the change of the store that names it can be.
- A file whose entry has gone is deleted once it is durable that it has, which is also when
  no reader of an older state is left.
- No file is written over, and no number given again: nobody takes one content for another.
- A change that fails takes its files with it. Of one that was broken off, as a process was
  killed, the log may still make a change: its files, with numbers above all that the store
  knows of, wait for the next change that gives such a number, and go when that is durable.
- The name of the directory has the mark of the store in it: no other store touches it.

Neither the store's file nor what is beside it is trusted. Numbers are checked before a name is made
of them. The directory is opened as one, which a link is not, and all else is done relative to that;
files are opened only if they are files.
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
"""Contents of at least this many bytes are kept apart."""

_DELETED_AT_ONCE = 256  # files, or half of those that are to be, if there are more
_SYNCED_AT_ONCE = 1 << 20  # bytes
_MARK_BYTES = 8
_LAST_NUMBER = (1 << 63) - 1
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_FILES = (errno.EMFILE, errno.ENFILE)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN
_THERE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _PLAIN  # a pipe would be waited for
_RELATIVE = os.open in os.supports_dir_fd and os.unlink in os.supports_dir_fd
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _PLAIN


class LargeContents:
    """Writes, reads and deletes files. Callers hold the connection's lock."""

    def __init__(self, connection: Connection) -> None:
        assert connection.path is not None  # noqa: S101 - it is no store in memory
        self._store = connection
        self._path = Path(os.path.realpath(connection.path))
        rows = connection.all("SELECT mark FROM store LIMIT 2")
        mark = rows[0][0] if len(rows) == 1 else None
        if not isinstance(mark, bytes) or len(mark) != _MARK_BYTES:
            raise error_for(ErrorCode.DATA_CORRUPTION, "The mark of the store is not what it was.")
        self.directory: Path = self._path.with_name(f"{self._path.name}-large-{mark.hex()}")

    def write(self, content: Buffer) -> int:
        """Write a content, durably, and return the number of its file.

        To be called in a change of the store, which keeps other writers away.
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
        # The file is an object rather than a number: it is closed wherever this is broken off.
        with (
            self._opened() as directory,
            self._open(number, _NEW, "wb", directory) as file,
        ):
            self._store.undo.append(partial(self._delete, number))
            _let_in(file.fileno(), like, like.st_mode)
            for start in range(0, len(content), _SYNCED_AT_ONCE):
                left = content[start : start + _SYNCED_AT_ONCE]
                while left:
                    left = left[os.write(file.fileno(), left[:WRITTEN_AT_ONCE]) :]
                begin_sync(file.fileno(), start, _SYNCED_AT_ONCE)
            os.fsync(file.fileno())
        sync_directory(self.directory)

    def _make_directory(self, like: os.stat_result) -> None:
        # It may be there, made by somebody who was stopped before the rest of this.
        self.directory.mkdir(mode=0o700, exist_ok=True)
        with self._opened() as directory:
            # Who may read the store may search the directory. One of somebody else stays as it is.
            if directory is not None and os.fstat(directory).st_uid == os.geteuid():
                _let_in(directory, like, like.st_mode | (like.st_mode & 0o444) >> 2)
        sync_directory(self._path.parent)

    @contextmanager
    def _opened(self) -> Iterator[int | None]:
        """Give a descriptor of the directory, which is no link; None where there is no such way."""
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
        """Return the content of an entry, in the transaction in which its row was read.

        It is in `place` if that is given and it fits there.
        """
        row = self._store.one("SELECT file, size FROM large WHERE entry = ?", (entry,))
        if row is None:
            raise error_for(ErrorCode.DATA_CORRUPTION, "Its content is not in the store.")
        number, size = _checked(row[0], 1, _LAST_NUMBER), _checked(row[1], 1, MAX_CONTENT)
        try:
            with (
                self._opened() as directory,
                self._open(number, _THERE, "rb", directory) as file,
            ):
                status = os.fstat(file.fileno())
                # Before memory is taken for it.
                if stat.S_ISREG(status.st_mode) and status.st_size == size:
                    content, end = _read_whole(file, size, place)
                    there = end
                else:
                    content, there = memoryview(b""), status.st_size
        except OSError as error:
            raise self._failure(error) from error
        if not len(content) == there == size:
            raise error_for(
                ErrorCode.DATA_CORRUPTION,
                f"Its content had {size} bytes, and the file {number} in "
                f"{self.directory.name!r} has {there}: restore it, and the store with it.",
            )
        return content.toreadonly()

    def tidy(self) -> None:
        """Delete some of the files that no entry has any more, if nobody can need them."""
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
        # While somebody else is at a checkpoint, this does none, and the figures are both -1.
        if row is None or row[0] or row[1] != row[2]:
            return  # a power failure could undo it, or somebody reads an older state
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
            return False  # it stays for another time
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
                f"{self.directory.name!r}, where large contents belong, is no directory, or there "
                "is a link in it: look who has put it there, and remove it.",
            )
        if error.errno in _FULL:
            return error_for(ErrorCode.NO_SPACE_LEFT, "Nothing of this call was stored.")
        if error.errno in _REFUSED:
            return error_for(
                ErrorCode.OPERATION_NOT_PERMITTED,
                f"The directory {self.directory.name!r}, for large contents, or a file in it "
                "cannot be accessed.",
            )
        return error_for(ErrorCode.SYSTEM_LOCAL, f"A large content cannot be accessed: {error}.")


def _checked(value: object, least: int, most: int) -> int:
    """Return a number from the store, or raise `DATA_CORRUPTION` if it is none of ours."""
    if type(value) is not int or not least <= value <= most:
        raise error_for(
            ErrorCode.DATA_CORRUPTION, "What is noted of a large content is not what was written."
        )
    return value


def _read_whole(file: FileIO, size: int, place: memoryview | None) -> tuple[memoryview, int]:
    """Return a content, in `place` if it fits there, and how many bytes the file has."""
    if place is None or len(place) < size:
        # Not a bytearray: of freed ones the allocator keeps some for each thread.
        place = memoryview(mmap.mmap(-1, size))
    content = place[:size]
    end = 0
    while end < size and (read := file.readinto(content[end:])):
        end += read
    if end < size:
        return content[:end], end
    return content, os.fstat(file.fileno()).st_size


def _let_in(target: int, like: os.stat_result, mode: int) -> None:
    """Let those use a file who may use the one of the store."""
    if hasattr(os, "chown"):
        # As far as that works, as SQLite does for its files: giving a file away is for root,
        # and some file systems have no such thing.
        with suppress(PermissionError):
            os.chown(target, -1, like.st_gid)
        with suppress(PermissionError):
            os.chown(target, like.st_uid, -1)
        with suppress(PermissionError):
            os.chmod(target, mode & 0o777)
