"""Calls that travel together, how many threads others get, and calls without a thread."""

import random
import threading
from dataclasses import replace
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from storekit.core.threads._async import Executor
from storekit.core.threads.call import NO_BATCHING
from storekit.core.threads.pool import FEW, ThreadPool
from storekit.errors import OutOfResources
from storekit.options import PoolLimits
from storekit.qdb import (
    AliasAlreadyExists,
    AliasNotFound,
    AsyncRawClient,
    ConnectionFailed,
    ErrorCode,
)
from storekit.qdb.embedded import EmbeddedEngine
from tests.support.qdb_faults import FaultyEngine
from tests.support.qdb_watched import WatchedEngine


def client_of(engine, threads=1, **options):
    limits = PoolLimits(max_size=threads, max_waiting=10_000)
    return AsyncRawClient("fake", engine=engine, limits=limits, **options)


async def until(condition):
    with anyio.fail_after(10):
        while not condition():
            await anyio.to_thread.run_sync(lambda: None)


async def outcome(call, *arguments):
    try:
        return await call(*arguments)
    except Exception as error:
        return error


async def made_together(client, engine, calls, before=lambda: None):
    """Return the outcomes of calls that wait in the queue together behind another call."""
    outcomes = {}

    async def make(number, call):
        outcomes[number] = await outcome(*call)

    engine.gate.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(outcome, client.get, "none")
        assert await anyio.to_thread.run_sync(engine.arrived.acquire, True, 10)
        for number, call in enumerate(calls):
            group.start_soon(make, number, call)
        await until(lambda: client.statistics().queued == len(calls))
        before()
        engine.gate.set()
    return [outcomes[number] for number in range(len(calls))]


async def test_writes_and_reads_that_wait_travel_together_each_with_its_own_outcome():
    engine = FaultyEngine({"a": b"1", "b": b"2", "c": b"6"})
    async with client_of(engine) as client:
        outcomes = await made_together(
            client,
            engine,
            [
                (client.update, "new", b"3"),
                (client.put, "a", b"4"),
                (client.get, "b"),
                (client.remove, "gone"),
                (client.remove, "c"),
                (client.put, "also new", b"5"),
            ],
        )
    assert engine.batches == [6]
    assert not client._calls._executor._pool.joining  # or others would wait for it in vain
    assert [type(each) for each in outcomes] == [
        type(None), AliasAlreadyExists, bytes, AliasNotFound, type(None), type(None),
    ]  # fmt: skip
    assert (outcomes[1].operation, outcomes[1].alias) == ("put", "a")
    assert (outcomes[3].operation, outcomes[3].alias) == ("remove", "gone")
    assert engine.entries == {"a": b"1", "b": b"2", "new": b"3", "also new": b"5"}


async def test_a_call_that_waits_alone_is_a_plain_call():
    engine = FaultyEngine()
    async with client_of(engine) as client:
        await client.update("a", b"1")
        assert await client.get("a") == b"1"
    assert engine.batches == []


async def test_after_a_way_that_was_lost_reads_are_repeated_and_writes_say_so():
    engine = FaultyEngine({"a": b"1", "b": b"2"})
    async with client_of(engine) as client:
        outcomes = await made_together(
            client,
            engine,
            [(client.update, "w", b""), (client.get, "a"), (client.remove, "b"), (client.get, "b")],
            partial(engine.fail_next, ErrorCode.CONNECTION_RESET),
        )
    assert (outcomes[1], outcomes[3]) == (b"1", b"2")
    lost = outcomes[0], outcomes[2]
    assert all(type(error) is ConnectionFailed for error in lost)
    assert lost[0] is not lost[1]
    assert [(error.operation, error.alias) for error in lost] == [("update", "w"), ("remove", "b")]
    assert engine.entries == {"a": b"1", "b": b"2"}  # nothing was done a second time


async def test_writes_that_never_reached_the_store_are_repeated():
    engine = FaultyEngine()
    async with client_of(engine) as client:
        outcomes = await made_together(
            client,
            engine,
            [(client.update, f"{n}", b"") for n in range(3)],
            partial(engine.fail_next, ErrorCode.NOT_CONNECTED),
        )
    assert outcomes == [None] * 3
    assert set(engine.entries) == {"0", "1", "2"}


async def test_a_large_value_has_a_way_of_its_own():
    engine = FaultyEngine()
    async with client_of(engine) as client:
        small = [(client.update, f"{n}", b"") for n in range(3)]
        await made_together(client, engine, [*small, (client.update, "large", bytes(65_537))])
    assert engine.batches == [3]
    assert len(engine.entries) == 4


