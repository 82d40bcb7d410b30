# Generated from tests/core/_async/test_transport_limits.py by tools/generate_sync.py; do not edit.

"""Limits of time, and requests that are not sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import httpx
import pytest

from storekit.core._sync.stream import SocketStream
from storekit.core._sync.transport import HTTPTransport
from storekit.core.seam._sync import call_blocking, monotonic
from storekit.options import PoolLimits
from tests.core._sync.exchanges import counts, fetch, start
from tests.support.stub_server import (
    EagerSender,
    EagerSocket,
    Peer,
    StubServer,
    answering,
    echo,
    reply,
    silent,
)

# Limits of time


def test_silence_ends_with_the_read_timeout():
    with StubServer(silent) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.ReadTimeout):
                fetch(transport, server.url, timeout={"read": 0.05})
            assert counts(transport) == (0, 0)
            call_blocking(server.wait_ended)


def test_silence_within_the_content_ends_with_the_read_timeout():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        peer.hold_open()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            response = start(transport, server.url, timeout={"read": 0.1})
            with pytest.raises(httpx.ReadTimeout):
                response.read()
            assert counts(transport) == (0, 0)
            call_blocking(server.wait_ended)


def test_a_server_that_does_not_read_is_met_with_the_write_timeout():
    with StubServer(lambda peer: peer.hold()) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.WriteTimeout):
                body = b"x" * (32 << 20)
                fetch(transport, server.url, "POST", content=body, timeout={"write": 0.05})
            assert counts(transport) == (0, 0)


def test_waiting_for_a_connection_ends_with_the_pool_timeout():
    with StubServer(answering(reply(b"x" * 500_000))) as server:
        with HTTPTransport(limits=PoolLimits(max_size=1)) as transport:
            response = start(transport, server.url)
            with pytest.raises(httpx.PoolTimeout):
                fetch(transport, server.url, timeout={"pool": 0.05})
            with pytest.raises(httpx.PoolTimeout):
                fetch(transport, server.url, deadline=monotonic() + 0.05)
            assert counts(transport) == (0, 1)
            assert len(response.read()) == 500_000
            assert counts(transport) == (1, 0)
    assert len(server.requests) == 1


def test_the_deadline_ends_silence():
    with StubServer(silent) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.ReadTimeout):
                fetch(transport, server.url, deadline=monotonic() + 0.1)


def test_the_deadline_ends_a_reply_that_drips():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            peer.send(b"x")
            peer.hold()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            response = start(transport, server.url, deadline=monotonic() + 0.2)
            with pytest.raises(httpx.ReadTimeout):
                for _ in response.stream:
                    server.release()
            assert counts(transport) == (0, 0)


def test_the_deadline_ends_a_reply_that_never_pauses():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            peer.send(b"x" * 100_000)

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            response = start(transport, server.url, deadline=monotonic() + 0.2)
            with pytest.raises(httpx.ReadTimeout):
                for _ in response.stream:
                    pass
            assert counts(transport) == (0, 0)


def test_the_deadline_ends_what_never_has_to_wait():
    with EagerSocket() as sock:
        stream = SocketStream(sock)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                stream.receive(None, monotonic())
    with EagerSender() as sock:
        stream = SocketStream(sock)
        with pytest.raises(TimeoutError):
            stream.send(b"x" * 1000, None, monotonic())


def test_the_deadline_ends_an_upload_that_never_pauses():
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    def script(peer: Peer) -> None:
        peer.read_to_end()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            deadline = monotonic() + 0.2
            with closing(pieces()) as body:
                with pytest.raises(httpx.WriteTimeout):
                    fetch(transport, server.url, "POST", content=body, deadline=deadline)
            assert counts(transport) == (0, 0)


# Requests that must not be sent

BAD_HEADERS = {
    "newline in value": [(b"X-Bad", b"a\nInjected: 1")],
    "return in value": [(b"X-Bad", b"a\rInjected: 1")],
    "null in value": [(b"X-Bad", b"a\x00")],
    "request in value": [(b"X-Bad", b"a\r\n\r\nGET /second HTTP/1.1\r\n")],
    "newline in name": [(b"X-Bad: a\r\nInjected", b"1")],
    "space in name": [(b"X Bad", b"1")],
    "colon in name": [(b"X-Bad:", b"1")],
    "empty name": [(b"", b"1")],
    "newline in host": [(b"Host", b"a\r\nInjected: 1")],
    "length and chunks": [(b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")],
    "two lengths": [(b"Content-Length", b"1"), (b"Content-Length", b"2")],
    "no number": [(b"Content-Length", b"one")],
    "negative": [(b"Content-Length", b"-1")],
    "signed": [(b"Content-Length", b"+1")],
    "other encoding": [(b"Transfer-Encoding", b"gzip")],
    "two encodings": [(b"Transfer-Encoding", b"gzip, chunked")],
}


def count_bytes_in(counted: list[int], peer: Peer) -> None:
    counted.append(peer.read_to_end())


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_request_that_could_pass_for_another_is_not_sent(headers):
    counted: list[int] = []
    with StubServer(partial(count_bytes_in, counted)) as server:
        with HTTPTransport() as transport:
            request = httpx.Request(
                "POST", server.url, headers=headers, stream=httpx.ByteStream(b"x")
            )
            with pytest.raises(httpx.LocalProtocolError):
                transport.handle_request(request)
            assert counts(transport) == (0, 0)
        call_blocking(server.wait_ended)
    assert counted == [0]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", b"/a b"),
        ("GET", b"/a\r\nInjected: 1"),
        ("GET", b"/a HTTP/1.1\r\n\r\nGET /b"),
        ("GET", b"/\xc3\xa4"),
        ("GET /a HTTP/1.1\r\nX:", b"/"),
        ("", b"/"),
        ("GÄT", b"/"),
    ],
)
def test_a_method_or_target_that_is_more_than_that_is_not_sent(method, target):
    counted: list[int] = []
    with StubServer(partial(count_bytes_in, counted)) as server:
        with HTTPTransport() as transport:
            request = httpx.Request("GET", server.url, extensions={"target": target})
            request.method = method
            with pytest.raises(httpx.LocalProtocolError):
                transport.handle_request(request)
        call_blocking(server.wait_ended)
    assert counted == [0]


def test_a_refused_header_does_not_show_its_value():
    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            headers = [(b"Authorization", b"Basic c2VjcmV0\n")]
            with pytest.raises(httpx.LocalProtocolError) as caught:
                fetch(transport, server.url, headers=headers)
    assert "Authorization" in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_a_body_that_nothing_announces_is_an_error():
    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            request = httpx.Request("POST", server.url, stream=httpx.ByteStream(b"lost"))
            with pytest.raises(httpx.LocalProtocolError, match="Content-Length"):
                transport.handle_request(request)
    assert server.requests == []
