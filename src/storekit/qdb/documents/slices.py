"""Reading slices from files, and writing them to files, of any kind."""

import errno
import inspect
import io
import operator
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import FileIO
from typing import Any

from storekit.qdb.buffers import WRITTEN_AT_ONCE, Buffers
from storekit.qdb.documents.manifest import digest_of

__all__ = [
    "FirstRead",
    "Slice",
    "Unwritten",
    "as_piece",
    "fill_slice",
    "take_slice",
    "waits",
    "write_all",
]

_PIECE = 1 << 20  # bytes that are read at a time

_MOST_EMPTY_WRITES = 3
"""Consecutive calls of `write` that may write nothing before that is an error."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice to upload, with its SHA-256 digest in hex."""

    number: int
    content: memoryview
    digest: str


class FirstRead:
    """Reads from a file, and records whether the result must be awaited."""

    def __init__(self, read: Callable[[int], object]) -> None:
        self._read = read
        self.is_pending: bool = False

    def __call__(self, size: int) -> object:
        """Read some bytes."""
        piece = self._read(size)
        self.is_pending = inspect.isawaitable(piece)
        return piece


def take_slice(read: Callable[[int], object], number: int, buffers: Buffers) -> object:
    """Read the next `Slice`, full unless it is the last; None at the end.

    If the result of the first read must be awaited, that result is returned.
    """
    place, end = buffers.take(), 0
    while end < len(place):
        asked = min(len(place) - end, _PIECE)
        piece = read(asked)
        if not end and inspect.isawaitable(piece):
            return piece
        piece = as_piece(piece)
        if not piece:
            break
        if len(piece) > asked:
            raise ValueError(f"a file returned {len(piece)} bytes when asked for {asked}")
        place[end : end + len(piece)] = piece
        end += len(piece)
    return _slice_of(place[:end], number)


def fill_slice(file: FileIO, number: int, buffers: Buffers) -> Slice | None:
    """Read the next slice as `take_slice` does, from a file with `readinto`, without a copy."""
    place, end = buffers.take(), 0
    while end < len(place) and (count := file.readinto(place[end:])):
        end += count
    return _slice_of(place[:end], number)


def _slice_of(content: memoryview, number: int) -> Slice | None:
    return Slice(number, content, digest_of(content)) if content else None


def as_piece(piece: object) -> bytes | bytearray:
    """Return a piece of a document as bytes. Raises `TypeError` if it is not bytes-like."""
    if isinstance(piece, bytes | bytearray):
        return piece
    if isinstance(piece, memoryview):
        return bytes(piece)
    raise TypeError(f"a document is made of bytes, not of {type(piece).__name__}")


class Unwritten:
    """The rest of some slices that is still to be written."""

    def __init__(self, contents: Iterable[bytes | memoryview], *, waits: bool) -> None:
        """Begin with all contents. `waits` decides what None from `write` means: see `took`."""
        self._left = [memoryview(content) for content in contents if content]
        self._waits = waits
        self._empty_writes = 0

    def __bool__(self) -> bool:
        return bool(self._left)

    def next(self) -> memoryview:
        """Return the next piece to write."""
        return self._left[0][:WRITTEN_AT_ONCE]

    def took(self, taken: object) -> None:
        """Record the result of `write`, the number of bytes that it wrote.

        None means all bytes for files that block, whose `write` may have no result, and no bytes
        for raw files in non-blocking mode.

        Raises:
            TypeError: It is not a number.
            BlockingIOError: A raw file would have to block.
            OSError: It is out of range, or nothing was written several times in a row.

        """
        offered = len(self.next())
        if taken is None and not self._waits:
            raise BlockingIOError(
                errno.EAGAIN, "the file is in non-blocking mode, and writing would block"
            )
        count = offered if taken is None else _count(taken)
        if not 0 <= count <= offered:
            raise OSError(errno.EIO, f"the file reports that it wrote {count} of {offered} bytes")
        self._empty_writes = 0 if count else self._empty_writes + 1
        if self._empty_writes >= _MOST_EMPTY_WRITES:
            text = f"the file wrote no bytes {_MOST_EMPTY_WRITES} times in a row"
            raise OSError(errno.EIO, text)
        first = self._left.pop(0)
        if count < len(first):
            self._left.insert(0, first[count:])


def _count(taken: object) -> int:
    try:
        if not isinstance(taken, bool):
            return operator.index(taken)  # type: ignore[arg-type]
    except TypeError:
        pass
    raise TypeError(f"a file returned {type(taken).__name__} for a number of bytes written")


def write_all(write: Callable[[memoryview], object], left: Unwritten) -> Any:  # noqa: ANN401 - any awaitable
    """Write all; if a result of `write` must be awaited, return that result."""
    while left:
        taken = write(left.next())
        if inspect.isawaitable(taken):
            return taken
        left.took(taken)
    return None


def waits(file: object) -> bool:
    """Return whether writing to a file blocks while it is not ready, as opposed to failing."""
    file = getattr(file, "wrapped", file)  # the files of anyio and trio
    if isinstance(file, io.RawIOBase):
        return False
    try:
        return os.get_blocking(file.fileno())  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - no descriptor, whatever error the file raises then
        return True
