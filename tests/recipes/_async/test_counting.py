"""Counters and limits of rates."""

import pytest

from storekit.core.seam._async import run_all
from storekit.qdb import AsyncClient, OutOfRange
from storekit.recipes import AsyncCounter, AsyncRateLimit


@pytest.fixture
async def client(store):
    async with AsyncClient(store.place) as client:
        yield client


async def test_each_addition_counts_once(client):
    counter = AsyncCounter(client, "visits")
    assert await counter.value() == 0
    sums = []

    async def add():
        for _ in range(10):
            sums.append(await counter.add())  # noqa: PERF401 - the other world has no such form

    await run_all([add] * 5)
    assert sorted(sums) == list(range(1, 51))
    assert await counter.add(-20) == await counter.value() == 30
    await counter.reset()
    assert await counter.value() == 0
    assert await AsyncCounter(client, "others").value() == 0


async def test_counter_does_not_overflow(client):
    counter = AsyncCounter(client, "a")
    await counter.add(2**63 - 1)
    with pytest.raises(OutOfRange):
        await counter.add()
    assert await counter.value() == 2**63 - 1


async def test_no_more_than_the_limit_pass_in_a_window(client):
    now = [1_000_000.0]
    limits = [
        AsyncRateLimit(client, "mails", limit=3, per=60.0, clock=lambda: now[0]) for _ in range(2)
    ]
    passed = [await limits[number % 2].allow() for number in range(5)]
    assert passed == [True, True, True, False, False]
    now[0] += limits[0].remaining_time()
    assert await limits[0].allow()
    assert await AsyncRateLimit(client, "others", limit=1, per=60.0).allow()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"limit": 0, "per": 1.0}, ValueError),
        ({"limit": 1.5, "per": 1.0}, TypeError),
        ({"limit": 1, "per": 0}, ValueError),
        ({"limit": True, "per": 1.0}, TypeError),
    ],
)
async def test_what_makes_no_limit_is_refused(client, options, error):
    with pytest.raises(error):
        AsyncRateLimit(client, "a", **options)


async def test_recipes_are_for_clients_of_their_own_kind(client):
    with pytest.raises(TypeError, match="takes a client"):
        AsyncCounter(None, "a")
    with pytest.raises(ValueError, match="must not be empty"):
        AsyncCounter(client, "")
