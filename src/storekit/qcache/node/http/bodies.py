"""The body of a request: how it comes from a server, and where it is gathered."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from io import BytesIO
from typing import Any

from storekit.core.seam._async import call_within, monotonic

__all__ = ["RECEIVE_INTO", "Body", "ClientGone", "Discarded", "Lines", "RequestBody"]

RECEIVE_INTO = "storekit.receive_into"
"""Name of the ASGI extension that an application has when content of a known length is to come:
`await receive_into(memory)` waits for content, and returns how many bytes it put there, 0 if no
more can come. Only after the first `receive`, which tells a client that waits to go on; and then
no `receive` before it returned 0."""

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


class Discarded:
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


class ClientGone(Exception):
    """The client is not there any more."""


class RequestBody:
    """The body of one request, as a server hands it over.

    `timeout`: seconds of silence after which it is given up.
    """

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        timeout: float,
    ) -> None:
        self._receive = receive
        self._receive_into = (scope.get("extensions") or {}).get(RECEIVE_INTO)
        self._timeout = timeout
        self._has_begun = False
        self.wanted: int = 0  # bytes that came, but for those discarded
        self.more: bool = True  # whether more may come

    async def next(self, target: Body | Lines) -> int:
        """Wait for the next bytes, and put them there; returns how many.

        Raises `TimeoutError` after silence, `ClientGone` if the client left.
        """
        count = await self._next(target)
        self.wanted += count
        return count

    async def discard(self, most: int) -> None:
        """Read what a client may still be sending, or it would never look at the answer.

        It ends after `most` bytes, or the time that silence may have.
        """
        started, count, discarded = monotonic(), 0, Discarded()
        try:
            while self.more and count < most and monotonic() - started < self._timeout:
                count += await self._next(discarded)
        except (TimeoutError, ClientGone):
            return

    async def _next(self, target: Body | Lines | Discarded) -> int:
        if self._receive_into is not None and self._has_begun and not isinstance(target, Body):
            with target.room() as room:
                count: int = await call_within(self._timeout, partial(self._receive_into, room))
            if count:
                target.advance(count)
                return count
        message = await call_within(self._timeout, self._receive)
        self._has_begun = True
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        self.more = message.get("more_body", False)
        target.add(piece)
        return len(piece)
