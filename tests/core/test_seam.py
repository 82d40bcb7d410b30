"""The async side of the seam, on each event loop."""

import functools
import importlib
import threading
from collections.abc import Awaitable
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from storekit.core.seam._async import (
    BackgroundTasks,
    Event,
    call_blocking,
    call_user_function,
    call_within,
    checkpoint,
    current_owner,
    run_all,
    shielded,
)
from storekit.errors import OutOfResources
from tests.core.loops import both_backends, run_without_sleep
from tests.support.concurrency import PATIENCE
from tests.support.concurrency._async import until

ASYNC_ALONE = {"call_beside"}
"""For the node's HTTP server, which has no sync twin."""


@pytest.mark.parametrize("room", ["seam", "seam.sockets"])
def test_both_sides_of_the_seam_have_the_same_names(room):
    sides = [
        importlib.import_module(f"storekit.core.{room}.{side}") for side in ("_async", "_sync")
    ]
    both = [name for name in sides[0].__all__ if name not in ASYNC_ALONE]
    assert both == sides[1].__all__


# Events and owners.


async def test_an_event_tells_whether_it_was_set_in_time():
    event = Event()
    assert not await event.wait(0)
    event.set()
    assert await event.wait(0)
    assert await event.wait()


async def test_an_event_wakes_all_who_wait():
    event, woken = Event(), []

    async def wait() -> None:
        woken.append(await event.wait(60))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        event.set()
    assert woken == [True] * 3


async def test_the_owner_is_the_event_loop():
    owners = []

    async def ask() -> None:
        owners.append(current_owner())

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        group.start_soon(ask)
    await anyio.to_thread.run_sync(anyio.run, ask)
    assert owners[0] == owners[1] != owners[2]


# Many calls at once.


async def test_all_calls_run_at_the_same_time_and_results_are_in_order():
    events = [anyio.Event() for _ in range(4)]

    async def call(index: int) -> int:
        if index < 3:  # each needs the next one to go on
            await events[index + 1].wait()
        events[index].set()
        return index

    with anyio.fail_after(10):
        results = await run_all([functools.partial(call, index) for index in range(4)])
    assert results == [0, 1, 2, 3]


async def test_no_calls_have_no_results():
    assert await run_all([]) == []


async def test_the_first_error_is_raised_as_it_is_and_stops_the_rest():
    error = ConnectionError("refused")
    stopped = []

    async def fail() -> None:
        raise error

    async def go_on() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(True)
            raise OSError("a consequence")

    with pytest.raises(ConnectionError) as caught:
        await run_all([go_on, fail, go_on])
    assert caught.value is error
    assert stopped == [True, True]


async def test_an_error_that_is_a_group_is_raised_as_it_is():
    group = ExceptionGroup("mine", [OSError()])

    async def fail() -> None:
        raise group

    with pytest.raises(ExceptionGroup) as caught:
        await run_all([fail])
    assert caught.value is group


async def test_cancelling_stops_all_calls():
    started, finished = [], []

    async def call() -> None:
        started.append(True)
        await anyio.sleep_forever()
        finished.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(run_all, [call] * 3)
        await until(lambda: len(started) == 3)
        group.cancel_scope.cancel()
    assert finished == []


# Clean-up.


async def test_a_shielded_call_ends_although_its_caller_is_cancelled():
    steps = []

    async def clean_up(first: str, *, last: str) -> None:
        steps.append(first)
        await checkpoint()
        steps.append(last)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await shielded(clean_up, "begun", last="ended")
    assert steps == ["begun", "ended"]


async def test_a_shielded_call_passes_on_its_error():
    async def clean_up() -> None:
        raise OSError

    with pytest.raises(OSError):
        await shielded(clean_up)


@both_backends
def test_a_shielded_call_that_hangs_is_given_up_after_two_seconds(backend):
    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await shielded(anyio.sleep_forever)

    assert run_without_sleep(backend, main) == pytest.approx(2, abs=0.5)


# Functions of the user's.


def thread_of_a_function(*, value: int) -> tuple[int, object]:
    return value, threading.current_thread()


async def thread_of_a_coroutine(*, value: int) -> tuple[int, object]:
    await checkpoint()
    return value, threading.current_thread()


def function_that_returns_a_coroutine(*, value: int) -> Awaitable[tuple[int, object]]:
    return thread_of_a_coroutine(value=value)


class AsyncCallable:
    async def __call__(self, *, value: int) -> tuple[int, object]:
        return await thread_of_a_coroutine(value=value)


