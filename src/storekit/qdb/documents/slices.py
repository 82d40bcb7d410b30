"""Slices on their way: read from files, and written to files of any kind."""

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

_MOST_IN_VAIN = 3
"""Calls one after the other that may take nothing, before a file is given up."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice on its way, with its SHA-256 digest in hex."""

    number: int
    content: memoryview
    digest: str


class FirstRead:
    """Reads a file, and notes whether it must be awaited."""

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

    What is read first is returned as it is if it must be awaited.
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
    """Read the next slice as `take_slice` does, from a file that needs no copy for that."""
    place, end = buffers.take(), 0
    while end < len(place) and (count := file.readinto(place[end:])):
        end += count
    return _slice_of(place[:end], number)


def _slice_of(content: memoryview, number: int) -> Slice | None:
    return Slice(number, content, digest_of(content)) if content else None


def as_piece(piece: object) -> bytes | bytearray:
    """Return a piece of a document as bytes. Raises `TypeError` for what is none."""
    if isinstance(piece, bytes | bytearray):
        return piece
    if isinstance(piece, memoryview):
        return bytes(piece)
    raise TypeError(f"a document is made of bytes, not of {type(piece).__name__}")


class Unwritten:
    """What is left to write of some slices."""

    def __init__(self, contents: Iterable[bytes | memoryview], *, waits: bool) -> None:
        """Take what is to be written. `waits` says what None as a result means: see `took`."""
        self._left = [memoryview(content) for content in contents if content]
        self._waits = waits
        self._in_vain = 0

    def __bool__(self) -> bool:
        return bool(self._left)

    def next(self) -> memoryview:
        """Return what is to be written next."""
        return self._left[0][:WRITTEN_AT_ONCE]

    def took(self, taken: object) -> None:
        """Note what a file returned for the number of bytes that it took.

        None is "all" for files that wait, as those of people who return nothing, and "nothing"
        for raw files.

        Raises:
            TypeError: It is no number.
            BlockingIOError: A raw file would have to wait.
            OSError: It makes no sense, or nothing was taken several times.

        """
        offered = len(self.next())
        if taken is None and not self._waits:
            raise BlockingIOError(
                errno.EAGAIN, "the file is in non-blocking mode and takes no more for now"
            )
        count = offered if taken is None else _count(taken)
        if not 0 <= count <= offered:
            raise OSError(errno.EIO, f"the file says that it took {count} of {offered} bytes")
        self._in_vain = 0 if count else self._in_vain + 1
        if self._in_vain >= _MOST_IN_VAIN:
            raise OSError(errno.EIO, f"the file took nothing {_MOST_IN_VAIN} times in a row")
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


def write_all(write: Callable[[memoryview], object], left: Unwritten) -> Any:  # noqa: ANN401 - whatever is to be awaited
    """Write all; or return what a file returned that is to be awaited."""
    while left:
        taken = write(left.next())
        if inspect.isawaitable(taken):
            return taken
        left.took(taken)
    return None


def waits(file: object) -> bool:
    """Tell whether a file waits where it can't take more, rather than take nothing."""
    file = getattr(file, "wrapped", file)  # as those of anyio and trio have it
    if isinstance(file, io.RawIOBase):
        return False
    try:
        return os.get_blocking(file.fileno())  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - no descriptor, whatever the file says to that
        return True
