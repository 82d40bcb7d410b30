import pytest

from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.core.seam._async import Event
from storekit.errors import CircularCall
from tests.support.concurrency._async import Crew, Job, until


class Work:
    """A call that goes on until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = Event()
        self.calls = 0
        self.error = error

    async def __call__(self) -> object:
        self.calls += 1
        await self.go.wait()
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


async def join(crew: Crew, flights: AsyncSingleFlight, key: Key, work: Work) -> Job:
    """Start a caller; return when it leads a flight or is on one."""
    looks = key.looks
    job = crew.start(lambda: flights.run(key, work))
    await until(lambda: key.looks > looks)
    return job


async def lead(crew: Crew, flights: AsyncSingleFlight, key: Key, work: Work) -> Job:
    """Start a caller; return when it is at work."""
    job = crew.start(lambda: flights.run(key, work))
    await until(lambda: work.calls == 1)
    return job


async def test_callers_at_the_same_time_share_one_call():
    flights, key, work, unused = AsyncSingleFlight(), Key(), Work(), Work()
    async with Crew() as crew:
        jobs = [await lead(crew, flights, key, work)]
        jobs += [await join(crew, flights, key, unused) for _ in range(5)]
        work.go.set()
        assert [await job.result() for job in jobs] == [work] * 6
    assert (work.calls, unused.calls) == (1, 0)


async def test_callers_at_the_same_time_share_an_error():
    error = ConnectionError()
    flights, key, work, unused = AsyncSingleFlight(), Key(), Work(error), Work()
    async with Crew() as crew:
        jobs = [await lead(crew, flights, key, work)]
        jobs += [await join(crew, flights, key, unused) for _ in range(5)]
        work.go.set()
        for job in jobs:
            with pytest.raises(ConnectionError) as caught:
                await job.result()
            assert caught.value is error
    assert (work.calls, unused.calls) == (1, 0)


async def test_a_result_of_none_is_a_result():
    flights, key, calls = AsyncSingleFlight(), Key(), []
    go = Event()

    async def work() -> None:
        calls.append(1)
        await go.wait()

    async with Crew() as crew:
        jobs = [crew.start(lambda: flights.run(key, work))]
        await until(lambda: bool(calls))
        jobs.append(await join(crew, flights, key, work))
        go.set()
        assert [await job.result() for job in jobs] == [None, None]
    assert calls == [1]


async def test_keys_are_worked_on_independently():
    flights, first, second = AsyncSingleFlight(), Work(), Work()
    async with Crew() as crew:
        one = await lead(crew, flights, Key(), first)
        other = await lead(crew, flights, Key(), second)
        second.go.set()
        assert await other.result() is second
        assert not one.ended()
        first.go.set()
        assert await one.result() is first


@pytest.mark.parametrize("error", [None, ConnectionError()])
async def test_nothing_is_kept_after_the_landing(error):
    flights, work, later = AsyncSingleFlight(), Work(error), Work()
    work.go.set()
    later.go.set()
    try:
        await flights.run("k", work)
    except ConnectionError:
        assert error is not None
    assert await flights.run("k", later) is later
    assert later.calls == 1


async def test_each_landing_is_counted_once():
    flights, key, work, failing = AsyncSingleFlight(), Key(), Work(), Work(ConnectionError())
    assert flights.ended == 0
    async with Crew() as crew:
        await lead(crew, flights, key, work)
        await join(crew, flights, key, work)
        assert flights.ended == 0
        work.go.set()
    assert flights.ended == 1
    failing.go.set()
    with pytest.raises(ConnectionError):
        await flights.run(key, failing)
    assert flights.ended == 2


async def test_a_call_that_asks_for_its_own_key_is_an_error():
    flights = AsyncSingleFlight()

    async def work():
        return await flights.run("a", work)

    with pytest.raises(CircularCall, match="function for 'a' asks for 'a' itself"):
        await flights.run("a", work)

    async def well():
        return 1

    assert await flights.run("a", well) == 1  # nothing is left of it


async def test_calls_that_wait_for_each_other_are_an_error_whoever_makes_them():
    flights, others = AsyncSingleFlight(), AsyncSingleFlight()

    async def work():
        return await others.run("b", work_of_others)

    async def work_of_others():
        return await flights.run("a", work)

    with pytest.raises(CircularCall, match="'b' -> 'a'"):
        await flights.run("a", work)


async def test_calls_may_ask_for_other_keys():
    flights = AsyncSingleFlight()

    async def inner():
        return 1

    async def outer():
        return await flights.run("inner", inner) + 1

    assert await flights.run("outer", outer) == 2


async def test_who_waits_long_for_another_call_says_so(monkeypatch, caplog):
    monkeypatch.setattr("storekit.core._async.single_flight._LONG", 0.01)
    flights, key, work = AsyncSingleFlight(), Key(), Work()
    async with Crew() as crew:
        first = await lead(crew, flights, key, work)
        second = await join(crew, flights, key, Work())
        await until(lambda: "a caller has waited" in caplog.text)
        work.go.set()
        assert [await job.result() for job in (first, second)] == [work] * 2
