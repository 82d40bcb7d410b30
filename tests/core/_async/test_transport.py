from __future__ import annotations

import hashlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

import httpx
import pytest

from storekit.core._async.stream import AsyncSocketStream
from storekit.core._async.transport import AsyncHTTPTransport
from storekit.core.http1 import TruncatedReply
from storekit.core.seam._async import call_blocking, monotonic, run_all
from storekit.errors import ClientClosed
from storekit.options import PoolLimits
from tests.support.stub_server import (
    EagerSocket,
    Gone,
    Peer,
    StubServer,
    answering,
    answering_always,
    echo,
    refusing_port,
    reply,
    silent,
    swallowing_port,
)

PATIENT = {"connect": 20.0, "read": 20.0, "write": 20.0, "pool": 20.0}
OK = reply(b"ok")


async def start(
    transport: AsyncHTTPTransport,
    url: str,
    method: str = "GET",
    *,
    content: object = None,
    headers: object = None,
    timeout: dict[str, float] | None = None,
    **extensions: object,
) -> httpx.Response:
    """Send a request; return with the head of the reply."""
    timeout = {**PATIENT, **(timeout or {})}
    request = httpx.Request(
        method, url, content=content, headers=headers, extensions={"timeout": timeout, **extensions}
    )
    return await transport.handle_async_request(request)


async def fetch(
    transport: AsyncHTTPTransport, url: str, method: str = "GET", **options
) -> tuple[int, bytes]:
    """Send a request; return status and content of the reply."""
    response = await start(transport, url, method, **options)
    return response.status_code, await response.aread()


def counts(transport: AsyncHTTPTransport) -> tuple[int, int]:
    """Idle and leased connections, having checked that there are no others."""
    pools = transport.statistics().values()
    for pool in pools:
        assert pool.size == pool.idle + pool.leased + pool.connecting
        assert pool.connecting == 0
    return sum(pool.idle for pool in pools), sum(pool.leased for pool in pools)


# Requests and replies


async def test_get_brings_status_reason_headers_and_content():
    answer = reply(b"hello", b"X-One: 1", b"X-Two: a", b"X-Two: b", status=b"203 Not Quite")
    with StubServer(answering(answer)) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, f"{server.url}a%20b?c=d", headers={"X-Mine": "me"})
            assert response.status_code == 203
            assert response.reason_phrase == "Not Quite"
            assert response.http_version == "HTTP/1.1"
            assert response.headers.get_list("x-two") == ["a", "b"]
            assert await response.aread() == b"hello"
    (request,) = server.requests
    assert request.head.startswith(b"GET /a%20b?c=d HTTP/1.1\r\n")
    assert request.header(b"host") == server.authority.encode()
    assert request.header(b"x-mine") == b"me"
    assert request.body == b""


async def test_post_sends_content_with_its_length():
    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            assert await fetch(transport, server.url, "POST", content=b"data") == (200, b"/ data")
    assert server.requests[0].header(b"content-length") == b"4"


async def test_a_host_header_of_the_caller_is_the_only_one():
    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url, headers={"Host": "elsewhere"})
    assert server.requests[0].head.lower().count(b"host:") == 1
    assert server.requests[0].header(b"host") == b"elsewhere"


async def test_serves_an_httpx_client():
    with StubServer(echo) as server:
        async with httpx.AsyncClient(
            transport=AsyncHTTPTransport(), base_url=server.url, timeout=20
        ) as client:
            assert (await client.get("one", params={"a": "b"})).text == "/one?a=b "
            assert (await client.post("two", json={"a": 1})).text == '/two {"a":1}'
            async with client.stream("PUT", "three", content=b"x" * 100_000) as response:
                assert len(await response.aread()) == 100_007
    assert server.connections == 1


async def test_an_httpx_client_sees_its_timeouts_kept():
    with StubServer(silent) as server:
        async with httpx.AsyncClient(
            transport=AsyncHTTPTransport(), timeout=httpx.Timeout(20, read=0.05)
        ) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get(server.url)


