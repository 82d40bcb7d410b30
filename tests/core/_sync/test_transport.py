# Generated from tests/core/_async/test_transport.py by tools/generate_sync.py; do not edit.

"""Requests and replies on a transport of our own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from storekit.core._sync.transport import HTTPTransport
from storekit.core.seam._sync import call_blocking
from storekit.options import PoolLimits
from tests.core._sync.exchanges import CHUNKED, OK, counts, fetch, start
from tests.support.stub_server import (
    Peer,
    StubServer,
    answering,
    answering_always,
    echo,
    reply,
    silent,
)

# Requests and replies


def test_get_brings_status_reason_headers_and_content():
    answer = reply(b"hello", b"X-One: 1", b"X-Two: a", b"X-Two: b", status=b"203 Not Quite")
    with StubServer(answering(answer)) as server:
        with HTTPTransport() as transport:
            response = start(transport, f"{server.url}a%20b?c=d", headers={"X-Mine": "me"})
            assert response.status_code == 203
            assert response.reason_phrase == "Not Quite"
            assert response.http_version == "HTTP/1.1"
            assert response.headers.get_list("x-two") == ["a", "b"]
            assert response.read() == b"hello"
    (request,) = server.requests
    assert request.head.startswith(b"GET /a%20b?c=d HTTP/1.1\r\n")
    assert request.headers["host"] == server.authority
    assert request.headers["x-mine"] == "me"
    assert request.body == b""


def test_post_sends_content_with_its_length():
    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            assert fetch(transport, server.url, "POST", content=b"data") == (200, b"/ data")
    assert server.requests[0].headers["content-length"] == "4"


def test_a_host_header_of_the_caller_is_the_only_one():
    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            fetch(transport, server.url, headers={"Host": "elsewhere"})
    assert server.requests[0].head.lower().count(b"host:") == 1
    assert server.requests[0].headers["host"] == "elsewhere"


def test_serves_an_httpx_client():
    with StubServer(echo) as server:
        with httpx.Client(transport=HTTPTransport(), base_url=server.url, timeout=20) as client:
            assert client.get("one", params={"a": "b"}).text == "/one?a=b "
            assert client.post("two", json={"a": 1}).text == '/two {"a":1}'
            with client.stream("PUT", "three", content=b"x" * 100_000) as response:
                assert len(response.read()) == 100_007
    assert server.connections == 1


def test_an_httpx_client_sees_its_timeouts_kept():
    with StubServer(silent) as server:
        with httpx.Client(
            transport=HTTPTransport(), timeout=httpx.Timeout(20, read=0.05)
        ) as client:
            with pytest.raises(httpx.ReadTimeout):
                client.get(server.url)


def test_the_target_extension_replaces_the_path_of_the_url():
    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            status, content = fetch(transport, f"{server.url}path", target=b"/other?x")
    assert (status, content) == (200, b"/other?x ")


# Framing of replies, and what it means for the connection

FRAMES = {
    "content-length": ("GET", OK, b"ok", True),
    "empty": ("GET", reply(), b"", True),
    "no reason": ("GET", reply(b"ok", status=b"200"), b"ok", True),
    "connection-close": ("GET", reply(b"ok", b"Connection: close"), b"ok", False),
    "close-among-others": ("GET", reply(b"ok", b"Connection: x, Close"), b"ok", False),
    "http-1.0": ("GET", reply(b"ok", version=b"1.0"), b"ok", False),
    "http-1.0-keep-alive": (
        "GET",
        reply(b"ok", b"Connection: keep-alive", version=b"1.0"),
        b"ok",
        True,
    ),
    "chunked": (
        "GET",
        CHUNKED + b"\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"abc0123456789",
        1,
    ),
    "chunked-empty": ("GET", CHUNKED + b"\r\n0\r\n\r\n", b"", True),
    "chunked-trailers": (
        "GET",
        CHUNKED + b"Trailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
        b"ok",
        True,
    ),
    "chunk-extensions": (
        "GET",
        CHUNKED + b'\r\n2;a=b;c="d e"\r\nok\r\n0;last\r\n\r\n',
        b"ok",
        True,
    ),
    "chunked-close": (
        "GET",
        CHUNKED + b"Connection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"ok",
        False,
    ),
    "head": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"", True),
    "head-no-length": ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", b"", True),
    "head-chunked": ("HEAD", CHUNKED + b"\r\n", b"", False),
    "head-close": (
        "HEAD",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        b"",
        False,
    ),
    "head-http-1.0": ("HEAD", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", b"", False),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "204-with-length": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"", True),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n", b"", True),
    "304-with-length": ("GET", b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n", b"", True),
    "100-first": ("POST", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok", True),
    "103-twice": (
        "GET",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + OK,
        b"ok",
        True,
    ),
    "surplus": ("GET", OK + b"garbage", b"ok", False),
    "surplus-reply": ("GET", OK + reply(b"not yours"), b"ok", False),
    "surplus-after-head": ("HEAD", OK, b"", False),
    "surplus-after-head-chunked": ("HEAD", CHUNKED + b"\r\n2\r\n", b"", False),
    "surplus-after-204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\nx", b"", False),
    "surplus-after-chunks": ("GET", CHUNKED + b"\r\n0\r\n\r\nx", b"", False),
}


@pytest.mark.parametrize(("method", "answer", "content", "reused"), FRAMES.values(), ids=FRAMES)
def test_a_reply_is_framed_and_the_connection_kept_if_it_can_be(method, answer, content, reused):
    with StubServer(answering(answer, reply(b"same")), answering(reply(b"new"))) as server:
        with HTTPTransport() as transport:
            response = start(transport, server.url, method)
            assert response.read() == content
            assert counts(transport) == ((1, 0) if reused else (0, 0))
            _, second = fetch(transport, server.url)
            assert second == (b"same" if reused else b"new")


def test_an_interim_reply_leaves_no_trace():
    interim = b"HTTP/1.1 103 Early Hints\r\nX-Interim: 1\r\n\r\n"
    with StubServer(answering(interim + OK)) as server:
        with HTTPTransport() as transport:
            response = start(transport, server.url)
            assert (response.status_code, response.reason_phrase) == (200, "OK")
            assert "x-interim" not in response.headers


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_reply_without_a_length_ends_with_the_connection(version):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/%b 200 OK\r\n\r\n" % version)
        peer.send(b"x" * 100_000)
        peer.finish()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            assert fetch(transport, server.url) == (200, b"x" * 100_000)
            assert counts(transport) == (0, 0)


def test_a_reset_is_not_the_end_of_a_reply_without_a_length():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        peer.hold()
        peer.reset()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            response = start(transport, server.url)
            server.release()
            with pytest.raises(httpx.ReadError):
                response.read()
            assert counts(transport) == (0, 0)


def test_requests_in_a_row_share_a_connection():
    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            for number in range(20):
                assert fetch(transport, f"{server.url}{number}") == (200, b"/%d " % number)
            assert list(transport.statistics()) == [server.url.rstrip("/")]
    assert server.connections == 1


def test_each_server_has_connections_of_its_own():
    with StubServer(echo) as one, StubServer(echo) as other:
        with HTTPTransport(limits=PoolLimits(max_size=1)) as transport:
            for server in one, other, one, other:
                fetch(transport, server.url)
            assert counts(transport) == (2, 0)
    assert (one.connections, other.connections) == (1, 1)


# Streams


def test_a_reply_is_handed_out_as_it_arrives():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(CHUNKED + b"\r\n")
        for _ in range(3):
            peer.send(b"5\r\npiece\r\n")
            peer.hold()
        peer.send(b"0\r\n\r\n")
        peer.read_to_end()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            response = start(transport, server.url)
            pieces = []
            for piece in response.stream:
                pieces.append(piece)
                server.release()
            assert pieces == [b"piece"] * 3
            assert counts(transport) == (1, 0)


def test_chunks_that_arrive_together_are_all_handed_out():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(CHUNKED + b"\r\n1\r\na\r\n1\r\nb\r\n")
        peer.hold()
        peer.send(b"1\r\nc\r\n1\r\nd\r\n")
        peer.hold()
        peer.send(b"1\r\ne\r\n1\r\nf\r\n0\r\n\r\n")
        peer.read_to_end()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            response = start(transport, server.url)
            server.release()
            server.release()
            assert response.read() == b"abcdef"
            assert counts(transport) == (1, 0)


def test_closing_a_reply_in_the_middle_closes_its_connection():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")
        peer.hold_open()

    with StubServer(script, echo) as server:
        with HTTPTransport(limits=PoolLimits(max_size=1)) as transport:
            response = start(transport, server.url)
            for piece in response.stream:
                assert piece == b"first"
                break
            assert counts(transport) == (0, 1)
            response.close()
            assert counts(transport) == (0, 0)
            call_blocking(server.wait_ended)
            response.close()
            assert fetch(transport, f"{server.url}next") == (200, b"/next ")


def test_a_reply_that_is_closed_after_its_end_leaves_the_connection_alone():
    with StubServer(answering_always(reply(b"x" * 300_000))) as server:
        with HTTPTransport() as transport:
            for _ in range(3):
                response = start(transport, server.url)
                assert len(response.read()) == 300_000
                response.close()
            assert counts(transport) == (1, 0)
    assert server.connections == 1


def test_a_stream_goes_up_in_chunks():
    def pieces() -> Iterator[bytes]:
        for piece in b"a", b"", b"b" * 100_000, b"c":
            yield piece

    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            _, content = fetch(transport, server.url, "POST", content=pieces())
            assert content == b"/ a" + b"b" * 100_000 + b"c"
            assert counts(transport) == (1, 0)
    assert server.requests[0].headers["transfer-encoding"] == "chunked"
    assert server.requests[0].headers.get("content-length") is None


@pytest.mark.parametrize("sizes", [[], [0], [5], [0, 2, 0, 3], [100_000], [1, 100_000, 1]])
def test_a_stream_of_known_length_goes_up_as_it_is(sizes):
    def pieces() -> Iterator[bytes]:
        for size in sizes:
            yield b"x" * size

    headers = {"Content-Length": str(sum(sizes))}
    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            for _ in range(2):
                _, content = fetch(transport, server.url, "POST", content=pieces(), headers=headers)
                assert content == b"/ " + b"x" * sum(sizes)
    assert server.connections == 1
    assert server.requests[0].headers.get("transfer-encoding") is None


@pytest.mark.parametrize("announced", [0, 9, 11, 200_000])
def test_a_body_of_another_length_than_announced_is_an_error(announced):
    def pieces() -> Iterator[bytes]:
        yield b"12345"
        yield b"67890"

    with StubServer(lambda peer: peer.hold_open(), echo) as server:
        with HTTPTransport() as transport:
            headers = {"Content-Length": str(announced)}
            with closing(pieces()) as body:
                with pytest.raises(httpx.LocalProtocolError, match="Content-Length"):
                    fetch(transport, server.url, "POST", content=body, headers=headers)
            assert counts(transport) == (0, 0)
            call_blocking(server.wait_ended)
            assert fetch(transport, f"{server.url}next") == (200, b"/next ")


class Broken(Exception):
    """An error of the caller's."""


