"""What a request brings, as the server hands it over."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any

from storekit.core.seam._async import call_within, monotonic
from storekit.qcache.node.http.bodies import Body, Lines, Nowhere

__all__ = ["RECEIVE_INTO", "Content", "GoneError"]

RECEIVE_INTO = "storekit.receive_into"
"""Name of the ASGI extension that an application has when content of a known length is to come:
`await receive_into(memory)` waits for content, and returns how many bytes it put there, 0 if no
more can come. Only after the first `receive`, which tells a client that waits to go on; and then
no `receive` before it returned 0."""


class GoneError(Exception):
    """The client is not there any more."""


class Content:
    """The content of one request. `timeout`: seconds of silence after which it is given up."""

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

        Raises `TimeoutError` after silence, `GoneError` if the client left.
        """
        count = await self._next(target)
        self.wanted += count
        return count

    async def discard(self, most: int) -> None:
        """Read what a client may still be sending, or it would never look at the answer.

        It ends after `most` bytes, or the time that silence may have.
        """
        started, count, nowhere = monotonic(), 0, Nowhere()
        try:
            while self.more and count < most and monotonic() - started < self._timeout:
                count += await self._next(nowhere)
        except (TimeoutError, GoneError):
            return

    async def _next(self, target: Body | Lines | Nowhere) -> int:
        if self._receive_into is not None and self._has_begun and not isinstance(target, Body):
            with target.room() as room:
                count: int = await call_within(self._timeout, partial(self._receive_into, room))
            if count:
                target.advance(count)
                return count
        message = await call_within(self._timeout, self._receive)
        self._has_begun = True
        if message["type"] == "http.disconnect":
            raise GoneError
        piece: bytes = message.get("body", b"")
        self.more = message.get("more_body", False)
        target.add(piece)
        return len(piece)
