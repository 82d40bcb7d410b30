# Generated from tests/recipes/_async/test_counting.py by tools/generate_sync.py; do not edit.

"""Counters and limits of rates."""

import pytest

from storekit.core.seam._sync import run_all
from storekit.qdb import Client, OutOfRange
from storekit.recipes import Counter, RateLimit


@pytest.fixture
def client(store):
    with Client(store.place) as client:
        yield client


def test_each_addition_counts_once(client):
    counter = Counter(client, "visits")
    assert counter.value() == 0
    sums = []

    def add():
        for _ in range(10):
            sums.append(counter.add())  # noqa: PERF401 - the other world has no such form

    run_all([add] * 5)
    assert sorted(sums) == list(range(1, 51))
    assert counter.add(-20) == counter.value() == 30
    counter.reset()
    assert counter.value() == 0
    assert Counter(client, "others").value() == 0


def test_counter_does_not_overflow(client):
    counter = Counter(client, "a")
    counter.add(2**63 - 1)
    with pytest.raises(OutOfRange):
        counter.add()
    assert counter.value() == 2**63 - 1


def test_no_more_than_the_limit_pass_in_a_window(client):
    now = [1_000_000.0]
    limits = [RateLimit(client, "mails", limit=3, per=60.0, clock=lambda: now[0]) for _ in range(2)]
    passed = [limits[number % 2].allow() for number in range(5)]
    assert passed == [True, True, True, False, False]
    now[0] += limits[0].remaining_time()
    assert limits[0].allow()
    assert RateLimit(client, "others", limit=1, per=60.0).allow()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"limit": 0, "per": 1.0}, ValueError),
        ({"limit": 1.5, "per": 1.0}, TypeError),
        ({"limit": 1, "per": 0}, ValueError),
        ({"limit": True, "per": 1.0}, TypeError),
    ],
)
def test_what_makes_no_limit_is_refused(client, options, error):
    with pytest.raises(error):
        RateLimit(client, "a", **options)


def test_recipes_are_for_clients_of_their_own_kind(client):
    with pytest.raises(TypeError, match="takes a client"):
        Counter(None, "a")
    with pytest.raises(ValueError, match="must not be empty"):
        Counter(client, "")
