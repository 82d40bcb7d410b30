"""The file of a dump, which gets its name when it is complete and durable.

Until then the name ends in ".part". Such a file has no end frame, so that reading it fails, and it
is locked by one process. Only its owner may read it, since its content is as private as the store.
"""

import errno
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from storekit.qdb.durable import sync_directory
from storekit.qdb.engine import WholeEntry
from storekit.transfer.dumps import DumpReader, DumpWriter, reading
from storekit.transfer.errors import DumpDamaged
from storekit.transfer.spool import AliasSpool
from storekit.transfer.values import Compression, DumpInfo

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["DumpFile", "DumpInput", "DumpOutput", "DumpStream", "as_output"]

_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DumpOutput(Protocol):
    """The destination of a dump. All methods block; threads may call them one after the other."""

    @property
    def seen(self) -> AliasSpool:
        """The aliases of entries that are in the dump already."""

    def begin(self, source: str, created: int) -> None:
        """Write the beginning, unless an earlier dump is continued."""

    def add(self, entries: list[WholeEntry]) -> None:
        """Write entries."""

    def finish(self) -> DumpInfo:
        """Complete the dump, and return its description."""

    def abandon(self, error: BaseException) -> None:
        """Leave the dump unfinished; has no effect if it is complete."""


class DumpStream:
    """A dump to a stream of the caller, who closes it."""

    def __init__(self, stream: BinaryIO, compression: Compression) -> None:
        self.seen: AliasSpool = AliasSpool()
        self._stream = stream
        self._writer = DumpWriter(self._write, compression)

    def begin(self, source: str, created: int) -> None:
        """Write the beginning."""
        self._writer.begin(source, created)

    def add(self, entries: list[WholeEntry]) -> None:
        """Write entries."""
        self._writer.add(entries)

    def finish(self) -> DumpInfo:
        """Write the end."""
        self._writer.end()
        self._stream.flush()
        self.seen.close()
        return self._writer.info()

    def abandon(self, error: BaseException) -> None:  # noqa: ARG002 - the same for all errors
        """Leave the stream without an end frame, so that reading it fails."""
        self.seen.close()

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[self._stream.write(view) or 0 :]


