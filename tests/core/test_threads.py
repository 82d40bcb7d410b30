"""Threads that carry calls: joining, cancellation, deadlines, limits, the end."""

import asyncio
import functools
import gc
import os
import random
import threading
import time
import weakref

import anyio
import anyio.to_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.core.threads.bridge import Call
from storekit.core.threads.pool import ThreadPool
from storekit.errors import OwnerMismatch, PoolFull
from storekit.options import PoolLimits
from storekit.qdb import AliasNotFound, AsyncRawClient, ConnectionFailed, ErrorCode, StoreTimeout
from tests.core.executors import arrival, client_of, executor_of, until
from tests.support.qdb_faults import FaultyEngine


def threads_named(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


async def test_threads_start_on_first_use_and_end_on_close():
    engine = FaultyEngine({"a": b"1"})
    before = threading.active_count()
    client = client_of(engine)
    assert threading.active_count() == before
    assert await client.get("a") == b"1"
    assert threads_named("qdb (fake)")
    assert all(thread.daemon for thread in threads_named("qdb (fake)"))
    await client.aclose()
    assert not threads_named("qdb (fake)")
    assert engine.sessions_open == 0


async def test_gets_that_wait_travel_together():
    engine = FaultyEngine({f"{n}": f"{n}".encode() for n in range(20)})
    results = {}

    async def get(client, alias):
        try:
            results[alias] = await client.get(alias)
        except AliasNotFound as error:
            results[alias] = error

    async with client_of(engine, threads=1) as client, anyio.create_task_group() as group:
        engine.gate.clear()
        group.start_soon(get, client, "0")
        await arrival(engine)
        for n in range(1, 22):
            group.start_soon(get, client, f"{n}")
        await until(lambda: client.statistics().calls == 22)
        engine.gate.set()
    assert engine.batches == [21]
    assert engine.calls == 2
    for n in range(20):
        assert results[f"{n}"] == f"{n}".encode()
    assert results["20"].alias == "20"
    assert results["21"].alias == "21"


async def test_views_do_not_travel_together():
    engine = FaultyEngine({f"{n}": f"{n}".encode() for n in range(4)})
    views = {}

    async def view(client, alias):
        views[alias] = bytes(await client.get_view(alias))

    async with client_of(engine, threads=1) as client, anyio.create_task_group() as group:
        engine.gate.clear()
        group.start_soon(view, client, "0")
        await arrival(engine)
        for alias in ("1", "2", "3"):
            group.start_soon(view, client, alias)
        await until(lambda: client.statistics().calls == 4)
        engine.gate.set()
    assert (engine.batches, engine.calls) == ([], 4)
    assert views == engine.entries


async def test_a_thread_at_rest_holds_nothing_of_its_last_call():
    class Content:
        pass

    def swap(content, _):
        return Content()

    executor = executor_of(FaultyEngine())
    content = Content()
    value = await executor.call(functools.partial(swap, content))
    seen = [weakref.ref(content), weakref.ref(value)]
    del content, value
    with anyio.fail_after(2):
        while any(each() is not None for each in seen):
            await anyio.to_thread.run_sync(lambda: None)
    await executor.aclose()


@pytest.mark.parametrize("cause", ["skipped", "failed"])
async def test_a_spoilt_batch_leaves_each_get_with_its_own_outcome(cause):
    engine = FaultyEngine({"1": b"1", "2": b"2"})
    outcomes = {}

    async def get(client, alias):
        try:
            outcomes[alias] = await client.get(alias)
        except (AliasNotFound, ConnectionFailed) as error:
            outcomes[alias] = error

    async with client_of(engine, threads=1) as client, anyio.create_task_group() as group:
        engine.gate.clear()
        group.start_soon(get, client, "0")
        await arrival(engine)
        for alias in ("1", "2", "3"):
            group.start_soon(get, client, alias)
        await until(lambda: client.statistics().calls == 4)
        if cause == "skipped":
            engine.skip_batches = True
        else:
            engine.fail_next(ErrorCode.TIMEOUT)
        engine.gate.set()
    assert engine.batches == ([3] if cause == "skipped" else [])
    if cause == "skipped":
        assert (outcomes["1"], outcomes["2"]) == (b"1", b"2")
        assert isinstance(outcomes["3"], AliasNotFound)
    else:
        errors = [outcomes[alias] for alias in ("1", "2", "3")]
        assert all(isinstance(error, StoreTimeout) for error in errors)
        assert [error.alias for error in errors] == ["1", "2", "3"]


async def test_the_queue_has_a_limit():
    engine = FaultyEngine()
    client = AsyncRawClient("fake", engine=engine, limits=PoolLimits(max_size=1, max_waiting=2))
    engine.gate.clear()
    async with client, anyio.create_task_group() as group:
        group.start_soon(client.put, "a", b"")
        group.start_soon(client.put, "b", b"")
        await until(lambda: client.statistics().calls == 2)
        with pytest.raises(PoolFull, match="max_waiting"):
            await client.put("c", b"")
        engine.gate.set()


async def test_an_idle_thread_ends_and_another_takes_over():
    engine = FaultyEngine({"a": b""})
    limits = PoolLimits(max_size=1, max_idle=0.01)
    async with AsyncRawClient("fake", engine=engine, limits=limits) as client:
        for _ in range(3):
            await client.get("a")
            await until(lambda: engine.sessions_open == 0)
        for _ in range(300):  # as the thread is on its way out
            await client.get("a")
            await anyio.to_thread.run_sync(time.sleep, random.choice((0.0, 0.009, 0.0101)))
            if engine.sessions_made > 20:
                break


async def test_a_call_that_comes_as_the_last_thread_leaves_is_made(monkeypatch):
    engine = FaultyEngine()
    executor = executor_of(engine, threads=1)
    leave, late, made = ThreadPool.leave, [threading.Event()], threading.Event()

    def leave_late(pool, thread):
        if late:
            late.pop()
            pool.submit(Call(made.set, (), bare=True))
        leave(pool, thread)

    monkeypatch.setattr(ThreadPool, "leave", leave_late)
    executor._pool.limits = PoolLimits(max_size=1, max_idle=0.01)
    await executor.call(lambda _: None)
    assert await anyio.to_thread.run_sync(made.wait, 10)
    await executor.aclose()


async def test_a_session_that_comes_too_late_is_closed():
    engine = FaultyEngine()
    executor = executor_of(engine)
    entered, release = threading.Event(), threading.Event()

    def connect():
        entered.set()
        assert release.wait(20)
        return engine.connect()

    async def call():
        await executor.call_bare(connect, discard=lambda session: session.close())

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.to_thread.run_sync(entered.wait, 10)
        group.cancel_scope.cancel()
    release.set()
    await until(lambda: engine.sessions_made == 1 and engine.sessions_open == 0)
    await executor.aclose()


async def test_a_refused_connection_is_the_error_of_the_call():
    engine = FaultyEngine({"a": b""})
    engine.refuse_connections = True
    async with client_of(engine) as client:
        with pytest.raises(ConnectionFailed, match="get 'a' at fake"):
            await client.get("a")
        engine.refuse_connections = False
        assert await client.get("a") == b""


async def test_a_client_is_used_by_one_loop_at_a_time(anyio_backend):
    engine = FaultyEngine({"a": b"1"})
    name, options = anyio_backend
    other = functools.partial(anyio.run, backend=name, backend_options=options)
    async with client_of(engine) as client:
        engine.gate.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "a")
            await arrival(engine)
            with pytest.raises(OwnerMismatch, match="another event loop"):
                await anyio.to_thread.run_sync(other, functools.partial(client.get, "a"))
            engine.gate.set()
        # Idle, it may move on.
        assert await anyio.to_thread.run_sync(other, functools.partial(client.get, "a")) == b"1"
        assert await client.get("a") == b"1"


