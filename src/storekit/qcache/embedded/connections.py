"""Connections of the HTTP server: uvicorn's, with bounds on heads that it does not have."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["MOST_HEAD", "BoundedConnection"]

MOST_HEAD = 64 * 1024
"""Most bytes of the request line and headers, as in QCache."""

_HEAD_TIMEOUT = 30.0
"""Seconds for a head to be complete, from its first byte on; and for the first byte to come."""

_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class BoundedConnection(HttpToolsProtocol):
    """A connection that ends when a head is too large, or too slow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._since_content = 0  # bytes of heads, trailers and between chunks, in a row
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first head."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and end the connection if it is no end of a head."""
        self._since_content += len(data)
        super().data_received(data)
        if self._since_content > 2 * MOST_HEAD and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        """Count anew: a head begins."""
        self._since_content = self._head_size = 0
        if self._head_timer is None:
            self._start_timer()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._head_size += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or trailer; none is kept beyond the bound."""
        self._head_size += len(name) + len(value) + 4
        if self._head_size <= MOST_HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Serve the request if its head is not too large."""
        self._stop_timer()
        if self._head_size > MOST_HEAD:
            raise _HeadTooLargeError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count anew."""
        self._since_content = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or has too large a head."""
        if self._head_size > MOST_HEAD:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        self.transport.write(_REFUSAL)
        self.transport.close()

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()


class _HeadTooLargeError(Exception):
    """Makes the parser stop."""
