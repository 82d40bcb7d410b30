"""Exceptions of signal handlers, between any two steps of a pool: no place is lost."""

import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dis import opname
from types import FrameType
from typing import Any
from weakref import WeakSet

import anyio
import pytest

from storekit.core import places
from storekit.core._async import pool as async_pool
from storekit.core._async import pool_state as async_state
from storekit.core._async.pool import AsyncPool
from storekit.core._sync import pool as sync_pool
from storekit.core._sync import pool_state as sync_state
from storekit.core._sync.pool import Pool
from storekit.errors import PoolTimeout
from storekit.options import PoolLimits
from tests.support.concurrency import Clock
from tests.support.concurrency._sync import Crew
from tests.support.concurrency._sync import until as sync_until

SIZE = 2
TRACED = {module.__file__ for module in (places, async_pool, async_state, sync_pool, sync_state)}


# Steps by which the interpreter notes what exception is handled. No handler runs before them, and
# an exception that a trace function raises there damages the interpreter's own state.
BOOKKEEPING = {"PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "WITH_EXCEPT_START"}


class Interrupted(Exception):
    """What a signal handler raises."""


class Interrupter:
    """Raises before one bytecode of the pool, as a signal handler may."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in TRACED:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and opname[frame.f_code.co_code[frame.f_lasti]] not in BOOKKEEPING:
            self.seen += 1
            if self.seen == self.number:
                raise Interrupted
        return self

    @contextmanager
    def at_work(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(before)


class Connection:
    def __init__(self) -> None:
        self.closed = 0
        self.usable = True


class Node:
    """What a pool connects to. It knows which of its connections are open and in whose hands."""

    def __init__(self) -> None:
        self.open: WeakSet[Connection] = WeakSet()
        self.closed_twice = 0
        self.refuses = False

    def connect(self, until: float | None) -> Connection:
        if self.refuses:
            raise ConnectionRefusedError
        connection = Connection()
        self.open.add(connection)
        return connection

    def close(self, connection: Connection) -> None:
        self.closed_twice += connection.closed
        connection.closed += 1
        self.open.discard(connection)

    async def connect_async(self, until: float | None) -> Connection:
        return self.connect(until)

    async def close_async(self, connection: Connection) -> None:
        self.close(connection)

    @staticmethod
    def is_usable(connection: Connection) -> bool:
        return connection.usable

    def check_at_rest(self, pool: Any) -> None:
        now = pool.statistics()
        assert (now.leased, now.connecting, now.waiting) == (0, 0, 0)
        assert now.idle == now.size <= SIZE
        assert len(self.open) == now.idle, "a connection was lost"
        assert not self.closed_twice


LIMITS = PoolLimits(max_size=SIZE, max_idle=10.0)


def use(pool: Pool, node: Node, clock: Clock) -> None:
    pool.release(pool.acquire(), reuse=True)


def discard(pool: Pool, node: Node, clock: Clock) -> None:
    pool.release(pool.acquire(), reuse=False)


def use_in_a_context(pool: Pool, node: Node, clock: Clock) -> None:
    with pool.lease() as lease:
        assert not lease.connection.closed


def fail_in_a_context(pool: Pool, node: Node, clock: Clock) -> None:
    with suppress(ValueError), pool.lease():
        raise ValueError


def find_broken_ones(pool: Pool, node: Node, clock: Clock) -> None:
    first, second = pool.acquire(), pool.acquire()
    first.connection.usable = second.connection.usable = False
    pool.release(first, reuse=True)
    pool.release(second, reuse=True)
    use(pool, node, clock)


def find_one_broken(pool: Pool, node: Node, clock: Clock) -> None:
    first, second = pool.acquire(), pool.acquire()
    second.connection.usable = False
    pool.release(first, reuse=True)
    pool.release(second, reuse=True)
    use(pool, node, clock)


def clear_away(pool: Pool, node: Node, clock: Clock) -> None:
    first, second = pool.acquire(), pool.acquire()
    pool.release(first, reuse=True)
    clock.now += 5
    pool.release(second, reuse=True)
    clock.now += 6
    use(pool, node, clock)


def wait_in_vain(pool: Pool, node: Node, clock: Clock) -> None:
    leases = [pool.acquire() for _ in range(SIZE)]
    try:
        with suppress(PoolTimeout):
            pool.acquire(timeout=0)
    finally:
        while leases:
            pool.release(leases.pop(), reuse=True)


def wait_with_success(pool: Pool, node: Node, clock: Clock) -> None:
    first, second = pool.acquire(), pool.acquire()
    waits = pool._state.join_line

    def join_line() -> Any:
        """Have a connection given back just before the caller falls asleep."""
        line = waits()
        pool.release(first, reuse=True)
        return line

    pool._state.join_line = join_line
    try:
        third = pool.acquire()
        assert third.connection is first.connection
        pool.release(third, reuse=True)
    finally:
        del pool._state.join_line
    pool.release(second, reuse=True)


def be_refused(pool: Pool, node: Node, clock: Clock) -> None:
    node.refuses = True
    try:
        with suppress(ConnectionRefusedError):
            pool.acquire()
    finally:
        node.refuses = False


def fill(pool: Pool, node: Node, clock: Clock) -> None:
    pool.fill()


def close(pool: Pool, node: Node, clock: Clock) -> None:
    first, second = pool.acquire(), pool.acquire()
    pool.release(first, reuse=True)
    try:
        pool.close()
    finally:
        pool.release(second, reuse=True)
        pool.close()


SCENES = [
    use, discard, use_in_a_context, fail_in_a_context, find_broken_ones, find_one_broken,
    clear_away, wait_in_vain, wait_with_success, be_refused, fill, close,
]  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_an_interruption_at_any_step_loses_no_place(scene):
    node, clock = Node(), Clock()
    number = seen = 0
    while seen == number:
        number += 1
        interrupter = Interrupter(number)
        pool = Pool(node.connect, node.close, limits=LIMITS, is_usable=node.is_usable, clock=clock)
        with suppress(Interrupted), interrupter.at_work():
            scene(pool, node, clock)
        seen = interrupter.seen
        if not pool._closed:
            leases = [pool.acquire(timeout=0) for _ in range(SIZE)]  # all places are free
            while leases:
                pool.release(leases.pop(), reuse=True)
        pool.close()
        node.check_at_rest(pool)
    assert number > 20


async def use_async(pool: AsyncPool, clock: Clock) -> None:
    async with pool.lease() as lease:
        assert not lease.connection.closed


async def discard_async(pool: AsyncPool, clock: Clock) -> None:
    await pool.release(await pool.acquire(), reuse=False)


# Between the call of a coroutine function and its await, there is a coroutine that never runs.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("scene", [use_async, discard_async])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_interruption_of_a_task_at_any_step_loses_no_place(scene, backend):
    async def play(number: int) -> bool:
        node, clock = Node(), Clock()
        connect, close = node.connect_async, node.close_async
        pool = AsyncPool(connect, close, limits=LIMITS, is_usable=node.is_usable, clock=clock)
        interrupter = Interrupter(number)
        with suppress(Interrupted), interrupter.at_work():
            await scene(pool, clock)
        leases = [await pool.acquire(timeout=0) for _ in range(SIZE)]
        while leases:
            await pool.release(leases.pop(), reuse=True)
        await pool.aclose()
        node.check_at_rest(pool)
        return interrupter.seen == number

    async def main() -> int:
        number = 1
        while await play(number):
            number += 1
        return number

    assert anyio.run(main, backend=backend) > 20


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no alarms here")
def test_ten_thousand_alarms_lose_no_place():
    node = Node()
    pool = Pool(node.connect, node.close, limits=LIMITS, is_usable=node.is_usable)
    armed = False

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise Interrupted

    alarms = 0
    draw = random.Random(1)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        while alarms < 10_000:
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + 4e-5 * draw.random())
                while True:
                    use(pool, node, Clock())
                    discard(pool, node, Clock())
            except Interrupted:
                alarms += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    leases = [pool.acquire(timeout=0) for _ in range(SIZE)]
    while leases:
        pool.release(leases.pop(), reuse=True)
    pool.close()
    node.check_at_rest(pool)


@pytest.mark.parametrize("reuse", [True, False])
def test_a_lease_that_is_dropped_gives_its_place_to_the_next_and_is_closed(reuse):
    node = Node()
    pool = Pool(node.connect, node.close, limits=PoolLimits(max_size=1))
    lost = pool.acquire()
    connection = lost.connection
    del lost
    assert pool.statistics().size == 0
    lease = pool.acquire(timeout=0)
    assert lease.connection is not connection
    assert connection.closed == 1
    pool.release(lease, reuse=reuse)
    assert pool.statistics().connections_dropped == 1 + (not reuse)


def test_a_caller_that_waits_finds_what_was_lost_meanwhile(monkeypatch):
    monkeypatch.setattr(sync_pool, "_LOOK_AGAIN", 0.01)
    node = Node()
    pool = Pool(node.connect, node.close, limits=PoolLimits(max_size=1))
    held = [pool.acquire()]
    with Crew() as crew:
        job = crew.start(pool.acquire)
        sync_until(lambda: pool.statistics().waiting == 1)
        held.clear()  # as an exception drops it: nobody is told
        pool.release(job.result(), reuse=True)