async def test_the_target_extension_replaces_the_path_of_the_url():
    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            status, content = await fetch(transport, f"{server.url}path", target=b"/other?x")
    assert (status, content) == (200, b"/other?x ")


# Framing of replies, and what it means for the connection

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
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
async def test_a_reply_is_framed_and_the_connection_kept_if_it_can_be(
    method, answer, content, reused
):
    with StubServer(answering(answer, reply(b"same")), answering(reply(b"new"))) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, server.url, method)
            assert await response.aread() == content
            assert counts(transport) == ((1, 0) if reused else (0, 0))
            _, second = await fetch(transport, server.url)
            assert second == (b"same" if reused else b"new")


async def test_an_interim_reply_leaves_no_trace():
    interim = b"HTTP/1.1 103 Early Hints\r\nX-Interim: 1\r\n\r\n"
    with StubServer(answering(interim + OK)) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, server.url)
            assert (response.status_code, response.reason_phrase) == (200, "OK")
            assert "x-interim" not in response.headers


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_reply_without_a_length_ends_with_the_connection(version):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/%b 200 OK\r\n\r\n" % version)
        peer.send(b"x" * 100_000)
        peer.finish()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            assert await fetch(transport, server.url) == (200, b"x" * 100_000)
            assert counts(transport) == (0, 0)


async def test_a_reset_is_not_the_end_of_a_reply_without_a_length():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        peer.hold()
        peer.reset()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, server.url)
            server.release()
            with pytest.raises(httpx.ReadError):
                await response.aread()
            assert counts(transport) == (0, 0)


async def test_requests_in_a_row_share_a_connection():
    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            for number in range(20):
                assert await fetch(transport, f"{server.url}{number}") == (200, b"/%d " % number)
            assert list(transport.statistics()) == [server.url.rstrip("/")]
    assert server.connections == 1


async def test_each_server_has_connections_of_its_own():
    with StubServer(echo) as one, StubServer(echo) as other:
        async with AsyncHTTPTransport(limits=PoolLimits(max_size=1)) as transport:
            for server in one, other, one, other:
                await fetch(transport, server.url)
            assert counts(transport) == (2, 0)
    assert (one.connections, other.connections) == (1, 1)


# Streams


async def test_a_reply_is_handed_out_as_it_arrives():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(CHUNKED + b"\r\n")
        for _ in range(3):
            peer.send(b"5\r\npiece\r\n")
            peer.hold()
        peer.send(b"0\r\n\r\n")
        peer.read_to_end()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, server.url)
            pieces = []
            async for piece in response.stream:
                pieces.append(piece)
                server.release()
            assert pieces == [b"piece"] * 3
            assert counts(transport) == (1, 0)


async def test_chunks_that_arrive_together_are_all_handed_out():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(CHUNKED + b"\r\n1\r\na\r\n1\r\nb\r\n")
        peer.hold()
        peer.send(b"1\r\nc\r\n1\r\nd\r\n")
        peer.hold()
        peer.send(b"1\r\ne\r\n1\r\nf\r\n0\r\n\r\n")
        peer.read_to_end()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, server.url)
            server.release()
            server.release()
            assert await response.aread() == b"abcdef"
            assert counts(transport) == (1, 0)


async def test_closing_a_reply_in_the_middle_closes_its_connection():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")
        peer.hold_open()

    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport(limits=PoolLimits(max_size=1)) as transport:
            response = await start(transport, server.url)
            async for piece in response.stream:
                assert piece == b"first"
                break
            assert counts(transport) == (0, 1)
            await response.aclose()
            assert counts(transport) == (0, 0)
            await call_blocking(server.wait_ended)
            await response.aclose()
            assert await fetch(transport, f"{server.url}next") == (200, b"/next ")