class PlainCallable:
    def __call__(self, *, value: int) -> tuple[int, object]:
        return thread_of_a_function(value=value)


@pytest.mark.parametrize(
    "function",
    [
        thread_of_a_function,
        functools.partial(thread_of_a_function),
        PlainCallable(),
    ],
    ids=["function", "partial", "object"],
)
async def test_a_plain_function_runs_in_another_thread(function):
    value, thread = await call_user_function(function, {"value": 7})
    assert value == 7
    assert thread is not threading.current_thread()


@pytest.mark.parametrize(
    "function",
    [
        thread_of_a_coroutine,
        functools.partial(thread_of_a_coroutine, value=1),
        AsyncCallable(),
        AsyncCallable().__call__,
        functools.partial(AsyncCallable()),
        function_that_returns_a_coroutine,
    ],
    ids=["function", "partial", "object", "method", "partial of object", "plain function"],
)
async def test_an_async_function_runs_in_the_event_loop(function):
    value, thread = await call_user_function(function, {"value": 7})
    assert value == 7
    assert thread is threading.current_thread()


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_an_error_of_the_function_is_raised(kind):
    def fail() -> None:
        raise LookupError("mine")

    async def fail_later() -> None:
        fail()

    with pytest.raises(LookupError, match="mine"):
        await call_user_function(fail if kind == "plain" else fail_later, {})


@pytest.mark.parametrize("call", [lambda f: call_user_function(f, {}), call_blocking])
async def test_a_thread_does_not_hold_up_cancellation(call):
    started, released, ended = threading.Event(), threading.Event(), []

    def block() -> None:
        started.set()
        released.wait(10)
        ended.append(True)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(call, block)
            await until(started.is_set)
            group.cancel_scope.cancel()
        assert not ended
    finally:
        released.set()


async def test_blocking_work_runs_in_another_thread():
    def work(first: int, *, second: int) -> tuple[int, object]:
        return first + second, threading.current_thread()

    total, thread = await call_blocking(work, 3, second=4)
    assert total == 7
    assert thread is not threading.current_thread()


# Background tasks.


async def test_functions_of_users_do_not_keep_the_library_from_its_threads():
    release = threading.Event()
    done: list[str] = []
    async with anyio.create_task_group() as group:
        for _ in range(60):  # more than the library, or anyio, has threads
            group.start_soon(call_user_function, release.wait, {"timeout": PATIENCE})
        with anyio.fail_after(PATIENCE):
            await call_blocking(done.append, "work of the library")
        release.set()
    assert done == ["work of the library"]


async def test_functions_of_users_may_wait_for_one_another():
    release = threading.Event()

    def wait() -> None:
        assert release.wait(PATIENCE)

    async with anyio.create_task_group() as group:
        for _ in range(60):
            group.start_soon(call_user_function, wait, {})
        await call_user_function(release.set, {})


@pytest.mark.parametrize("call", [call_blocking, partial(call_user_function, kwargs={})])
async def test_a_thread_that_cannot_be_started_is_a_shortage(call, monkeypatch):
    def refuse(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr("trio._threads.start_thread_soon", refuse)
    monkeypatch.setattr("anyio._backends._asyncio.WorkerThread.start", refuse)
    with pytest.raises(OutOfResources, match="could not start a thread"):
        await call(lambda: None)


@pytest.mark.parametrize("call", [call_blocking, partial(call_user_function, kwargs={})])
async def test_an_error_of_the_call_that_looks_like_a_shortage_is_raised_as_it_is(call):
    def fail() -> None:
        raise RuntimeError("can't start new thread")

    with pytest.raises(RuntimeError, match="can't start new thread"):
        await call(fail)


async def test_what_has_ended_says_so_even_if_it_never_began():
    ended = []
    background = BackgroundTasks()

    async def work() -> None:
        raise AssertionError("cancelled before it began")

    background.start(work, lambda: ended.append(True))
    await background.aclose()
    assert ended == [True]


# Limits in time


@both_backends
def test_a_call_within_its_time_returns_its_value(backend):
    async def main() -> None:
        async def call() -> int:
            await anyio.sleep(0.9)
            return 7

        assert await call_within(1.0, call) == 7

    run_without_sleep(backend, main)


@both_backends
def test_a_call_that_takes_too_long_is_given_up(backend):
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await call_within(1.0, anyio.sleep_forever)

    assert 0.9 < run_without_sleep(backend, main) < 2
