"""Queries that the real server answers, and how it answers them.

Left out are the deviations that the documentation lists.
"""

from __future__ import annotations

import http.client
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadQuery
from tests.node.roomy import parse_query, read_csv, run_query, to_json
from tools.qcache_server import QCacheServer

_CELLS = {
    "i": st.sampled_from(["0", "1", "2", "3", "-7", "255"]),
    "j": st.sampled_from(["1", "2", "5", "-1"]),
    "f": st.sampled_from(["", "0.5", "1.5", "-2.25", "3.0", "1e10"]),
    "h": st.sampled_from(["0.5", "2.0", "-1.0"]),
    "s": st.sampled_from(["", "a", "b", "B", "ab", "x y", "é"]),
    "t": st.sampled_from(["a", "b", "ab", "a.b"]),
    "b": st.sampled_from(["True", "False"]),
    "e": st.sampled_from(["u", "v", "w"]),
}
_NUMBERS, _TEXTS = ["i", "j", "f", "h"], ["s", "t"]

_rows = st.lists(st.tuples(*_CELLS.values()).map(",".join), min_size=1, max_size=8)
_tables = _rows.map(lambda rows: "\n".join([",".join(_CELLS), *rows, ""]))


def _list(*parts):
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(
        list
    )


_comparison = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_number = st.sampled_from([0, 1, 2, -1, 0.5, 1.5, 3.0, True])
_text = st.sampled_from(["a", "b", "B", "ab", "", "x y"])
_columns = st.sampled_from(list(_CELLS))
_conditions = st.recursive(
    _list(_comparison, st.sampled_from(_NUMBERS), _number | st.sampled_from(_NUMBERS))
    | _list(_comparison, st.sampled_from(_TEXTS), _text.map(lambda text: f"'{text}'"))
    | _list(_comparison, st.sampled_from(_TEXTS), st.sampled_from(_TEXTS))
    | _list(st.sampled_from(["==", "!="]), "e", st.sampled_from(["'u'", "'nope'", 1]))
    | _list(_comparison, "b", st.booleans())
    | _list("isnull", st.sampled_from([*_NUMBERS, *_TEXTS]))
    # A list of text that is a number and of other things matches at random there.
    | _list("in", st.sampled_from(_NUMBERS), st.lists(_number | st.just("1")))
    | _list("in", st.sampled_from(_NUMBERS), st.lists(_number | st.none()))
    | _list("in", st.sampled_from(_TEXTS), st.lists(_text | st.just(1)))
    | _list("in", st.sampled_from(["i", "f", "t"]), st.just({"where": [">", "h", 0]}))
    | _list(
        "like", st.sampled_from(_TEXTS), st.sampled_from(["'a%'", "'%b'", "'a.b'", "'%'", "'a|B'"])
    )
    | _list("ilike", st.sampled_from(_TEXTS), st.sampled_from(["'A%'", "'%B'", "'%[ab]{2}%'"]))
    | _list(st.sampled_from(["any_bits", "all_bits"]), st.sampled_from("ijb"), st.integers(0, 7))
    | st.just(["&", "b"]),
    lambda part: _list("!", part) | _list(st.sampled_from("&|"), part, part),
    max_leaves=4,
)
_expressions = st.recursive(
    st.sampled_from(_NUMBERS) | st.sampled_from([1, 2, 2.5]),
    lambda part: (
        _list(st.sampled_from(["+", "-", "*", "/", "//", "%"]), part, part)
        | _list(st.sampled_from(["-", "abs", "sqrt", "sin", "arctan", "expm1"]), part)
    ),
    max_leaves=4,
) | st.sampled_from(
    ["i + j*2", "i > 0 & b", "s + t", "0 < f < 2", "not b", "arctan2(f, h)", "i**2"]
)
_functions = st.sampled_from(
    ["sum", "mean", "min", "max", "count", "std", "var", "median", "nunique", "prod", "sem", "mad"]
)
_aggregates = st.lists(
    _list(_functions, st.sampled_from(_NUMBERS)), unique_by=lambda part: part[1], min_size=1
)
_order = st.lists(
    _columns.filter(lambda name: name != "e").flatmap(
        lambda name: st.sampled_from([name, f"-{name}"])
    ),
    max_size=3,
)
_slices = st.sampled_from([0, 1, 2, 5, -1])
_selections = (
    st.fixed_dictionaries({"order_by": _order})
    | st.fixed_dictionaries({"select": st.lists(_columns, unique=True, min_size=1)})
    | st.fixed_dictionaries({"select": st.lists(_list("=", "x", _expressions), max_size=1)})
    | st.fixed_dictionaries({"select": _aggregates})
    | st.fixed_dictionaries(
        {
            "select": _aggregates.map(lambda parts: ["t", *parts]),
            "group_by": st.sampled_from([["t"], ["t", "b"], ["s", "t"]]),
        }
    )
    | st.fixed_dictionaries({"distinct": st.lists(_columns, max_size=2), "order_by": _order})
    | st.just({"select": [["count"]]})
    | st.fixed_dictionaries(
        {"from": st.fixed_dictionaries({"where": _conditions, "limit": _slices})}
    )
)
_queries = st.tuples(
    _selections,
    st.fixed_dictionaries({}, optional={"where": _conditions, "offset": _slices, "limit": _slices}),
).map(lambda parts: parts[0] | parts[1])


@pytest.fixture(scope="module")
def server(qcache_node: QCacheServer):
    connection = http.client.HTTPConnection("127.0.0.1", qcache_node.port, timeout=30)
    yield connection
    connection.close()


def request(server, path: str, body: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    headers = {"X-QCache-types": "e=enum;s=string;t=string", "Accept": "application/json"}
    server.request("POST", f"/qcache/dataset/reference{path}", body.encode(), headers)
    answer = server.getresponse()
    return answer.status, answer.headers, answer.read()


@settings(max_examples=40, deadline=None)
@given(_tables, st.lists(_queries, min_size=1, max_size=5))
def test_queries_are_answered_as_by_the_server(server, table, queries):
    assert request(server, "", table)[0] == 201
    frame = read_csv(table.encode(), {"e": "enum", "s": "string", "t": "string"})
    for query in queries:
        status, headers, body = request(server, "/q", json.dumps(query))
        if status != 200:
            with pytest.raises(BadQuery):
                run_query(frame, parse_query(json.dumps(query)))
            continue
        answer = run_query(frame, parse_query(json.dumps(query)))
        assert answer.unsliced_length == int(headers["X-QCache-unsliced-length"]), query
        assert_same(json.loads(to_json(answer)), json.loads(body), query)


def assert_same(ours: list[dict[str, object]], theirs: list[dict[str, object]], query) -> None:
    assert [[*row] for row in ours] == [[*row] for row in theirs], query
    for mine, other in zip(ours, theirs, strict=True):
        for name, value in mine.items():
            expected = other[name]
            if isinstance(value, float) and isinstance(expected, float | int):
                assert math.isclose(value, expected, rel_tol=1e-8, abs_tol=1e-9), (query, name)
            else:
                assert value == expected, (query, name)
                assert isinstance(value, bool) == isinstance(expected, bool), (query, name)