async def test_a_batch_has_a_bound_of_bytes():
    engine = FaultyEngine()
    async with client_of(engine) as client:
        calls = [(client.update, f"{n}", bytes(60_000)) for n in range(11)]
        await made_together(client, engine, calls)
    assert engine.batches == [5, 5]
    assert len(engine.entries) == 11


@pytest.mark.parametrize(
    ("seconds", "callers", "batches", "share"),
    [
        (0.0001, 64, 2, 256),  # they keep the loop busy for longer than a batch takes
        (0.0010, 512, 2, 256),  # the same, but not for much longer
        (0.0003, 64, 2, 32),
        (0.0010, 64, 4, 16),
        (0.0200, 1000, 4, 250),
        (0.0200, 12, 4, 16),  # it would not be worth the hops
    ],
)
def test_batches_are_as_many_and_as_large_as_the_wait_has_use_for(seconds, callers, batches, share):
    pool = ThreadPool(None, None, None, PoolLimits(max_size=8), NO_BATCHING, 1, "")
    for _ in range(20):  # it takes a few to be believed
        pool.note_batch(seconds, 16)
    assert (pool.share(callers), pool.wanted_batches) == (share, batches)


def test_one_long_batch_is_taken_for_an_accident():
    pool = ThreadPool(None, None, None, PoolLimits(max_size=8), NO_BATCHING, 1, "")
    pool.note_batch(0.0001, 64)
    pool.note_batch(1.0, 64)
    assert (pool.share(64), pool.wanted_batches) == (NO_BATCHING.most, 2)


def test_the_only_thread_takes_all():
    pool = ThreadPool(None, None, None, PoolLimits(max_size=1), NO_BATCHING, 1, "")
    for _ in range(20):
        pool.note_batch(0.001, 64)
    assert (pool.share(64), pool.wanted_batches) == (64, 1)


def test_a_store_that_makes_one_call_after_the_other_gets_one_batch_of_all():
    limits = PoolLimits(max_size=8)
    pool = ThreadPool(None, None, None, limits, replace(NO_BATCHING, most_batches=1), 1, "")
    for _ in range(20):
        pool.note_batch(0.001, 64)
    assert (pool.share(64), pool.wanted_batches) == (64, 1)


async def test_batches_that_do_not_come_back_keep_no_other_waiting():
    engine = FaultyEngine()
    async with client_of(engine, threads=8) as client, anyio.create_task_group() as group:
        engine.gate.clear()
        for number in range(6):
            group.start_soon(client.update, f"{number}", b"")
            await until(lambda number=number: engine.calls == number + 1)
        engine.gate.set()


async def test_a_client_may_have_its_calls_travel_alone():
    engine = FaultyEngine()
    async with client_of(engine) as client:
        calls = [(client.unbatched().update, f"{n}", b"") for n in range(5)]
        await made_together(client, engine, calls)
    assert engine.batches == []
    assert len(engine.entries) == 5


# Threads


async def test_calls_that_wait_get_threads_up_to_the_limit_though_none_returns():
    engine = FaultyEngine()
    async with client_of(engine, threads=12) as client, anyio.create_task_group() as group:
        engine.gate.clear()
        for number in range(20):
            group.start_soon(client.unbatched().put, f"{number}", b"")
        await until(lambda: engine.calls == 12)
        assert client.statistics().threads == 12
        engine.gate.set()
    assert engine.sessions_made == 12


async def test_calls_that_are_short_get_few_threads():
    engine = FaultyEngine()
    async with client_of(engine, threads=32) as client:
        for _ in range(20):
            async with anyio.create_task_group() as group:
                for number in range(50):
                    group.start_soon(client.unbatched().update, f"{number}", b"")
        assert client.statistics().threads <= 2 * FEW  # some of which only watch
    assert engine.clashes == 0


async def test_that_many_sessions_are_open_on_entry_and_kept():
    engine = FaultyEngine()
    limits = PoolLimits(min_size=3, max_size=5, max_idle=0.01)
    async with AsyncRawClient("fake", engine=engine, limits=limits) as client:
        assert engine.sessions_open == 3
        assert client.statistics().sessions == 3
        await anyio.to_thread.run_sync(threading.Event().wait, 0.05)
        assert engine.sessions_open == 3
        engine.fail_next(ErrorCode.CONNECTION_RESET)
        with pytest.raises(ConnectionFailed):
            await client.update("a", b"")
        await until(lambda: engine.sessions_open == 3)
    assert (engine.sessions_open, engine.sessions_made) == (0, 4)


