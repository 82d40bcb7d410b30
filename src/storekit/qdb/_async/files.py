"""Where the bytes of documents come from, and where they go."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from storekit.core.runtime._async import call_blocking
from storekit.qdb.documents import Slice, take_slice

__all__ = ["AsyncPieces", "AsyncSource", "AsyncTarget"]

AsyncPieces = Iterable[bytes] | AsyncIterable[bytes]
"""Content of a document in pieces of any size."""


@runtime_checkable
class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class AsyncSource:
    """Reads slices from a path, an open binary file, or pieces."""

    def __init__(self, file: "str | os.PathLike[str] | BinaryIO | AsyncPieces") -> None:
        self._path: Path | None = None
        self._opened: BinaryIO | None = None
        self._file: _Readable | None = None
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

    async def take(self, number: int, size: int) -> Slice | None:
        """Return the next slice; None at the end."""
        if self._path is not None and self._file is None:
            self._file = self._opened = await call_blocking(self._path.open, "rb")
        if self._file is not None:
            return await call_blocking(take_slice, self._file.read, number, size)
        if self._lazy is not None:
            await self._gather(self._lazy, size)
        return await call_blocking(take_slice, self._read_pieces, number, size)

    async def _gather(self, pieces: AsyncIterator[bytes], size: int) -> None:
        while len(self._rest) < size:
            try:
                self._rest += await pieces.__anext__()
            except StopAsyncIteration:
                break

    def _read_pieces(self, size: int) -> bytes:
        while len(self._rest) < size and self._plain is not None:
            try:
                self._rest += next(self._plain)
            except StopIteration:
                break
        piece = bytes(self._rest[:size])
        del self._rest[:size]
        return piece

    async def aclose(self) -> None:
        """Close what was opened here."""
        if self._opened is not None:
            await call_blocking(self._opened.close)


class AsyncTarget:
    """Writes to a path or an open binary file.

    A path gets its file at the end, whole; until then the bytes are in a file beside it,
    with ".part" after its name.
    """

    def __init__(self, file: "str | os.PathLike[str] | BinaryIO") -> None:
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        if isinstance(file, str | os.PathLike):
            self._path = Path(file)
            self.part: Path | None = self._path.with_name(self._path.name + ".part")
        elif hasattr(file, "write"):
            self._file = file
            self.part = None
        else:
            raise TypeError(
                f"a document goes to a path or an open binary file, not {type(file).__name__}"
            )

    async def open(self, offset: int) -> None:
        """Get ready to write, at an offset of what is there already."""
        if self.part is not None:
            self._file = await call_blocking(self.part.open, "r+b" if offset else "wb")
            await call_blocking(_set_end, self._file, offset)

    async def write(self, contents: "list[bytes | memoryview]") -> None:
        """Write some slices."""
        if self._file is not None:
            await call_blocking(_write_all, self._file, contents)

    async def finish(self) -> None:
        """Make a path's file whole and durable."""
        if self._path is not None and self.part is not None and self._file is not None:
            await call_blocking(_publish, self._file, self.part, self._path)

    async def aclose(self) -> None:
        """Close what was opened here; what is not finished stays, to be resumed."""
        if self._path is not None and self._file is not None:
            await call_blocking(self._file.close)


def _set_end(file: BinaryIO, offset: int) -> None:
    file.seek(offset)
    file.truncate()


def _write_all(file: BinaryIO, contents: "list[bytes | memoryview]") -> None:
    for content in contents:
        left = memoryview(content)
        while left:  # raw files may take less than they are given
            taken = file.write(left)
            left = left[len(left) if taken is None else taken :]


def _publish(file: BinaryIO, part: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    part.replace(path)