async def test_a_reply_that_is_closed_after_its_end_leaves_the_connection_alone():
    with StubServer(answering_always(reply(b"x" * 300_000))) as server:
        async with AsyncHTTPTransport() as transport:
            for _ in range(3):
                response = await start(transport, server.url)
                assert len(await response.aread()) == 300_000
                await response.aclose()
            assert counts(transport) == (1, 0)
    assert server.connections == 1


async def test_a_stream_goes_up_in_chunks():
    async def pieces() -> AsyncIterator[bytes]:
        for piece in b"a", b"", b"b" * 100_000, b"c":
            yield piece

    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            _, content = await fetch(transport, server.url, "POST", content=pieces())
            assert content == b"/ a" + b"b" * 100_000 + b"c"
            assert counts(transport) == (1, 0)
    assert server.requests[0].header(b"transfer-encoding") == b"chunked"
    assert server.requests[0].header(b"content-length") is None


@pytest.mark.parametrize("sizes", [[], [0], [5], [0, 2, 0, 3], [100_000], [1, 100_000, 1]])
async def test_a_stream_of_known_length_goes_up_as_it_is(sizes):
    async def pieces() -> AsyncIterator[bytes]:
        for size in sizes:
            yield b"x" * size

    headers = {"Content-Length": str(sum(sizes))}
    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            for _ in range(2):
                _, content = await fetch(
                    transport, server.url, "POST", content=pieces(), headers=headers
                )
                assert content == b"/ " + b"x" * sum(sizes)
    assert server.connections == 1
    assert server.requests[0].header(b"transfer-encoding") is None


@pytest.mark.parametrize("announced", [0, 9, 11, 200_000])
async def test_a_body_of_another_length_than_announced_is_an_error(announced):
    async def pieces() -> AsyncIterator[bytes]:
        yield b"12345"
        yield b"67890"

    with StubServer(lambda peer: peer.hold_open(), echo) as server:
        async with AsyncHTTPTransport() as transport:
            headers = {"Content-Length": str(announced)}
            async with aclosing(pieces()) as body:
                with pytest.raises(httpx.LocalProtocolError, match="Content-Length"):
                    await fetch(transport, server.url, "POST", content=body, headers=headers)
            assert counts(transport) == (0, 0)
            await call_blocking(server.wait_ended)
            assert await fetch(transport, f"{server.url}next") == (200, b"/next ")


class Broken(Exception):
    """An error of the caller's."""


@pytest.mark.parametrize("kind", [Broken, FileNotFoundError, TimeoutError])
async def test_an_error_of_the_body_reaches_the_caller_and_ends_the_connection(kind):
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"
        raise kind

    with StubServer(lambda peer: peer.hold_open(), echo) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(kind):
                await fetch(transport, server.url, "POST", content=pieces())
            assert counts(transport) == (0, 0)
            await call_blocking(server.wait_ended)


async def test_fifty_megabytes_come_down_intact():
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
        async with AsyncHTTPTransport() as transport:
            received = hashlib.sha256()
            response = await start(transport, server.url)
            async for piece in response.stream:
                received.update(piece)
            assert counts(transport) == (1, 0)
    assert received.digest() == expected.digest()


@pytest.mark.parametrize("streamed", [False, True])
async def test_fifty_megabytes_go_up_intact(streamed):
    block = os.urandom(1 << 20)

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(50):
            yield b"%8d" % number + block[8:]

    def script(peer: Peer) -> None:
        body = peer.read_request().body
        peer.send(reply(hashlib.sha256(body).hexdigest().encode()))
        peer.read_to_end()

    whole = b"".join(b"%8d" % number + block[8:] for number in range(50))
    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            content = pieces() if streamed else whole
            _, digest = await fetch(transport, server.url, "POST", content=content)
    assert digest.decode() == hashlib.sha256(whole).hexdigest()


# Replies to uploads that are not complete

REFUSAL = reply(b"too large", b"Connection: close", status=b"413 Content Too Large")


