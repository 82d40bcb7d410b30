"""Calls in threads that are cancelled, out of time, or at the end of their client."""

import threading
import time

import anyio
import anyio.to_thread
import pytest

from storekit.core.threads.bridge import Bridge
from storekit.core.threads.call import CallTimeout
from storekit.errors import ClientClosed
from storekit.qdb import StoreTimeout
from tests.core.executors import arrival, client_of, executor_of, until
from tests.support.qdb_faults import FaultyEngine


async def test_a_cancelled_call_returns_at_once_and_keeps_its_session():
    engine = FaultyEngine({"a": b"1"})
    async with client_of(engine, threads=1) as client:
        engine.gate.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(client.put, "b", b"2")
            await arrival(engine)
            group.cancel_scope.cancel()
        assert client.statistics().calls == 0
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "a")
            await until(lambda: client.statistics().queued == 1)
            engine.gate.set()
        assert engine.clashes == 0
        assert engine.sessions_made == 1
        assert engine.entries["b"] == b"2"


async def test_a_call_that_had_not_begun_is_dropped():
    engine = FaultyEngine()
    async with client_of(engine, threads=1) as client:
        engine.gate.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(client.put, "a", b"")
            await arrival(engine)
            with anyio.move_on_after(0.02) as scope:
                await client.put("dropped", b"")
            assert scope.cancelled_caught
            engine.gate.set()
        await client.put("b", b"")
    assert set(engine.entries) == {"a", "b"}


async def test_a_deadline_passes_though_the_call_goes_on():
    engine = FaultyEngine()
    async with client_of(engine, threads=1) as client:
        engine.gate.clear()
        quick = client.with_timeout(0.03)
        with pytest.raises(StoreTimeout, match="may have been done"):
            await quick.put("a", b"")
        with pytest.raises(StoreTimeout, match="had not begun"):
            await quick.put("b", b"")
        engine.gate.set()
        await client.put("c", b"")
    assert set(engine.entries) == {"a", "c"}


async def test_a_call_that_begins_in_the_moment_of_its_deadline_may_be_done(monkeypatch):
    fail = Bridge.fail

    def fail_late(bridge, call, error):
        call.take()  # as a thread would, between look and deed
        fail(bridge, call, error)

    engine = FaultyEngine()
    async with client_of(engine, threads=1) as client, anyio.create_task_group() as group:
        engine.gate.clear()
        group.start_soon(client.put, "a", b"")
        await arrival(engine)
        monkeypatch.setattr(Bridge, "fail", fail_late)
        with pytest.raises(StoreTimeout, match="may have been done"):
            await client.with_timeout(0.02).put("b", b"")
        monkeypatch.undo()
        engine.gate.set()


async def test_a_call_that_begins_as_the_client_closes_is_not_said_to_have_waited(monkeypatch):
    refuse = Bridge.refuse

    def refuse_late(bridge, call, error):
        call.take()
        refuse(bridge, call, error)

    engine = FaultyEngine()
    executor = executor_of(engine, threads=1, close_timeout=0.02)
    release = threading.Event()
    errors = []

    async def call():
        try:
            await executor.call(lambda _: release.wait(20))
        except ClientClosed as error:
            errors.append(str(error))

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await until(lambda: executor.statistics().sessions == 1)
        group.start_soon(call)
        await until(lambda: executor.statistics().queued == 1)
        monkeypatch.setattr(Bridge, "refuse", refuse_late)
        await executor.aclose()
    release.set()
    assert len(errors) == 2
    assert all("before the store answered" in error for error in errors)
    await until(lambda: engine.sessions_open == 0)


async def test_a_thread_that_never_comes_back_is_replaced_within_the_limit():
    engine = FaultyEngine()
    executor = executor_of(engine, threads=1, grace=0.02, close_timeout=0.05)
    stuck = threading.Event()
    for _ in range(2):
        with pytest.raises(CallTimeout):
            await executor.call(lambda _: stuck.wait(20), until=time.monotonic() + 0.02)
        await until(lambda: executor.statistics().abandoned == 1)
    # One was replaced; what took its place is stuck as well, and has to stay.
    assert executor.statistics().threads == 2
    with pytest.raises(CallTimeout) as caught:
        await executor.call(lambda _: None, until=time.monotonic() + 0.1)
    assert not caught.value.started
    stuck.set()
    await executor.call(lambda _: None)
    await until(lambda: executor.statistics().abandoned == 0)
    await executor.aclose()
    await until(lambda: engine.sessions_open == 0)


async def test_closing_ends_calls_in_flight_in_time():
    engine = FaultyEngine()
    executor = executor_of(engine, threads=1, close_timeout=0.05)
    release = threading.Event()
    errors = []

    async def call():
        try:
            await executor.call(lambda _: release.wait(20))
        except ClientClosed as error:
            errors.append(str(error))

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await until(lambda: executor.statistics().sessions == 1)
        group.start_soon(call)
        await until(lambda: executor.statistics().queued == 1)
        with anyio.fail_after(5):
            await executor.aclose()
    assert len(errors) == 2
    assert "while a call waited" in errors[0]
    with pytest.raises(ClientClosed):
        await executor.call(lambda _: None)
    release.set()
    await until(lambda: engine.sessions_open == 0)


async def test_closing_waits_for_a_call_that_ends_in_time():
    engine = FaultyEngine()
    client = client_of(engine)
    engine.gate.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(client.put, "a", b"1")
        await arrival(engine)
        group.start_soon(client.aclose)
        await until(lambda: client._calls._executor._pool.closed)
        engine.gate.set()
    assert engine.entries == {"a": b"1"}
    assert engine.sessions_open == 0
