"""The body of a request: receiving it from a server, and buffers for it."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from io import BytesIO
from typing import Any

from storekit.core.seam._async import call_within, monotonic

__all__ = ["RECEIVE_INTO", "Body", "ClientGone", "Discarded", "Lines", "RequestBody"]

RECEIVE_INTO = "storekit.receive_into"
"""Name of an ASGI extension for content of a known length: `await receive_into(memory)` waits for
content, and returns how many bytes it put there, 0 if no more can arrive. It may be called after
the first `receive`, which sends 100 Continue, and then `receive` only after it returned 0."""

_BLOCK = 8 * 2**20
_LONG_LINE = 64 * 1024


class Body:
    """Collects content that arrives in pieces."""

    def __init__(self) -> None:
        self._content = BytesIO()

    def add(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._content.write(piece)

    def take(self) -> bytes:
        """Return all content. Nothing can be added after that."""
        return self._content.getvalue()  # no copy


class Discarded:
    """Discards content."""

    def __init__(self) -> None:
        self._memory = memoryview(bytearray(_LONG_LINE))

    def room(self) -> memoryview:
        """Return memory for the next bytes."""
        return self._memory[:]

    def advance(self, count: int) -> None:
        """Discard them."""

    def add(self, piece: bytes) -> None:
        """Discard it."""


class Lines:
    """Passes content that arrives in pieces to `take`, in large blocks of whole lines.

    The last block need not end with a line, and a block without a line end is passed unchanged.
    """

    def __init__(self, take: Callable[[bytes], object], block: int = _BLOCK) -> None:
        self._take = take
        self._size = block
        self._begin(b"")

    def _begin(self, start: bytes) -> None:
        self._block = BytesIO(bytes(self._size))  # zeros, for which the system takes no memory yet
        # No view is kept: the finalizer of a BytesIO that has one fails, which Python 3.13 reports.
        with self._block.getbuffer() as memory:
            memory[: len(start)] = start
        self._filled = len(start)

    def room(self) -> memoryview:
        """Return memory for the next bytes; release it before calling `advance`."""
        return self._block.getbuffer()[self._filled :]

    def advance(self, count: int) -> None:
        """Note that `count` bytes were written to the memory of `room`."""
        self._filled += count
        if self._filled == self._size:
            end = self._end_of_lines()
            with self._block.getbuffer() as memory:
                rest = bytes(memory[end:])
            self._hand_on(end)
            self._begin(rest)

    def add(self, piece: bytes) -> None:
        """Add the next bytes."""
        start = 0
        while start < len(piece):
            with self.room() as room:
                count = min(len(room), len(piece) - start)
                room[:count] = piece[start : start + count]
            self.advance(count)
            start += count

    def finish(self) -> None:
        """Pass on the rest."""
        if self._filled:
            self._hand_on(self._filled)

    def _end_of_lines(self) -> int:
        with self._block.getbuffer() as memory:
            for length in (_LONG_LINE, self._size):
                place = bytes(memory[-length:]).rfind(b"\n")
                if place >= 0:
                    return max(self._size - length, 0) + place + 1
        return self._size

    def _hand_on(self, end: int) -> None:
        self._block.truncate(end)
        self._take(self._block.getvalue())  # no copy


class ClientGone(Exception):
    """The client has disconnected."""


class RequestBody:
    """The body of one request, received from a server.

    `timeout`: seconds without new content after which receiving fails.
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
        self.wanted: int = 0  # bytes received, without those discarded
        self.more: bool = True  # whether more may arrive

    async def next(self, target: Body | Lines) -> int:
        """Wait for the next bytes, and add them to the target; return how many.

        Raises `TimeoutError` after the timeout, `ClientGone` if the client disconnected.
        """
        count = await self._next(target)
        self.wanted += count
        return count

    async def discard(self, most: int) -> None:
        """Read what a client is still sending, since it may not read the response before.

        It ends after `most` bytes, or after the timeout.
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
