"""What one request may take, by itself and in a node."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from storekit.qcache.node import node as node_module
from storekit.qcache.node.budget import Budget, ClientLeft, Limits, NotQuick
from storekit.qcache.node.errors import BadQuery, TooLarge
from storekit.qcache.node.http.requests import Request
from storekit.qcache.node.node import Node
from tests.node.asking import ask, ask_query, error_of, store

SIZE = 1_000_000
MOST = 2 * SIZE + 192 * 2**20  # bytes for a query


@pytest.fixture
def node() -> Node:
    return Node(size=SIZE)


# By itself


def test_what_is_taken_is_gone_until_it_is_given_back():
    budget = Budget(Limits(100, BadQuery, "so it is"))
    budget.take(60, "columns")
    with pytest.raises(BadQuery, match=r"^Too much memory for text: .* 100 bytes \(so it is\)$"):
        budget.take(41, "text")
    with budget.lend(40, "text"):
        assert budget.left == 0
    budget.give_back(60)
    budget.expect(100, "all of it")
    assert budget.left == 100


def test_the_refusal_is_that_of_the_request():
    with pytest.raises(TooLarge):
        Budget(Limits.of_upload(SIZE)).take(8 * SIZE + 32 * 2**20 + 1, "columns")
    with pytest.raises(BadQuery):
        Budget(Limits.of_query(SIZE)).take(MOST + 1, "columns")


def test_work_ends_when_its_time_is_over_and_not_before():
    now = [10.0]
    budget = Budget(Limits.of_query(SIZE, 30), lambda: now[0])
    now[0] = 20.0
    budget.start()
    now[0] = 49.9
    budget.check()
    now[0] = 50.0
    with pytest.raises(BadQuery, match="longer than the 30 s"):
        budget.check()


def test_work_ends_when_nobody_waits_for_it():
    budget = Budget(Limits.of_query(SIZE))
    steps = budget.steps(10, 4)
    assert next(steps) == slice(0, 4)
    budget.cancel()
    with pytest.raises(ClientLeft):
        next(steps)


def test_what_is_not_quick_is_begun_anew():
    now = [0.0]
    budget = Budget(Limits.of_query(SIZE), lambda: now[0])
    budget.be_quick(1)
    budget.take(MOST, "columns")
    budget.check()
    now[0] = 1.0
    with pytest.raises(NotQuick):
        budget.check()
    budget.be_quick(None)
    budget.start_anew()
    budget.check()
    assert budget.left == MOST


# In a node: short requests that unfold


def levels(inner: object, count: int) -> object:
    """A text that is doubled, stage by stage."""
    for _ in range(count):
        inner = {"select": [["=", "t", ["+", "t", "t"]]], **({"from": inner} if inner else {})}
    return inner


TALL = b"i\n" + b"1\n" * 20_000


@pytest.mark.parametrize(
    ("table", "query", "headers"),
    [
        (b"t\n" + b"x" * 10_000, levels(None, 20), {}),
        (b"t\n" + b"x" * 10_000, {"from": levels(None, 20), "select": [["count"]]}, {}),
        (TALL, {"select": [["=", "x" * 100_000, 1]]}, {}),
        (TALL, {"select": [["=", "x", f"'{'y' * 900}'"]] * 20}, {}),
        (b"n" * 100_000 + b"\n" + b"1\n" * 5_000, {}, {}),
        (TALL, {}, {"x-qcache-stand-in-columns": ";".join(f"c{n}=1" for n in range(2_000))}),
        (TALL, {}, {"x-qcache-stand-in-columns": "x=" + "y" * 20_000}),
        (TALL, {}, {"x-qcache-stand-in-columns": "y" * 20_000 + "=1"}),
    ],
    ids=["from", "count", "name", "constants", "header", "columns", "value", "stand-in name"],
)
@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_a_query_that_unfolds_beyond_its_budget_is_refused(node, table, query, headers, accept):
    store(node, "k", table)
    answer = ask(
        node,
        "POST",
        "/qcache/dataset/k/q",
        headers={"accept": accept, **headers},
        body=json.dumps(query).encode(),
    )
    if answer.status == 200:  # in CSV, names are there once
        assert accept == "text/csv"
        assert len(answer.body) < 10 * SIZE
    else:
        assert answer.status == 400
        assert "memory" in error_of(answer)
        assert "2 times --size" in error_of(answer)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'[{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}' + b",{}" * 330_000 + b"]",
         {"content-type": "application/json"}),
        (b"," * 19_000 + b"\n" + b"\n1" * 1_000, {}),
        (TALL, {"x-qcache-stand-in-columns": ";".join(f"c{n}=1" for n in range(2_000))}),
        (TALL, {"x-qcache-stand-in-columns": "x=" + "y" * 20_000}),
        (b"," * 900_000, {}),
    ],
    ids=["rows", "cells", "stand-in columns", "stand-in text", "columns"],
)  # fmt: skip
def test_an_upload_that_unfolds_beyond_its_budget_is_refused(node, content, headers):
    answer = ask(node, "POST", "/qcache/dataset/k", headers=headers, body=content)
    assert answer.status in (400, 413)
    assert ask(node, "POST", "/qcache/dataset/k/q", body=b"{}").status == 404


def test_a_query_ends_when_its_time_is_over():
    now = [0.0]

    def clock() -> float:
        now[0] += 1
        return now[0]

    node = Node(size=SIZE, query_timeout=30, clock=clock)
    store(node, "k", b"a\n1\n")
    assert ask_query(node, "k", {"where": ["==", "a", 1]}).status == 200
    answer = ask_query(node, "k", {"where": ["|", *[["==", "a", 1]] * 40]})
    assert (answer.status, "--query-timeout" in error_of(answer)) == (400, True)
    node = Node(size=SIZE, query_timeout=0, clock=clock)
    store(node, "k", b"a\n1\n")
    assert ask_query(node, "k", {"where": ["|", *[["==", "a", 1]] * 40]}).status == 200


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_time_limit_is_a_number_of_seconds(timeout):
    with pytest.raises(ValueError, match="query_timeout"):
        Node(query_timeout=timeout)
    with pytest.raises(TypeError, match="query_timeout"):
        Node(query_timeout="30")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "is_small"),
    [
        (lambda request: request, True),
        (lambda request: replace(request, path=b"/qcache/dataset/missing/q"), True),
        (lambda request: replace(request, body=b" " * 100_000), False),
        (lambda request: replace(request, path=b"/qcache/dataset/large/q", body=b" " * 200), False),
        (lambda request: replace(request, path=b"/qcache/dataset/new"), True),
        (lambda request: replace(request, path=b"/qcache/dataset/new", body=b" " * 10**5), False),
    ],
)
def test_what_asks_little_is_told_from_what_asks_much(
    node: Node, change: Callable[[Request], Request], is_small: bool
):
    store(node, "k", b"a\n1\n")
    store(node, "large", b"a\n" + b"1\n" * 20_000)
    request = Request("POST", b"/qcache/dataset/k/q", b"", {}, b"{}")
    assert node.is_small(change(request)) is is_small


def test_a_request_that_is_not_quick_leaves_nothing_behind(node, monkeypatch):
    store(node, "k", b"a\n1\n")
    request = Request("POST", b"/qcache/dataset/k/q", b"", {}, b"{}")
    budget = node.budget_for(request)
    budget.be_quick(0)
    with pytest.raises(NotQuick):
        node.handle(replace(request, budget=budget))
    budget.be_quick(None)
    budget.start_anew()
    assert node.handle(replace(request, budget=budget)).status == 200


def test_a_client_that_left_stores_nothing(node, monkeypatch):
    request = Request("POST", b"/qcache/dataset/k", b"", {}, b"a\n1\n")
    budget = node.budget_for(request)
    real = node_module.compact

    def leave(*args):
        budget.cancel()
        return real(*args)

    monkeypatch.setattr(node_module, "compact", leave)
    node.handle(replace(request, budget=budget))
    assert ask_query(node, "k", {}).status == 404
