"""The sync side of the seam."""

import logging
import socket
import threading

import pytest

from storekit.core.seam._sync import (
    BackgroundTasks,
    Event,
    call_blocking,
    call_user_function,
    call_within,
    current_owner,
    monotonic,
    run_all,
    shielded,
)
from storekit.core.seam.sockets._sync import look_up, wait_readable, wait_writable
from tests.support.concurrency._sync import Crew, until


@pytest.fixture
def pair():
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


def test_a_socket_is_readable_when_data_comes(pair):
    left, right = pair
    with Crew() as crew:
        job = crew.start(lambda: wait_readable(left, None))
        assert not job.ended()
        right.send(b"data")
        job.result()
    assert left.recv(10) == b"data"


def test_a_socket_is_readable_at_the_end_of_its_data(pair):
    left, right = pair
    right.close()
    wait_readable(left, None)
    assert left.recv(10) == b""


@pytest.mark.parametrize("seconds", [-1, 0, 0.01])
@pytest.mark.parametrize("wait", [wait_readable, wait_writable])
def test_waiting_for_a_socket_ends_when_the_time_is_up(pair, wait, seconds):
    left, _ = pair
    with pytest.raises(BlockingIOError):
        while True:
            left.send(bytes(65536))
    limit = monotonic() + seconds
    with pytest.raises(TimeoutError):
        wait(left, limit)
    assert monotonic() >= limit


@pytest.mark.parametrize("seconds", [-1, 60, None])
def test_a_socket_that_is_ready_is_ready_however_little_time_is_left(pair, seconds):
    left, right = pair
    limit = None if seconds is None else monotonic() + seconds
    right.send(b"data")
    wait_readable(left, limit)
    wait_writable(left, limit)


@pytest.mark.parametrize("limit", [None, 60])
def test_a_look_up_returns_addresses_for_streams(limit):
    answers = look_up("localhost", 4321, None if limit is None else monotonic() + limit)
    assert answers
    for _, kind, _, _, address in answers:
        assert kind == socket.SOCK_STREAM
        assert address[1] == 4321


@pytest.mark.parametrize("limit", [None, 60])
def test_an_error_of_the_resolver_is_raised(limit, monkeypatch):
    def fail(*args, **kwargs) -> list:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror, match="no such name"):
        look_up("host", 1, None if limit is None else monotonic() + limit)


@pytest.mark.parametrize("seconds", [-1, 0.01])
def test_a_resolver_that_hangs_is_left_behind(seconds, monkeypatch):
    answered = threading.Event()

    def hang(*args, **kwargs) -> list:
        answered.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    before = set(threading.enumerate())
    try:
        with pytest.raises(TimeoutError):
            look_up("host", 1, monotonic() + seconds)
        (left_behind,) = set(threading.enumerate()) - before
        assert left_behind.daemon  # or it would keep the process from ending
    finally:
        answered.set()
    left_behind.join(10)


def test_an_event_tells_whether_it_was_set_in_time():
    event = Event()
    assert not event.wait(0)
    event.set()
    assert event.wait(0)
    assert event.wait()


def test_all_threads_have_the_same_owner():
    with Crew() as crew:
        assert crew.start(current_owner).result() == current_owner()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_all_calls_run_at_the_same_time_and_results_are_in_order(count):
    barrier = threading.Barrier(max(1, count))

    def call(index: int) -> int:
        barrier.wait(10)
        return index

    assert run_all([lambda index=index: call(index) for index in range(count)]) == [*range(count)]


@pytest.mark.parametrize("others", [0, 2])
def test_an_error_in_one_of_many_calls_is_raised_as_it_is(others):
    error = ConnectionError("refused")

    def fail() -> None:
        raise error

    with pytest.raises(ConnectionError) as caught:
        run_all([int] * others + [fail] + [int] * others)
    assert caught.value is error


