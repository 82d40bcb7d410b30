"""Iterators that are shared, and those that can't connect."""

import threading

import anyio
import anyio.to_thread
import pytest

from storekit import qdb
from storekit.qdb import AsyncRawClient, RawClient
from tests.support.qdb_faults import FaultyEngine


def engine_of(count):
    return FaultyEngine({f"{number:04}": b"" for number in range(count)})


async def test_a_step_while_another_is_under_way_is_refused():
    engine = engine_of(3)
    found = []
    async with AsyncRawClient("fake", engine=engine) as client:
        steps = aiter(client)

        async def walk():
            async for alias, _ in steps:
                found.append(alias)

        engine.gate.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(walk)
            assert await anyio.to_thread.run_sync(engine.arrived.acquire, True, 10)
            for _ in range(2):
                with pytest.raises(RuntimeError, match="already in use"):
                    await anext(steps)
            engine.gate.set()
    assert found == sorted(engine.entries)
    assert engine.sessions_made == 1


def test_threads_that_share_an_iterator_never_get_an_entry_twice():
    engine = engine_of(600)
    engine.delay = 0.0005
    found = []
    with RawClient("fake", engine=engine) as client:
        made = engine.sessions_made
        steps = iter(client)

        def walk():
            while True:
                try:
                    found.append(next(steps)[0])
                except RuntimeError:
                    continue
                except StopIteration:
                    return

        threads = [threading.Thread(target=walk) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert engine.sessions_made == made + 1
    assert sorted(found) == sorted(engine.entries)


async def test_a_walk_that_is_closed_while_it_opens_leaves_no_session():
    engine = engine_of(3)
    entered, release = threading.Event(), threading.Event()
    connect = engine.connect

    def connect_late(timeout=None):
        entered.set()
        assert release.wait(20)
        return connect(timeout)

    engine.connect = connect_late
    async with AsyncRawClient("fake", engine=engine) as client:
        steps = aiter(client)
        async with anyio.create_task_group() as group:

            async def step():
                with pytest.raises(StopAsyncIteration):
                    await anext(steps)

            group.start_soon(step)
            await anyio.to_thread.run_sync(entered.wait, 10)
            await steps.aclose()
            release.set()
        with anyio.fail_after(5):
            while engine.sessions_open:
                await anyio.to_thread.run_sync(lambda: None)


async def test_opening_the_session_of_a_walk_is_given_up_like_any_other():
    engine = engine_of(3)
    release = threading.Event()
    connect = engine.connect

    def connect_late(timeout=None):
        assert release.wait(20)
        return connect(timeout)

    engine.connect = connect_late
    async with AsyncRawClient("fake", engine=engine, timeout=None, connect_timeout=0.05) as client:
        with pytest.raises(qdb.StoreTimeout), anyio.fail_after(5):
            await anext(aiter(client))
        release.set()
        with anyio.fail_after(5):
            while not engine.sessions_made or engine.sessions_open:
                await anyio.to_thread.run_sync(lambda: None)
