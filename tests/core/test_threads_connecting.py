"""Calls whose thread first has to open a session."""

import threading
from contextlib import contextmanager
from time import monotonic

import anyio
import anyio.to_thread
import pytest

from storekit.core.threads._async import Executor
from storekit.core.threads.call import Batching, CallTimeout
from storekit.errors import ClientClosed
from storekit.options import PoolLimits

TOGETHER = Batching(
    lambda session, key: session.append(key) or key,
    lambda session, keys: [session.append(key) or key for key in keys],
    lambda error: error,
)


class Door:
    """A store to which a connection takes until the gate is opened."""

    def __init__(self):
        self.gate = threading.Event()
        self.knocked = threading.Semaphore(0)
        self.made = []

    def connect(self):
        self.knocked.release()
        assert self.gate.wait(20)
        return self.made


@contextmanager
def opened_at_last(door):
    try:
        yield
    finally:
        door.gate.set()


def executor_of(door, **options):
    return Executor(
        door.connect, len, limits=PoolLimits(max_size=1), batching=TOGETHER, name="test", **options
    )


async def knock(door):
    assert await anyio.to_thread.run_sync(door.knocked.acquire, True, 10)


async def gone(executor, left):
    with anyio.fail_after(10):
        while executor.statistics().calls > left:
            await anyio.lowlevel.checkpoint()


async def test_caller_is_told_that_connecting_took_too_long_and_nothing_was_done():
    door = Door()
    executor = executor_of(door, connect_timeout=0.05)
    with opened_at_last(door):
        with pytest.raises(CallTimeout) as caught:
            await executor.call(list.append, "late")
        assert not caught.value.started
        with pytest.raises(CallTimeout) as caught:
            await executor.call_item("late", 0, None)
        assert not caught.value.started
    assert await executor.call(list.append, "in time") is None
    await executor.aclose()
    assert door.made == ["in time"]


async def test_cancelled_call_is_not_made_once_the_session_is_there():
    door = Door()
    executor = executor_of(door)
    async with anyio.create_task_group() as group:
        with opened_at_last(door):
            scope = anyio.CancelScope()

            async def give_up():
                with scope:
                    await executor.call(list.append, "cancelled")

            group.start_soon(give_up)
            await knock(door)
            scope.cancel()
            await gone(executor, 0)
    assert await executor.call(list.append, "wanted") is None
    await executor.aclose()
    assert door.made == ["wanted"]


async def test_of_joint_calls_only_those_are_made_that_are_still_wanted():
    door = Door()
    executor = executor_of(door)
    async with anyio.create_task_group() as group:
        with opened_at_last(door):
            scope = anyio.CancelScope()

            async def get(key):
                await executor.call_item(key, 0, None)

            async def give_up():
                with scope:
                    await get("cancelled")

            group.start_soon(get, "first")
            group.start_soon(give_up)
            await knock(door)
            scope.cancel()
            await gone(executor, 1)
    await executor.aclose()
    assert door.made == ["first"]


async def test_time_to_connect_does_not_count_for_calls():
    door = Door()
    door.gate.set()
    executor = executor_of(door, connect_timeout=0.01)
    held = threading.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(executor.call, lambda _: held.wait(20))
        await knock(door)
        await anyio.sleep(0.05)  # longer than connecting may take
        held.set()
    await executor.aclose()


async def test_closing_while_a_thread_connects_tells_the_caller():
    door = Door()
    executor = executor_of(door, close_timeout=0.05)
    async with anyio.create_task_group() as group:
        with opened_at_last(door):

            async def call():
                with pytest.raises(ClientClosed):
                    await executor.call(list.append, "closed")

            group.start_soon(call)
            await knock(door)
            await executor.aclose()
    assert door.made == []


async def test_each_caller_is_told_though_no_thread_is_left_that_could_connect():
    door = Door()
    executor = executor_of(door, connect_timeout=0.03, grace=0.01, close_timeout=0.01)
    with opened_at_last(door), anyio.fail_after(5):
        for _ in range(6):  # of which two threads take one each, and no more
            began = monotonic()
            with pytest.raises(CallTimeout) as caught:
                await executor.call(list.append, "late")
            assert not caught.value.started
            assert monotonic() - began > 0.029  # each has its full time
            with pytest.raises(CallTimeout) as caught:
                await executor.call_item("late", 0, None)
            assert not caught.value.started
    assert await executor.call(list.append, "in time") is None
    await executor.aclose()
    assert door.made == ["in time"]


async def test_callers_in_the_queue_wait_as_long_as_the_one_whose_thread_connects():
    door = Door()
    executor = executor_of(door, connect_timeout=0.05, close_timeout=0.01)
    late = []

    async def call():
        try:
            await executor.call(list.append, "late")
        except CallTimeout as error:
            late.append(error.started)

    with opened_at_last(door), anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(call)
    await executor.aclose()
    assert late == [False] * 5


async def test_a_call_behind_one_that_takes_long_is_not_given_up():
    door = Door()
    door.gate.set()
    executor = executor_of(door, connect_timeout=0.01)
    held = threading.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(executor.call, lambda _: held.wait(20))
        group.start_soon(executor.call, list.append, "second")
        await knock(door)
        await anyio.sleep(0.05)
        group.start_soon(executor.call, list.append, "third")
        await anyio.sleep(0.03)
        held.set()
    await executor.aclose()
    assert door.made == ["second", "third"]
