"""The async side of the seam, on each event loop."""

import asyncio
import contextlib
import functools
import gc
import importlib
import logging
import socket
import threading
import weakref
from collections.abc import Awaitable
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio.testing

from storekit.core.seam._async import (
    BackgroundTasks,
    Event,
    SocketReader,
    call_blocking,
    call_user_function,
    call_within,
    checkpoint,
    current_owner,
    look_up,
    monotonic,
    run_all,
    shielded,
    wait_readable,
    wait_writable,
)
from storekit.errors import OutOfResources
from tests.support.concurrency import PATIENCE
from tests.support.concurrency._async import until


class JumpingLoop(asyncio.SelectorEventLoop):
    """Does not wait for timers, but moves its clock to the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0
        real_select = self._selector.select

        def select(timeout: float | None = None) -> list:
            events = real_select(0)
            if not events and timeout:
                self.jumped += timeout
            return events

        self._selector.select = select

    def time(self) -> float:
        return super().time() + self.jumped


def run_without_sleep(backend: str, main, *args) -> float:
    """Run `main`; returns how many seconds it would have taken."""

    async def timed() -> float:
        start = anyio.current_time()
        await main(*args)
        return anyio.current_time() - start

    if backend == "trio":
        options = {"clock": trio.testing.MockClock(autojump_threshold=0)}
    else:
        options = {"loop_factory": JumpingLoop}
    return anyio.run(timed, backend=backend, backend_options=options)


both_backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


ASYNC_ALONE = {"call_beside"}
"""For the node's HTTP server, which has no sync twin."""


def test_both_sides_of_the_seam_have_the_same_names():
    sides = [importlib.import_module(f"storekit.core.seam.{side}") for side in ("_async", "_sync")]
    both = [name for name in sides[0].__all__ if name not in ASYNC_ALONE]
    assert both == sides[1].__all__


# Sockets.


@pytest.fixture
def pair():
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


def stuff(sock: socket.socket) -> None:
    """Send until the socket takes no more."""
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(65536))


