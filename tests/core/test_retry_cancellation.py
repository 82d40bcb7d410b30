"""Cancelling attempts, pauses, and shared calls."""

import anyio
import anyio.lowlevel
import pytest

from storekit.core._async.retry import AsyncRetrier, Repeat
from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.options import RetryPolicy
from tests.support.concurrency._async import until

checkpoint = anyio.lowlevel.checkpoint


# The retrier.


async def keep_trying(retrier: AsyncRetrier, operation, judge) -> None:
    async for attempt in retrier.attempts(judge):
        with attempt:
            await operation()


async def test_cancelling_an_attempt_is_not_a_failure_to_be_repeated():
    retrier = AsyncRetrier(RetryPolicy())
    attempts, judged = [], []

    async def operation() -> None:
        attempts.append(1)
        await anyio.sleep_forever()

    def judge(error: Exception) -> Repeat:
        judged.append(error)
        return Repeat()

    async with anyio.create_task_group() as group:
        group.start_soon(keep_trying, retrier, operation, judge)
        await until(lambda: bool(attempts))
        group.cancel_scope.cancel()
    assert attempts == [1]
    assert judged == []


async def test_cancelling_ends_a_pause():
    retrier = AsyncRetrier(RetryPolicy(initial_backoff=3600, max_backoff=3600), rng=lambda: 1.0)
    attempts = []

    async def operation() -> None:
        attempts.append(1)
        raise ConnectionError

    async with anyio.create_task_group() as group:
        group.start_soon(keep_trying, retrier, operation, lambda _: Repeat())
        await until(lambda: bool(attempts))
        group.cancel_scope.cancel()
    assert attempts == [1]


# The single flight.


@pytest.mark.parametrize("cancelled_leaders", [1, 2])
async def test_when_the_leader_is_cancelled_the_next_caller_makes_the_call(cancelled_leaders):
    flights: AsyncSingleFlight[str, int] = AsyncSingleFlight()
    calls: list[int] = []
    results: list[int] = []
    scopes = [anyio.CancelScope() for _ in range(5)]
    go = anyio.Event()
    joined = []

    async def work(number: int) -> int:
        calls.append(number)
        await go.wait()
        return number

    async def caller(number: int) -> None:
        with scopes[number]:
            joined.append(number)
            results.append(await flights.run("k", lambda: work(number)))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(caller, number)
            await until(lambda: len(joined) == 5 and len(calls) == 1)
            for turn in range(1, cancelled_leaders + 1):
                scopes[calls[-1]].cancel()
                await until(lambda turn=turn: len(calls) == turn + 1)
            go.set()
    assert len(calls) == cancelled_leaders + 1
    assert results == [calls[-1]] * (5 - cancelled_leaders)
    assert flights.ended == cancelled_leaders + 1


async def test_a_follower_that_is_cancelled_disturbs_nobody():
    flights: AsyncSingleFlight[str, int] = AsyncSingleFlight()
    go, follower, joined, results = anyio.Event(), anyio.CancelScope(), [], []

    async def work() -> int:
        await go.wait()
        return 7

    async def caller(scope: anyio.CancelScope) -> None:
        with scope:
            joined.append(scope)
            results.append(await flights.run("k", work))

    async with anyio.create_task_group() as group:
        for count, scope in enumerate([anyio.CancelScope(), follower, anyio.CancelScope()], 1):
            group.start_soon(caller, scope)
            await until(lambda count=count: len(joined) == count)
        follower.cancel()
        await checkpoint()
        go.set()
    assert results == [7, 7]
    assert flights.ended == 1
