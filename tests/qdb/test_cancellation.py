"""Operations of concurrent tasks, cancelled at random, on stores that answer.

Each task has aliases of its own, so that a model can follow them: an operation that was
acknowledged happened, and one that was cancelled happened or did not, maybe later than what
the task did next. When all threads have come to rest, every entry has a value that the model
allows; after the close, nothing is left.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.errors import ClientClosed
from storekit.options import PoolLimits
from storekit.qdb import (
    AliasAlreadyExists,
    AliasNotFound,
    AsyncRawClient,
    AsyncRawForwardIterator,
    BatchRequest,
    Operations,
    StoreTimeout,
    UnmatchedContent,
)
from storekit.qdb.embedded import DEFAULT_NODE
from storekit.qdb.engine import SessionOptions
from storekit.qdb.location import open_engine
from tests.qdb.libraries import join_connects
from tests.support.qdb_stores import DOOR, Store, open_store
from tests.support.qdb_watched import WatchedEngine

Value = bytes | None  # None where there is no entry
COUNTER = "counter"
LARGE = 70_000  # bytes, of which views are handed out
OPERATIONS = [
    *("put", "update", "get", "get_all", "get_view", "remove", "get_update", "get_remove"),
    *("cas", "remove_if", "batch", "iterate", "int_add", "prefix_get", "update", "get_all"),
]


@dataclass(frozen=True)
class Step:
    """One operation on one of three aliases, cancelled after so many checkpoints, if at all."""

    operation: str
    slot: int
    large: bool
    patience: int | None
    deadline: bool


steps = st.builds(
    Step,
    operation=st.sampled_from(OPERATIONS),
    slot=st.integers(0, 2),
    large=st.booleans(),
    patience=st.none() | st.just(0) | st.integers(1, 40),
    deadline=st.sampled_from([False] * 7 + [True]),
)
callers = st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=5)


@dataclass(frozen=True)
class Plan:
    threads: int
    rounds: list[list[list[Step]]]
    close_early: int | None  # checkpoints in the last round


plans = st.builds(
    Plan,
    threads=st.integers(1, 4),
    rounds=st.lists(callers, min_size=1, max_size=3),
    close_early=st.none() | st.integers(0, 30),
)


@dataclass
class Entry:
    """What an alias may hold: `now`, unless one of the cancelled writes comes `late`."""

    alias: str
    now: set[Value] = field(default_factory=lambda: {None})
    late: set[Value] = field(default_factory=set)

    def possible(self) -> set[Value]:
        return self.now | self.late

    def seen(self, value: Value) -> None:
        assert value in self.possible(), f"{self.alias} can't be {value!r:.40}"
        self.now = {value}
        if value is not None:  # written once, so it does not come again
            self.late.discard(value)

    def seen_other_than(self, *values: Value) -> None:
        self.now = self.possible() - set(values)
        assert self.now, f"{self.alias} can't be other than {values}"

    def guess(self) -> bytes:
        return next((value for value in self.now if value is not None), b"none")


class Caller:
    """A task with aliases of its own."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.entries = [Entry(f"a{number}-{slot}") for slot in range(3)]
        self.views: list[tuple[memoryview, Entry]] = []

    async def run(self, plan: list[Step]) -> None:
        for step in plan:
            with anyio.CancelScope() as scope:
                if step.patience == 0:
                    scope.cancel()
                elif step.patience is not None:
                    self.world.group.start_soon(cancel_after, step.patience, scope)
                await self.make(step)
            self.world.cancelled += scope.cancelled_caught

    async def make(self, step: Step) -> None:
        entry = self.entries[step.slot]
        value = self.world.fresh_value(entry.alias, step.large)
        written: set[Value] = set()
        if step.operation in ("put", "update", "get_update", "cas", "batch"):
            written = {value}
        elif step.operation in ("remove", "get_remove", "remove_if"):
            written = {None}
        client = self.world.client
        if step.deadline:
            client = client.with_timeout(1e-5)
        acknowledged = False
        try:
            await getattr(self, step.operation)(client, entry, value)
            acknowledged = True
        except (StoreTimeout, ClientClosed):
            pass  # it happened or it did not, as if it were cancelled
        finally:
            if not acknowledged:
                entry.late |= written
                if step.operation == "int_add":
                    self.world.unsure_adds += 1

    async def put(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        try:
            await client.put(entry.alias, value)
        except AliasAlreadyExists:
            entry.seen_other_than(None)
        else:
            entry.seen(None)
            entry.now = {value}

    async def update(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        await client.update(entry.alias, value)
        entry.now = {value}

    async def get(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        try:
            entry.seen(await client.get(entry.alias))
        except AliasNotFound:
            entry.seen(None)

    async def get_all(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        """Get several at a time, which then travel together."""
        async with anyio.create_task_group() as group:
            for each in self.entries:
                group.start_soon(unless_late, self.get, client, each)

    async def get_view(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        try:
            view = await client.get_view(entry.alias)
        except AliasNotFound:
            entry.seen(None)
        else:
            entry.seen(bytes(view))
            self.views.append((view, entry))

    async def remove(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        try:
            await client.remove(entry.alias)
        except AliasNotFound:
            entry.seen(None)
        else:
            entry.seen_other_than(None)
            entry.now = {None}

    async def get_update(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        try:
            entry.seen(await client.get_update(entry.alias, value))
        except AliasNotFound:
            entry.seen(None)
        else:
            entry.now = {value}

    async def get_remove(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        try:
            entry.seen(await client.get_remove(entry.alias))
        except AliasNotFound:
            entry.seen(None)
        else:
            entry.now = {None}

    async def cas(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        comparand = entry.guess()
        try:
            original = await client.compare_and_swap(entry.alias, value, comparand)
        except AliasNotFound:
            entry.seen(None)
        else:
            entry.seen(original)
            if original == comparand:
                entry.now = {value}

    async def remove_if(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        comparand = entry.guess()
        try:
            await client.remove_if(entry.alias, comparand)
        except AliasNotFound:
            entry.seen(None)
        except UnmatchedContent:
            entry.seen_other_than(None, comparand)
        else:
            entry.seen(comparand)
            entry.now = {None}

    async def batch(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        successes, results = await client.run_batch(
            [
                BatchRequest(Operations.update, entry.alias, value),
                BatchRequest(Operations.get_alloc, "missing"),
            ]
        )
        assert (successes, results[0].ok, results[1].ok) == (1, True, False)
        entry.now = {value}

    async def iterate(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        found = [alias async for alias, _ in AsyncRawForwardIterator(client, 2)]
        assert len(found) == len(set(found))
        for each in self.entries:
            if each.alias not in found:
                assert None in each.possible()

    async def int_add(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        self.world.sums.append(await client.int_add(COUNTER, 1))

    async def prefix_get(self, client: AsyncRawClient, entry: Entry, value: bytes) -> None:
        found = await client.prefix_get(entry.alias)
        assert found in ([], [entry.alias])
        if found:
            entry.seen_other_than(None)
        else:
            entry.seen(None)


class World:
    """The client, its callers, and what is known of the store."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self.plan = plan
        # Held here, too, for a store in memory is gone with the last that has it.
        self.engine = WatchedEngine(open_engine(store.place, SessionOptions(timeout=60))[0])
        self.name = f"cancelled {id(self)}"
        limits = PoolLimits(max_size=plan.threads, max_waiting=1000)
        self.client = AsyncRawClient(self.name, engine=self.engine, limits=limits)
        self.callers = [Caller(self, number) for number in range(max(map(len, plan.rounds)))]
        self.values = itertools.count(1)
        self.sums: list[int] = []
        self.unsure_adds = 0
        self.cancelled = 0  # operations, on their way
        self.counted = 0  # what the counter had at the last rest

    def fresh_value(self, alias: str, large: bool) -> bytes:
        value = f"{alias}:{next(self.values)}".encode()
        return value.ljust(LARGE, b".") if large else value

    async def run(self) -> None:
        await self.client.remove_all()
        await self.client.int_update(COUNTER, 0)
        *rounds, last = self.plan.rounds
        for each in rounds:
            await self.play(each)
            await self.rest()
        if self.plan.close_early is None:
            await self.play(last)
            await self.rest()
            await self.client.aclose()
        else:
            await self.play(last, self.plan.close_early)
        for caller in self.callers:
            caller.views.clear()
        self.check_closed()
        self.check_values()

    async def play(self, plans: list[list[Step]], close_after: int | None = None) -> None:
        async with anyio.create_task_group() as self.group:
            for caller, plan in zip(self.callers, plans, strict=False):
                self.group.start_soon(caller.run, plan)
            if close_after is not None:
                await let_run(close_after)
                await self.client.aclose()

    async def rest(self) -> None:
        """Wait until no thread has anything to do."""
        with anyio.fail_after(20):
            while True:
                now = self.client.statistics()
                assert now.calls == now.queued == 0
                assert now.threads <= self.plan.threads
                # On a store in memory, the event loop makes calls in a session of its own.
                assert now.sessions <= now.threads + self.engine.immediate
                if now.idle == now.threads:
                    break
                await let_run(1)
        self.check_values()

    def check_values(self) -> None:
        """Look, past the client, at what is there, and hold it against the model."""
        session = self.engine.connect()
        try:
            for caller in self.callers:
                for view, entry in caller.views:
                    assert bytes(view).startswith(entry.alias.encode())
                for entry in caller.entries:
                    try:
                        entry.seen(bytes(session.blob_get(entry.alias)))
                    except AliasNotFound:
                        entry.seen(None)
                    entry.late.clear()
            counted = session.int_get(COUNTER)
        finally:
            session.close()
        added = counted - self.counted
        assert len(self.sums) <= added <= len(self.sums) + self.unsure_adds
        assert len(set(self.sums)) == len(self.sums)
        assert all(self.counted < total <= counted for total in self.sums)
        self.counted, self.unsure_adds = counted, 0
        self.sums.clear()

    def check_closed(self) -> None:
        now = self.client.statistics()
        assert (now.threads, now.sessions, now.calls, now.queued, now.abandoned) == (0, 0, 0, 0, 0)
        assert (self.engine.open, self.engine.clashes) == (0, 0)
        for thread in threading.enumerate():
            if self.name in thread.name:  # it has left the list, and is about to end
                thread.join(5)
                assert not thread.is_alive()
        join_connects()


async def unless_late(get: Callable[..., Awaitable[None]], client: object, entry: Entry) -> None:
    with contextlib.suppress(StoreTimeout, ClientClosed):
        await get(client, entry, None)


async def cancel_after(turns: int, scope: anyio.CancelScope) -> None:
    await let_run(turns)
    scope.cancel()


async def let_run(turns: int) -> None:
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_operations_happen_once_or_never_and_nothing_leaks(
    store: Store, backend: str
) -> None:
    @settings(max_examples=60, deadline=None, database=None)
    @given(plan=plans)
    def carry_out_any(plan: Plan) -> None:
        with store.even():
            anyio.run(World(store, plan).run, backend=backend)

    carry_out_any()


def random_plan(choice: random.Random) -> Plan:
    """Return three rounds of 40 tasks, of which most operations are cancelled on their way."""
    return Plan(
        threads=choice.randint(1, 4),
        rounds=[[[random_step(choice) for _ in range(10)] for _ in range(40)] for _ in range(3)],
        close_early=None,
    )


def random_step(choice: random.Random) -> Step:
    return Step(
        operation=choice.choice(OPERATIONS),
        slot=choice.randrange(3),
        large=choice.random() < 0.1,
        patience=choice.choice([None, 1, 1, 1, 2, 2, 3]),
        deadline=False,
    )


@pytest.fixture(params=["file", "durable", pytest.param(DOOR, id="door")])
def threaded_store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Store]:
    """A store whose calls are made in threads; those of one in memory are not."""
    if request.param == DOOR:
        with open_store(request, monkeypatch) as made:
            yield made
    else:
        durable = str(request.param == "durable").lower()
        place = f"embedded:{tmp_path}/store.db?durable={durable}"
        yield Store(place, place, DEFAULT_NODE)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "cancellations", [1_000, pytest.param(100_000, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_many_cancellations_leave_nothing(
    threaded_store: Store, backend: str, cancellations: int
) -> None:
    choice = random.Random(cancellations)
    count = 0
    while count < cancellations:
        world = World(threaded_store, random_plan(choice))
        with threaded_store.even():
            anyio.run(world.run, backend=backend)
        count += world.cancelled