async def test_a_refusal_in_the_middle_of_an_upload_is_reported():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(REFUSAL)
        peer.finish()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            body = b"x" * (8 << 20)
            status, content = await fetch(transport, server.url, "POST", content=body)
            assert (status, content) == (413, b"too large")
            assert counts(transport) == (0, 0)


async def test_a_refusal_is_reported_rather_than_the_broken_pipe_after_it():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(REFUSAL)
        peer.close()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            body = b"x" * (32 << 20)
            status, content = await fetch(transport, server.url, "POST", content=body)
            assert (status, content) == (413, b"too large")
            assert counts(transport) == (0, 0)


async def test_a_connection_with_half_a_request_on_it_is_not_used_again():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(reply(b"busy", status=b"503 Busy"))
        peer.hold()

    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport() as transport:
            body = b"x" * (32 << 20)
            timeout = {"write": 0.1}
            status, content = await fetch(
                transport, server.url, "POST", content=body, timeout=timeout
            )
            assert (status, content) == (503, b"busy")
            assert counts(transport) == (0, 0)
            assert await fetch(transport, f"{server.url}next") == (200, b"/next ")


async def test_a_broken_pipe_without_an_answer_is_a_write_error():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.reset()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.WriteError):
                await fetch(transport, server.url, "POST", content=b"x" * (32 << 20))
            assert counts(transport) == (0, 0)
    assert server.connections == 1


# What is no HTTP

GARBAGE = {
    "noise": b"\x00\xff\x17 this is not HTTP\r\n\r\n",
    "html": b"<html></html>",
    "tls-alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "bad-version": b"HTTP/9.9 200 OK\r\n\r\n",
    "bad-status": b"HTTP/1.1 two OK\r\n\r\n",
    "switching-protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "bare-switching-protocols": b"HTTP/1.1 101 Switching\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
    "bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
    "length-and-chunked": CHUNKED + b"Content-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip-encoding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "gzip-and-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "gzip-then-chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "bad-chunk-size": CHUNKED + b"\r\nxyz\r\n",
    "chunk-too-long": CHUNKED + b"\r\n2\r\nabcdef\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
async def test_what_is_no_http_reply_is_an_error_and_ends_the_connection(answer):
    with StubServer(answering(answer)) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.RemoteProtocolError) as caught:
                await fetch(transport, server.url)
            assert not isinstance(caught.value, TruncatedReply)
            assert caught.value.request.url == server.url
            assert counts(transport) == (0, 0)
            await call_blocking(server.wait_ended)
    assert server.connections == 1


ENDLESS = {
    "status line": (b"HTTP/1.1 200 ", b"O" * 100),
    "header value": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 100),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n"),
    "interim replies": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "chunk extension": (CHUNKED + b"\r\n1;", b"x" * 100),
    "trailers": (CHUNKED + b"\r\n1\r\nx\r\n0\r\n", b"X-Trailer: value\r\n"),
    "empty lines": (b"", b"\r\n" * 50),
}


@pytest.mark.parametrize(("beginning", "endless"), ENDLESS.values(), ids=ENDLESS)
async def test_what_goes_on_for_ever_is_cut_off(beginning, endless):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(beginning)
        while True:
            peer.send(endless * 10)

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.RemoteProtocolError, match="more than 131072 bytes"):
                await fetch(transport, server.url, deadline=monotonic() + 20)
            assert counts(transport) == (0, 0)


async def test_the_largest_head_can_be_chosen():
    answer = reply(b"ok", b"X-Large: " + b"x" * 2000)

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer[:1500])
        peer.hold()
        peer.send(answer[1500:])
        peer.read_to_end()

    with StubServer(script) as server:
        server.release()
        async with AsyncHTTPTransport(max_head_size=5000) as transport:
            assert await fetch(transport, server.url) == (200, b"ok")
        async with AsyncHTTPTransport(max_head_size=1000) as transport:
            with pytest.raises(httpx.RemoteProtocolError, match="more than 1000 bytes"):
                await fetch(transport, server.url)


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"hello", b"X-Some: header"),
        CHUNKED + b"\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n" + reply(b"hello"),
    ],
    ids=["content-length", "chunked", "interim"],
)
async def test_a_reply_cut_short_anywhere_is_an_error(answer):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer[: peer.number])
        peer.close()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            for _ in range(len(answer)):
                with pytest.raises(TruncatedReply):
                    await fetch(transport, server.url)
            assert await fetch(transport, server.url) == (200, b"hello")
    assert server.connections == len(answer) + 1


