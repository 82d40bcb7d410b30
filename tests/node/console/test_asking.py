"""Rows and cells that the page asks for: bounded, whatever the table holds."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from storekit.qcache.node.console.asking import Question, rows_of
from storekit.qcache.node.errors import BadQuery, Refusal
from storekit.qcache.node.node import Node
from tests.node.asking import ask, store

CITIES = b"city,country,people\nUppsala,SE,177074\nBergen,NO,291940\nTurku,FI,201863\nOslo,NO,\n"


@pytest.fixture
def node() -> Node:
    node = Node()
    store(node, "cities", CITIES)
    return node


def told(node: Node, posted: object, *, peek: bool = False) -> dict[str, Any]:
    budget = node.query_budget()
    question = Question.of(json.dumps(posted).encode(), budget)
    return rows_of(node, question, budget, peek=peek)


def test_rows_come_with_columns_types_and_how_many_there_are(node):
    answer = told(node, {"key": "cities", "query": {"where": ["==", "country", "'NO'"]}})
    assert answer["columns"] == [
        {"name": "city", "type": "text"},
        {"name": "country", "type": "text"},
        {"name": "people", "type": "float"},
    ]
    assert answer["rows"] == [["Bergen", "NO", 291940.0], ["Oslo", "NO", None]]
    assert (answer["total"], answer["width"], answer["offset"]) == (2, 3, 0)
    assert answer["query"] == {"where": ["==", "country", "'NO'"]}


def test_sql_is_compiled_where_the_node_is(node):
    sql = "SELECT country, count(*) AS n FROM cities GROUP BY country ORDER BY n DESC, country"
    answer = told(node, {"sql": sql})
    assert answer["rows"] == [["NO", 2], ["FI", 1], ["SE", 1]]
    assert answer["key"] == "cities"
    asked = json.dumps(answer["query"]).encode()
    same = ask(node, "POST", "/qcache/dataset/cities/q", body=asked)  # as any client would ask
    assert [[*row.values()] for row in json.loads(same.body)] == answer["rows"]


def test_without_the_package_sql_says_which_extra_to_install(node, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sqlglot", None)
    with pytest.raises(BadQuery, match=r"storekit\[sql\]"):
        told(node, {"sql": "SELECT city FROM cities -- not read before"})


@pytest.mark.parametrize(
    ("posted", "reason"),
    [
        ([], "dictionary"),
        ({}, "key of a table is missing"),
        ({"key": 1}, "key of a table is missing"),
        ({"key": "none"}, "no dataset none"),
        ({"key": "cities", "query": []}, "dictionary"),
        ({"key": "cities", "query": {"colour": 1}}, "Unknown query clauses"),
        ({"key": "cities", "query": {"limit": "x"}}, "limit"),
        ({"key": "cities", "query": {"offset": [1]}}, "offset"),
        ({"key": "cities", "offset": -1}, "offset must be"),
        ({"key": "cities", "offset": True}, "offset must be"),
        ({"key": "cities", "limit": 2**70}, "limit must be"),
        ({"key": "cities", "column": "a"}, "column must be"),
        ({"key": "cities", "column": 3}, "no such cell"),
        ({"key": "cities", "column": 0, "offset": 4}, "no such cell"),
        ({"sql": 1}, "sql must be text"),
        ({"sql": "SELECT FROM WHERE"}, "cannot be parsed as SQL"),
        ({"sql": "DROP TABLE cities"}, "only SELECT"),
        ({"sql": f"SELECT {'1+' * 10_000}1 FROM cities"}, "at most 20000 characters"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(node, posted, reason):
    with pytest.raises(Refusal, match=reason):
        told(node, posted)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_content_that_is_no_json_is_refused(node, content):
    with pytest.raises(BadQuery, match="Could not load JSON"):
        Question.of(content, node.query_budget())


@pytest.mark.parametrize(
    ("query", "all_rows"),
    [
        ({"order_by": ["city"]}, ["Bergen", "Oslo", "Turku", "Uppsala"]),
        ({"order_by": ["city"], "limit": 3}, ["Bergen", "Oslo", "Turku"]),
        ({"order_by": ["city"], "offset": 1}, ["Oslo", "Turku", "Uppsala"]),
        ({"order_by": ["city"], "offset": 1, "limit": 2}, ["Oslo", "Turku"]),
        ({"order_by": ["city"], "offset": 9}, []),
        ({"order_by": ["city"], "limit": 0}, ["Bergen", "Oslo", "Turku", "Uppsala"]),  # none
        ({"order_by": ["city"], "limit": -1}, ["Bergen", "Oslo", "Turku"]),  # from the end
        ({"order_by": ["city"], "offset": -2}, ["Turku", "Uppsala"]),
    ],
)
def test_pages_of_an_answer_are_within_its_own_limits(node, query, all_rows):
    found: list[str] = []
    for offset in range(0, 8, 2):
        answer = told(node, {"key": "cities", "query": query, "offset": offset, "limit": 2})
        assert answer["total"] == len(all_rows)
        found += [row[0] for row in answer["rows"]]
    assert found == all_rows


def test_looking_at_a_table_is_no_use_of_it_and_a_query_is_one(node):
    before = node.tables.totals()
    told(node, {"key": "cities"}, peek=True)
    assert node.tables.totals().counts == before.counts
    assert dict(node.tables.datasets())["cities"].hits == 0
    told(node, {"key": "cities"})
    with pytest.raises(Refusal):
        told(node, {"key": "none"})
    with pytest.raises(Refusal):
        told(node, {"key": "cities", "query": {"colour": 1}})
    counts = node.tables.totals().counts
    assert (counts["hit_count"], counts["miss_count"]) == (1, 1)
    assert dict(node.tables.datasets())["cities"].hits == 2


# Cells


def test_each_type_has_a_form_that_a_page_can_hold():
    node = Node()
    rows = [
        {"i": 2**53 - 1, "f": 1.5, "b": True, "t": "x", "m": [1, "é"], "u": 2**64 - 1},
        {"i": -(2**53), "f": None, "b": None, "t": None, "m": {"a": None}, "u": 2**63},
    ]
    kind = {"content-type": "application/json"}
    store(node, "k", json.dumps(rows).encode(), kind)
    store(node, "e", b"c,f\nx,inf\ny,-inf\n", {"x-qcache-types": "c=enum"})
    answer = told(node, {"key": "k"})
    types = {column["name"]: column["type"] for column in answer["columns"]}
    assert types == {"i": "int", "f": "float", "b": "bool", "t": "text", "m": "mixed", "u": "int"}
    place = {name: number for number, name in enumerate(types)}
    first, second = answer["rows"]
    assert [first[place[name]] for name in "ifbt"] == [2**53 - 1, 1.5, True, "x"]
    assert [second[place[name]] for name in "ifbt"] == [str(-(2**53)), None, None, None]
    assert first[place["m"]] == '[1,"\\u00e9"]'
    assert second[place["m"]] == '{"a":null}'
    assert (first[place["u"]], second[place["u"]]) == (str(2**64 - 1), str(2**63))
    answer = told(node, {"key": "e"})
    assert answer["columns"] == [{"name": "c", "type": "enum"}, {"name": "f", "type": "float"}]
    assert answer["rows"] == [["x", "inf"], ["y", "-inf"]]


def test_a_long_cell_is_cut_and_told_piece_by_piece():
    node = Node()
    text = "é𝄞" * 300_000
    store(node, "k", f'a,b\n1,"{text}"\n'.encode())
    answer = told(node, {"key": "k"})
    assert answer["rows"] == [[1, {"cut": text[:300], "length": 600_000}]]
    found, start = "", 0
    while start < 600_000:
        piece = told(node, {"key": "k", "column": 1, "start": start})
        assert (piece["start"], piece["length"]) == (start, 600_000)
        assert 0 < len(piece["text"]) <= 2**16
        found, start = found + piece["text"], start + len(piece["text"])
    assert found == text


def test_a_cell_of_an_answer_is_found_by_its_row(node):
    sql = "SELECT city, people FROM cities ORDER BY city"
    piece = told(node, {"sql": sql, "offset": 2, "column": 0})
    assert piece == {"text": "Turku", "length": 5, "start": 0}
    assert told(node, {"sql": sql, "offset": 1, "column": 1})["text"] is None
    with pytest.raises(BadQuery, match="no such cell"):
        told(node, {"sql": sql + " LIMIT 1", "offset": 1, "column": 0})


@pytest.mark.parametrize(
    ("rows", "columns", "cell"),
    [(2000, 3, "x"), (2000, 3, "y" * 5000), (200, 1000, "z" * 50), (1, 20_000, "1")],
)
def test_an_answer_is_bounded_in_rows_columns_and_bytes(rows, columns, cell):
    node = Node()
    header = ",".join(f"c{number}" for number in range(columns))
    line = ",".join([cell] * columns)
    store(node, "k", "\n".join([header, *[line] * rows, ""]).encode())
    answer = told(node, {"key": "k"})
    assert (answer["total"], answer["width"]) == (rows, columns)
    assert len(answer["columns"]) == len(answer["rows"][0]) == min(columns, 500)
    shown = len(answer["rows"])
    assert 1 <= shown <= 1000
    assert shown * min(columns, 500) <= 20_000
    assert len(json.dumps(answer)) < 8_000_000


def test_a_column_that_is_selected_twice_is_shown_twice(node):
    answer = told(node, {"key": "cities", "query": {"select": ["city", "city"], "limit": 1}})
    assert [column["name"] for column in answer["columns"]] == ["city", "city"]
    assert answer["rows"] == [["Uppsala", "Uppsala"]]


def test_text_that_is_held_as_codes_is_text():
    node = Node()
    store(node, "k", b"t\n" + b"some\nother\n" * 10_000)
    assert isinstance(dict(node.tables.datasets())["k"].frame.dtypes[0], pl.Categorical)
    answer = told(node, {"key": "k", "limit": 2})
    assert answer["columns"] == [{"name": "t", "type": "text"}]
    assert answer["rows"] == [["some"], ["other"]]


def test_a_table_without_columns_has_no_rows():
    node = Node()
    store(node, "k", b"[]", {"content-type": "application/json"})
    answer = told(node, {"key": "k"})
    assert (answer["rows"], answer["columns"], answer["total"]) == ([], [], 0)
