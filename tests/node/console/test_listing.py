"""The tables of a node, a page at a time."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.cache import Cache
from storekit.qcache.node.console.listing import Order, described_table, table_page
from storekit.qcache.node.errors import Refusal
from storekit.qcache.node.node import Node
from tests.node.asking import ask_query, store


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def keys(page: dict[str, Any]) -> list[str]:
    return [each["key"] for each in page["tables"]]


def walk(node: Node, **arguments: str) -> list[str]:
    """The keys of all pages."""
    found: list[str] = []
    while True:
        page: Any = table_page(node, Order.of(arguments))
        found += keys(page)
        if page["next"] is None:
            return found
        arguments["after"] = page["next"]


@pytest.fixture
def node() -> Node:
    clock = Clock()
    node = Node(clock=clock)
    store(node, "b", b"x\n1\n2\n3\n")
    clock.now += 10
    store(node, "a", b"x,y\n1,text\n")
    clock.now += 10
    store(node, "c_1", b"x,y,z\n1,2,3\n4,5,6\n")
    clock.now += 10
    for key in ("a", "a", "b"):
        ask_query(node, key, {})
    return node


def test_a_table_is_told_with_what_there_is_to_know(node):
    page: Any = table_page(node, Order())
    charges = {key: each.charge for key, each in node.tables.datasets()}
    assert page == {
        "tables": [
            {"key": "a", "rows": 1, "columns": 2, "memory": charges["a"], "age": 20.0, "hits": 2},
            {"key": "b", "rows": 3, "columns": 1, "memory": charges["b"], "age": 30.0, "hits": 1},
            {"key": "c_1", "rows": 2, "columns": 3, "memory": charges["c_1"], "age": 10, "hits": 0},
        ],
        "matching": 3,
        "next": None,
    }


@pytest.mark.parametrize(
    ("sort", "ascending"),
    [
        ("key", ["a", "b", "c_1"]),
        ("rows", ["a", "c_1", "b"]),
        ("columns", ["b", "a", "c_1"]),
        ("memory", ["b", "a", "c_1"]),
        ("age", ["c_1", "a", "b"]),
        ("hits", ["c_1", "b", "a"]),
    ],
)
@pytest.mark.parametrize("limit", ["1", "2", "3"])
def test_pages_follow_each_other_in_any_order(node, sort, ascending, limit):
    assert walk(node, sort=sort, limit=limit) == ascending
    assert walk(node, sort=sort, limit=limit, descending="1") == ascending[::-1]


def test_a_search_finds_parts_of_keys(node):
    assert walk(node, search="_") == ["c_1"]
    page: Any = table_page(node, Order.of({"search": "c", "limit": "1"}))
    assert (keys(page), page["matching"], page["next"]) == (["c_1"], 1, None)
    assert walk(node, search="none") == []


def test_what_is_stored_or_goes_between_pages_shifts_nothing(node):
    first: Any = table_page(node, Order.of({"limit": "1"}))
    assert keys(first) == ["a"]
    store(node, "A", b"x\n1\n")
    arguments = {"limit": "1", "after": first["next"]}
    assert keys(table_page(node, Order.of(arguments))) == ["b"]


def test_tables_that_are_too_old_are_not_there():
    clock = Clock()
    node = Node(age=60, clock=clock)
    store(node, "old", b"x\n1\n")
    clock.now += 50
    store(node, "new", b"x\n1\n")
    told: Any = described_table(node, {"key": "old"})
    assert told["expires_in"] == 10
    clock.now += 20
    assert walk(node) == ["new"]
    with pytest.raises(Refusal, match="no dataset old"):
        described_table(node, {"key": "old"})


@given(st.text() | st.from_regex(r'\[-?\d+(\.\d+)?,"[a-z]*"\]', fullmatch=True))
def test_any_place_to_go_on_from_is_one_or_refused(after):
    node = Node()
    try:
        order = Order.of({"after": after})
    except Refusal:
        return
    assert keys(table_page(node, order)) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"sort": "colour"}, "sort must be"),
        ({"limit": "0"}, "limit must be"),
        ({"limit": "501"}, "limit must be"),
        ({"limit": "-1"}, "limit must be"),
        ({"limit": "9" * 5000}, "limit must be"),
        ({"after": "1"}, "after must be"),
        ({"after": '["x","k"]'}, "after must be"),
        ({"after": "[" * 100_000}, "after must be"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, reason):
    with pytest.raises(Refusal, match=reason):
        Order.of(arguments)


def test_long_keys_make_short_pages():
    node = Node()
    for number in range(12):
        store(node, f"{number:02}" + "k" * 60_000, b"x\n1\n")
    page: Any = table_page(node, Order())
    assert 1 <= len(page["tables"]) <= 6
    assert page["next"] is not None
    assert len(json.dumps(page)) < 600_000
    assert len(walk(node)) == 12


def test_columns_of_a_wide_table_are_told_a_part_at_a_time():
    node = Node()
    wide = ",".join(f"c{number}" for number in range(1200))
    row = ",".join(["1"] * 1199 + [""])
    store(node, "wide", f"{wide}\n{row}\n".encode())
    told: Any = described_table(node, {"key": "wide"})
    assert (told["columns"], len(told["described"])) == (1200, 500)
    assert told["described"][0] == {"name": "c0", "type": "int", "nulls": 0}
    told = described_table(node, {"key": "wide", "start": "1000"})
    assert told["start"] == 1000
    assert [each["name"] for each in told["described"][::199]] == ["c1000", "c1199"]
    assert told["described"][-1]["nulls"] == 1


def many_tables(count: int) -> Node:
    node = Node()
    store(node, "first", b"x\n1\n")
    cache: Cache = node.tables._cache
    dataset = dict(node.tables.datasets())["first"]
    for number in range(count):
        cache.store(f"table-{number * 7919 % count:06}", dataset.frame, 0, 1)
    return node


@pytest.mark.slow
def test_a_page_of_a_hundred_thousand_tables_lets_others_have_their_turn():
    node = many_tables(100_000)
    waits: list[float] = []
    done = threading.Event()

    def others() -> None:
        before = time.perf_counter()
        while not done.is_set():
            done.wait(0.001)
            now = time.perf_counter()
            waits.append(now - before)
            before = now

    thread = threading.Thread(target=others)
    thread.start()
    try:
        for sort in ("key", "rows", "age"):
            page: Any = table_page(node, Order.of({"sort": sort, "descending": "1"}))
            assert len(page["tables"]) == 100
            assert page["matching"] == 100_001
            assert len(json.dumps(page)) < 20_000
    finally:
        done.set()
        thread.join()
    typical = sorted(waits)[len(waits) * 95 // 100]
    assert typical < 10 * sys.getswitchinterval()