# Connections that went bad while they were idle


async def test_a_connection_that_the_server_closed_is_not_used():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.hold()
        peer.close()

    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
            server.release()
            await call_blocking(server.wait_ended)
            content = await fetch(transport, f"{server.url}next", "POST", content=b"once")
            assert content == (200, b"/next once")
            assert counts(transport) == (1, 0)
    assert server.connections == 2


@pytest.mark.parametrize("unasked", [b"garbage", reply(b"not yours"), b"\r\n"])
async def test_a_connection_on_which_something_came_unasked_is_not_used(unasked):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.hold()
        peer.send(unasked)
        peer.hold_open()

    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
            server.release()
            await call_blocking(server.wait_reached, 2)
            assert await fetch(transport, f"{server.url}next") == (200, b"/next ")
            await call_blocking(server.wait_ended)
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
async def test_a_safe_request_is_repeated_if_a_kept_connection_closes_on_it(script, method):
    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
            status, _ = await fetch(transport, f"{server.url}again", method)
            assert status == 200
    assert [request.target for request in server.requests] == [b"/", b"/again", b"/again"]


@pytest.mark.parametrize("script", [closes_on_second_request, resets_on_second_request])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_another_request_is_not_repeated(script, method):
    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
            with pytest.raises((TruncatedReply, httpx.ReadError)):
                await fetch(transport, f"{server.url}once", method, content=b"x")
            assert counts(transport) == (0, 0)
    assert [request.target for request in server.requests] == [b"/", b"/once"]


async def test_a_request_that_is_said_to_be_idempotent_is_repeated():
    with StubServer(closes_on_second_request, echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
            content = await fetch(transport, server.url, "POST", content=b"data", idempotent=True)
            assert content == (200, b"/ data")
    assert [request.body for request in server.requests] == [b"", b"data", b"data"]


async def test_a_stream_cannot_be_sent_twice():
    async def pieces() -> AsyncIterator[bytes]:
        yield b"data"

    with StubServer(closes_on_second_request, echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
            with pytest.raises(TruncatedReply):
                await fetch(transport, server.url, "POST", content=pieces(), idempotent=True)
    assert server.connections == 1


async def test_nothing_is_repeated_once_a_reply_has_begun():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.read_request()
        peer.send(b"H")
        peer.close()

    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
            with pytest.raises(TruncatedReply):
                await fetch(transport, server.url)
    assert server.connections == 1


async def test_nothing_is_repeated_that_failed_on_a_new_connection():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.close()

    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(TruncatedReply):
                await fetch(transport, server.url)
    assert server.connections == 1


async def test_nothing_is_repeated_that_timed_out():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        silent(peer)

    with StubServer(script, echo) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
            with pytest.raises(httpx.ReadTimeout):
                await fetch(transport, server.url, timeout={"read": 0.05})
            assert counts(transport) == (0, 0)
    assert server.connections == 1


async def test_a_repeated_request_passes_over_all_connections_that_went_bad():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.hold()
        peer.send(OK)
        peer.read_request()
        peer.close()

    with StubServer(script, script, script, echo) as server:
        async with AsyncHTTPTransport() as transport:

            async def release() -> tuple[int, bytes]:
                await call_blocking(server.wait_reached, 3)
                for _ in range(3):
                    server.release()
                return 0, b""

            await run_all([*[partial(fetch, transport, server.url)] * 3, release])
            assert counts(transport) == (3, 0)
            assert await fetch(transport, f"{server.url}again") == (200, b"/again ")
            assert counts(transport) == (1, 0)
    assert server.connections == 4


# Connecting


async def test_a_refused_connection_is_a_connect_error():
    async with AsyncHTTPTransport() as transport:
        with refusing_port() as port, pytest.raises(httpx.ConnectError) as caught:
            await fetch(transport, f"http://127.0.0.1:{port}/")
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert counts(transport) == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="how a full queue behaves is the system's own")
async def test_connecting_takes_as_long_as_it_may():
    async with AsyncHTTPTransport() as transport:
        with swallowing_port() as port, pytest.raises(httpx.ConnectTimeout):
            await fetch(transport, f"http://127.0.0.1:{port}/", timeout={"connect": 0.05})
        assert counts(transport) == (0, 0)


async def test_a_handshake_takes_as_long_as_it_may():
    with StubServer(lambda peer: peer.hold_open()) as server:
        async with AsyncHTTPTransport() as transport:
            url = f"https://{server.authority}/"
            with pytest.raises(httpx.ConnectTimeout):
                await fetch(transport, url, timeout={"connect": 0.05})
            assert counts(transport) == (0, 0)
            await call_blocking(server.wait_ended)


async def test_the_deadline_ends_connecting():
    with StubServer(lambda peer: peer.hold_open()) as server:
        async with AsyncHTTPTransport() as transport:
            url = f"https://{server.authority}/"
            with pytest.raises(httpx.ConnectTimeout):
                await fetch(transport, url, deadline=monotonic() + 0.05)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "two..dots", "-.invalid"])
