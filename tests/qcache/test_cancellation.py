"""Cancelled calls leave the client as it was; closing waits for nobody."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator

import anyio
import anyio.to_thread
import pytest

from storekit.errors import ClientClosed
from storekit.options import PoolLimits, RetryPolicy
from storekit.qcache import AsyncQClient
from tests.support.stub_node import (
    WAIT,
    Answer,
    Request,
    StubNode,
    always,
    key_of,
    mute_node,
    reply,
    resets,
    silent,
    well,
)

TABLE = "a\n1\n"

CALLS: dict[str, Callable[[AsyncQClient], Awaitable[object]]] = {
    "get": lambda client: client.get("key", {}),
    "large get": lambda client: client.get("key", {"select": ["x" * 5000]}),
    "post": lambda client: client.post("key", TABLE),
    "query": lambda client: client.query("key", {}, lambda: TABLE),
    "delete": lambda client: client.delete("key"),
    "status": lambda client: client.status(),
}


@pytest.fixture
def start_node() -> Iterator[Callable[..., StubNode]]:
    with contextlib.ExitStack() as nodes:
        yield lambda answer=well: nodes.enter_context(StubNode(answer))


async def until(node: StubNode, condition: Callable[[StubNode], object]) -> None:
    await anyio.to_thread.run_sync(node.wait_for, condition)


def connections(client: AsyncQClient) -> tuple[int, int]:
    """How many connections are leased or being made, and how many there are in all."""
    pools = client._owned_transports[0].statistics().values()
    busy = sum(pool.leased + pool.connecting + pool.waiting for pool in pools)
    return busy, sum(pool.size for pool in pools)


@pytest.mark.parametrize("name", CALLS)
async def test_a_cancelled_call_ends_at_once_and_its_connection_is_closed(
    start_node: Callable[..., StubNode], name: str
) -> None:
    node = start_node(silent)
    async with AsyncQClient([node.url], WAIT, WAIT) as client:
        with anyio.fail_after(WAIT / 2):
            async with anyio.create_task_group() as group:
                group.start_soon(CALLS[name], client)
                await until(node, lambda node: node.requests)
                group.cancel_scope.cancel()
        assert connections(client) == (0, 0)
        node.answer = well
        assert await client.get("key", {}) is not None
    assert len(node.requests) == 2, "a cancelled call was repeated, or its node taken out"


async def test_a_cancelled_call_in_the_middle_of_an_answer(
    start_node: Callable[..., StubNode],
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    node = start_node(always(head + b"x" * 50_000, "hold"))
    async with AsyncQClient([node.url], WAIT, WAIT) as client:
        with anyio.fail_after(WAIT / 2):
            async with anyio.create_task_group() as group:
                group.start_soon(CALLS["get"], client)
                await until(node, lambda node: node.requests)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
        assert connections(client) == (0, 0)


async def test_a_cancelled_upload_that_the_node_does_not_read() -> None:
    with mute_node() as url:
        async with AsyncQClient([url], WAIT, WAIT, write_timeout=WAIT) as client:
            with anyio.move_on_after(0.05) as scope:
                await client.post("key", b"x" * 20_000_000)
            assert scope.cancelled_caught
            assert connections(client) == (0, 0)


async def test_a_cancelled_wait_for_a_connection(start_node: Callable[..., StubNode]) -> None:
    node = start_node(silent)
    limits = PoolLimits(max_size=1)
    async with AsyncQClient([node.url], WAIT, WAIT, limits=limits) as client:
        with anyio.fail_after(WAIT / 2):
            async with anyio.create_task_group() as group:
                group.start_soon(CALLS["get"], client)
                await until(node, lambda node: node.requests)
                with anyio.move_on_after(0.01) as scope:
                    await client.get("key", {})
                assert scope.cancelled_caught
                assert connections(client) == (1, 1)
                group.cancel_scope.cancel()
        assert connections(client) == (0, 0)


async def test_a_cancelled_pause_between_attempts(start_node: Callable[..., StubNode]) -> None:
    node = start_node(always(reply(503, b"", {"Retry-After": "100"})))
    async with AsyncQClient([node.url], WAIT, WAIT) as client:
        with anyio.fail_after(WAIT / 2):
            async with anyio.create_task_group() as group:
                group.start_soon(CALLS["get"], client)
                await until(node, lambda node: node.requests)
                group.cancel_scope.cancel()
        node.answer = well
        assert await client.get("key", {}) is not None


async def test_a_cancelled_iteration_over_pages(start_node: Callable[..., StubNode]) -> None:
    node = start_node(silent)
    async with AsyncQClient([node.url], WAIT, WAIT) as client:

        async def read() -> None:
            async for _ in client.pages("key", {}):
                raise AssertionError

        with anyio.fail_after(WAIT / 2):
            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await until(node, lambda node: node.requests)
                group.cancel_scope.cancel()
        assert connections(client) == (0, 0)


async def test_many_calls_cancelled_at_random_moments(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node()
    limits = PoolLimits(max_size=3)
    async with AsyncQClient([node.url], WAIT, WAIT, limits=limits) as client:

        async def call(number: int) -> None:
            with anyio.move_on_after(0.0003 * (number % 17)):
                await client.get(f"key-{number}", {})

        async with anyio.create_task_group() as group:
            for number in range(120):
                group.start_soon(call, number)
        busy, size = connections(client)
        assert busy == 0
        assert size <= 3
        assert await client.get("key", {}) is not None


async def test_a_cancelled_caller_leaves_the_probe_to_the_others(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(resets)
    policy = RetryPolicy(attempts=1)
    async with AsyncQClient([node.url], WAIT, WAIT, retry=policy) as client:
        with pytest.raises(Exception, match="lost the connection"):
            await client.get("key", {})
        opened = threading.Event()

        def when_opened(request: Request) -> Answer:
            assert opened.wait(WAIT)
            return well(request)

        node.answer = when_opened
        first = anyio.CancelScope()
        results = []

        async def ask_in_vain() -> None:
            with first:
                await client.get("key", {})

        async def ask() -> None:
            results.append(await client.get("key", {}))

        with anyio.fail_after(WAIT / 2):
            async with anyio.create_task_group() as group:
                group.start_soon(ask_in_vain)
                await until(node, lambda node: len(node.probes) == 1)
                group.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
                first.cancel()
                await anyio.wait_all_tasks_blocked()
                opened.set()
        assert len(results) == 1
        assert results[0] is not None
    assert len(node.probes) == 1


async def test_closing_lets_a_call_under_way_finish(start_node: Callable[..., StubNode]) -> None:
    may_answer = threading.Event()

    def late(request: Request) -> Answer:
        assert may_answer.wait(WAIT)
        return well(request)

    node = start_node(late)
    client = AsyncQClient([node.url], WAIT, WAIT)
    results = []

    async def ask() -> None:
        results.append(await client.get("key", {}))

    with anyio.fail_after(WAIT / 2):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(node, lambda node: node.requests)
            await client.aclose()
            assert connections(client) == (1, 1)
            may_answer.set()
    assert results[0] is not None
    assert connections(client) == (0, 0)


async def test_closing_ends_the_wait_for_a_connection(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(silent)
    client = AsyncQClient([node.url], WAIT, WAIT, limits=PoolLimits(max_size=1))
    closed = []

    async def wait() -> None:
        with pytest.raises(ClientClosed):
            await client.get("key", {})
        closed.append(True)

    with anyio.fail_after(WAIT / 2):
        async with anyio.create_task_group() as group:
            group.start_soon(CALLS["get"], client)
            await until(node, lambda node: node.requests)
            group.start_soon(wait)
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert connections(client) == (3, 1)
            await client.aclose()
            await anyio.wait_all_tasks_blocked()
            assert len(closed) == 2
            group.cancel_scope.cancel()
    assert connections(client) == (0, 0)


async def test_closing_while_a_probe_runs_ends_the_probe(
    start_node: Callable[..., StubNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    from storekit.qcache._async import node_pool

    monkeypatch.setattr(node_pool, "probe_pause", lambda probes, rng: 0.0)
    dead, other = start_node(resets), start_node()
    nodes = [dead.url, other.url]
    key = key_of(dead.url, nodes)
    client = AsyncQClient(nodes, WAIT, WAIT)
    with anyio.fail_after(WAIT / 2):
        assert await client.get(key, {}) is not None
        dead.answer = silent
        assert await client.get(key, {}) is not None
        await until(dead, lambda node: node.probes)
        await client.aclose()
    assert connections(client) == (0, 0)
    with pytest.raises(ClientClosed):
        await client.get(key, {})


async def test_closing_in_a_cancelled_scope_closes_all_the_same(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node()
    client = AsyncQClient([node.url], WAIT, WAIT)
    await client.get("key", {})
    assert connections(client) == (0, 1)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await client.aclose()
    assert connections(client) == (0, 0)
