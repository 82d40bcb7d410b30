"""Tables that a node on a port reads while they come."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from storekit.qcache.node.http.asgi import Application
from tests.node.receiving.world import LINES, Client, head, post
from tests.node.test_connections import until

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
