"""Content that goes from the socket straight into the memory of who wants it, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from storekit.qcache.node.http.bodies import RECEIVE_INTO, Lines, RequestBody
from tests.node.receiving.world import CONTENT, LINES, head, outline, post, tell, told_of
from tests.node.test_connections import answer, until

NEXT = b"GET /next HTTP/1.1\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"


def chunked(path: str, *chunks: bytes) -> bytes:
    start = f"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return start + framed + b"0\r\n\r\n"


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
