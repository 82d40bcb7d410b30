"""What a node keeps, for how long, and what it tells of that."""

from __future__ import annotations

import gzip
import json

import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storekit.qcache.node.cache import Cache, charge_for
from storekit.qcache.node.errors import TooLarge
from storekit.qcache.node.node import Node
from tests.node.asking import ask, ask_query, statistics, store


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def table(rows: int) -> bytes:
    """Eight bytes a row, as sent and, but for some 1100 bytes, in memory."""
    return b"number7\n" + b"1000000\n" * (rows - 1)


def keys(node: Node, *names: str) -> list[str]:
    """Those keys that the node has. It counts as a use of them."""
    return [name for name in names if ask_query(node, name, {}).status == 200]


# Size


def test_the_least_recently_used_tables_go(clock):
    node = Node(size=30_000, clock=clock)
    for key in "abc":
        store(node, key, table(1000))
    assert keys(node, "a") == ["a"]
    store(node, "d", table(1000))
    assert keys(node, "a", "b", "c", "d") == ["a", "c", "d"]


def test_storing_a_table_again_is_a_use_of_it(clock):
    node = Node(size=30_000, clock=clock)
    for key in "abca":
        store(node, key, table(1000))
    store(node, "d", table(1000))
    assert keys(node, "a", "b", "c", "d") == ["a", "c", "d"]


def test_a_failed_query_is_a_use_of_the_table(clock):
    node = Node(size=30_000, clock=clock)
    for key in "abc":
        store(node, key, table(1000))
    assert ask_query(node, "a", {"select": ["none"]}).status == 400
    store(node, "d", table(1000))
    assert keys(node, "a", "b") == ["a"]


def test_as_many_tables_go_as_the_content_needs(clock):
    node = Node(size=30_000, clock=clock)
    for key in "abc":
        store(node, key, table(1000))
    store(node, "d", table(2000))
    assert keys(node, "a", "b", "c", "d") == ["c", "d"]


def test_replacing_a_table_frees_its_room_first(clock):
    node = Node(size=30_000, clock=clock)
    for key in "abc":
        store(node, key, table(1000))
    store(node, "c", table(1000))
    assert keys(node, "a", "b", "c") == ["a", "b", "c"]


def test_of_json_half_is_taken_to_be_needed(clock):
    node = Node(size=30_000, clock=clock)
    store(node, "a", table(2000))
    body = json.dumps([{"number": 1}] * 1600).encode()
    assert 20_000 < len(body) < 26_000
    store(node, "b", body, {"content-type": "application/json"})
    assert keys(node, "a", "b") == ["a", "b"]


@pytest.mark.parametrize("encoded", [False, True])
def test_a_table_larger_than_the_cache_is_refused_and_nothing_goes(clock, encoded):
    node = Node(size=30_000, clock=clock)
    store(node, "a", table(1000))
    body = table(4000)
    headers = {"content-encoding": "gzip"} if encoded else {}
    sent = gzip.compress(body) if encoded else body
    answer = ask(node, "POST", "/qcache/dataset/b", headers=headers, body=sent)
    assert answer.status == 413
    assert keys(node, "a", "b") == ["a"]


def test_a_table_may_take_more_than_its_content(clock):
    node = Node(size=30_000, clock=clock)
    store(node, "a", b"n\n" + b"1\n" * 10_000)
    assert statistics(node)["cache_size"] > 80_000
    store(node, "b", b"n\n1\n")
    assert keys(node, "a", "b") == ["b"]


def test_a_table_is_charged_what_it_takes():
    assert charge_for(pl.DataFrame()) == 500
    assert charge_for(pl.DataFrame({"n": [1, 2, 3]})) == 500 + 600 + 24
    text = pl.DataFrame({"t": ["a text that is long enough to be elsewhere"] * 10})
    assert charge_for(text) >= 500 + 600 + 10 * (42 + 16)


@pytest.mark.parametrize("types", [{}, {"x-qcache-types": "t=enum"}])
def test_values_that_rows_have_only_codes_of_are_charged_too(types):
    node = Node()
    rows = [b"a value of some length: number %d" % (row % 5000) for row in range(20_000)]
    store(node, "k", b"\n".join([b"t", *rows]), types)
    # Each value is there once, and takes much more than its text.
    assert statistics(node)["cache_size"] > 5000 * (30 + 150)


