"""The file of a dump: beside its name until it is whole, and durable before it gets it.

Until then the name ends in ".part". Such a file has no end, so that it is refused wherever it is
read, and one process at a time has it. What is in it is as private as the store: only its owner
may read it.
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
    """Where a dump goes. All methods block; any thread may call them, one after the other."""

    @property
    def seen(self) -> AliasSpool:
        """The aliases of entries that are in the dump already."""

    def begin(self, source: str, created: int) -> None:
        """Write what comes first, unless there is a beginning to go on from."""

    def add(self, entries: list[WholeEntry]) -> None:
        """Write entries."""

    def finish(self) -> DumpInfo:
        """Have the dump be whole, and return what is in it."""

    def abandon(self, error: BaseException) -> None:
        """Leave the dump unfinished, or do nothing if it is whole."""


class DumpStream:
    """A dump into a stream that somebody has opened, and closes."""

    def __init__(self, stream: BinaryIO, compression: Compression) -> None:
        self.seen: AliasSpool = AliasSpool()
        self._stream = stream
        self._writer = DumpWriter(self._write, compression)

    def begin(self, source: str, created: int) -> None:
        """Write what comes first."""
        self._writer.begin(source, created)

    def add(self, entries: list[WholeEntry]) -> None:
        """Write entries."""
        self._writer.add(entries)

    def finish(self) -> DumpInfo:
        """Write what comes last."""
        self._writer.end()
        self._stream.flush()
        self.seen.close()
        return self._writer.info()

    def abandon(self, error: BaseException) -> None:  # noqa: ARG002 - it makes no difference
        """Leave the stream without an end: whoever reads it refuses it."""
        self.seen.close()

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[self._stream.write(view) or 0 :]


class DumpFile:
    """A dump into a file that comes into being when it is whole."""

    def __init__(
        self, path: Path, compression: Compression, *, resume: bool, replace: bool
    ) -> None:
        """Open the file beside it.

        Raises `FileExistsError` for a file that is there, unless it is to be replaced, and any
        other `OSError`.
        """
        self._writer = DumpWriter(self._write, compression)  # which may refuse that
        self._path = Path(os.path.realpath(path))
        self._replace = replace
        self._check_free()
        self._part = self._path.with_name(self._path.name + ".part")
        self._file = _open_alone(self._part)
        self.seen: AliasSpool = AliasSpool()
        self._lock = threading.Lock()  # a thread that was given up may be writing
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
        """Read what an earlier dump has left, cut off what is not whole; return if there is any."""
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
        """Write what comes first, unless there is a beginning to go on from."""
        if not self._goes_on:
            with self._lock:
                self._writer.begin(source, created)

    def add(self, entries: list[WholeEntry]) -> None:
        """Write entries."""
        with self._lock:
            if not self._ended:
                self._writer.add(entries)

    def finish(self) -> DumpInfo:
        """Write what comes last, have it on the disk, and give the file its name."""
        with self._lock:
            self._writer.end()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._check_free()
            if fcntl is None:
                self._file.close()  # Windows gives no new name to open files
            self._part.replace(self._path)
            self._file.close()
            sync_directory(self._path.parent)
            self._ended = True
            self.seen.close()
        return self._writer.info()

    def abandon(self, error: BaseException) -> None:
        """Leave the file under its other name, to go on with; of a full disk, remove it."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self.seen.close()
            if isinstance(error, OSError) and error.errno in _FULL:
                self._part.unlink(missing_ok=True)
                error.add_note(f"{str(self._part)!r}, what was written of the dump, was removed")
                with suppress(OSError):  # what is in its buffer has no room either
                    self._file.close()
                return
            self._file.close()


class DumpInput:
    """A dump that is read from a path, or from a stream that somebody has opened."""

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
        """Read what comes first, from the start."""
        with self._lock:
            if self._start is not None:
                self._stream.seek(self._start)
            self._reader = DumpReader(reading(self._stream))
            self._reader.begin()

    def page(self) -> list[WholeEntry]:
        """Return some entries; none at the end, when the dump is known to be whole."""
        with self._lock:
            return self._reader.page()

    def info(self) -> DumpInfo:
        """Return what is in the dump, as far as it was read."""
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
    """Return where a dump goes. Raises `OSError`, `TypeError`, `ValueError`."""
    if isinstance(file, str | os.PathLike):
        return DumpFile(Path(file), compression, resume=resume, replace=replace)
    if not callable(getattr(file, "write", None)):
        raise TypeError(f"a dump goes to a path or a binary file, not {type(file).__name__}")
    if resume:
        raise ValueError("a dump into a stream can't be resumed: give a path")
    return DumpStream(file, compression)


def _open_alone(part: Path) -> BinaryIO:
    """Open a file that nobody else has opened like this, and that is nobody else's."""
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
            pass  # whoever had it before has finished it
        except BaseException:
            file.close()
            raise
        file.close()


def _error(number: int, text: str, path: Path) -> OSError:
    return OSError(number, text, str(path))