async def test_an_impossible_host_name_is_a_connect_error(host):
    async with AsyncHTTPTransport() as transport:
        request = httpx.Request("GET", "http://localhost/", extensions={"timeout": PATIENT})
        request.url = request.url.copy_with(host=host)
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request)
        assert counts(transport) == (0, 0)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[int, tuple[object, ...]]) -> None:
    """Let every host name stand for these addresses."""

    async def look_up(host: str, port: int, until: float | None) -> list[tuple[object, ...]]:
        return [(family, socket.SOCK_STREAM, 0, "", address) for family, address in addresses]

    monkeypatch.setattr("storekit.core._async.stream.look_up", look_up)


async def test_the_next_address_of_a_host_is_tried_when_one_refuses(monkeypatch):
    with refusing_port() as refusing, StubServer(echo) as server:
        resolve_to(
            monkeypatch,
            (socket.AF_INET, ("127.0.0.1", refusing)),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        )
        async with AsyncHTTPTransport() as transport:
            assert await fetch(transport, "http://some.host/x") == (200, b"/x ")


async def test_the_next_address_is_tried_when_the_system_lacks_the_family_of_one(monkeypatch):
    with StubServer(echo) as server:
        resolve_to(
            monkeypatch,
            (9999, ("::1", server.port)),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        )
        async with AsyncHTTPTransport() as transport:
            assert await fetch(transport, "http://some.host/x") == (200, b"/x ")


async def test_all_refusals_are_in_the_error(monkeypatch):
    with refusing_port() as one, refusing_port() as other:
        resolve_to(
            monkeypatch,
            (socket.AF_INET, ("127.0.0.1", one)),
            (socket.AF_INET, ("127.0.0.1", other)),
        )
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.ConnectError, match="none of the 2 addresses") as caught:
                await fetch(transport, "http://some.host/")
    group = caught.value.__cause__.__cause__
    assert [type(error) for error in group.exceptions] == [ConnectionRefusedError] * 2