def test_many_small_tables_do_not_take_more_memory_than_they_may():
    table = b",".join(b"c%d" % n for n in range(1000)) + b"\n" + b"1," * 999 + b"1\n"
    node = Node(size=3_000_000)
    for key in "abcdefgh":  # of 600 kB each, most of it for columns
        store(node, key, table)
    assert statistics(node)["dataset_count"] < 8


# Age


def test_a_table_goes_by_age_however_much_it_is_used(clock):
    node = Node(age=10, clock=clock)
    store(node, "a", table(1))
    clock.now += 9
    assert keys(node, "a") == ["a"]
    clock.now += 2
    assert statistics(node)["dataset_count"] == 1
    assert ask_query(node, "a", {}).status == 404
    told = statistics(node)
    assert told["dataset_count"] == 0
    assert told["cache_size"] == 0
    assert told["age_evict_count"] == 1
    assert told["miss_count"] == 1


def test_storing_again_makes_a_table_young(clock):
    node = Node(age=10, clock=clock)
    store(node, "a", table(1))
    clock.now += 9
    store(node, "a", table(1))
    clock.now += 9
    assert keys(node, "a") == ["a"]


def test_without_an_age_tables_stay(clock):
    node = Node(clock=clock)
    store(node, "a", table(1))
    clock.now += 1e9
    assert keys(node, "a") == ["a"]


# Statistics


def test_what_a_new_node_tells(clock):
    node = Node(statistics_buffer_size=7, clock=clock)
    clock.now += 3
    assert statistics(node) == {
        "dataset_count": 0,
        "cache_size": 0.0,
        "statistics_duration": 3.0,
        "statistics_buffer_size": 7,
    }


def test_what_a_store_adds(clock):
    node = Node(clock=clock)
    store(node, "a", b"n\n1\n2\n")
    told = statistics(node)
    assert told["store_count"] == 1
    assert told["size_evict_count"] == 0
    assert told["durations_until_eviction"] == []
    assert told["store_row_counts"] == [2]
    assert told["store_durations"] == [0.0]
    assert told["store_request_durations"] == [0.0]
    assert told["cache_size"] == 1116.0
    assert not {"replace_count", "hit_count", "miss_count", "query_durations"} & told.keys()


def test_what_a_query_adds(clock):
    node = Node(clock=clock)
    store(node, "a", b"n\n1\n2\n")
    statistics(node)
    ask_query(node, "a", {})
    ask_query(node, "none", {})
    ask_query(node, "a", {"bad": 1})
    told = statistics(node)
    assert told["hit_count"] == 1
    assert told["miss_count"] == 1
    assert told["query_durations"] == [0.0]
    assert told["query_request_durations"] == [0.0] * 3
    assert "store_count" not in told
    assert "size_evict_count" not in told


def test_counters_start_anew_when_they_are_read(clock):
    node = Node(clock=clock)
    store(node, "a", b"n\n1\n")
    ask_query(node, "a", {})
    clock.now += 5
    statistics(node)
    clock.now += 2
    assert statistics(node) == {
        "dataset_count": 1,
        "cache_size": 1108.0,
        "statistics_duration": 2.0,
        "statistics_buffer_size": 1000,
    }


def test_replacing_and_evicting_are_counted(clock):
    node = Node(size=30_000, clock=clock)
    store(node, "a", table(1000))
    clock.now += 1
    store(node, "b", table(1000))
    store(node, "b", table(1000))
    clock.now += 1
    store(node, "c", table(2800))
    told = statistics(node)
    assert told["store_count"] == 4
    assert told["replace_count"] == 1
    assert told["size_evict_count"] == 2
    assert told["durations_until_eviction"] == [2.0, 1.0]


def test_a_refused_upload_counts_as_a_request_alone(clock):
    node = Node(clock=clock)
    store(node, "a", b"n\n1\n")
    statistics(node)
    assert ask(node, "POST", "/qcache/dataset/a", body=b"").status == 400
    told = statistics(node)
    assert told["store_request_durations"] == [0.0]
    assert not {"store_count", "replace_count", "size_evict_count"} & told.keys()


