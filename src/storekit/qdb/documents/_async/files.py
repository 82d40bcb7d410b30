"""Where the bytes of documents come from, and where they go."""

import errno
import os
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from storekit.core.seam._async import call_blocking, call_user_function
from storekit.qdb.buffers import WRITTEN_AT_ONCE, Buffers
from storekit.qdb.documents.manifest import Manifest, Slice, fill_slice, take_slice
from storekit.qdb.durable import begin_sync, sync_directory

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["AsyncFile", "AsyncPieces", "AsyncSource", "AsyncTarget"]

AsyncPieces = Iterable[bytes] | AsyncIterable[bytes]
"""Content of a document in pieces of any size."""

_PIECE = 1 << 20


@runtime_checkable
class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | Awaitable[bytes]: ...


class AsyncFile(Protocol):
    """A binary file, open for reading or writing, that another library has opened."""

    @property
    def read(self) -> Callable[..., Awaitable[bytes]]: ...

    @property
    def write(self) -> Callable[..., Awaitable[int]]: ...


class AsyncSource:
    """Reads slices of a size from a path, an open binary file, or pieces.

    Their content is in `buffers`, and is to be given back to them.
    """

    def __init__(
        self, file: "str | os.PathLike[str] | BinaryIO | AsyncFile | AsyncPieces", size: int
    ) -> None:
        self.buffers: Buffers = Buffers(size)
        self._slice_size = size
        self._path: Path | None = None
        self._opened: FileIO | None = None
        self._closed = False
        self._file: _Readable | None = None
        self._read: Callable[[], bytes | Awaitable[bytes]] | None = None
        self._lazy: AsyncIterator[bytes] | None = None
        self._plain: Iterator[bytes] | None = None
        self._rest = bytearray()
        if isinstance(file, str | os.PathLike):
            self._path = Path(file)
        elif isinstance(file, bytes | bytearray | memoryview):
            raise TypeError("a document comes from a file; for bytes, give io.BytesIO(content)")
        elif isinstance(file, _Readable):
            self._file = file
        elif isinstance(file, AsyncIterable):
            self._lazy = file.__aiter__()
        elif isinstance(file, Iterable):
            self._plain = iter(file)
        else:
            raise TypeError(
                "a document comes from a path, an open binary file, or an iterable of bytes, "
                f"not {type(file).__name__}"
            )

    async def size(self) -> int | None:
        """Return how many bytes are to come, if that is known."""
        if self._path is not None:
            return (await call_blocking(self._path.stat)).st_size
        return None

    async def window(self, number: int, count: int) -> list[Slice]:
        """Return the next slices, as many as there are up to a count."""
        window: list[Slice] = []
        while len(window) < count:
            taken = await self._take(number + len(window))
            if taken is None:
                break
            window.append(taken)
        return window

    async def _take(self, number: int) -> Slice | None:
        if self._path is not None:
            opened = self._opened
            if opened is None:
                opened = await call_blocking(self._open, self._path)
            return await call_blocking(fill_slice, opened, number, self.buffers)
        if self._file is not None and self._read is None:
            read = {"read": self._file.read, "number": number, "buffers": self.buffers}
            # From a file that is not read in a thread, this is the first piece.
            taken: object = await call_user_function(take_slice, read)
            if taken is None or isinstance(taken, Slice):
                return taken
            self._rest += _checked(taken)
            self._read = partial(self._file.read, _PIECE)
        while len(self._rest) < self._slice_size and (piece := await self._next_piece()):
            self._rest += piece
        taken = await call_blocking(take_slice, self._read_pieces, number, self.buffers)
        return taken if isinstance(taken, Slice) else None

    def _open(self, path: Path) -> FileIO:
        self._opened = path.open("rb", buffering=0)
        if self._closed:  # cancelled while this thread went on
            self._opened.close()
        return self._opened

    async def _next_piece(self) -> bytes:
        """Return the next piece of what is not read in a thread; nothing at the end."""
        if self._read is not None:
            return _checked(await call_user_function(self._read, {}))
        while self._lazy is not None:
            try:
                if piece := _checked(await self._lazy.__anext__()):
                    return piece
            except StopAsyncIteration:
                self._lazy = None
        return b""

    def _read_pieces(self, size: int) -> bytes:
        while len(self._rest) < size and self._plain is not None:
            try:
                self._rest += _checked(next(self._plain))
            except StopIteration:
                break
        piece = bytes(self._rest[:size])
        del self._rest[:size]
        return piece

    async def aclose(self) -> None:
        """Close what was opened here, and let go of the memory."""
        self._closed = True
        self.buffers.clear()
        if self._opened is not None:
            await call_blocking(self._opened.close)


