"""What holds for every query, whatever it asks."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.aggregates import GROUP_FUNCTIONS, TABLE_FUNCTIONS
from storekit.qcache.node.tables import (
    BOOL,
    FLOAT,
    INT,
    MIXED,
    TEXT,
    UINT,
    encode_value,
    is_enum,
    is_integer,
)
from tests.node.queries import ask_as_large, assert_equal
from tests.node.roomy import parse_query, run_query

_VALUES = {
    INT: st.sampled_from([0, 1, -1, 7, 2**62, -(2**63)]),
    UINT: st.sampled_from([0, 1, 2**64 - 1]),
    FLOAT: st.none() | st.sampled_from([0.0, -1.5, 1e300, float("inf"), float("-inf")]),
    TEXT: st.none() | st.sampled_from(["", "a", "ab", "ä", "5", "x\n", "🙂"]),
    BOOL: st.none() | st.booleans(),
    pl.Enum(["a", "b"]): st.none() | st.sampled_from(["a", "b"]),
    MIXED: st.sampled_from([None, 1, "a", True, 2.5, [1], {"a": 1}]).map(encode_value),
}
_NAMES = ["i", "j", "f", "s", "b"]


@st.composite
def tables(draw):
    length = draw(st.integers(0, 5))
    columns = []
    for name in _NAMES[: draw(st.integers(0, len(_NAMES)))]:
        dtype = draw(st.sampled_from(list(_VALUES)))
        values = draw(st.lists(_VALUES[dtype], min_size=length, max_size=length))
        columns.append(pl.Series(name, values, dtype=dtype))
    return pl.DataFrame(columns)


_names = st.sampled_from([*_NAMES, "x", "nope", "", "index"])
_values = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 3, 2**63, 2**64, -(2**70), 10**400, 0.5, -0.0, 1e308])
    | st.sampled_from(
        [float("inf"), float("nan"), "'a'", '"ä"', "'", "''", "'5'", "x", "-i", {}, []]
    )
)
_expressions = st.recursive(
    _names | _values | st.text("ijfs+-*/%<>=!()., '1&|~", max_size=8),
    lambda part: (
        st.tuples(
            st.sampled_from(
                [
                    *"+-*/%<>&|~",
                    "//",
                    "**",
                    "==",
                    "!=",
                    "and",
                    "or",
                    "not",
                    "sqrt",
                    "log",
                    "abs",
                    "expm1",
                ]
            ),
            part,
            part,
        ).map(list)
        | st.tuples(
            st.sampled_from(["-", "+", "~", "not", "sqrt", "log", "abs", "expm1", "nope"]), part
        ).map(list)
    ),
    max_leaves=5,
)


def _conditions(queries):
    leaves = (
        st.tuples(
            st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _names, _names | _values
        ).map(list)
        | st.tuples(st.just("isnull"), _names).map(list)
        | st.tuples(st.just("in"), _names, st.lists(_values | _names, max_size=6) | queries).map(
            list
        )
        | st.tuples(
            st.sampled_from(["like", "ilike"]), _names, st.text("'%a(.*)[]^$|+?{2}\\", max_size=8)
        ).map(list)
        | st.tuples(st.sampled_from(["any_bits", "all_bits"]), _names, _values).map(list)
        | _names
        | _values
    )
    return st.recursive(
        leaves,
        lambda part: (
            st.tuples(st.sampled_from(["&", "|", "!", "=="]), part, part).map(list)
            | st.tuples(st.sampled_from(["&", "|", "!"]), part).map(list)
        ),
        max_leaves=4,
    )


_FUNCTIONS = [*GROUP_FUNCTIONS, *TABLE_FUNCTIONS, "nope"]
_parts = (
    _names
    | _values
    | st.tuples(st.sampled_from(_FUNCTIONS), _names).map(list)
    | st.tuples(st.just("="), st.sampled_from(["x", "i", "y", "1", "x-y"]), _expressions).map(list)
)
_aggregates = st.tuples(st.sampled_from(_FUNCTIONS), st.sampled_from(_NAMES)).map(list)
_aliases = st.tuples(st.just("="), st.sampled_from(["x", "y"]), _expressions).map(list)
_SELECTS = (
    st.lists(_parts, max_size=4)
    | st.lists(_aggregates, max_size=3)
    | st.lists(_aliases | st.sampled_from(_NAMES), max_size=3)
    | st.just([["count"]])
    | _values
)


def _queries(queries):
    return st.fixed_dictionaries(
        {},
        optional={
            "select": _SELECTS,
            "where": _conditions(queries),
            "group_by": st.lists(_names, max_size=2) | _values,
            "distinct": st.lists(_names, max_size=2) | _values,
            "order_by": st.lists(_names.map(lambda name: f"-{name}") | _names, max_size=3)
            | _values,
            "offset": _values,
            "limit": _values,
            "from": queries,
        },
    )


QUERIES = st.recursive(st.just({}), _queries, max_leaves=3)


@given(tables(), QUERIES)
def test_a_query_is_answered_or_refused(table, query):
    before = table.clone()
    try:
        answer = run_query(table, parse_query(json.dumps(query)))
    except BadQuery as error:
        with pytest.raises(BadQuery, match=f"^{re.escape(str(error))}$"):
            ask_as_large(table, parse_query(json.dumps(query)))
        return
    check(answer.frame)
    same = ask_as_large(table, parse_query(json.dumps(query)))
    assert same.header == answer.header
    assert_equal(same.frame, answer.frame)
    assert len(answer.header) == answer.frame.width
    assert answer.frame.height <= answer.unsliced_length
    again = run_query(table, parse_query(json.dumps(query)))
    assert_equal(again.frame, answer.frame)
    assert table.equals(before)


_JSON = st.recursive(
    _values | _names,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(_names, part, max_size=2),
    max_leaves=8,
)


@pytest.mark.parametrize("clause", ["select", "where", "group_by", "distinct", "order_by", "from"])
@given(tables(), _JSON)
def test_any_json_in_a_clause_is_answered_or_refused(clause, table, part):
    with suppress(BadQuery):
        check(run_query(table, parse_query(json.dumps({clause: part}))).frame)


@given(tables(), st.text(max_size=20))
def test_any_text_as_an_expression_is_answered_or_refused(table, text):
    query = {"select": [["=", "x", text]]}
    with suppress(BadQuery):
        check(run_query(table, parse_query(json.dumps(query))).frame)


def check(frame: pl.DataFrame) -> None:
    """Check that a table is held as all tables are."""
    for column in frame.get_columns():
        assert column.dtype in _VALUES or is_enum(column.dtype), column.dtype
        if is_integer(column.dtype):
            assert not column.null_count()
        if column.dtype == FLOAT:
            assert not column.is_nan().any()