def test_a_304_is_a_hit(clock):
    node = Node(clock=clock)
    store(node, "a", b"n\n1\n")
    headers = {"if-none-match": "*"}
    answer = ask(node, "GET", "/qcache/dataset/a", query="q={}", headers=headers)
    assert answer.status == 304
    assert statistics(node)["hit_count"] == 1


@pytest.mark.parametrize(("buffer_size", "kept"), [(0, []), (2, [2, 3]), (5, [1, 2, 3])])
def test_only_the_newest_figures_are_kept(clock, buffer_size, kept):
    node = Node(statistics_buffer_size=buffer_size, clock=clock)
    for rows in (1, 2, 3):
        store(node, "a", b"n\n" + b"1\n" * rows)
    assert statistics(node)["store_row_counts"] == kept


# The cache against a model of it


class CacheAgainstModel(RuleBasedStateMachine):
    """A list of keys, the least recently used first, is all there is to it."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.cache = Cache(5000, 50, self.clock)
        self.order: list[str] = []
        self.charges: dict[str, int] = {}
        self.stored: dict[str, float] = {}

    def forget(self, key: str) -> None:
        self.order.remove(key)
        del self.charges[key], self.stored[key]

    @rule(key=st.sampled_from("abcdef"), rows=st.integers(0, 300), need=st.integers(0, 5500))
    def put(self, key: str, rows: int, need: int) -> None:
        frame = pl.DataFrame({"n": range(rows)}, schema={"n": pl.Int64})
        charge = 10 * rows + 100
        if need > 5000:
            with pytest.raises(TooLarge):
                self.cache.store(key, frame, need, charge)
            return
        stored = self.cache.store(key, frame, need, charge)
        assert stored.replaced == (key in self.order)
        if key in self.order:
            self.forget(key)
        gone = []
        while self.order and 5000 - sum(self.charges.values()) < need:
            gone.append(self.clock.now - self.stored[self.order[0]])
            self.forget(self.order[0])
        assert stored.evicted_after == tuple(gone)
        self.order.append(key)
        self.charges[key], self.stored[key] = charge, self.clock.now

    @rule(key=st.sampled_from("abcdef"))
    def look_up(self, key: str) -> None:
        expired = key in self.order and self.clock.now - self.stored[key] > 50
        assert self.cache.remove_expired(key) == expired
        if expired:
            self.forget(key)
        frame = self.cache.get(key)
        assert (frame is not None) == (key in self.order)
        if frame is not None:
            assert 10 * frame.height + 100 == self.charges[key]
            self.order.remove(key)
            self.order.append(key)

    @rule(key=st.sampled_from("abcdef"))
    def remove(self, key: str) -> None:
        assert self.cache.remove(key) == (key in self.order)
        if key in self.order:
            self.forget(key)

    @precondition(lambda self: self.order)
    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def the_charge_is_that_of_the_tables(self) -> None:
        assert self.cache.charged == sum(self.charges.values())
        assert len(self.cache) == len(self.order)


CacheAgainstModel.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestCacheAgainstModel = CacheAgainstModel.TestCase


# What is never reset


def test_totals_go_on_when_the_counters_are_read(clock):
    node = Node(size=30_000, clock=clock)
    store(node, "k", table(1000))
    ask_query(node, "k", {})
    statistics(node)
    ask_query(node, "k", {})
    ask_query(node, "none", {})
    store(node, "k", table(1000))
    clock.now += 60
    for _ in range(2):  # to read them changes nothing
        totals = node.tables.totals()
        assert totals.counts["hit_count"] == 2
        assert totals.counts["miss_count"] == 1
        assert totals.counts["store_count"] == 2
        assert totals.counts["replace_count"] == 1
        assert totals.uptime == 60
        assert totals.datasets == 1
        assert totals.charged == dict(node.tables.datasets())["k"].charge > 8000


def test_hits_are_counted_for_each_table_and_looking_is_none(clock):
    node = Node(clock=clock)
    store(node, "a", table(10))
    clock.now += 5
    store(node, "b", table(10))
    for key in "aab":
        ask_query(node, key, {})
    ask_query(node, "a", {})
    for _ in range(2):
        found = {key: (each.hits, each.stored_at) for key, each in node.tables.datasets()}
        assert found == {"a": (3, 1000.0), "b": (1, 1005.0)}
    store(node, "a", table(10))
    assert dict(node.tables.datasets())["a"].hits == 0
