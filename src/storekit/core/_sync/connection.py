# Generated from src/storekit/core/_async/connection.py by tools/generate_sync.py; do not edit.

"""One HTTP/1.1 connection, for one exchange after the other."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from storekit.core._sync.stream import SocketStream
from storekit.core.http1 import ResponseParser, encode_head
from storekit.core.shortage import raise_shortage

__all__ = ["ExchangeLimits", "HTTPConnection"]


class ExchangeLimits:
    """The limits of one exchange, read from the extensions of an `httpx.Request`."""

    __slots__ = ("connect", "deadline", "pool", "read", "write")

    def __init__(self, request: httpx.Request) -> None:
        timeout = request.extensions.get("timeout") or {}
        self.connect: float | None = timeout.get("connect")
        self.read: float | None = timeout.get("read")
        self.write: float | None = timeout.get("write")
        self.pool: float | None = timeout.get("pool")
        self.deadline: float | None = request.extensions.get("deadline")


class _SendFailed(Exception):
    """The socket failed. Apart from an `OSError` that the caller's own body raises."""


class _AnsweredEarly(Exception):
    """The head of the reply came before all of the request was sent."""


class HTTPConnection:
    """HTTP/1.1 over one stream. After any error it can only be closed."""

    def __init__(self, stream: SocketStream, max_head_size: int) -> None:
        self._stream = stream
        self.parser = ResponseParser(max_head_size)
        self.exchanges: int = 0
        self._sent_all = True
        self._has_body = False

    @property
    def reusable(self) -> bool:
        """Whether another request can follow, once the reply is complete."""
        return self.parser.reusable and self._sent_all

    def send(self, request: httpx.Request, limits: ExchangeLimits) -> None:
        """Send a request and read the reply until its head is complete.

        Raises `httpx.LocalProtocolError` before anything is sent when the request is
        malformed, else the matching `httpx.TransportError`. If the reply comes before all of the
        body is sent, the rest is not sent, as RFC 9112 (9.5) advises.
        """
        target = request.extensions.get("target") or request.url.raw_path
        headers = request.headers.raw
        names = [name.lower() for name, _ in headers]
        if b"host" not in names:
            headers = [(b"Host", request.url.netloc), *headers]
        head = encode_head(request.method, target, headers)
        length, chunked = _framing(request, names)
        self.parser.expect(request.method)
        self.exchanges += 1
        self._has_body = length is not None or chunked
        try:
            if length is not None:
                self._send_announced(head, length, request, limits)
            elif chunked:
                self._send_chunked(head, request, limits)
            else:
                self._write(head, limits)
        except _AnsweredEarly:
            self._sent_all = False
        except httpx.RemoteProtocolError as garbled:
            garbled.request = request
            raise
        except _SendFailed as failed:
            self._sent_all = False
            # A server that refuses a large upload answers and closes. If the answer has arrived,
            # it says more than the broken pipe.
            if not self._was_answered(limits):
                error = failed.__cause__
                raise _httpx_error(error, httpx.WriteTimeout, httpx.WriteError, request) from error
        while not self.parser.head_done:
            self.receive(request, limits)

    def _write(self, data: bytes, limits: ExchangeLimits) -> None:
        try:
            sent = self._stream.send(data, limits.write, limits.deadline)
            while sent < len(data):
                self._receive_early(limits)
                rest = memoryview(data)[sent:]
                sent += self._stream.send(rest, limits.write, limits.deadline)
        except OSError as error:
            raise _SendFailed from error

    def _write_more(self, data: bytes, limits: ExchangeLimits) -> None:
        """Send a piece of the body, after looking for a reply: the piece may have come late."""
        while self._stream.has_input():
            try:
                self._receive_early(limits)
            except OSError as error:
                raise _SendFailed from error
        self._write(data, limits)

    def _receive_early(self, limits: ExchangeLimits) -> None:
        """Read what the server sends before all was sent; `_AnsweredEarly` once it has replied."""
        data = self._stream.receive(limits.read, limits.deadline)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self.parser.feed(data)
        if self.parser.head_done:
            raise _AnsweredEarly

    def _send_announced(
        self, head: bytes, left: int, request: httpx.Request, limits: ExchangeLimits
    ) -> None:
        with _body(request) as pieces:
            for piece in pieces:
                if not piece:
                    continue
                left -= len(piece)
                if left < 0:
                    break
                if not head:
                    self._write_more(piece, limits)
                elif len(piece) <= 16384:  # one packet rather than two
                    self._write(head + piece, limits)
                else:
                    self._write(head, limits)
                    self._write(piece, limits)
                head = b""
        if left:
            raise httpx.LocalProtocolError(
                "the request body is not as long as its Content-Length says", request=request
            )
        if head:
            self._write(head, limits)

    def _send_chunked(self, head: bytes, request: httpx.Request, limits: ExchangeLimits) -> None:
        self._write(head, limits)
        with _body(request) as pieces:
            for piece in pieces:
                if not piece:  # an empty chunk would end the body
                    continue
                chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
                self._write_more(chunk, limits)
        self._write_more(b"0\r\n\r\n", limits)

    def _was_answered(self, limits: ExchangeLimits) -> bool:
        """Read what the server sent before sending failed; whether that is a reply."""
        try:
            while not self.parser.head_done:
                data = self._stream.receive(0.05, limits.deadline)
                if not data:
                    return False
                self.parser.feed(data)
        except (OSError, httpx.RemoteProtocolError):
            return False
        return True

    def receive(self, request: httpx.Request, limits: ExchangeLimits) -> None:
        """Read more of the reply into the parser."""
        clean = True
        try:
            data = self._stream.receive(limits.read, limits.deadline)
        except ssl.SSLEOFError:
            data, clean = b"", False
        except OSError as error:
            # If a server closes while part of the body is unread, its system resets the connection.
            # The status of the reply is still valid; its text may have been cut off.
            refused = self._has_body and self.parser.head_done and self.parser.status >= 400
            if not refused or not isinstance(error, ConnectionResetError):
                raise _httpx_error(error, httpx.ReadTimeout, httpx.ReadError, request) from error
            data = b""
        try:
            if data:
                self.parser.feed(data)
            else:
                self.parser.feed_end(clean=clean)
        except httpx.RemoteProtocolError as error:
            error.request = request
            raise

    def is_usable(self) -> bool:
        """Whether an idle connection can take another request."""
        return self._stream.is_quiet()

    def close(self) -> None:
        """Close the connection; never waits."""
        self._stream.close()