async def test_localhost_is_looked_up():
    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            assert await fetch(transport, f"http://localhost:{server.port}/x") == (200, b"/x ")
            assert list(transport.statistics()) == [f"http://localhost:{server.port}"]


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
async def test_ipv6():
    with StubServer(echo, host="::1") as server:
        async with AsyncHTTPTransport() as transport:
            assert await fetch(transport, f"{server.url}x") == (200, b"/x ")
            assert list(transport.statistics()) == [f"http://[::1]:{server.port}"]
    assert server.requests[0].header(b"host") == b"[::1]:%d" % server.port


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "ws://127.0.0.1/", "/path", "http:///path"])
async def test_other_schemes_are_refused(url):
    async with AsyncHTTPTransport() as transport:
        with pytest.raises(httpx.UnsupportedProtocol):
            await fetch(transport, url)
        assert transport.statistics() == {}


# Limits of time


async def test_silence_ends_with_the_read_timeout():
    with StubServer(silent) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.ReadTimeout):
                await fetch(transport, server.url, timeout={"read": 0.05})
            assert counts(transport) == (0, 0)
            await call_blocking(server.wait_ended)


async def test_silence_within_the_content_ends_with_the_read_timeout():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        peer.hold_open()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, server.url, timeout={"read": 0.1})
            with pytest.raises(httpx.ReadTimeout):
                await response.aread()
            assert counts(transport) == (0, 0)
            await call_blocking(server.wait_ended)


async def test_a_server_that_does_not_read_is_met_with_the_write_timeout():
    with StubServer(lambda peer: peer.hold()) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.WriteTimeout):
                body = b"x" * (32 << 20)
                await fetch(transport, server.url, "POST", content=body, timeout={"write": 0.05})
            assert counts(transport) == (0, 0)


async def test_waiting_for_a_connection_ends_with_the_pool_timeout():
    with StubServer(answering(reply(b"x" * 500_000))) as server:
        async with AsyncHTTPTransport(limits=PoolLimits(max_size=1)) as transport:
            response = await start(transport, server.url)
            with pytest.raises(httpx.PoolTimeout):
                await fetch(transport, server.url, timeout={"pool": 0.05})
            with pytest.raises(httpx.PoolTimeout):
                await fetch(transport, server.url, deadline=monotonic() + 0.05)
            assert counts(transport) == (0, 1)
            assert len(await response.aread()) == 500_000
            assert counts(transport) == (1, 0)
    assert len(server.requests) == 1


async def test_the_deadline_ends_silence():
    with StubServer(silent) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.ReadTimeout):
                await fetch(transport, server.url, deadline=monotonic() + 0.1)


async def test_the_deadline_ends_a_reply_that_drips():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            peer.send(b"x")
            peer.hold()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, server.url, deadline=monotonic() + 0.2)
            with pytest.raises(httpx.ReadTimeout):
                async for _ in response.stream:
                    server.release()
            assert counts(transport) == (0, 0)


async def test_the_deadline_ends_a_reply_that_never_pauses():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            peer.send(b"x" * 100_000)

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            response = await start(transport, server.url, deadline=monotonic() + 0.2)
            with pytest.raises(httpx.ReadTimeout):
                async for _ in response.stream:
                    pass
            assert counts(transport) == (0, 0)


async def test_the_deadline_ends_what_never_has_to_wait():
    with EagerSocket() as sock:
        stream = AsyncSocketStream(sock)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                await stream.receive(None, monotonic())
        with pytest.raises(TimeoutError):
            await stream.send(b"x" * 1000, None, monotonic())


async def test_the_deadline_ends_an_upload_that_never_pauses():
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    def script(peer: Peer) -> None:
        peer.read_to_end()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            deadline = monotonic() + 0.2
            async with aclosing(pieces()) as body:
                with pytest.raises(httpx.WriteTimeout):
                    await fetch(transport, server.url, "POST", content=body, deadline=deadline)
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
async def test_a_request_that_could_pass_for_another_is_not_sent(headers):
    counted: list[int] = []
    with StubServer(partial(count_bytes_in, counted)) as server:
        async with AsyncHTTPTransport() as transport:
            request = httpx.Request(
                "POST", server.url, headers=headers, stream=httpx.ByteStream(b"x")
            )
            with pytest.raises(httpx.LocalProtocolError):
                await transport.handle_async_request(request)
            assert counts(transport) == (0, 0)
        await call_blocking(server.wait_ended)
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
async def test_a_method_or_target_that_is_more_than_that_is_not_sent(method, target):
    counted: list[int] = []
    with StubServer(partial(count_bytes_in, counted)) as server:
        async with AsyncHTTPTransport() as transport:
            request = httpx.Request("GET", server.url, extensions={"target": target})
            request.method = method
            with pytest.raises(httpx.LocalProtocolError):
                await transport.handle_async_request(request)
        await call_blocking(server.wait_ended)
    assert counted == [0]


