"""The order of rows, and slices of them."""

from __future__ import annotations

import itertools
import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.tables import BOOL, FLOAT, INT, TEXT, encode_mixed
from tests.node.queries import TABLE, ask, refusal
from tests.node.roomy import run_query


def order(*columns: str, table: pl.DataFrame = TABLE) -> list[object]:
    return [row["i"] for row in ask({"order_by": list(columns)}, table)]


def test_rows_are_sorted_and_nulls_come_last_either_way():
    assert order("i") == [-4, 1, 2, 3]
    assert order("-i") == [3, 2, 1, -4]
    assert order("f") == [-4, 1, 3, 2]
    assert order("-f") == [3, 1, -4, 2]
    assert order("s") == [-4, 1, 2, 3]
    assert order("-s") == [2, 1, -4, 3]
    assert order("e") == [-4, 2, 1, 3]
    assert order("-e") == [1, 2, -4, 3]
    assert order("nb", "-i") == [3, 1, -4, 2]


def test_what_is_equal_stays_in_the_order_it_had():
    assert order("b") == [2, -4, 1, 3]
    assert order("-b") == [1, 3, 2, -4]
    assert order("z", "-b") == [3, 1, -4, 2]


@pytest.mark.parametrize("keys", [["k"], ["-k"], ["s"], ["-s"], ["k", "-s"]])
def test_what_is_equal_stays_in_the_order_it_had_in_large_tables_too(keys):
    length = 20_000
    rows = range(length)
    table = pl.DataFrame(
        {"i": rows, "k": [at * 7 % 3 for at in rows], "s": [str(at * 5 % 4) for at in rows]}
    )
    found = ask({"order_by": keys, "select": ["i", "k", "s"]}, table)
    for before, after in itertools.pairwise(found):
        same = all(before[key.strip("-")] == after[key.strip("-")] for key in keys)
        assert not same or before["i"] < after["i"]


def test_a_column_counts_once():
    assert order("i", "-i") == order("i")


def test_mixed_columns_are_sorted_by_type_then_value():
    values = ["x", 2, None, [1], {"a": 1}, 1.5, "a", False]
    table = pl.DataFrame([encode_mixed("m", values), pl.Series("i", range(8))])
    assert order("m", table=table) == [7, 5, 1, 4, 3, 6, 0, 2]
    assert order("-m", "i", table=table) == [0, 6, 3, 4, 1, 5, 7, 2]
    assert run_query(table, {"order_by": ["m"], "limit": 1}).header == ("m", "i")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"order_by": "i"}, "Invalid format for order_by: i"),
        ({"order_by": 5}, "Invalid format for order_by: 5"),
        ({"order_by": {"i": 1}}, "Invalid format for order_by"),
        ({"order_by": [["i"]]}, "Invalid order by format"),
        ({"order_by": ["i", None]}, "Invalid order by format"),
        ({"order_by": ["nope"]}, 'Order by column not in table: ["nope"]'),
        ({"order_by": ["--i"]}, 'Order by column not in table: ["-i"]'),
        ({"order_by": ["+i"]}, 'Order by column not in table: ["+i"]'),
        ({"order_by": ["-"]}, 'Order by column not in table: [""]'),
        ({"order_by": ["i"], "select": ["s"]}, 'Order by column not in table: ["i"]'),
        ({"order_by": ["s"], "select": ["s", "s"]}, "Order by column is selected twice"),
        ({"offset": "1"}, "Invalid type for offset: 1"),
        ({"offset": 1.5, "limit": "x"}, "Invalid type for offset: 1.5"),
        ({"limit": "2"}, "Invalid type for limit: 2"),
        ({"limit": 2.0}, "Invalid type for limit: 2.0"),
        ({"limit": True}, "Invalid type for limit: true"),
        ({"limit": [1]}, "Invalid type for limit: [1]"),
    ],
)
def test_an_order_or_slice_that_makes_no_sense_is_refused(query, why):
    assert refusal(query).startswith(why)


@pytest.mark.parametrize("nothing", [None, 0, 0.0, False, "", [], {}])
def test_what_is_nothing_is_ignored(nothing):
    query = {"order_by": nothing, "offset": nothing, "limit": nothing}
    assert [row["i"] for row in ask(query)] == [1, 2, 3, -4]


_SLICES = st.sampled_from([0, 1, 2, 3, 5, 50, -1, -2, -50, 2**70, -(2**70), None])


@given(st.integers(0, 6), _SLICES, _SLICES)
def test_slices_are_those_of_python(length, offset, limit):
    table = pl.DataFrame({"i": range(length)}, schema={"i": INT})
    answer = run_query(table, {"offset": offset, "limit": limit})
    rows = list(range(length))[offset or None :][: limit or None]
    assert answer.frame.to_series().to_list() == rows
    assert answer.unsliced_length == length


_KEYS = {
    INT: st.integers(-3, 3),
    FLOAT: st.none() | st.sampled_from([-1.5, 0.0, 2.0, float("inf")]),
    TEXT: st.none() | st.sampled_from(["", "a", "B", "ä", "ab"]),
    BOOL: st.none() | st.booleans(),
    pl.Enum(["a", "b", "c"]): st.none() | st.sampled_from(["a", "b", "c"]),
}


@st.composite
def tables(draw):
    length = draw(st.integers(0, 30))
    columns = [pl.Series("i", range(length), dtype=INT)]
    for name in "klm":
        dtype = draw(st.sampled_from(list(_KEYS)))
        values = draw(st.lists(_KEYS[dtype], min_size=length, max_size=length))
        columns.append(pl.Series(name, values, dtype=dtype))
    return pl.DataFrame(columns)


@given(
    tables(),
    st.lists(st.tuples(st.sampled_from("klm"), st.booleans()), min_size=1, max_size=3),
    _SLICES,
    _SLICES,
)
def test_a_part_of_a_sorted_table_is_what_sorting_all_of_it_gives(table, keys, offset, limit):
    query = {
        "order_by": [f"{'-' if descending else ''}{name}" for name, descending in keys],
        "offset": offset,
        "limit": limit,
    }
    rows = table.rows(named=True)
    for name, descending in reversed(keys):  # sorting is stable, also in reverse
        known = [row for row in rows if row[name] is not None]
        known.sort(key=lambda row: _bytes(row[name]), reverse=descending)
        rows = known + [row for row in rows if row[name] is None]
    answer = run_query(table, query)
    assert answer.frame.rows(named=True) == rows[offset or None :][: limit or None]
    assert answer.unsliced_length == table.height


def _bytes(value: object) -> object:
    return value.encode() if isinstance(value, str) else value


def test_names_that_are_many_times_in_a_query_take_no_time():
    start = time.process_time()
    wide = pl.DataFrame({f"c{at}": [1] for at in range(2000)})
    names = [*wide.columns]
    assert len(ask({"select": names[::-1], "order_by": names * 2}, wide)) == 1
    mixed = pl.DataFrame([encode_mixed("m", [*range(500), "x"])])
    assert len(ask({"order_by": ["m"] * 20_000}, mixed)) == 501
    assert time.process_time() - start < 10