class AsyncTarget:
    """Writes to a path or an open binary file.

    A path gets its file at the end, whole; until then the bytes are in a file beside it,
    with ".part" at the end of its name. With `keep` that name is always the same, only one
    target at a time has the file, and it stays when it does not become whole.
    """

    def __init__(
        self, file: "str | os.PathLike[str] | BinaryIO | AsyncFile", *, keep: bool
    ) -> None:
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._write: Callable[[memoryview], object] | None = None
        self._keep = keep
        self._part: Path | None = None
        self._closed = False
        if isinstance(file, str | os.PathLike):
            self._path = Path(file)
        elif hasattr(file, "write"):
            self._write = file.write
        else:
            raise TypeError(
                f"a document goes to a path or an open binary file, not {type(file).__name__}"
            )

    @property
    def is_path(self) -> bool:
        """Whether the file is one of ours, which keeps nothing of what it is given."""
        return self._path is not None

    async def check(self) -> None:
        """Raise `IsADirectoryError` if the path is one."""
        if self._path is not None and await call_blocking(self._path.is_dir):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self._path))

    async def open(self, manifest: Manifest | None) -> int:
        """Get ready to write; return how many slices are there already."""
        if self._path is None:
            return 0
        return await call_blocking(self._open, self._path, manifest)

    def _open(self, path: Path, manifest: Manifest | None) -> int:
        token = "" if self._keep else f".{secrets.token_hex(4)}"
        part = path.with_name(f"{path.name}{token}.part")
        file = _open_alone(part) if self._keep else part.open("xb")
        self._part, self._file, self._write = part, file, file.write
        if self._closed:  # cancelled while this thread went on
            self._close()
            return 0
        sound = manifest.sound_slices(file) if self._keep and manifest is not None else 0
        file.seek(min(sound * manifest.slice_size, manifest.size) if manifest is not None else 0)
        file.truncate()
        return sound

    async def write(self, contents: "list[bytes | memoryview]") -> None:
        """Write some slices."""
        left = [memoryview(content) for content in contents if content]
        if self._file is not None:
            await call_blocking(self._write_own, self._file, left)
            return
        while left:
            call = {"write": self._write, "left": left}
            # By a file that is not written in a thread, one piece was taken.
            taken: object = await call_user_function(_write_all, call)
            if left:
                _take_off(left, taken)

    def _write_own(self, file: BinaryIO, left: list[memoryview]) -> None:
        start = file.tell()
        _write_all(file.write, left)
        begin_sync(file.fileno(), start, file.tell() - start)

    async def finish(self, manifest: Manifest | None) -> None:
        """Make a path's file whole and durable."""
        if self._path is not None and self._part is not None and self._file is not None:
            shared = manifest if self._keep and fcntl is None else None
            await call_blocking(_publish, self._file, self._part, self._path, shared)
            self._part = None

    async def aclose(self) -> None:
        """Close what was opened here."""
        self._closed = True
        if self._file is not None:
            await call_blocking(self._close)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._part is not None and not self._keep:
            self._part.unlink(missing_ok=True)


def _checked(piece: object) -> bytes:
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise TypeError(f"a document is made of bytes, not of {type(piece).__name__}")
    return bytes(piece)


def _write_all(write: Callable[[memoryview], object], left: list[memoryview]) -> Any:  # noqa: ANN401 - whatever a file returns
    """Write all, and take it off the list; return what a file returns that is no number."""
    while left:  # raw files may take less than they are given
        taken = write(left[0][:WRITTEN_AT_ONCE])
        if taken is not None and not isinstance(taken, int):
            return taken
        _take_off(left, taken)
    return None


def _take_off(left: list[memoryview], taken: object) -> None:
    if taken is not None and not isinstance(taken, int):
        raise TypeError(f"a file returned {type(taken).__name__} for a number of bytes written")
    content = left.pop(0)
    written = WRITTEN_AT_ONCE if taken is None else taken
    if written < len(content):
        left.insert(0, content[written:])


def _open_alone(part: Path) -> BinaryIO:
    """Open a file for reading and writing that nobody else has opened like this.

    The lock is on the open file, and ends with it, whatever becomes of the process.
    """
    while True:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(part, flags, 0o666), "r+b")
        try:
            if fcntl is None:
                return file
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(part, file):
                return file
        except BlockingIOError as error:
            file.close()
            raise BlockingIOError(
                error.errno, "another download that can be resumed is writing the file", str(part)
            ) from error
        except BaseException:
            file.close()
            raise
        file.close()  # whoever had it before has finished it


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _publish(file: BinaryIO, part: Path, path: Path, shared: Manifest | None) -> None:
    """Give a file its name. If others may have written it, check what is in it."""
    file.flush()
    os.fsync(file.fileno())
    if shared is not None and shared.sound_slices(file) < len(shared.digests):
        raise BlockingIOError(errno.EAGAIN, "another download was writing the file", str(part))
    if fcntl is None:
        file.close()  # Windows gives no new name to open files
    part.replace(path)
    file.close()
    sync_directory(path.parent)
