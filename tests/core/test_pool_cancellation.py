"""Whatever is cancelled when: the pool loses no place, and a retrier or a flight no caller."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.core._async.pool import AsyncPool
from storekit.core._async.retry import AsyncRetrier, Repeat
from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.core.places import Lease
from storekit.errors import ClientClosed, PoolError
from storekit.options import PoolLimits, RetryPolicy
from tests.support.concurrency import PATIENCE, Clock
from tests.support.concurrency._async import until

checkpoint = anyio.lowlevel.checkpoint


# Random interleavings.

# More than any plan needs, so that whoever is not done by then never will be.
MANY_TURNS = 1000

few = st.integers(0, 3)


@dataclass
class Visit:
    """One lease and what is done with it; `timeout` 0 gives up at the first wait."""

    timeout: float | None
    held_for: int
    reuse: bool
    pause: int


@dataclass
class Plan:
    max_size: int
    min_size: int
    max_waiting: int | None
    callers: list[list[Visit]]
    connects: list[tuple[int, bool]]  # for how many checkpoints, and whether it fails
    closes: list[tuple[int, bool]]
    broken_after: list[int]  # after how many visits a connection is no longer usable
    steps: list[tuple[str, int]]


visits = st.builds(
    Visit,
    timeout=st.sampled_from([None, None, 0]),
    held_for=few,
    reuse=st.sampled_from([True, True, False]),
    pause=few,
)
steps = st.one_of(
    st.tuples(st.just("run"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["cancel", "cancel natively"]), st.integers(0, 7)),
    st.tuples(st.sampled_from(["age", "fill", "run"]), st.just(1)),
)
plans = st.builds(
    Plan,
    max_size=st.integers(1, 3),
    min_size=st.integers(0, 1),
    max_waiting=st.sampled_from([None, None, 2]),
    callers=st.lists(st.lists(visits, min_size=1, max_size=4), min_size=2, max_size=8),
    connects=st.lists(st.tuples(few, st.sampled_from([False, False, True])), max_size=12),
    closes=st.lists(st.tuples(few, st.booleans()), max_size=12),
    broken_after=st.lists(st.integers(1, 4), max_size=12),
    steps=st.lists(steps, max_size=24).flatmap(
        lambda steps: st.sampled_from([steps, [*steps, ("close", 0), ("run", 3)]])
    ),
)


@dataclass
class World:
    """The far end of a pool, which knows the fate of each connection."""

    plan: Plan
    clock: Clock = field(default_factory=Clock)
    owners: dict[int, object] = field(default_factory=dict)
    visits: Counter = field(default_factory=Counter)
    made: set[int] = field(default_factory=set)
    closed: Counter = field(default_factory=Counter)
    closes_done: int = 0
    connecting: int = 0

    def __post_init__(self) -> None:
        self._connects = iter(self.plan.connects)
        self._closes = iter(self.plan.closes)
        self.pool = AsyncPool(
            self.connect,
            self.close,
            limits=PoolLimits(
                min_size=self.plan.min_size,
                max_size=self.plan.max_size,
                max_waiting=self.plan.max_waiting,
                max_idle=10,
            ),
            is_usable=self.is_usable,
            clock=self.clock,
        )

    async def connect(self, deadline: float | None) -> int:
        duration, fails = next(self._connects, (0, False))
        self.connecting += 1
        try:
            await self.let_run(duration)
        finally:
            self.connecting -= 1
        if fails:
            raise ConnectionRefusedError
        number = len(self.made) + 1
        self.made.add(number)
        return number

    async def close(self, connection: int) -> None:
        assert connection not in self.owners
        self.closed[connection] += 1
        duration, fails = next(self._closes, (0, False))
        await self.let_run(duration)
        self.closes_done += 1
        if fails:
            raise OSError("closing failed")

    def is_usable(self, connection: int) -> bool:
        lives = [*self.plan.broken_after, *[99] * connection][connection - 1]
        return self.visits[connection] < lives

    async def let_run(self, turns: int) -> None:
        for _ in range(turns):
            self.check()
            await checkpoint()

    def take(self, lease: Lease[int], owner: object) -> None:
        assert lease.connection not in self.owners, "one connection has two owners"
        assert lease.connection not in self.closed, "a closed connection was leased"
        self.owners[lease.connection] = owner
        self.visits[lease.connection] += 1

    def give(self, lease: Lease[int]) -> None:
        del self.owners[lease.connection]

    def check(self) -> None:
        now = self.pool.statistics()
        assert now.idle + now.leased + now.connecting == now.size <= self.plan.max_size
        assert min(now.idle, now.leased, now.connecting) >= 0
        assert self.connecting <= now.connecting
        assert len(self.owners) <= now.leased
        assert now.connections_made - now.connections_dropped == now.idle + now.leased
        assert all(times == 1 for times in self.closed.values()), "closed twice"
        if now.waiting:
            assert now.size == self.plan.max_size, "callers wait although there is room"
            assert now.idle == 0, "callers wait although a connection is idle"
        idle = {place.connection for place in self.pool._state.idle}
        assert len(idle) >= now.idle  # some may be promised
        assert idle <= self.made
        assert idle.isdisjoint(self.owners)
        assert idle.isdisjoint(self.closed)

    def check_at_rest(self) -> None:
        self.check()
        now = self.pool.statistics()
        assert (now.leased, now.connecting, now.waiting) == (0, 0, 0)
        idle = {place.connection for place in self.pool._state.idle}
        assert idle | self.closed.keys() == self.made, "a connection was lost"


class Caller:
    """A task that leases and gives back, and can be cancelled in two ways."""

    def __init__(self, world: World, visits: list[Visit]) -> None:
        self.world = world
        self.visits = visits
        self.scope = anyio.CancelScope()
        self.task: asyncio.Task | None = None
        self.native = False
        self.ended = False

    async def run(self) -> None:
        if isinstance(anyio.lowlevel.current_token().native_token, asyncio.AbstractEventLoop):
            self.task = asyncio.current_task()
        try:
            with self.scope:
                for visit in self.visits:
                    await self.make(visit)
        except ClientClosed:
            pass
        except asyncio.CancelledError:
            if not self.native:
                raise
        finally:
            self.task = None
            self.ended = True

    async def make(self, visit: Visit) -> None:
        try:
            lease = await self.world.pool.acquire(timeout=visit.timeout)
        except (PoolError, ConnectionRefusedError):
            await self.world.let_run(visit.pause + 1)
            return
        self.world.take(lease, self)
        reuse = False
        try:
            await self.world.let_run(visit.held_for)
            reuse = visit.reuse
        finally:
            self.world.give(lease)
            await self.world.pool.release(lease, reuse=reuse)
        await self.world.let_run(visit.pause)

    def cancel_natively(self) -> None:
        if self.task is not None:
            self.native = True
            self.task.cancel()


async def fill(world: World) -> None:
    with contextlib.suppress(ConnectionRefusedError, ClientClosed):
        await world.pool.fill()


async def carry_out(plan: Plan) -> None:
    world = World(plan)
    callers = [Caller(world, visits) for visits in plan.callers]
    async with anyio.create_task_group() as group:
        for caller in callers:
            group.start_soon(caller.run)
        for step, number in plan.steps:
            if step == "run":
                await world.let_run(number)
            elif step == "cancel":
                callers[number % len(callers)].scope.cancel()
            elif step == "cancel natively":
                callers[number % len(callers)].cancel_natively()
            elif step == "age":
                world.clock.now += 11
            elif step == "fill":
                group.start_soon(fill, world)
            else:
                await world.pool.aclose()
            world.check()
        turns = 0
        while not all(caller.ended for caller in callers):
            turns += 1
            assert turns < MANY_TURNS, "a caller starves"
            await world.let_run(1)
    world.check_at_rest()
    if not any(caller.native for caller in callers):
        assert world.closes_done == world.closed.total()
    await world.pool.aclose()
    assert world.closed.keys() == world.made
    assert world.pool.statistics().size == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_interleaving_of_calls_and_cancellations_loses_a_connection_or_a_place(backend):
    @settings(
        max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(plan=plans)
    def carry_out_any(plan: Plan) -> None:
        anyio.run(carry_out, plan, backend=backend)

    carry_out_any()


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


# The retrier.


async def keep_trying(retrier: AsyncRetrier, operation, judge) -> None:
    async for attempt in retrier.attempts(judge):
        with attempt:
            await operation()


async def test_cancelling_an_attempt_is_not_a_failure_to_be_repeated():
    retrier = AsyncRetrier(RetryPolicy())
    attempts, judged = [], []

    async def operation() -> None:
        attempts.append(1)
        await anyio.sleep_forever()

    def judge(error: Exception) -> Repeat:
        judged.append(error)
        return Repeat()

    async with anyio.create_task_group() as group:
        group.start_soon(keep_trying, retrier, operation, judge)
        await until(lambda: bool(attempts))
        group.cancel_scope.cancel()
    assert attempts == [1]
    assert judged == []


async def test_cancelling_ends_a_pause():
    retrier = AsyncRetrier(RetryPolicy(initial_backoff=3600, max_backoff=3600), rng=lambda: 1.0)
    attempts = []

    async def operation() -> None:
        attempts.append(1)
        raise ConnectionError

    async with anyio.create_task_group() as group:
        group.start_soon(keep_trying, retrier, operation, lambda _: Repeat())
        await until(lambda: bool(attempts))
        group.cancel_scope.cancel()
    assert attempts == [1]


# The single flight.


@pytest.mark.parametrize("cancelled_leaders", [1, 2])
async def test_when_the_leader_is_cancelled_the_next_caller_makes_the_call(cancelled_leaders):
    flights: AsyncSingleFlight[str, int] = AsyncSingleFlight()
    calls: list[int] = []
    results: list[int] = []
    scopes = [anyio.CancelScope() for _ in range(5)]
    go = anyio.Event()
    joined = []

    async def work(number: int) -> int:
        calls.append(number)
        await go.wait()
        return number

    async def caller(number: int) -> None:
        with scopes[number]:
            joined.append(number)
            results.append(await flights.run("k", lambda: work(number)))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(caller, number)
            await until(lambda: len(joined) == 5 and len(calls) == 1)
            for turn in range(1, cancelled_leaders + 1):
                scopes[calls[-1]].cancel()
                await until(lambda turn=turn: len(calls) == turn + 1)
            go.set()
    assert len(calls) == cancelled_leaders + 1
    assert results == [calls[-1]] * (5 - cancelled_leaders)
    assert flights.landings == cancelled_leaders + 1


async def test_a_follower_that_is_cancelled_disturbs_nobody():
    flights: AsyncSingleFlight[str, int] = AsyncSingleFlight()
    go, follower, joined, results = anyio.Event(), anyio.CancelScope(), [], []

    async def work() -> int:
        await go.wait()
        return 7

    async def caller(scope: anyio.CancelScope) -> None:
        with scope:
            joined.append(scope)
            results.append(await flights.run("k", work))

    async with anyio.create_task_group() as group:
        for count, scope in enumerate([anyio.CancelScope(), follower, anyio.CancelScope()], 1):
            group.start_soon(caller, scope)
            await until(lambda count=count: len(joined) == count)
        follower.cancel()
        await checkpoint()
        go.set()
    assert results == [7, 7]
    assert flights.landings == 1
