# Generated from tests/core/_async/test_single_flight.py by tools/generate_sync.py; do not edit.

import pytest

from storekit.core._sync.single_flight import SingleFlight
from storekit.core.seam._sync import Event
from storekit.errors import CircularCall
from tests.support.concurrency._sync import Crew, Job, until


class Work:
    """A call that goes on until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = Event()
        self.calls = 0
        self.error = error

    def __call__(self) -> object:
        self.calls += 1
        self.go.wait()
        if self.error is not None:
            raise self.error
        return self


class Key:
    """A key that notes each look at it: that is when a caller joins."""

    def __init__(self) -> None:
        self.looks = 0

    def __hash__(self) -> int:
        self.looks += 1
        return id(self)


def join(crew: Crew, flights: SingleFlight, key: Key, work: Work) -> Job:
    """Start a caller; return when it leads a flight or is on one."""
    looks = key.looks
    job = crew.start(lambda: flights.run(key, work))
    until(lambda: key.looks > looks)
    return job


def lead(crew: Crew, flights: SingleFlight, key: Key, work: Work) -> Job:
    """Start a caller; return when it is at work."""
    job = crew.start(lambda: flights.run(key, work))
    until(lambda: work.calls == 1)
    return job


def test_callers_at_the_same_time_share_one_call():
    flights, key, work, unused = SingleFlight(), Key(), Work(), Work()
    with Crew() as crew:
        jobs = [lead(crew, flights, key, work)]
        jobs += [join(crew, flights, key, unused) for _ in range(5)]
        work.go.set()
        assert [job.result() for job in jobs] == [work] * 6
    assert (work.calls, unused.calls) == (1, 0)


def test_callers_at_the_same_time_share_an_error():
    error = ConnectionError()
    flights, key, work, unused = SingleFlight(), Key(), Work(error), Work()
    with Crew() as crew:
        jobs = [lead(crew, flights, key, work)]
        jobs += [join(crew, flights, key, unused) for _ in range(5)]
        work.go.set()
        for job in jobs:
            with pytest.raises(ConnectionError) as caught:
                job.result()
            assert caught.value is error
    assert (work.calls, unused.calls) == (1, 0)


def test_a_result_of_none_is_a_result():
    flights, key, calls = SingleFlight(), Key(), []
    go = Event()

    def work() -> None:
        calls.append(1)
        go.wait()

    with Crew() as crew:
        jobs = [crew.start(lambda: flights.run(key, work))]
        until(lambda: bool(calls))
        jobs.append(join(crew, flights, key, work))
        go.set()
        assert [job.result() for job in jobs] == [None, None]
    assert calls == [1]


def test_keys_are_worked_on_independently():
    flights, first, second = SingleFlight(), Work(), Work()
    with Crew() as crew:
        one = lead(crew, flights, Key(), first)
        other = lead(crew, flights, Key(), second)
        second.go.set()
        assert other.result() is second
        assert not one.ended()
        first.go.set()
        assert one.result() is first


@pytest.mark.parametrize("error", [None, ConnectionError()])
def test_nothing_is_kept_after_the_landing(error):
    flights, work, later = SingleFlight(), Work(error), Work()
    work.go.set()
    later.go.set()
    try:
        flights.run("k", work)
    except ConnectionError:
        assert error is not None
    assert flights.run("k", later) is later
    assert later.calls == 1


def test_each_landing_is_counted_once():
    flights, key, work, failing = SingleFlight(), Key(), Work(), Work(ConnectionError())
    assert flights.ended == 0
    with Crew() as crew:
        lead(crew, flights, key, work)
        join(crew, flights, key, work)
        assert flights.ended == 0
        work.go.set()
    assert flights.ended == 1
    failing.go.set()
    with pytest.raises(ConnectionError):
        flights.run(key, failing)
    assert flights.ended == 2


def test_a_call_that_asks_for_its_own_key_is_an_error():
    flights = SingleFlight()

    def work():
        return flights.run("a", work)

    with pytest.raises(CircularCall, match="function for 'a' asks for 'a' itself"):
        flights.run("a", work)

    def well():
        return 1

    assert flights.run("a", well) == 1  # nothing is left of it


def test_calls_that_wait_for_each_other_are_an_error_whoever_makes_them():
    flights, others = SingleFlight(), SingleFlight()

    def work():
        return others.run("b", work_of_others)

    def work_of_others():
        return flights.run("a", work)

    with pytest.raises(CircularCall, match="'b' -> 'a'"):
        flights.run("a", work)


def test_calls_may_ask_for_other_keys():
    flights = SingleFlight()

    def inner():
        return 1

    def outer():
        return flights.run("inner", inner) + 1

    assert flights.run("outer", outer) == 2


def test_who_waits_long_for_another_call_says_so(monkeypatch, caplog):
    monkeypatch.setattr("storekit.core._sync.single_flight._LONG", 0.01)
    flights, key, work = SingleFlight(), Key(), Work()
    with Crew() as crew:
        first = lead(crew, flights, key, work)
        second = join(crew, flights, key, Work())
        until(lambda: "a caller has waited" in caplog.text)
        work.go.set()
        assert [job.result() for job in (first, second)] == [work] * 2