def drain(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.recv(65536):
            pass


def is_watched(sock: socket.socket) -> bool:
    """Whether an asyncio loop still has a callback for the socket, which this removes."""
    loop = anyio.lowlevel.current_token().native_token
    if not isinstance(loop, asyncio.AbstractEventLoop):
        return False
    return loop.remove_reader(sock.fileno()) or loop.remove_writer(sock.fileno())


@pytest.mark.parametrize("limit", [None, 60])
async def test_a_socket_is_readable_when_data_comes(pair, limit):
    left, right = pair
    woken = []

    async def read() -> None:
        await wait_readable(left, None if limit is None else monotonic() + limit)
        woken.append(left.recv(10))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        right.send(b"data")
    assert woken == [b"data"]
    assert not is_watched(left)


async def test_a_socket_is_readable_at_the_end_of_its_data(pair):
    left, right = pair
    right.close()
    await wait_readable(left, None)
    assert left.recv(10) == b""


@pytest.mark.parametrize("limit", [None, 60])
async def test_a_socket_is_writable_when_the_other_end_reads(pair, limit):
    left, right = pair
    stuff(left)
    woken = []

    async def write() -> None:
        await wait_writable(left, None if limit is None else monotonic() + limit)
        woken.append(left.send(b"data"))

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        drain(right)
    assert woken == [4]
    assert not is_watched(left)


@pytest.mark.parametrize("seconds", [-1, 0, 0.01])
@pytest.mark.parametrize("wait", [wait_readable, wait_writable])
async def test_waiting_for_a_socket_ends_when_the_time_is_up(pair, wait, seconds):
    left, right = pair
    stuff(left)
    limit = monotonic() + seconds
    with pytest.raises(TimeoutError):
        await wait(left, limit)
    assert monotonic() >= limit - 0.002  # uvloop counts in milliseconds
    assert not is_watched(left)
    drain(right)
    right.send(b"data")
    await wait(left, monotonic() + 60)


@pytest.mark.parametrize("limit", [None, 60])
@pytest.mark.parametrize("wait", [wait_readable, wait_writable])
async def test_a_cancelled_wait_leaves_the_socket_unwatched(pair, wait, limit):
    left, right = pair
    stuff(left)
    async with anyio.create_task_group() as group:
        group.start_soon(wait, left, None if limit is None else monotonic() + limit)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert not is_watched(left)
    drain(right)
    right.send(b"data")
    await wait(left, monotonic() + 60)


async def test_after_a_cancelled_wait_the_descriptor_can_belong_to_another_socket(pair):
    left, _ = pair
    descriptor = left.fileno()
    async with anyio.create_task_group() as group:
        group.start_soon(wait_readable, left, None)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    left.close()
    new_left, new_right = socket.socketpair()
    with new_left, new_right:
        assert descriptor in (new_left.fileno(), new_right.fileno())
        for sock in new_left, new_right:
            sock.setblocking(False)
            with pytest.raises(TimeoutError):
                await wait_readable(sock, monotonic())
        new_right.send(b"data")
        await wait_readable(new_left, monotonic() + 60)


@pytest.mark.parametrize("wait", [wait_readable, wait_writable])
def test_a_wait_that_ended_leaves_no_timer(pair, wait):
    left, right = pair
    right.send(b"data")

    async def main() -> None:
        await wait(left, monotonic() + 3600)
        timers = asyncio.get_running_loop()._scheduled
        assert all(timer.cancelled() for timer in timers)

    anyio.run(main, backend="asyncio")


# Host names.


@pytest.mark.parametrize("limit", [None, 60])
async def test_a_look_up_returns_addresses_for_streams(limit):
    answers = await look_up("localhost", 4321, None if limit is None else monotonic() + limit)
    assert answers
    for _, kind, _, _, address in answers:
        assert kind == socket.SOCK_STREAM
        assert address[1] == 4321


async def test_a_name_that_does_not_exist_is_an_error_of_the_system():
    with pytest.raises(OSError):
        await look_up("no-such-host.invalid", 1, monotonic() + 60)


@both_backends
def test_a_resolver_that_hangs_is_left_behind(backend, monkeypatch):
    asked, answered = threading.Event(), threading.Event()

    def hang(host, port, family=0, type=0, proto=0, flags=0) -> list:  # noqa: A002
        if flags & socket.AI_NUMERICHOST:  # trio asks this first, and it takes no time
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        asked.set()
        answered.wait(60)
        return []

    async def main() -> None:
        try:
            with pytest.raises(TimeoutError):
                await look_up("localhost", 1, monotonic() + 0.05)
            assert asked.is_set()
        finally:
            answered.set()

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    anyio.run(main, backend=backend)


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


async def test_a_background_task_outlives_the_call_that_started_it():
    background, done = BackgroundTasks(), anyio.Event()

    async def call() -> None:
        background.start(work)

    async def work() -> None:
        await checkpoint()
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
    with anyio.fail_after(10):
        await done.wait()
    await background.aclose()


async def test_closing_cancels_background_tasks_and_waits_for_their_end():
    background, steps = BackgroundTasks(), []

    async def work() -> None:
        steps.append("begun")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()
            steps.append("ended")

    background.start(work)
    background.start(work)
    await until(lambda: len(steps) == 2)
    await background.aclose()
    assert steps == ["begun", "begun", "ended", "ended"]


async def test_a_background_task_that_is_closed_before_it_ran_waits_for_nothing():
    background, finished = BackgroundTasks(), []

    async def work() -> None:
        await anyio.sleep_forever()
        finished.append(True)

    background.start(work)
    with anyio.fail_after(1):
        await background.aclose()
    assert finished == []


@both_backends
def test_closing_does_not_wait_for_tasks_of_an_event_loop_that_ended(backend):
    background = BackgroundTasks()

    async def start() -> None:
        background.start(anyio.sleep_forever)

    anyio.run(start, backend=backend)
    assert run_without_sleep(backend, background.aclose) < 1


@both_backends
def test_closing_gives_up_on_a_background_task_after_two_seconds(backend):
    async def main() -> None:
        background, stop = BackgroundTasks(), anyio.Event()

        async def work() -> None:
            with anyio.CancelScope(shield=True):
                await stop.wait()

        background.start(work)
        await checkpoint()
        await background.aclose()
        stop.set()
        await checkpoint()

    assert run_without_sleep(backend, main) == pytest.approx(2, abs=0.5)


async def test_an_error_in_a_background_task_is_logged(caplog):
    background, error = BackgroundTasks(), OSError("gone")

    async def work() -> None:
        raise error

    with caplog.at_level(logging.ERROR, logger="storekit"):
        background.start(work)
        await until(lambda: bool(caplog.records))
    await background.aclose()
    (record,) = caplog.records
    assert record.name == "storekit"
    assert record.exc_info[1] is error


async def test_background_tasks_that_ended_are_forgotten():
    background, done = BackgroundTasks(), []

    async def work() -> None:
        done.append(True)

    for _ in range(3):
        background.start(work)
    await until(lambda: len(done) == 3)
    await anyio.wait_all_tasks_blocked()
    assert not background._running
    assert not background._tasks


async def test_a_call_without_a_limit_outlasts_the_limit_of_the_call_before(pair):
    left, right = pair
    reader = SocketReader(left)
    right.send(b"first")
    assert await reader.receive(10, monotonic() + 0.05) == b"first"
    received = []

    async def receive() -> None:
        received.append(await reader.receive(10, None))

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        assert not await Event().wait(0.15)  # well past the first limit
        right.send(b"second")
    reader.stop()
    assert received == [b"second"]


async def test_a_loop_does_not_keep_a_reader_alive(pair):
    left, right = pair
    reader = SocketReader(left)
    right.send(b"data")
    await reader.receive(10, monotonic() + 60)
    alive = weakref.ref(reader)
    del reader
    gc.collect()
    assert alive() is None
    with pytest.raises(TimeoutError):  # nor is anything left in the way of another
        await SocketReader(left).receive(10, monotonic())


async def test_what_arrives_while_nobody_asks_stays_in_the_kernel(pair):
    left, right = pair
    reader = SocketReader(left)
    right.send(b"asked")
    await reader.receive(10, monotonic() + 60)
    right.send(b"unasked")
    for _ in range(5):
        await checkpoint()
    assert left.recv(10) == b"unasked"
    reader.stop()


async def test_what_has_ended_says_so_even_if_it_never_began():
    ended = []
    background = BackgroundTasks()

    async def work() -> None:
        raise AssertionError("cancelled before it began")

    background.start(work, lambda: ended.append(True))
    await background.aclose()
    assert ended == [True]


class BlindLoop(asyncio.SelectorEventLoop):
    """Watches no sockets for others, like the default loop of Windows."""

    def add_reader(self, *args) -> None:
        raise NotImplementedError


def test_a_loop_that_cannot_watch_sockets_receives_all_the_same(pair):
    left, right = pair

    async def main() -> bytes:
        right.send(b"data")
        return await SocketReader(left).receive(10, monotonic() + 10)

    received = anyio.run(main, backend="asyncio", backend_options={"loop_factory": BlindLoop})
    assert received == b"data"


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