@pytest.mark.parametrize("kind", [Broken, FileNotFoundError, TimeoutError])
def test_an_error_of_the_body_reaches_the_caller_and_ends_the_connection(kind):
    def pieces() -> Iterator[bytes]:
        yield b"x"
        raise kind

    with StubServer(lambda peer: peer.hold_open(), echo) as server:
        with HTTPTransport() as transport:
            with pytest.raises(kind):
                fetch(transport, server.url, "POST", content=pieces())
            assert counts(transport) == (0, 0)
            call_blocking(server.wait_ended)


def test_fifty_megabytes_come_down_intact():
    block = os.urandom(1 << 20)

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (50 << 20))
        for number in range(50):
            peer.send(b"%8d" % number + block[8:])
        peer.read_to_end()

    expected = hashlib.sha256()
    for number in range(50):
        expected.update(b"%8d" % number + block[8:])
    with StubServer(script) as server:
        with HTTPTransport() as transport:
            received = hashlib.sha256()
            response = start(transport, server.url)
            for piece in response.stream:
                received.update(piece)
            assert counts(transport) == (1, 0)
    assert received.digest() == expected.digest()


@pytest.mark.parametrize("streamed", [False, True])
def test_fifty_megabytes_go_up_intact(streamed):
    block = os.urandom(1 << 20)

    def pieces() -> Iterator[bytes]:
        for number in range(50):
            yield b"%8d" % number + block[8:]

    def script(peer: Peer) -> None:
        body = peer.read_request().body
        peer.send(reply(hashlib.sha256(body).hexdigest().encode()))
        peer.read_to_end()

    whole = b"".join(b"%8d" % number + block[8:] for number in range(50))
    with StubServer(script) as server:
        with HTTPTransport() as transport:
            content = pieces() if streamed else whole
            _, digest = fetch(transport, server.url, "POST", content=content)
    assert digest.decode() == hashlib.sha256(whole).hexdigest()