async def test_a_refused_header_does_not_show_its_value():
    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            headers = [(b"Authorization", b"Basic c2VjcmV0\n")]
            with pytest.raises(httpx.LocalProtocolError) as caught:
                await fetch(transport, server.url, headers=headers)
    assert "Authorization" in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


async def test_a_body_that_nothing_announces_is_an_error():
    with StubServer(echo) as server:
        async with AsyncHTTPTransport() as transport:
            request = httpx.Request("POST", server.url, stream=httpx.ByteStream(b"lost"))
            with pytest.raises(httpx.LocalProtocolError, match="Content-Length"):
                await transport.handle_async_request(request)
    assert server.requests == []


# Many at once, and the end


async def test_every_reply_belongs_to_its_request():
    async def call(number: int) -> None:
        size = number * 1511 % 90_000
        body = b"%d:" % number + b"x" * size
        for turn in range(4):
            status, content = await fetch(
                transport, f"{server.url}{number}/{turn}", "POST", content=body
            )
            assert status == 200
            assert content == b"/%d/%d " % (number, turn) + body

    with StubServer(echo) as server:
        async with AsyncHTTPTransport(limits=PoolLimits(max_size=4)) as transport:
            await run_all([partial(call, number) for number in range(64)])
            idle, leased = counts(transport)
            assert leased == 0
            assert 1 <= idle <= 4
    assert server.connections <= 4
    assert len(server.requests) == 256


async def test_a_closed_transport_closes_its_connections_and_refuses_calls():
    with StubServer(echo) as server:
        transport = AsyncHTTPTransport()
        await fetch(transport, server.url)
        await transport.aclose()
        await transport.aclose()
        await call_blocking(server.wait_ended)
        for url in server.url, "http://never.used/":
            with pytest.raises(ClientClosed):
                await fetch(transport, url)
    assert server.connections == 1


async def test_a_reply_can_be_read_to_its_end_after_the_transport_was_closed():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        peer.hold()
        peer.send(b"-last")
        peer.read_to_end()

    with StubServer(script) as server:
        transport = AsyncHTTPTransport()
        response = await start(transport, server.url)
        await transport.aclose()
        assert counts(transport) == (0, 1)
        server.release()
        assert await response.aread() == b"first-last"
        assert counts(transport) == (0, 0)
        await call_blocking(server.wait_ended)


async def test_the_script_of_a_connection_that_ends_is_over():
    ended: list[str] = []

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        try:
            peer.read_request()
        except Gone:
            ended.append("gone")

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            await fetch(transport, server.url)
        await call_blocking(server.wait_ended)
    assert ended == ["gone"]


async def test_connections_can_be_made_ahead():
    with StubServer(*[lambda peer: peer.hold_open()] * 2) as server:
        async with AsyncHTTPTransport(limits=PoolLimits(min_size=2)) as transport:
            await transport.warm_up(server.url, connect_timeout=10)
            assert counts(transport) == (2, 0)


async def test_connections_ahead_to_a_server_that_is_not_there():
    with refusing_port() as port:
        async with AsyncHTTPTransport(limits=PoolLimits(min_size=1)) as transport:
            with pytest.raises(httpx.ConnectError):
                await transport.warm_up(f"http://127.0.0.1:{port}/")
