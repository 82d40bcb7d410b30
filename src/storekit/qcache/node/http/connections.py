"""Connections of the HTTP server: those of uvicorn, with additional limits."""

import asyncio
import logging
import re
import sys
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from storekit.qcache.node.http.bodies import RECEIVE_INTO
from storekit.qcache.node.http.receiving import DirectContent
from storekit.qcache.node.http.requests import refused

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

__all__ = ["MOST_HEAD", "BoundedConnection"]

MOST_HEAD = 64 * 1024
"""Most bytes of the request line and headers, as in QCache."""

_MOST_WAITING = 64
"""Requests of one connection that may wait for the answer to the one before."""

_HEAD_TIMEOUT = 30.0
"""Seconds for a head to be complete, from its first byte on; and for the first byte to come."""

_WRITE_TIMEOUT = 60.0
"""Seconds in which a client must read what is to be sent before more is written."""

_NOT_ASCII = re.compile(rb"[\x80-\xff]")


def _last_answer(status: HTTPStatus, text: str) -> bytes:
    """Return the response to a malformed request, after which the connection is closed."""
    response = refused(status, text)
    headers = [
        *response.headers,
        ("content-length", str(len(response.body))),
        ("connection", "close"),
    ]
    lines = [f"HTTP/1.1 {status} {status.phrase}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + response.body


_TOO_LARGE = _last_answer(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The head has more than {MOST_HEAD} bytes"
)
_NO_REQUEST = _last_answer(HTTPStatus.BAD_REQUEST, "This is no HTTP/1.1")
_BAD_TARGET = _last_answer(
    HTTPStatus.BAD_REQUEST, "The URL has characters that must be percent-encoded"
)
_BAD_CODING = _last_answer(HTTPStatus.NOT_IMPLEMENTED, "Transfer-Encoding must be chunked")

_log = logging.getLogger("storekit")


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed if input is too large or slow, or responses are not read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._since_content = 0  # bytes of heads, trailers and between chunks, in a row
        self._head_size = 0
        self._is_over = False  # no more requests are accepted
        self._is_between = True  # no message has begun
        self._has_head = False  # of the current message
        self._in_first_line = False  # of a message that began with a piece of data
        self._content_left = 0  # bytes that the parser has not seen, if a length is announced
        self._direct: DirectContent | None = None
        self._keeps_alive = True  # keep-alive of the request whose content bypasses the parser
        self._served: RequestResponseCycle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first head."""
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_head_timer()
        self._stop_write_timer()
        self._unset_keepalive_if_required()  # uvicorn leaves it running after a reset
        if self._served is not None and not self._served.response_complete:
            self._served.disconnected = True  # uvicorn tells the newest request only
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the clock for the client to take what is to be sent."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Stop it."""
        super().resume_writing()
        self._stop_write_timer()

    def data_received(self, data: bytes) -> None:
        """Parse input, and close the connection if it is malformed or a head is too large."""
        if self._is_over:
            return
        self._unset_keepalive_if_required()
        self._since_content += len(data)
        try:
            self._feed(self._with_ascii_target(data))
        except httptools.HttpParserError as error:
            _log.debug("a connection ends: %s", error.__context__ or error)
            self._end(self._answer_to(error))
        else:
            if self._since_content > 2 * MOST_HEAD:
                self._end(_TOO_LARGE)

    def _with_ascii_target(self, data: bytes) -> bytes:
        """Percent-encode what is not ASCII in a request line: clients send it, llhttp refuses it.

        Only for a request that begins at the start of the input.
        """
        start = 0
        if self._is_between:
            self._in_first_line = True
            start = len(data) - len(data.lstrip(b"\r\n"))  # which may precede a request
        if not self._in_first_line:
            return data
        end = data.find(b"\n", start)
        self._in_first_line = end < 0
        line = data if end < 0 else data[:end]
        if line.isascii():
            return data
        return _NOT_ASCII.sub(_percent_encoded, line) + data[len(line) :]

    def _answer_to(self, error: httptools.HttpParserError) -> bytes:
        if self._head_size > MOST_HEAD:
            return _TOO_LARGE
        if isinstance(error, httptools.HttpParserInvalidURLError):
            return _BAD_TARGET
        told = str(error)
        if "Transfer-Encoding" in told and "Content-Length" not in told:
            return _BAD_CODING
        return _NO_REQUEST

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._decline_upgrade()
            else:
                return

    def _decline_upgrade(self) -> None:
        # The parser would not parse the content of such a request; without the header it does.
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        head = [method + b" " + self.url + b" HTTP/" + version]
        head += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self._renew_parser()
        self.parser.feed_data(b"\r\n".join([*head, b"", b""]))

    def _renew_parser(self) -> None:
        self.parser: httptools.HttpRequestParser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own

    # What the parser calls

    def on_message_begin(self) -> None:
        """Reset the count: a head begins."""
        self._since_content = self._head_size = 0
        self._is_between = self._has_head = False
        if self._head_timer is None:
            self._start_head_timer()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._head_size += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or trailer. Headers are kept up to the limit, trailers are not.

        The head of a request must not depend on how it was split when it arrived.
        """
        self._head_size += len(name) + len(value) + 4
        if self._head_size <= MOST_HEAD and not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Serve the request if its head is not too large, and not too many wait."""
        self._stop_head_timer()
        self._has_head = True
        if self._head_size > MOST_HEAD:
            raise _StopError("the head is too large")
        if len(self.pipeline) >= _MOST_WAITING:
            raise _StopError(f"{_MOST_WAITING} requests wait on it")
        if self.parser.get_method() == b"CONNECT":
            raise _StopError("this is no proxy")
        if not self.url.startswith(b"/"):
            self._take_host_of_target()
        if not self.parser.should_upgrade():
            self._content_left = int(dict(self.headers).get(b"content-length", 0))
            super().on_headers_complete()

    def _take_host_of_target(self) -> None:
        """Replace `Host` by the host of an absolute target `http://host/path`, as RFC 9112 says."""
        _, separator, rest = self.url.partition(b"://")
        if separator:
            others = [header for header in self.headers if header[0] != b"host"]
            self.headers[:] = [*others, (b"host", rest.partition(b"/")[0])]

    def on_body(self, body: bytes) -> None:
        """Reset the count."""
        self._since_content = 0
        self._content_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        self._is_between = True
        if not self.parser.should_upgrade():
            super().on_message_complete()

    # What uvicorn calls

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        self._served = cycle
        # Of chunks, the length is not known: what is left is 0, or less than that.
        if cycle is self.cycle and self._content_left > 0 and sys.platform != "win32":
            extensions: dict[str, Any] = {RECEIVE_INTO: partial(self._receive_into, cycle)}
            cycle.scope["extensions"] = extensions
        super()._start_asgi_task(cycle, app)

    # What the application calls

    async def _receive_into(self, cycle: RequestResponseCycle, memory: memoryview) -> int:
        if cycle is not self.cycle or cycle.disconnected or cycle.response_complete:
            return 0  # a request that is not the newest one has all its content
        if self.transport.is_closing():
            return 0  # its end may already be queued, and a waiter would not see it
        if cycle.body:
            count = min(len(cycle.body), len(memory))
            memory[:count] = cycle.body[:count]
            del cycle.body[:count]
            return count
        if not cycle.more_body:
            return 0
        if self._direct is None:
            self._direct = DirectContent(self, self._content_left)
            self._keeps_alive = cycle.keep_alive
            cycle.keep_alive = False  # in case it is never completed
            self.transport.set_protocol(self._direct)
        return await self._direct.receive_into(memory)

    def end_direct_content(self) -> None:
        """Resume parsing: the content of the newest request is complete."""
        self._direct = None
        self._is_between = True
        if self.transport.is_closing():
            return
        self._renew_parser()
        if not self.cycle.response_started:  # else the response already has `Connection: close`
            self.cycle.keep_alive = self._keeps_alive
        self.cycle.more_body = False
        self.cycle.message_event.set()
        self.transport.set_protocol(self)
        self.flow.resume_reading()

    # What uvicorn calls, too

    def shutdown(self) -> None:
        """Close the connection after the response to the current request."""
        self._keeps_alive = False
        super().shutdown()

    def on_response_complete(self) -> None:
        """Start the next request, or wait for one."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_write_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        self._end()

    # The end

    def _end(self, answer: bytes = b"") -> None:
        """Accept no more requests, and close after the responses to complete ones."""
        self._is_over = True
        cycle = self.cycle
        if self.transport.is_closing():
            return
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:  # the client would read it as content
                answer = b""
        self.transport.write(answer)
        self.transport.close()
        self._start_write_timer()

    # Clocks

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT, self._end_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_head(self) -> None:
        self._head_timer = None
        self._end()

    def _start_write_timer(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(_WRITE_TIMEOUT, self._end_write)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _end_write(self) -> None:
        self._write_timer = None
        _log.warning("a client did not take its answer for %s s", _WRITE_TIMEOUT)
        self.transport.abort()  # `close` would wait for the write buffer without limit


def _percent_encoded(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


class _StopError(Exception):
    """Stops the parser."""
