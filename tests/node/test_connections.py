"""Connections of the HTTP server, with applications that do what a test needs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from storekit.qcache.node.http import connections
from storekit.qcache.node.http.connections import BoundedConnection

SOON = 20.0


class Watched(BoundedConnection):
    """A connection that tells when it is over, and when its clock for heads has run out."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lost = asyncio.Event()
        self.late = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()

    def _end_head(self) -> None:
        super()._end_head()
        self.late.set()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - of a protocol, which has no event for each change
        await asyncio.sleep(0)


@dataclass
class Served:
    port: int
    made: list[Watched] = field(default_factory=list)

    async def connection(self) -> Watched:
        await until(lambda: bool(self.made) and self.made[0].transport is not None)
        return self.made[0]


@contextlib.asynccontextmanager
async def served(
    app: Callable[..., Coroutine[Any, Any, None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    made: list[Watched] = []

    def connect() -> Watched:
        made.append(Watched(config, state, {}))
        return made[-1]

    loop = asyncio.get_running_loop()
    async with asyncio.timeout(SOON):
        listening = await loop.create_server(connect, "127.0.0.1", 0, ssl=tls)
        try:
            yield Served(listening.sockets[0].getsockname()[1], made)
        finally:
            listening.close()
            for connection in made:
                connection.transport.abort()
                await connection.lost.wait()


async def answer(send: Callable[..., Any], content: bytes, *headers: tuple[bytes, bytes]) -> None:
    head = [(b"content-length", b"%d" % len(content)), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": content})


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what was asked."""
    content, more = b"", True
    while more:
        message = await receive()
        content, more = content + message["body"], message.get("more_body", False)
    told = [scope["method"], scope["path"], content.decode()]
    await answer(send, json.dumps(told).encode())


async def talk(port: int, *pieces: bytes) -> bytes:
    """All that comes until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()
    finally:
        writer.close()


def silent(port: int) -> socket.socket:
    """A client that takes next to nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    return sock


LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(
    ("header", "content"),
    [
        (b"Content-Length: 7", b"content"),
        (b"Transfer-Encoding: chunked", b"7\r\ncontent\r\n0\r\n\r\n"),
    ],
)
def test_a_wish_for_another_protocol_is_declined_and_the_content_is_read(split, header, content):
    head = b"POST /first HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    head += b"HTTP2-Settings: AAMA\r\n" + header + b"\r\n\r\n"

    async def main() -> bytes:
        async with served(tell) as node:
            pieces = [head, content, LAST] if split else [head + content + LAST]
            return await talk(node.port, *pieces)

    told = asyncio.run(main())
    assert b'["POST", "/first", "content"]' in told
    assert told.endswith(b'["GET", "/last", ""]')


def test_requests_are_answered_one_after_the_other():
    async def main() -> bytes:
        async with served(tell) as node:
            return await talk(node.port, b"GET / HTTP/1.1\r\n\r\n" * 50 + LAST)

    told = asyncio.run(main())
    assert told.count(b"HTTP/1.1 200") == 51
    assert told.endswith(b'["GET", "/last", ""]')


def test_no_more_than_some_requests_wait_on_one_connection():
    async def main() -> bytes:
        async with served(tell) as node:
            return await talk(node.port, b"GET / HTTP/1.1\r\n\r\n" * 3000)

    told = asyncio.run(main())
    assert told.count(b"HTTP/1.1") == told.count(b"HTTP/1.1 200") == 65
    assert b"connection: close" in told.rpartition(b"HTTP/1.1")[2]
    assert told.endswith(b'["GET", "/", ""]')


@pytest.mark.parametrize(
    "nonsense",
    [b"\0\0\0\0", b"GET / HTTP/1.1\r\nX: " + b"x" * 600_000, b"CONNECT x:1 HTTP/1.1\r\n\r\n"],
)
def test_nonsense_behind_a_request_does_not_get_into_its_answer(nonsense):
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"content"})

    async def main() -> bytes:
        async with served(app) as node:
            talking = asyncio.create_task(talk(node.port, b"GET / HTTP/1.1\r\n\r\n" + nonsense))
            connection = await node.connection()
            await until(lambda: connection._is_over)
            go_on.set()
            return await talking

    told = asyncio.run(main())
    assert told.count(b"HTTP/1.1") == 1
    assert told.endswith(b"7\r\ncontent\r\n0\r\n\r\n")


def test_what_is_no_request_is_told():
    async def main() -> bytes:
        async with served(tell) as node:
            return await talk(node.port, b"nonsense\r\n\r\n")

    head, _, content = asyncio.run(main()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert f"content-length: {len(content)}".encode() in head
    assert "error" in json.loads(content)


def test_a_head_that_is_late_does_not_take_the_answer_before_it(monkeypatch):
    monkeypatch.setattr(connections, "_HEAD_TIMEOUT", 0.01)
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await answer(send, b"content")

    async def main() -> bytes:
        async with served(app) as node:
            start = b"GET / HTTP/1.1\r\n\r\nGET /next HT"
            talking = asyncio.create_task(talk(node.port, start))
            await (await node.connection()).late.wait()
            go_on.set()
            return await talking

    assert asyncio.run(main()).endswith(b"content")


@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize("size", [1_000, 20_000_000])
def test_who_takes_no_answers_is_left(monkeypatch, size, closing):
    monkeypatch.setattr(connections, "_WRITE_TIMEOUT", 0.05)
    headers = [(b"connection", b"close")] if closing else []
    transports: list[asyncio.Transport] = []
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        more = {"type": "http.response.body", "body": bytes(size), "more_body": True}
        while not transports[0].get_write_buffer_size():  # the system still takes it
            await send(more)
        await send({"type": "http.response.body", "body": b""})
        ended.set()

    async def main() -> None:
        async with served(app) as node:
            with silent(node.port) as sock:
                connection = await node.connection()
                transports.append(connection.transport)
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                await ended.wait()
                if connection.timeout_keep_alive_task is not None:  # an hour later
                    connection.timeout_keep_alive_handler()
                await connection.lost.wait()

    asyncio.run(main())


def test_a_connection_that_was_reset_leaves_no_clock_behind():
    async def main() -> None:
        async with served(tell) as node:
            reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"]")
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection = await node.connection()
            idle = connection.timeout_keep_alive_task
            assert idle is not None
            writer.transport.abort()
            await connection.lost.wait()
            assert idle.cancelled()

    asyncio.run(main())


def test_a_request_learns_that_its_client_left_while_others_wait_behind_it():
    entered, go_on = asyncio.Event(), asyncio.Event()
    told = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await go_on.wait()
        told.append((scope["path"], (await receive())["type"]))
        await answer(send, b"content")

    async def main() -> None:
        async with served(app) as node:
            _, writer = await asyncio.open_connection("127.0.0.1", node.port)
            writer.write(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
            await entered.wait()
            connection = await node.connection()
            await until(lambda: bool(connection.pipeline))
            task = next(iter(connection.tasks))
            writer.transport.abort()
            connection.flow.resume_reading()
            await connection.lost.wait()
            go_on.set()
            await asyncio.wait([task])
            assert told == [("/1", "http.disconnect")]

    asyncio.run(main())


# Request lines and heads that need care


async def tell_target(scope: Any, receive: Any, send: Any) -> None:
    """Answer with where the request goes, its content, and its host."""
    content, more = b"", True
    while more:
        message = await receive()
        content, more = content + message["body"], message.get("more_body", False)
    named = dict(scope["headers"])
    told = [scope["raw_path"], scope["query_string"], content, named.get(b"host", b"")]
    await answer(send, json.dumps([part.decode() for part in told]).encode())


def told_of(*pieces: bytes) -> list[list[str]]:
    """What `tell_target` told of each request in these pieces, the last of which closes."""

    async def main() -> bytes:
        async with served(tell_target) as server:
            return await talk(server.port, *pieces)

    return [json.loads(body) for body in re.findall(rb'\r\n\r\n(\[.*?"\])', asyncio.run(main()))]


RAW = "POST /å?q='Zoë' HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
RAW += "X: ë\r\nContent-Length: 4\r\n\r\nëë".encode()
ENCODED = ["/%C3%A5", "q='Zo%C3%AB'", "ëë", "localhost"]


def test_a_target_that_is_not_percent_encoded_is_taken_as_utf_8():
    assert told_of(RAW) == [ENCODED]
    assert told_of(b"\r\n", RAW) == [ENCODED]
    assert told_of(*(RAW[i : i + 1] for i in range(len(RAW)))) == [ENCODED]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, len(RAW) - 1), max_size=4))
def test_it_is_taken_in_whatever_pieces_it_comes(cuts):
    edges = [0, *sorted(cuts), len(RAW)]
    assert told_of(*(RAW[a:b] for a, b in pairwise(edges))) == [ENCODED]


def test_it_is_taken_on_a_connection_that_is_kept():
    first = RAW.replace(b"Connection: close\r\n", b"")

    async def main() -> tuple[bytes, bytes]:
        async with served(tell_target) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(first)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.findall(rb"content-length: (\d+)", head)[0])
            one = await reader.readexactly(length)
            writer.write(RAW)
            two = await reader.read()
            writer.close()
            return one, two.partition(b"\r\n\r\n")[2]

    assert [json.loads(told) for told in asyncio.run(main())] == [ENCODED, ENCODED]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /\x01 HTTP/1.1\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\n\r\n",
    ],
)
def test_of_what_cannot_be_taken_it_is_told_that_it_must_be_encoded(request_bytes):
    async def main() -> bytes:
        async with served(tell) as server:
            return await talk(server.port, request_bytes)

    status, _, rest = asyncio.run(main()).rpartition(b"HTTP/1.1 ")[2].partition(b" ")
    assert status == b"400"
    assert b"percent-encoded" in rest


def test_the_host_in_a_target_counts_more_than_the_header():
    def request(target: str) -> bytes:
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        return head.encode()

    assert told_of(request("http://other.example:80/a?q=1")) == [
        ["/a", "q=1", "", "other.example:80"]
    ]
    assert told_of(request("http://[::1]/a")) == [["/a", "", "", "[::1]"]]
    assert told_of(request("/a?q=http://other.example")) == [
        ["/a", "q=http://other.example", "", "localhost"]
    ]


@pytest.mark.parametrize(
    "coding", ["gzip", "chunked, gzip", "chunked, chunked", "identity", "chunked;a=b", "x"]
)
def test_a_transfer_coding_that_hides_where_the_content_ends_is_not_implemented(coding):
    head = f"POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {coding}\r\n\r\n".encode()

    async def main() -> bytes:
        async with served(tell) as server:
            return await talk(server.port, head + b"1\r\na\r\n0\r\n\r\n")

    text = asyncio.run(main())
    assert text.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    assert json.loads(text.partition(b"\r\n\r\n")[2]) == {
        "error": "Transfer-Encoding must be chunked"
    }


def test_a_trailer_is_no_header_however_much_comes_at_once():
    head = b"POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    head += b"Connection: close\r\n\r\n"
    chunked = b"1\r\na\r\n0\r\nHost: other.example\r\nX-Other: b\r\n\r\n"
    for pieces in ((head + chunked,), (head, chunked)):
        assert told_of(*pieces) == [["/a", "", "a", "localhost"]]