def test_a_client_outlives_a_loop_that_left_calls_behind():
    engine = FaultyEngine({"a": b"1"})
    client = client_of(engine, threads=1)
    engine.gate.clear()

    async def leave():
        with anyio.move_on_after(0.01):
            await client.get("a")

    asyncio.run(leave())
    engine.gate.set()

    async def use():
        assert await client.get("a") == b"1"
        await client.aclose()

    asyncio.run(use())
    assert engine.sessions_open == 0


def test_a_client_that_nobody_closed_lets_its_threads_go():
    engine = FaultyEngine({"a": b"1"})

    async def use():
        client = client_of(engine)
        await client.with_timeout(None).get("a")

    asyncio.run(use())
    gc.collect()
    for thread in threads_named("qdb (fake)"):
        thread.join(10)
    assert engine.sessions_open == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gets_a_clear_error():
    engine = FaultyEngine({"a": b"1"})
    client = client_of(engine)

    async def child():
        try:
            await client.get("a")
        except OwnerMismatch:
            await client.aclose()
            os._exit(17)
        os._exit(1)

    async def use():
        await client.get("a")

    asyncio.run(use())
    child_id = os.fork()
    if child_id == 0:
        try:
            asyncio.run(child())
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child_id, 0)[1]) == 17
    asyncio.run(client.aclose())
    assert engine.sessions_open == 0


@given(seed=st.integers(0, 2**32), threads=st.integers(1, 3), callers=st.integers(1, 25))
@settings(max_examples=25, deadline=None)
def test_nothing_leaks_and_every_value_is_old_or_new(backend_of_run, seed, threads, callers):
    choice = random.Random(seed)
    engine = FaultyEngine({f"{n}": b"0" for n in range(5)})
    engine.delay = choice.choice((0.0, 0.0002))
    attempted = {f"{n}": {b"0"} for n in range(5)}

    async def caller(client, number):
        for step in range(6):
            alias, value = f"{choice.randrange(5)}", f"{number}.{step}".encode()
            with anyio.move_on_after(choice.choice((0.0, 0.0003, 0.002, 5))):
                if choice.random() < 0.5:
                    attempted[alias].add(value)
                    await client.update(alias, value)
                else:
                    assert await client.get(alias) in attempted[alias]

    async def run():
        async with client_of(engine, threads=threads) as client:
            async with anyio.create_task_group() as group:
                for number in range(callers):
                    group.start_soon(caller, client, number)
            counts = client.statistics()
            assert (counts.calls, counts.queued, counts.abandoned) == (0, 0, 0)
            assert counts.threads <= threads
            assert not client._calls._executor._bridge.calls
            for alias, values in attempted.items():
                assert await client.get(alias) in values
        assert client.statistics().threads == 0
        assert not client._calls._executor._pool.plain
        assert not client._calls._executor._pool.items
        assert not client._calls._executor._bridge.done

    anyio.run(run, backend=backend_of_run[0], backend_options=backend_of_run[1])
    assert engine.sessions_open == 0
    assert engine.clashes == 0
    assert not threads_named("qdb (fake)")


@pytest.fixture(scope="module")
def backend_of_run(anyio_backend):
    return anyio_backend
