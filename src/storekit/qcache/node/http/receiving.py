"""Receives content of requests from the socket directly into the memory of the application."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storekit.qcache.node.http.connections import BoundedConnection

__all__ = ["DirectContent"]

_GRACE = 0.01
"""Seconds to wait for more content before what arrived is reported."""


class DirectContent(asyncio.BufferedProtocol):
    """Replaces the protocol of a connection until the content of a request is complete.

    This bypasses the parser: otherwise the parser, uvicorn and the application copy each byte
    four times. Content stays in the socket until it is asked for. `left`: bytes of content that
    are still to come.
    """

    def __init__(self, connection: "BoundedConnection", left: int) -> None:
        self._connection = connection
        self._left = left
        self._room = memoryview(b"")
        self._filled = 0
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def receive_into(self, room: memoryview) -> int:
        """Wait for content; returns how many bytes of `room` it took, 0 if no more can come.

        If cancelled, received content is lost, and the connection can't be used any more.
        """
        connection = self._connection
        self._filled = 0
        self._room = room[: self._left]
        self._waiter = connection.loop.create_future()
        connection.flow.resume_reading()
        try:
            await self._waiter
        finally:
            self._stop()
            self._room.release()
        self._left -= self._filled
        if not self._left:
            connection.end_direct_content()
        return self._filled

    def _stop(self) -> None:
        if not self._connection.transport.is_closing():  # some that are closed can't be paused
            self._connection.flow.pause_reading()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the event loop calls

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's own
        """Return the memory for the next bytes."""
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Note that `nbytes` bytes arrived."""
        self._filled += nbytes
        if self._filled == len(self._room):
            self._stop()
            self._wake()
        elif self._timer is None:
            self._timer = self._connection.loop.call_later(_GRACE, self._wake)

    def eof_received(self) -> None:
        """Let the transport close."""
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the connection and the waiter."""
        self._connection.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._connection.resume_writing()
