"""Text of few values is stored as codes, which nobody sees but in what the table takes."""

from __future__ import annotations

import json

import polars as pl
import pytest

from storekit.qcache.node.cache import charge_for
from storekit.qcache.node.categories import as_text, by_value, compact, is_coded, rank
from storekit.qcache.node.node import Node
from tests.node.asking import ask, ask_query, body_of, store
from tests.node.queries import where

ROWS = 12_000


def text(different: int, *, nulls: bool = False) -> pl.Series:
    values = [f"value {row * 7919 % different}" for row in range(ROWS)]
    return pl.Series("t", [None, *values[1:]] if nulls else values)


def stored(column: pl.Series) -> pl.Series:
    return compact(pl.DataFrame([column]))["t"]


@pytest.mark.parametrize(
    ("different", "physical"), [(3, pl.UInt8), (100, pl.UInt8), (400, pl.UInt16), (4000, pl.UInt16)]
)
@pytest.mark.parametrize("nulls", [False, True])
def test_text_of_few_values_is_held_as_codes(different, physical, nulls) -> None:
    column = text(different, nulls=nulls)
    codes = stored(column)
    assert is_coded(codes.dtype)
    assert codes.to_physical().dtype == physical
    assert as_text(codes).equals(column, check_names=True)
    assert as_text(codes[:10]).equals(column[:10], check_names=True)


def test_text_of_many_values_and_short_tables_are_left_as_they_are() -> None:
    many = text(ROWS)
    assert stored(many).equals(many)
    short = text(2)[:1000]
    assert stored(short).dtype == pl.String


def test_all_nulls_are_held_too() -> None:
    column = pl.Series("t", [None] * ROWS, dtype=pl.String)
    assert as_text(stored(column)).equals(column)


@pytest.mark.parametrize(("more", "dtype"), [(300, pl.UInt16), (70_000, None)])
def test_more_values_than_there_seemed_to_be(more, dtype) -> None:
    # A sample has every so manieth row: none of those in which the others are.
    values = ["a"] * 200_000
    for number in range(more):
        values[number // 19 * 20 + 1 + number % 19] = f"other {number}"
    column = pl.Series("t", values)
    codes = stored(column)
    assert (codes.to_physical().dtype if is_coded(codes.dtype) else None) == dtype
    assert as_text(codes).equals(column)


def test_codes_take_less_memory() -> None:
    column = text(100)
    assert charge_for(pl.DataFrame([stored(column)])) * 8 < charge_for(pl.DataFrame([column]))


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("different", [3, 400])
def test_each_value_of_codes_is_charged_once(different, nulls) -> None:
    column = text(different, nulls=nulls)
    codes = stored(column)
    values = column.drop_nulls().unique()
    charge = charge_for(pl.DataFrame([codes])) - charge_for(pl.DataFrame([codes.to_physical()]))
    assert charge == values.estimated_size() + 180 * different


def test_codes_are_ranked_by_their_text() -> None:
    column = text(300, nulls=True)
    frame = pl.DataFrame([column, rank(stored(column)).alias("rank")])
    by_rank = frame.sort("rank", nulls_last=True, maintain_order=True)
    assert by_rank["t"].equals(column.sort(nulls_last=True))


@pytest.mark.parametrize("different", [5, 400])
@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize(
    "function",
    [
        lambda column: column == "value 3",
        lambda column: column.str.ends_with("1"),
        lambda column: column.str.ends_with("1").not_(),
        lambda column: column.is_null(),
        lambda column: column.str.ends_with("nothing"),
        lambda column: (column == "value 2") | column.is_null(),
        lambda column: column.is_not_null(),
    ],
)
def test_a_mask_is_that_of_the_text(different, nulls, function) -> None:
    column = text(different, nulls=nulls)
    assert by_value(stored(column), function).equals(function(column).fill_null(value=False))


def test_a_large_table_answers_as_a_small_one() -> None:
    node = Node()
    lines = [f"{row},{'xyz'[row % 3]},{row * 0.5}" for row in range(ROWS)]
    store(node, "large", "\n".join(["n,t,f", *lines]).encode())
    large = "large"

    def rows(**query: object) -> list[dict[str, object]]:
        return body_of(ask_query(node, large, query))

    assert rows(limit=2, offset=3) == [{"n": 3, "t": "x", "f": 1.5}, {"n": 4, "t": "y", "f": 2.0}]
    assert rows(select=[["count"]], where=["==", "t", "'y'"]) == [{"count": ROWS // 3}]
    assert rows(select=[["count"]], where=["in", "t", ["x", "z"]]) == [{"count": ROWS // 3 * 2}]
    assert rows(order_by=["-t", "n"], limit=1) == [{"n": 2, "t": "z", "f": 1.0}]
    assert rows(distinct=["t"], select=["t"]) == [{"t": "x"}, {"t": "y"}, {"t": "z"}]
    assert rows(select=["t", ["max", "n"]], group_by=["t"]) == [
        {"t": letter, "n": ROWS - 3 + place} for place, letter in enumerate("xyz")
    ]
    assert rows(select=["n", ["=", "u", ["+", "t", "t"]]], limit=1) == [{"n": 0, "u": "xx"}]
    assert rows(select=[["max", "t"]]) == [{"t": "z"}]
    query = f"q={json.dumps({'select': ['t'], 'limit': 2})}"
    answer = ask(node, "GET", "/qcache/dataset/large", query=query, headers={"accept": "text/csv"})
    assert answer.body == b"t\nx\ny\n"


def test_null_is_in_a_sub_query_that_has_one() -> None:
    assert where("in", "s", {"select": ["s"]}) == [1, 2, 3, -4]
    assert where("in", "s", {"select": ["s"], "where": ["!=", "i", 3]}) == [1, 2, -4]
