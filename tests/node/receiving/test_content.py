"""Content that goes from the socket straight into the memory of who wants it, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha1
from typing import Any

import pytest

from storekit.qcache.node.http import asgi as asgi_module
from storekit.qcache.node.http import connections
from storekit.qcache.node.http.asgi import Application, application
from storekit.qcache.node.http.bodies import RECEIVE_INTO, ClientGone, Lines, RequestBody
from storekit.qcache.node.http.receiving import DirectContent
from storekit.qcache.node.http.tls import server_tls
from storekit.qcache.node.node import Node
from tests.node.asking import gathered
from tests.node.test_connections import Served, answer, served, until
from tests.support.certificates import Certificates

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if importlib.util.find_spec("uvloop") is not None:
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop

CONTENT = random.Random(7).randbytes(300_000)
LINES = b"".join(b"%d,some text,%d\n" % (n, n * n) for n in range(12_000))
NEXT = b"GET /next HTTP/1.1\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"

App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


def post(path: str, content: bytes, *headers: str, version: str = "1.1") -> bytes:
    return b"%s%s" % (head(path, len(content), *headers, version=version), content)


def head(path: str, length: int, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def chunked(path: str, *chunks: bytes) -> bytes:
    start = f"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return start + framed + b"0\r\n\r\n"


@dataclass
class Client:
    """Reads answers one after the other."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:-2])
        content = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), headers, content

    async def told(self) -> list[Any]:
        status, _, content = await self.answer()
        assert status == 200
        told: list[Any] = json.loads(content)
        return told

    async def is_over(self) -> bool:
        with contextlib.suppress(ConnectionError):  # of a server that did not read all
            return await self.reader.read() == b""
        return True

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class World:
    """An event loop with a server on it, and what went wrong there."""

    loop_factory: Callable[[], asyncio.AbstractEventLoop]
    server: ssl.SSLContext | None
    client: ssl.SSLContext | None
    errors: list[dict[str, Any]] = field(default_factory=list)

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: self.errors.append(context))
            runner.run(main())
        assert self.errors == []

    def served(self, app: App) -> contextlib.AbstractAsyncContextManager[Served]:
        return served(app, self.server)

    @contextlib.asynccontextmanager
    async def connected(self, node: Served) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port, ssl=self.client)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.fixture(params=["plain", "tls"])
def is_secure(request: pytest.FixtureRequest) -> bool:
    return request.param == "tls"