class DumpFile:
    """A dump to a file that appears when it is complete."""

    def __init__(
        self, path: Path, compression: Compression, *, resume: bool, replace: bool
    ) -> None:
        """Open the temporary file.

        Raises `FileExistsError` for an existing file, unless it is to be replaced, and any other
        `OSError`.
        """
        self._writer = DumpWriter(self._write, compression)  # raises for a wrong compression
        self._path = Path(os.path.realpath(path))
        self._replace = replace
        self._check_free()
        self._part = self._path.with_name(self._path.name + ".part")
        self._file = _open_alone(self._part)
        self.seen: AliasSpool = AliasSpool()
        self._lock = threading.Lock()  # a thread of a cancelled call may still be writing
        self._ended = False
        try:
            self._goes_on = resume and self._read_on()
            if not self._goes_on:
                self._file.seek(0)
                self._file.truncate()
        except BaseException:
            self.seen.close()
            self._file.close()
            raise

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def _check_free(self) -> None:
        with suppress(FileNotFoundError):
            there = self._path.lstat()
            if not stat.S_ISREG(there.st_mode):
                raise _error(
                    errno.EEXIST, "it is no regular file; dump to - for a pipe", self._path
                )
            if not self._replace:
                raise _error(errno.EEXIST, "there is a file already; replace it?", self._path)

    def _read_on(self) -> bool:
        """Read an unfinished dump and truncate it after whole entries; return if there is one."""
        reader = DumpReader(reading(self._file))
        whole: int | None = None
        pending: list[str] = []
        try:
            reader.begin()
            while page := reader.page():
                pending += [entry.alias for entry in page]
                if reader.safe_end == reader.frames.offset:
                    self.seen.add(pending)
                    pending.clear()
                    self._writer.go_on(reader)
                    whole = reader.safe_end
        except DumpDamaged:
            pass
        if whole is None:
            return False
        self._file.seek(whole)
        self._file.truncate()
        return True

    def begin(self, source: str, created: int) -> None:
        """Write the beginning, unless an earlier dump is continued."""
        if not self._goes_on:
            with self._lock:
                self._writer.begin(source, created)

    def add(self, entries: list[WholeEntry]) -> None:
        """Write entries."""
        with self._lock:
            if not self._ended:
                self._writer.add(entries)

    def finish(self) -> DumpInfo:
        """Write the end, sync the file, and rename it."""
        with self._lock:
            self._writer.end()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._check_free()
            if fcntl is None:
                self._file.close()  # Windows can't rename open files
            self._part.replace(self._path)
            self._file.close()
            sync_directory(self._path.parent)
            self._ended = True
            self.seen.close()
        return self._writer.info()

    def abandon(self, error: BaseException) -> None:
        """Keep the temporary file for `resume`; remove it if the disk is full."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self.seen.close()
            if isinstance(error, OSError) and error.errno in _FULL:
                self._part.unlink(missing_ok=True)
                error.add_note(f"{str(self._part)!r}, what was written of the dump, was removed")
                with suppress(OSError):  # its buffer can't be written either
                    self._file.close()
                return
            self._file.close()


class DumpInput:
    """A dump that is read from a path, or from a stream of the caller."""

    def __init__(self, file: "str | os.PathLike[str] | BinaryIO") -> None:
        self._owned = isinstance(file, str | os.PathLike)
        if not self._owned and not callable(getattr(file, "read", None)):
            raise TypeError(f"a dump comes from a path or a binary file, not {type(file).__name__}")
        self._stream: BinaryIO = (
            Path(file).open("rb") if isinstance(file, str | os.PathLike) else file  # noqa: SIM115 - closed by `close`
        )
        self._lock = threading.Lock()
        self._reader = DumpReader(reading(self._stream))
        self._start = self._stream.tell() if self._stream.seekable() else None

    @property
    def can_be_checked_first(self) -> bool:
        """Whether it can be read twice."""
        return self._start is not None

    def begin(self) -> None:
        """Read the beginning, from the start of the file."""
        with self._lock:
            if self._start is not None:
                self._stream.seek(self._start)
            self._reader = DumpReader(reading(self._stream))
            self._reader.begin()

    def page(self) -> list[WholeEntry]:
        """Return some entries; none at the end, when the dump was verified to be complete."""
        with self._lock:
            return self._reader.page()

    def info(self) -> DumpInfo:
        """Return the description of the dump, as far as it was read."""
        return self._reader.info()

    def close(self) -> None:
        """Close a file that was opened here."""
        with self._lock:
            if self._owned:
                self._stream.close()


def as_output(
    file: "str | os.PathLike[str] | BinaryIO",
    compression: Compression,
    *,
    resume: bool,
    replace: bool,
) -> DumpOutput:
    """Return the destination of a dump. Raises `OSError`, `TypeError`, `ValueError`."""
    if isinstance(file, str | os.PathLike):
        return DumpFile(Path(file), compression, resume=resume, replace=replace)
    if not callable(getattr(file, "write", None)):
        raise TypeError(f"a dump goes to a path or a binary file, not {type(file).__name__}")
    if resume:
        raise ValueError("a dump into a stream can't be resumed: give a path")
    return DumpStream(file, compression)


def _open_alone(part: Path) -> BinaryIO:
    """Open and lock a file, which must belong to this user."""
    while True:
        file = os.fdopen(os.open(part, _FLAGS, 0o600), "r+b")
        try:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise _error(errno.EEXIST, "it is no file of a dump; remove it", part)
            if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
                raise _error(errno.EPERM, "it is somebody else's file; remove it", part)
            if fcntl is None:
                return file
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(part.lstat(), found):
                return file
        except BlockingIOError as error:
            file.close()
            raise BlockingIOError(
                error.errno, "another dump is writing the file", str(part)
            ) from error
        except FileNotFoundError:
            pass  # the process that had locked it has finished and renamed it
        except BaseException:
            file.close()
            raise
        file.close()


def _error(number: int, text: str, path: Path) -> OSError:
    return OSError(number, text, str(path))
