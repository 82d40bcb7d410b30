"""Content of uploads that does not come, and connections that end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from storekit.qcache.node.http.bodies import RECEIVE_INTO, ClientGone, Lines, RequestBody
from tests.node.asking import gathered
from tests.node.receiving.world import CONTENT, App, head, tell, told_of
from tests.node.test_connections import answer, until

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
