"""Cancelling callers of a pool, one case at a time."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from storekit.core._async.pool import AsyncPool
from storekit.core.places import Lease
from storekit.options import PoolLimits
from tests.support.concurrency import PATIENCE, Clock
from tests.support.concurrency._async import until

checkpoint = anyio.lowlevel.checkpoint


# The same, one case at a time.


class Node:
    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.gate: anyio.Event | None = None
        self.closing_takes: anyio.Event | None = None

    async def connect(self, deadline: float | None) -> int:
        if self.gate is not None:
            await self.gate.wait()
        self.made += 1
        return self.made

    async def close(self, connection: int) -> None:
        self.closed.append(connection)
        if self.closing_takes is not None:
            await self.closing_takes.wait()

    def pool(self, **limits) -> AsyncPool[int]:
        return AsyncPool(self.connect, self.close, limits=PoolLimits(**limits), clock=Clock())


def counts(pool: AsyncPool) -> tuple[int, int, int, int]:
    now = pool.statistics()
    assert now.size == now.idle + now.leased + now.connecting
    return now.idle, now.leased, now.connecting, now.waiting


def run_without_waiting(call) -> object:
    """Run a coroutine that has no reason to wait: without an event loop."""
    coroutine = call()
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


def test_leasing_an_idle_connection_and_giving_it_back_does_not_switch_tasks():
    pool = Node().pool()
    lease = run_without_waiting(pool.acquire)  # nor does making one that takes no time
    for _ in range(3):
        run_without_waiting(lambda lease=lease: pool.release(lease, reuse=True))
        lease = run_without_waiting(pool.acquire)
    assert counts(pool) == (0, 1, 0, 0)


async def test_fill_leaves_room_that_was_promised_to_callers_in_line():
    node = Node()
    pool = node.pool(min_size=1, max_size=1)
    held = await pool.acquire()
    node.gate = anyio.Event()

    async def lease() -> None:
        async with pool.lease():
            assert counts(pool) == (0, 1, 0, 0)

    async with anyio.create_task_group() as group:
        group.start_soon(lease)
        await anyio.wait_all_tasks_blocked()
        await pool.release(held, reuse=False)  # its room is promised now
        run_without_waiting(pool.fill)
        assert pool.statistics().size == 1
        await anyio.wait_all_tasks_blocked()
        assert counts(pool) == (0, 0, 1, 0)
        node.gate.set()
    assert counts(pool) == (1, 0, 0, 0)


async def test_leasing_an_idle_connection_is_no_point_of_cancellation():
    pool = Node().pool()
    await pool.release(await pool.acquire(), reuse=True)
    with anyio.CancelScope() as scope:
        scope.cancel()
        lease = await pool.acquire()
        await pool.release(lease, reuse=True)
    assert counts(pool) == (1, 0, 0, 0)


async def test_a_caller_that_is_cancelled_in_the_queue_leaves_it():
    pool = Node().pool(max_size=1)
    lease = await pool.acquire()
    async with anyio.create_task_group() as group:
        group.start_soon(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        group.cancel_scope.cancel()
    assert counts(pool) == (0, 1, 0, 0)
    await pool.release(lease, reuse=True)
    assert counts(pool) == (1, 0, 0, 0)


class Waiters:
    """Callers in the queue of a pool, each to be cancelled by itself."""

    def __init__(self, pool: AsyncPool[int], group) -> None:
        self.pool = pool
        self.group = group
        self.scopes: list[anyio.CancelScope] = []
        self.leases: dict[int, Lease[int]] = {}

    async def add(self) -> None:
        waiting = self.pool.statistics().waiting
        self.scopes.append(anyio.CancelScope())
        self.group.start_soon(self._wait, len(self.scopes) - 1)
        await until(lambda: self.pool.statistics().waiting == waiting + 1)

    async def _wait(self, number: int) -> None:
        with self.scopes[number]:
            self.leases[number] = await self.pool.acquire(timeout=PATIENCE)


async def test_a_connection_handed_to_a_cancelled_caller_goes_to_the_next_in_line():
    node = Node()
    pool = node.pool(max_size=1)
    lease = await pool.acquire()
    async with anyio.create_task_group() as group:
        waiters = Waiters(pool, group)
        for _ in range(3):
            await waiters.add()
        waiters.scopes[0].cancel()
        await pool.release(lease, reuse=True)
        await until(lambda: bool(waiters.leases))
        assert list(waiters.leases) == [1]
        assert counts(pool) == (0, 1, 0, 1)
        await pool.release(waiters.leases[1], reuse=True)
    assert waiters.leases[2].connection == 1
    assert node.closed == []


async def test_a_connection_handed_to_a_cancelled_caller_becomes_idle_if_nobody_waits():
    node = Node()
    pool = node.pool(max_size=1)
    lease = await pool.acquire()
    async with anyio.create_task_group() as group:
        waiters = Waiters(pool, group)
        await waiters.add()
        waiters.scopes[0].cancel()
        await pool.release(lease, reuse=True)
    assert counts(pool) == (1, 0, 0, 0)
    assert node.closed == []


async def test_a_place_handed_to_a_cancelled_caller_goes_to_the_next_in_line():
    node = Node()
    pool = node.pool(max_size=1)
    lease = await pool.acquire()
    async with anyio.create_task_group() as group:
        waiters = Waiters(pool, group)
        await waiters.add()
        await waiters.add()
        waiters.scopes[0].cancel()
        await pool.release(lease, reuse=False)
    assert waiters.leases[1].connection == 2
    assert counts(pool) == (0, 1, 0, 0)


async def test_a_connection_handed_to_a_cancelled_caller_is_closed_if_the_pool_is():
    node = Node()
    pool = node.pool(max_size=1)
    lease = await pool.acquire()
    async with anyio.create_task_group() as group:
        waiters = Waiters(pool, group)
        await waiters.add()
        waiters.scopes[0].cancel()
        await pool.release(lease, reuse=True)
        await pool.aclose()
    assert node.closed == [1]
    assert counts(pool) == (0, 0, 0, 0)


async def test_cancelling_a_connect_frees_its_place_for_the_next_in_line():
    node = Node()
    node.gate = anyio.Event()
    pool = node.pool(max_size=1)
    async with anyio.create_task_group() as group:
        connecting = anyio.CancelScope()

        async def connect() -> None:
            with connecting:
                await pool.acquire()

        group.start_soon(connect)
        await until(lambda: pool.statistics().connecting == 1)
        waiters = Waiters(pool, group)
        await waiters.add()
        connecting.cancel()
        await until(lambda: pool.statistics().waiting == 0)
        node.gate.set()
    assert waiters.leases[0].connection == 1
    assert counts(pool) == (0, 1, 0, 0)
    assert pool.statistics().connections_failed == 1


async def test_a_connection_is_closed_to_the_end_although_the_caller_is_cancelled():
    node = Node()
    node.closing_takes = anyio.Event()
    pool = node.pool()
    lease = await pool.acquire()
    ended = []

    async def give_back() -> None:
        try:
            await pool.release(lease, reuse=False)
        finally:
            ended.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(give_back)
        await until(lambda: node.closed == [1])
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            for _ in range(5):
                await checkpoint()
            assert not ended
            assert counts(pool) == (0, 0, 0, 0)
            node.closing_takes.set()
    assert ended


@pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_a_task_that_asyncio_cancels_while_it_closes_connections_closes_the_others_too(use_uvloop):
    if use_uvloop:
        pytest.importorskip("uvloop")

    async def main() -> None:
        node = Node()
        pool = node.pool()
        for lease in [await pool.acquire() for _ in range(3)]:
            await pool.release(lease, reuse=True)
        node.closing_takes = anyio.Event()
        task = asyncio.create_task(pool.aclose())
        await until(lambda: len(node.closed) == 1)
        node.closing_takes.set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert node.closed == [1, 2, 3]

    anyio.run(main, backend_options={"use_uvloop": use_uvloop})
