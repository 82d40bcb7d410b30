"""A pool, with calls and cancellations in random order."""

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
from storekit.core.places import Lease
from storekit.errors import ClientClosed, PoolError
from storekit.options import PoolLimits
from tests.support.concurrency import Clock

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
    # What is kept is made anew beside the calls, and beside those to `fill`.
    while world.pool.statistics().connecting:
        turns += 1
        assert turns < MANY_TURNS, "a place is lost"
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
