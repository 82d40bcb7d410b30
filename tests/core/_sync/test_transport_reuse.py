# Generated from tests/core/_async/test_transport_reuse.py by tools/generate_sync.py; do not edit.

"""Connections that were kept open, and the end of a transport."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from storekit.core._sync.transport import HTTPTransport
from storekit.core.http1 import TruncatedReply
from storekit.core.seam._sync import call_blocking, run_all
from storekit.errors import ClientClosed
from storekit.options import PoolLimits
from tests.core._sync.exchanges import OK, counts, fetch, start
from tests.support.stub_server import (
    Gone,
    Peer,
    StubServer,
    echo,
    reply,
    silent,
)

# Connections that went bad while they were idle


def test_a_connection_that_the_server_closed_is_not_used():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.hold()
        peer.close()

    with StubServer(script, echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
            server.release()
            call_blocking(server.wait_ended)
            content = fetch(transport, f"{server.url}next", "POST", content=b"once")
            assert content == (200, b"/next once")
            assert counts(transport) == (1, 0)
    assert server.connections == 2


@pytest.mark.parametrize("unasked", [b"garbage", reply(b"not yours"), b"\r\n"])
def test_a_connection_on_which_something_came_unasked_is_not_used(unasked):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.hold()
        peer.send(unasked)
        peer.hold_open()

    with StubServer(script, echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
            server.release()
            call_blocking(server.wait_reached, 2)
            assert fetch(transport, f"{server.url}next") == (200, b"/next ")
            call_blocking(server.wait_ended)
    assert server.connections == 2


def closes_on_second_request(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK)
    peer.read_request()
    peer.close()


def resets_on_second_request(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK)
    peer.read_request()
    peer.reset()


@pytest.mark.parametrize("script", [closes_on_second_request, resets_on_second_request])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_request_is_repeated_if_a_kept_connection_closes_on_it(script, method):
    with StubServer(script, echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
            status, _ = fetch(transport, f"{server.url}again", method)
            assert status == 200
    assert [request.target for request in server.requests] == ["/", "/again", "/again"]


@pytest.mark.parametrize("script", [closes_on_second_request, resets_on_second_request])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_another_request_is_not_repeated(script, method):
    with StubServer(script, echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
            with pytest.raises((TruncatedReply, httpx.ReadError)):
                fetch(transport, f"{server.url}once", method, content=b"x")
            assert counts(transport) == (0, 0)
    assert [request.target for request in server.requests] == ["/", "/once"]


def test_a_request_that_is_said_to_be_idempotent_is_repeated():
    with StubServer(closes_on_second_request, echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
            content = fetch(transport, server.url, "POST", content=b"data", idempotent=True)
            assert content == (200, b"/ data")
    assert [request.body for request in server.requests] == [b"", b"data", b"data"]


def test_a_stream_cannot_be_sent_twice():
    def pieces() -> Iterator[bytes]:
        yield b"data"

    with StubServer(closes_on_second_request, echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
            with pytest.raises(TruncatedReply):
                fetch(transport, server.url, "POST", content=pieces(), idempotent=True)
    assert server.connections == 1


def test_nothing_is_repeated_once_a_reply_has_begun():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.read_request()
        peer.send(b"H")
        peer.close()

    with StubServer(script, echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
            with pytest.raises(TruncatedReply):
                fetch(transport, server.url)
    assert server.connections == 1


def test_nothing_is_repeated_that_failed_on_a_new_connection():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.close()

    with StubServer(script, echo) as server:
        with HTTPTransport() as transport:
            with pytest.raises(TruncatedReply):
                fetch(transport, server.url)
    assert server.connections == 1


def test_nothing_is_repeated_that_timed_out():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        silent(peer)

    with StubServer(script, echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
            with pytest.raises(httpx.ReadTimeout):
                fetch(transport, server.url, timeout={"read": 0.05})
            assert counts(transport) == (0, 0)
    assert server.connections == 1


def test_a_repeated_request_passes_over_all_connections_that_went_bad():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.hold()
        peer.send(OK)
        peer.read_request()
        peer.close()

    with StubServer(script, script, script, echo) as server:
        with HTTPTransport() as transport:

            def release() -> tuple[int, bytes]:
                call_blocking(server.wait_reached, 3)
                for _ in range(3):
                    server.release()
                return 0, b""

            run_all([*[partial(fetch, transport, server.url)] * 3, release])
            assert counts(transport) == (3, 0)
            assert fetch(transport, f"{server.url}again") == (200, b"/again ")
            assert counts(transport) == (1, 0)
    assert server.connections == 4


# Many at once, and the end


def test_every_reply_belongs_to_its_request():
    def call(number: int) -> None:
        size = number * 1511 % 90_000
        body = b"%d:" % number + b"x" * size
        for turn in range(4):
            status, content = fetch(transport, f"{server.url}{number}/{turn}", "POST", content=body)
            assert status == 200
            assert content == b"/%d/%d " % (number, turn) + body

    with StubServer(echo) as server:
        with HTTPTransport(limits=PoolLimits(max_size=4)) as transport:
            run_all([partial(call, number) for number in range(64)])
            idle, leased = counts(transport)
            assert leased == 0
            assert 1 <= idle <= 4
    assert server.connections <= 4
    assert len(server.requests) == 256


def test_a_closed_transport_closes_its_connections_and_refuses_calls():
    with StubServer(echo) as server:
        transport = HTTPTransport()
        fetch(transport, server.url)
        transport.close()
        transport.close()
        call_blocking(server.wait_ended)
        for url in server.url, "http://never.used/":
            with pytest.raises(ClientClosed):
                fetch(transport, url)
    assert server.connections == 1


def test_a_reply_can_be_read_to_its_end_after_the_transport_was_closed():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        peer.hold()
        peer.send(b"-last")
        peer.read_to_end()

    with StubServer(script) as server:
        transport = HTTPTransport()
        response = start(transport, server.url)
        transport.close()
        assert counts(transport) == (0, 1)
        server.release()
        assert response.read() == b"first-last"
        assert counts(transport) == (0, 0)
        call_blocking(server.wait_ended)


def test_the_script_of_a_connection_that_ends_is_over():
    ended: list[str] = []

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        try:
            peer.read_request()
        except Gone:
            ended.append("gone")

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url)
        call_blocking(server.wait_ended)
    assert ended == ["gone"]