def test_calls_are_made_without_threads_where_none_can_be_started(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert run_all([lambda: 1, lambda: 2, lambda: 3]) == [1, 2, 3]


@pytest.mark.parametrize("timeout", [None, 60])
def test_threads_that_wait_for_sockets_stop_when_the_caller_is_interrupted(pair, timeout):
    ended = threading.Event()

    def wait():
        try:
            wait_readable(pair[0], None if timeout is None else monotonic() + timeout)
        finally:
            ended.set()

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all([interrupt, wait])
    assert ended.is_set()


def test_an_error_of_one_call_does_not_stop_another():
    done = threading.Event()

    def fail():
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        run_all([fail, done.set])
    assert done.is_set()


def test_a_wait_in_a_helping_thread_ends_when_its_time_is_up(pair):
    with pytest.raises(TimeoutError):
        run_all([lambda: None, lambda: wait_readable(pair[0], monotonic() + 0.15)])


def test_functions_are_called_in_the_thread_of_the_caller():
    def function(*, value: int) -> tuple[int, object]:
        return value, threading.current_thread()

    here = threading.current_thread()
    assert call_user_function(function, {"value": 7}) == (7, here)
    assert call_blocking(function, value=7) == (7, here)


def test_a_function_that_returns_an_awaitable_is_refused():
    async def load() -> int:
        return 7

    with pytest.raises(TypeError, match=r"load.* the sync client takes plain functions"):
        call_user_function(load, {})


def test_an_awaitable_that_is_no_coroutine_is_refused_too():
    class Later:
        def __await__(self):
            yield

    with pytest.raises(TypeError, match="returned an awaitable"):
        call_user_function(Later, {})


def test_a_shielded_call_is_a_call():
    calls = []
    shielded(calls.append, "done")
    assert calls == ["done"]
    with pytest.raises(OSError):
        shielded(socket.inet_aton, "no address")


def test_a_background_thread_runs_beside_its_starter():
    background, go, done = BackgroundTasks(), threading.Event(), threading.Event()

    def work() -> None:
        go.wait(10)
        done.set()

    background.start(work)
    assert not done.is_set()
    go.set()
    assert done.wait(10)
    background.close()


def test_closing_waits_for_background_threads():
    background, go, started, ended = BackgroundTasks(), threading.Event(), [], []

    def work() -> None:
        started.append(True)
        go.wait(10)
        ended.append(True)

    background.start(work)
    background.start(work)
    with Crew() as crew:
        until(lambda: len(started) == 2)
        job = crew.start(background.close)
        assert not job.ended()
        go.set()
        job.result()
    assert ended == [True, True]
    assert not background._running


def test_closing_gives_up_on_a_background_thread_when_its_time_is_up(monkeypatch):
    background, go = BackgroundTasks(), threading.Event()
    background.start(lambda: go.wait(60))
    (thread,) = background._running
    assert thread.daemon  # or it would keep the process from ending
    # A clock on which the five seconds are over as soon as they were begun.
    times = iter([0.0, 5.0])
    monkeypatch.setattr("storekit.core.seam._sync.monotonic", lambda: next(times))
    background.close()
    assert thread.is_alive()
    go.set()
    thread.join(10)


def test_an_error_in_a_background_thread_is_logged(caplog):
    background, error = BackgroundTasks(), OSError("gone")

    def work() -> None:
        raise error

    with caplog.at_level(logging.ERROR, logger="storekit"):
        background.start(work)
        background.close()
    (record,) = caplog.records
    assert record.name == "storekit"
    assert record.exc_info[1] is error


def test_a_thread_that_cannot_be_had_leaves_nothing_behind(monkeypatch):
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    background = BackgroundTasks()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        background.start(lambda: None)
    background.close()


def test_what_has_ended_says_so():
    ended = threading.Event()
    background = BackgroundTasks()
    background.start(lambda: None, ended.set)
    assert ended.wait(10)
    background.close()


def test_a_call_within_its_time_returns_its_value_or_raises_its_error():
    assert call_within(20.0, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        call_within(20.0, lambda: 1 / 0)


def test_a_call_that_takes_too_long_is_given_up():
    go_on = threading.Event()
    with pytest.raises(TimeoutError):
        call_within(0.01, go_on.wait)
    go_on.set()