async def test_sessions_to_be_kept_that_cannot_be_opened_are_an_error():
    engine = FaultyEngine()
    engine.refuse_connections = True
    with pytest.raises(ConnectionFailed):
        async with AsyncRawClient("fake", engine=engine, limits=PoolLimits(min_size=2)):
            pass


async def test_without_a_thread_to_be_had_the_error_says_so_and_later_it_works(monkeypatch):
    engine = FaultyEngine()
    async with client_of(engine, threads=2) as client:

        def refuse(_):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(OutOfResources, match="no thread can be started"):
                await client.update("a", b"")
            assert client.statistics().calls == 0
        await client.update("a", b"1")
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            assert await client.get("a") == b"1"  # by the thread that is there
    assert engine.entries == {"a": b"1"}


# Without a thread


@pytest.fixture
def watched():
    return WatchedEngine(EmbeddedEngine("embedded:"))


async def test_on_a_store_in_memory_calls_are_made_in_the_task(watched):
    async with AsyncRawClient("memory", engine=watched) as client:
        await client.update("a", b"1")
        assert await client.get("a") == b"1"
        await client.attach_tag("a", "t")
        assert await client.has_tag("a", "t")
        assert await client.get_remove("a") == b"1"
        assert client.statistics().threads == 0
        assert client.statistics().sessions == 1
        assert await client.prefix_get("a") == []  # may take long
        assert client.statistics().threads == 1
    assert (watched.open, watched.clashes) == (0, 0)


async def test_a_call_in_the_task_is_a_checkpoint(watched):
    async with AsyncRawClient("memory", engine=watched) as client:
        turns = []

        async def take_turns(name):
            for _ in range(3):
                await client.update(name, b"")
                turns.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(take_turns, "a")
            group.start_soon(take_turns, "b")
        assert sorted(turns[:2]) == sorted(turns[2:4]) == ["a", "b"]
        with anyio.CancelScope() as scope:
            scope.cancel()
            await client.update("cancelled", b"")
        assert await client.prefix_get("c") == []


async def test_where_another_thread_is_in_the_way_the_loop_goes_on():
    session = threading.local()
    held = threading.Event()
    release = threading.Event()
    free = threading.Event()
    executor = Executor(
        lambda: session,
        lambda _: None,
        is_free=lambda _: free.is_set(),
        limits=PoolLimits(max_size=2),
    )

    def hold(_):
        held.set()
        assert release.wait(10)
        return threading.get_ident()

    async with anyio.create_task_group() as group:
        group.start_soon(partial(executor.call, hold, brief=True))
        await until(held.is_set)  # it was made in a thread, and the loop turns
        release.set()
    free.set()
    assert await executor.call(hold, brief=True) == threading.get_ident()
    await executor.aclose()


# Cancelled members of a batch


@pytest.mark.parametrize(
    "cancellations", [2_000, pytest.param(100_000, marks=pytest.mark.soak)], ids=["few", "many"]
)
async def test_a_cancelled_member_of_a_batch_harms_no_other_and_leaves_nothing(cancellations):
    choice = random.Random(cancellations)
    engine = FaultyEngine()
    known = {f"{number}": {b""} for number in range(64)}
    engine.entries = dict.fromkeys(known, b"")
    cancelled = 0

    async with client_of(engine, threads=3) as client:

        async def write(alias, value, scope):
            nonlocal cancelled
            known[alias].add(value)
            with scope:
                await client.update(alias, value)
                known[alias] = {value}
                return
            cancelled += 1

        wave = 0
        while cancelled < cancellations:
            wave += 1
            scopes = [anyio.CancelScope() for _ in known]
            async with anyio.create_task_group() as group:
                for alias, scope in zip(known, scopes, strict=True):
                    group.start_soon(write, alias, b"%d" % wave, scope)
                for _ in range(choice.randrange(4)):
                    await anyio.lowlevel.checkpoint()
                for scope in choice.sample(scopes, 48):
                    scope.cancel()
            # What was under way when its task left may still be arriving.
            await until(lambda: client.statistics().idle == client.statistics().threads)
            if wave % 20 == 0:
                for alias, values in known.items():
                    content = await client.get(alias)
                    assert content in values
                    known[alias] = {content}
        counts = client.statistics()
        assert (counts.calls, counts.queued, counts.abandoned) == (0, 0, 0)
        assert counts.threads <= 3
        for alias, values in known.items():
            assert await client.get(alias) in values
        assert not client._calls._executor._bridge.calls
        assert not client._calls._executor._pool.items
    assert (engine.sessions_open, engine.clashes) == (0, 0)
    assert max(engine.batches) > 1
