"""Where the content of a request is gathered."""

from collections.abc import Callable
from io import BytesIO

__all__ = ["Body", "Lines", "Nowhere"]

_BLOCK = 8 * 2**20
_LONG_LINE = 64 * 1024


class Body:
    """Content that comes in pieces, to be had as a whole."""

    def __init__(self) -> None:
        self._content = BytesIO()

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._content.write(piece)

    def take(self) -> bytes:
        """Return all that came. Nothing can be added any more."""
        return self._content.getvalue()  # no copy


class Nowhere:
    """Content that nobody wants."""

    def __init__(self) -> None:
        self._memory = memoryview(bytearray(_LONG_LINE))

    def room(self) -> memoryview:
        """Return memory for the next bytes."""
        return self._memory[:]

    def advance(self, count: int) -> None:
        """Forget them."""

    def add(self, piece: bytes) -> None:
        """Forget it."""


class Lines:
    """Content that comes in pieces, handed to `take` in large blocks of whole lines.

    The last block need not end a line, and one that has no end of a line is handed on as it is.
    """

    def __init__(self, take: Callable[[bytes], object], block: int = _BLOCK) -> None:
        self._take = take
        self._size = block
        self._begin(b"")

    def _begin(self, start: bytes) -> None:
        self._block = BytesIO(bytes(self._size))  # zeros, for which the system takes no memory yet
        self._memory = self._block.getbuffer()
        self._memory[: len(start)] = start
        self._filled = len(start)

    def room(self) -> memoryview:
        """Return memory for the next bytes; to be released before `advance` is told of them."""
        return self._memory[self._filled :]

    def advance(self, count: int) -> None:
        """Note that so many bytes are in the memory that `room` gave."""
        self._filled += count
        if self._filled == self._size:
            end = self._end_of_lines()
            rest = bytes(self._memory[end:])
            self._hand_on(end)
            self._begin(rest)

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        start = 0
        while start < len(piece):
            with self.room() as room:
                count = min(len(room), len(piece) - start)
                room[:count] = piece[start : start + count]
            self.advance(count)
            start += count

    def finish(self) -> None:
        """Hand on what is left."""
        if self._filled:
            self._hand_on(self._filled)

    def _end_of_lines(self) -> int:
        for length in (_LONG_LINE, self._size):
            place = bytes(self._memory[-length:]).rfind(b"\n")
            if place >= 0:
                return max(self._size - length, 0) + place + 1
        return self._size

    def _hand_on(self, end: int) -> None:
        self._memory.release()
        self._block.truncate(end)
        self._take(self._block.getvalue())  # no copy