def _framing(request: httpx.Request, names: Sequence[bytes]) -> tuple[int | None, bool]:
    """Return the announced length of the body, if any, and whether it goes in chunks.

    Raises `httpx.LocalProtocolError` for headers that servers may interpret differently.
    """
    if b"transfer-encoding" in names:
        if b"content-length" in names or request.headers["transfer-encoding"].lower() != "chunked":
            raise httpx.LocalProtocolError(
                "Transfer-Encoding must be 'chunked', without a Content-Length", request=request
            )
        return None, True
    if b"content-length" in names:
        length = request.headers["content-length"]
        if not (length.isascii() and length.isdigit()):
            raise httpx.LocalProtocolError("Content-Length must be one number", request=request)
        return int(length), False
    if not isinstance(request.stream, httpx.ByteStream) or any(request.stream):
        raise httpx.LocalProtocolError(
            "a body needs a Content-Length or Transfer-Encoding", request=request
        )
    return None, False


@contextmanager
def _body(request: httpx.Request) -> Iterator[Iterator[bytes]]:
    if not isinstance(request.stream, httpx.SyncByteStream):
        raise httpx.LocalProtocolError(
            "a sync transport takes a sync body, or bytes", request=request
        )
    pieces = iter(request.stream)
    try:
        yield pieces
    finally:
        # Most are generators; one that was not read to its end has to be closed at once.
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def _httpx_error(
    error: BaseException | None,
    on_timeout: type[httpx.TimeoutException],
    on_error: type[httpx.NetworkError],
    request: httpx.Request,
) -> httpx.TransportError:
    """Return the httpx error for an error of the operating system.

    Raises `OutOfResources` for a local shortage.
    """
    if error is not None:
        raise_shortage(error, f"talk to {request.url.host}")
    if isinstance(error, TimeoutError):
        return on_timeout("no progress in time", request=request)
    return on_error(str(error), request=request)