@pytest.fixture(params=LOOPS)
def world(
    request: pytest.FixtureRequest,
    is_secure: bool,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[World]:
    server = server_tls(str(certificates.server), None, None) if is_secure else None
    client = certificates.ssl_context() if is_secure else None
    yield World(LOOPS[request.param], server, client)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> list[DirectContent]:
    """All that took the place of a connection."""
    made: list[DirectContent] = []

    class Noted(DirectContent):
        def __init__(self, connection: Any, left: int) -> None:
            super().__init__(connection, left)
            made.append(self)

    monkeypatch.setattr(connections, "DirectContent", Noted)
    return made


def outline(content: bytes) -> list[object]:
    return [len(content), sha1(content, usedforsecurity=False).hexdigest()]


def tell(block: int = 100_000) -> App:
    """Answer with what was asked, however large it is."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        content = await gathered(RequestBody(scope, receive, 20.0), block)
        told = [scope["method"], scope["path"], *outline(content)]
        await answer(send, json.dumps(told).encode())

    return app


def told_of(path: str, content: bytes, method: str = "POST") -> list[object]:
    return [method, path, *outline(content)]


# Content


@pytest.mark.parametrize("block", [1_000, 65_536, 1_000_000])
@pytest.mark.parametrize("content", [CONTENT, LINES])
def test_content_is_what_was_sent(world, direct, content, block):
    async def main() -> None:
        async with world.served(tell(block)) as node, world.connected(node) as client:
            await client.send(post("/first", content))
            assert await client.told() == told_of("/first", content)

    world.run(main)
    assert len(direct) == 1


@pytest.mark.parametrize("size", [1, 100, 20_000])
def test_content_comes_in_any_pieces(world, direct, size):
    content = CONTENT[: 300 * size]
    request = head("/first", len(content))

    async def main() -> None:
        async with world.served(tell(777)) as node, world.connected(node) as client:
            pieces = [content[start : start + size] for start in range(0, len(content), size)]
            await client.send(request[:20], request[20:], *pieces)
            assert await client.told() == told_of("/first", content)

    world.run(main)
    assert len(direct) <= 1  # all of little may come with its head


def test_what_came_is_told_although_there_is_room_for_more(world, direct):
    came = asyncio.Event()
    counts: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        content, taken = RequestBody(scope, receive, 20.0), Lines(lambda _: None)
        while content.more:
            counts.append(await content.next(taken))
            came.set()
        await answer(send, b"[]")

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", 30))
            for _ in range(3):
                came.clear()
                await client.send(bytes(10))
                await came.wait()
            assert await client.told() == []

    world.run(main)
    assert counts == [10, 10, 10, 0]
    assert len(direct) == 1


def test_what_nobody_asks_for_stays_in_the_socket(world, direct):
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        memory = bytearray(10)
        assert await scope["extensions"][RECEIVE_INTO](memoryview(memory)[:5]) == 5
        asked.set()
        await go_on.wait()
        assert memory == CONTENT[1:6] + bytes(5)
        rest = bytearray(CONTENT)
        left = memoryview(rest)
        while count := await scope["extensions"][RECEIVE_INTO](left):
            left = left[count:]
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        await answer(send, json.dumps(outline(rest[: len(rest) - len(left)])).encode())

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", len(CONTENT)), CONTENT[:1])
            connection = await node.connection()
            await until(lambda: bool(direct))
            client.writer.write(CONTENT[1:])
            await asked.wait()
            assert not connection.transport.is_reading()
            go_on.set()
            assert await client.told() == outline(CONTENT[6:])

    world.run(main)


@pytest.mark.parametrize("behind", [b"", NEXT], ids=["alone", "with the next request"])
def test_what_came_before_it_was_asked_for_comes_first(world, direct, behind):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        content, blocks = RequestBody(scope, receive, 20.0), list[bytes]()
        lines = Lines(blocks.append, 7)
        if scope["method"] == "POST":
            await content.next(lines)
            begun.set()
            await go_on.wait()
        while content.more:
            await content.next(lines)
        lines.finish()
        await answer(send, json.dumps(outline(b"".join(blocks))).encode())

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", 1000), CONTENT[:10])
            await begun.wait()
            await client.send(CONTENT[10 : 1000 if behind else 900] + behind)
            connection = await node.connection()
            await until(lambda: bool(connection.pipeline if behind else connection.cycle.body))
            go_on.set()
            if behind:
                assert await client.told() == outline(CONTENT[:1000])
                assert await client.told() == outline(b"")
            else:
                await until(lambda: bool(direct))
                await client.send(CONTENT[900:1000])
                assert await client.told() == outline(CONTENT[:1000])

    world.run(main)
    assert len(direct) == (0 if behind else 1)


def test_the_connection_is_listened_to_once_content_is_there(world, direct):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        left = memoryview(bytearray(999))
        while left:
            left = left[await scope["extensions"][RECEIVE_INTO](left) :]
        come.set()
        await go_on.wait()
        await answer(send, b"[]")

    come, go_on = asyncio.Event(), asyncio.Event()

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", 1000), b"x")
            await until(lambda: bool(direct))
            await client.send(bytes(999))
            await come.wait()
            client.reset()
            await (await node.connection()).lost.wait()
            go_on.set()

    world.run(main)


def test_a_client_that_waits_to_be_asked_is_asked(world, direct):
    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            await client.send(head("/first", len(CONTENT), "Expect: 100-continue"))
            assert (await client.answer())[0] == 100
            await client.send(CONTENT)
            assert await client.told() == told_of("/first", CONTENT)

    world.run(main)
    assert len(direct) == 1


def test_content_of_a_request_that_wishes_another_protocol(world, direct):
    wish = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA")

    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            await client.send(post("/first", CONTENT, *wish) + LAST)
            assert await client.told() == told_of("/first", CONTENT)
            assert await client.told() == told_of("/last", b"", "GET")

    world.run(main)
    assert len(direct) == 1


def test_a_get_may_have_content(world, direct):
    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            await client.send(post("/", CONTENT).replace(b"POST", b"GET", 1) + LAST)
            assert await client.told() == told_of("/", CONTENT, "GET")
            assert await client.told() == told_of("/last", b"", "GET")

    world.run(main)
    assert len(direct) == 1


# Requests on one connection


@pytest.mark.parametrize("piece", [50_000, 10_000_000])
def test_requests_on_one_connection_keep_their_content(world, direct, piece):
    sizes = [300_000, 0, 1, 200_000, 200_001, 5, 150_000]
    contents = [CONTENT[-size:] if size else b"" for size in sizes]

    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            sent = b"".join(post(f"/{n}", content) for n, content in enumerate(contents)) + LAST
            pieces = [sent[start : start + piece] for start in range(0, len(sent), piece)]
            sending = asyncio.create_task(client.send(*pieces))
            for n, content in enumerate(contents):
                assert await client.told() == told_of(f"/{n}", content)
            assert await client.told() == told_of("/last", b"", "GET")
            assert await client.is_over()
            await sending

    world.run(main)


def test_a_connection_is_kept_after_content_that_came_directly(world, direct):
    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            for path in ("/1", "/2", "/3"):
                await client.send(post(path, CONTENT))
                status, headers, content = await client.answer()
                assert status == 200
                assert "connection" not in headers
                assert json.loads(content) == told_of(path, CONTENT)
                await client.send(chunked(path, b"small", b"er"))
                assert await client.told() == told_of(path, b"smaller")
            connection = await node.connection()
            assert connection.transport.get_protocol() is connection

    world.run(main)
    assert len(direct) == 3


@pytest.mark.parametrize(
    ("headers", "version"), [((), "1.0"), (("Connection: close",), "1.1")], ids=["1.0", "close"]
)
def test_a_connection_is_closed_if_the_request_says_so(world, direct, headers, version):
    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            await client.send(post("/", CONTENT, *headers, version=version))
            _, named, content = await client.answer()
            assert named["connection"] == "close"
            assert json.loads(content) == told_of("/", CONTENT)
            assert await client.is_over()

    world.run(main)
    assert len(direct) == 1


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("form", [post, chunked])
def test_content_that_waits_behind_another_request_is_its_own(world, form, size):
    go_on = asyncio.Event()
    content = CONTENT[:size]
    sent = form("/second", content)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/first":
            await go_on.wait()
        await tell(1_000)(scope, receive, send)

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            middle = sent.index(content[:10]) + 5
            await client.send(b"GET /first HTTP/1.1\r\n\r\n" + sent[:middle])
            connection = await node.connection()
            await until(lambda: bool(connection.pipeline))
            go_on.set()
            assert await client.told() == told_of("/first", b"", "GET")
            await client.send(sent[middle:], NEXT)
            assert await client.told() == told_of("/second", content)
            assert await client.told() == told_of("/next", b"", "GET")

    world.run(main)


def test_a_length_of_chunks_is_refused(world, direct):
    both = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1000\r\n\r\n"

    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            await client.send(both + b"5\r\nhello\r\n0\r\n\r\n")
            assert (await client.answer())[0] == 400
            assert await client.is_over()

    world.run(main)
    assert direct == []


def test_nonsense_behind_content_is_told_after_the_answer(world, direct):
    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            await client.send(post("/first", CONTENT) + b"\0\0\0\0")
            assert await client.told() == told_of("/first", CONTENT)
            assert (await client.answer())[0] == 400
            assert await client.is_over()

    world.run(main)
    assert len(direct) == 1


# What does not come


def told_of_leaving() -> tuple[asyncio.Event, App]:
    """An application that sets the event once it learns that its client left."""
    gone = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(ClientGone):
            await gathered(RequestBody(scope, receive, 20.0))
        gone.set()

    return gone, app


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_request_learns_that_its_client_left_in_the_middle(world, direct, way):
    gone, app = told_of_leaving()

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", len(CONTENT)), CONTENT[:1000])
            await until(lambda: bool(direct))
            (client.reset if way == "reset" else client.writer.close)()
            await gone.wait()
            connection = await node.connection()
            await connection.lost.wait()
            await until(lambda: not connection.tasks)
            assert direct[0]._timer is None
            assert connection._head_timer is connection._write_timer is None
            assert not connection.connections

    world.run(main)


@pytest.mark.parametrize("is_secure", [False])  # TLS has no half-closed connections here
def test_a_client_that_sends_no_more_than_a_part_has_left(world, direct):
    gone, app = told_of_leaving()

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", len(CONTENT)), CONTENT[:1000])
            await until(lambda: bool(direct))
            client.writer.write_eof()
            await gone.wait()
            assert await client.is_over()

    world.run(main)


@pytest.mark.parametrize("closing", ["close", "abort"])
def test_a_connection_that_ends_before_content_is_asked_for_has_none(world, direct, closing):
    gone = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        content, taken = RequestBody(scope, receive, 20.0), Lines(lambda _: None)
        await content.next(taken)
        getattr(scope["state"]["node"].made[0].transport, closing)()
        with pytest.raises(ClientGone):
            await content.next(taken)
        gone.set()

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(b"")
            (await node.connection()).app_state["node"] = node
            await client.send(head("/", len(CONTENT)), CONTENT[:10])
            await gone.wait()

    world.run(main)
    assert direct == []


def test_who_falls_silent_is_given_up_and_what_comes_late_goes_nowhere(world, direct):
    late = asyncio.Event()
    memory = bytearray(1000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        receive_into = scope["extensions"][RECEIVE_INTO]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await receive_into(memoryview(memory))
        await late.wait()
        assert memory == bytes(1000)
        await answer(send, b"[]")

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", 2000), b"x")
            await until(lambda: bool(direct) and direct[0]._waiter is not None)
            await until(direct[0]._waiter.done)
            await client.send(b"late" * 100)
            late.set()
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert await client.is_over()
            assert direct[0]._timer is None

    world.run(main)


def test_an_answer_before_all_content_came_ends_the_connection(world, direct):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await scope["extensions"][RECEIVE_INTO](memoryview(bytearray(100)))
        await answer(send, b"enough")

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", 10_000), bytes(5_000))
            await until(lambda: bool(direct))
            await client.send(bytes(200))
            _, headers, content = await client.answer()
            assert (headers["connection"], content) == ("close", b"enough")
            assert await client.is_over()
            await (await node.connection()).lost.wait()

    world.run(main)
    assert len(direct) == 1


def test_a_connection_that_said_it_closes_does(world, direct):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        content, taken = RequestBody(scope, receive, 20.0), Lines(lambda _: None)
        await content.next(taken)
        await content.next(taken)
        await send({"type": "http.response.start", "status": 200, "headers": [LENGTH_2]})
        while content.more:
            await content.next(taken)
        await send({"type": "http.response.body", "body": b"[]"})

    async def main() -> None:
        async with world.served(app) as node, world.connected(node) as client:
            await client.send(head("/", 10_000), bytes(5_000))
            await until(lambda: bool(direct))
            await client.send(bytes(1_000))
            await client.reader.readuntil(b"connection: close\r\n\r\n")
            await client.send(bytes(4_000))
            assert await client.reader.read() == b"[]"

    world.run(main)
    assert len(direct) == 1


LENGTH_2 = (b"content-length", b"2")


def test_a_server_that_stops_answers_first_and_then_closes(world, direct):
    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            await client.send(head("/", len(CONTENT)), CONTENT[:1000])
            await until(lambda: bool(direct))
            (await node.connection()).shutdown()
            await client.send(CONTENT[1000:])
            _, headers, content = await client.answer()
            assert headers["connection"] == "close"
            assert json.loads(content) == told_of("/", CONTENT)
            assert await client.is_over()

    world.run(main)


def test_a_request_that_is_ended_in_the_middle_is_answered(world, direct, caplog):
    async def main() -> None:
        async with world.served(tell()) as node, world.connected(node) as client:
            await client.send(head("/", len(CONTENT)), CONTENT[:1000])
            await until(lambda: bool(direct))
            (task,) = (await node.connection()).tasks
            task.cancel()
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (500, "close")
            assert await client.is_over()
            assert direct[0]._timer is None

    world.run(main)
    caplog.clear()  # of the request that failed


# The node


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Application:
    """A node that reads tables early, in small blocks."""
    monkeypatch.setattr(asgi_module, "_READ_EARLY", 1_000)
    monkeypatch.setattr(asgi_module, "Lines", partial(Lines, block=20_000))
    return application(Node(size=1_000_000), body_timeout=20.0)


TABLE = b"n,t,square\n" + LINES


@contextlib.asynccontextmanager
async def living(app: Application) -> AsyncIterator[None]:
    events = [{"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return events.pop()

    async def send(_: Any) -> None: ...

    try:
        yield
    finally:
        await app({"type": "lifespan"}, receive, send)


def test_a_large_table_is_read_while_it_comes(world, direct, app):
    query = b"GET /qcache/dataset/k?q={} HTTP/1.1\r\nAccept: text/csv\r\n\r\n"

    async def main() -> None:
        async with living(app), world.served(app) as node, world.connected(node) as client:
            for _ in range(2):
                await client.send(post("/qcache/dataset/k", TABLE) + query)
                assert (await client.answer())[0] == 201
                status, _, content = await client.answer()
                assert status == 200
                assert content == TABLE
            assert app._room == app._most

    world.run(main)
    assert len(direct) == 2


async def refused(client: Client, content: bytes) -> int:
    """Status of an answer that is there when all was sent, and after which nothing comes."""
    await client.send(head("/qcache/dataset/k", len(content)), content)
    status, headers, _ = await client.answer()
    assert headers["connection"] == "close"
    assert await client.is_over()
    return status


def test_too_large_a_table_is_refused_and_the_connection_ends(world, direct, app):
    async def main() -> None:
        async with living(app), world.served(app) as node, world.connected(node) as client:
            assert await refused(client, bytes(2_000_000)) == 413
            assert app._room == app._most

    world.run(main)
    assert len(direct) == 1


def test_a_table_for_which_there_is_no_room_left_is_refused(world, direct, app):
    app._room = 50_000

    async def main() -> None:
        async with living(app), world.served(app) as node, world.connected(node) as client:
            assert await refused(client, TABLE) == 503
            assert app._room == 50_000

    world.run(main)
    assert len(direct) == 1


def test_a_table_that_stops_coming_is_given_up(world, direct, app):
    app._body_timeout = 0.05

    async def main() -> None:
        async with living(app), world.served(app) as node, world.connected(node) as client:
            await client.send(head("/qcache/dataset/k", len(TABLE)), TABLE[:50_000])
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (408, "close")
            assert await client.is_over()
            assert app._room == app._most

    world.run(main)


def test_a_table_whose_client_left_is_not_stored(world, direct, app):
    async def main() -> None:
        async with living(app), world.served(app) as node:
            async with world.connected(node) as client:
                await client.send(head("/qcache/dataset/k", len(TABLE)), TABLE[:-1])
                await until(lambda: bool(direct))
                client.writer.close()
                connection = await node.connection()
                await connection.lost.wait()
                await until(lambda: not connection.tasks)
            assert app._room == app._most
            async with world.connected(node) as client:
                await client.send(b"GET /qcache/dataset/k?q={} HTTP/1.1\r\n\r\n")
                assert (await client.answer())[0] == 404

    world.run(main)
