"""Load functions on event loops."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from storekit.qcache import AsyncQClient, QClient
from tests.support.stub_node import WAIT, Answer, Request, StubNode, reply, result

TABLE = b"a\n1\n"
CALLERS = 10


class Datasets:
    """A behaviour that keeps the last table posted, and gives it back whole."""

    def __init__(self) -> None:
        self.table: bytes | None = None
        self.uploads = 0
        self.misses = 0
        self.all_missed = threading.Event()

    def __call__(self, request: Request) -> Answer:
        if request.method == "POST":
            self.table = request.body
            self.uploads += 1
            return Answer(reply(201))
        if self.table is not None:
            return Answer(result(self.table, 1))
        self.misses += 1
        if self.misses == CALLERS:
            self.all_missed.set()
        return Answer(reply(404))


async def happened(event: threading.Event) -> None:
    assert await anyio.to_thread.run_sync(event.wait, WAIT)


@pytest.fixture
def datasets() -> Datasets:
    return Datasets()


@pytest.fixture
async def client(datasets: Datasets) -> AsyncIterator[AsyncQClient]:
    with StubNode(datasets) as node:
        async with AsyncQClient([node.url], WAIT, WAIT) as client:
            yield client


async def test_an_async_load_function(client: AsyncQClient) -> None:
    async def load(table: bytes) -> bytes:
        await anyio.lowlevel.checkpoint()
        return table

    assert (await client.query("key", {}, load, {"table": TABLE})).content == TABLE


async def test_an_object_with_an_async_call(client: AsyncQClient) -> None:
    class Load:
        async def __call__(self) -> bytes:
            await anyio.lowlevel.checkpoint()
            return TABLE

    assert (await client.query("key", {}, Load())).content == TABLE


async def test_a_plain_function_that_returns_an_awaitable(client: AsyncQClient) -> None:
    async def load(table: bytes) -> bytes:
        await anyio.lowlevel.checkpoint()
        return table

    assert (await client.query("key", {}, lambda: load(TABLE))).content == TABLE


async def test_an_async_load_function_runs_in_the_thread_of_the_loop(client: AsyncQClient) -> None:
    threads = []

    async def load() -> bytes:
        threads.append(threading.current_thread())
        return TABLE

    await client.query("key", {}, load)
    assert threads == [threading.current_thread()]


async def test_a_plain_load_function_does_not_block_the_loop(client: AsyncQClient) -> None:
    loading, others_ran = threading.Event(), threading.Event()

    def load() -> bytes:
        loading.set()
        assert others_ran.wait(WAIT), "the event loop stood still"
        return TABLE

    async def other() -> None:
        await happened(loading)
        others_ran.set()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        assert (await client.query("key", {}, load)).content == TABLE


async def test_concurrent_misses_of_an_async_load_function_load_once(
    client: AsyncQClient, datasets: Datasets
) -> None:
    calls = []

    async def load() -> bytes:
        calls.append(1)
        await happened(datasets.all_missed)
        return TABLE

    async with anyio.create_task_group() as group:
        for _ in range(CALLERS):
            group.start_soon(client.query, "key", {}, load)
    assert len(calls) == 1
    assert datasets.uploads == 1


async def test_when_the_loading_caller_is_cancelled_the_next_one_loads(
    client: AsyncQClient, datasets: Datasets
) -> None:
    first = anyio.CancelScope()
    loading = anyio.Event()
    contents = []

    async def load_never() -> bytes:
        loading.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def load() -> bytes:
        return TABLE

    async def query_in_vain() -> None:
        with first:
            await client.query("key", {}, load_never)

    async def query() -> None:
        contents.append((await client.query("key", {}, load)).content)

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as group:
            group.start_soon(query_in_vain)
            await loading.wait()
            group.start_soon(query)
            group.start_soon(query)
            await anyio.wait_all_tasks_blocked()
            assert not contents
            first.cancel()
    assert contents == [TABLE] * 2
    assert datasets.uploads == 1


async def test_cancelling_does_not_wait_for_a_plain_load_function(client: AsyncQClient) -> None:
    loading, may_end = threading.Event(), threading.Event()

    def load() -> bytes:
        loading.set()
        may_end.wait(WAIT)
        return TABLE

    try:
        with anyio.fail_after(WAIT / 2):
            async with anyio.create_task_group() as group:
                group.start_soon(client.query, "key", {}, load)
                await happened(loading)
                group.cancel_scope.cancel()
    finally:
        may_end.set()


def test_the_sync_client_refuses_an_async_load_function(datasets: Datasets) -> None:
    async def load() -> bytes:
        return TABLE

    with (
        StubNode(datasets) as node,
        QClient([node.url], WAIT, WAIT) as client,
        pytest.raises(TypeError, match="the sync client takes plain functions"),
    ):
        client.query("key", {}, load)
    assert datasets.uploads == 0
