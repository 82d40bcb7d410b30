"""Groups of few kinds are picked by masks: the same groups that hashing finds."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qcache.node.categories import compact, is_coded
from storekit.qcache.node.query import grouping
from storekit.qcache.node.query.few_groups import few_groups
from storekit.qcache.node.query.grouping import group
from storekit.qcache.node.query.rows import RowSelection
from tests.node.roomy import room

ROWS = 10_000
BIG = 2**62

FUNCTIONS = ["count", "max", "mean", "min", "sum"]


def table(kinds: int, *, nulls: bool = False) -> pl.DataFrame:
    row = pl.int_range(ROWS)
    frame = pl.select(
        key=pl.format("kind {}", row * 7919 % kinds),
        whole=row * 31 % 1000 - 400,
        unsigned=(row * 17 % 900).cast(pl.UInt64),
        decimal=(row * 13 % 1000) / 8,
        flag=row % 3 == 0,
        text=pl.format("{}", row),
    )
    if nulls:
        frame = frame.with_columns(pl.when(pl.col("whole") % 5 != 0).then(pl.col("key")))
    return compact(frame)


def hashed(frame: pl.DataFrame, functions: dict[str, str]) -> pl.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "few_groups", lambda *_: None)
        return group(RowSelection(frame), ["key"], functions, room())


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ["whole", "unsigned", "decimal"])
def test_few_groups_are_those_that_hashing_finds(name, function, nulls):
    frame = table(14, nulls=nulls)
    assert is_coded(frame["key"].dtype)
    assert few_groups(frame, "key", {name: function}) is not None
    masked = group(RowSelection(frame), ["key"], {name: function}, room())
    assert masked.equals(hashed(frame, {name: function}))
    assert masked.schema == hashed(frame, {name: function}).schema
    assert masked.height == 14


@given(
    st.dictionaries(st.sampled_from(["whole", "unsigned", "decimal"]), st.sampled_from(FUNCTIONS))
)
@settings(max_examples=30, deadline=None)
def test_several_functions_at_once(functions):
    frame = table(5)
    assert group(RowSelection(frame), ["key"], functions, room()).equals(hashed(frame, functions))


@pytest.mark.parametrize("gone", [f"kind {number}" for number in range(14)])
def test_kinds_of_which_no_row_is_left_make_no_group(gone):
    frame = table(14)
    frame = frame.vstack(frame).filter(pl.col("key") != gone)
    masked = group(RowSelection(frame), ["key"], {"whole": "sum"}, room())
    assert masked.height == 13
    assert masked.equals(hashed(frame, {"whole": "sum"}))


def test_sums_that_exceed_64_bits_are_floats():
    frame = table(3).with_columns(whole=pl.lit(BIG))
    assert few_groups(frame, "key", {"whole": "sum"}) is None
    sums = group(RowSelection(frame), ["key"], {"whole": "sum"}, room())["whole"]
    assert sums.dtype == pl.Float64
    assert sums.sum() == pytest.approx(BIG * ROWS)


@pytest.mark.parametrize(
    "functions",
    [{"flag": "sum"}, {"text": "max"}, {"whole": "median"}, {"whole": "sum", "flag": "any"}],
)
def test_other_functions_and_columns_are_hashed(functions):
    assert few_groups(table(3), "key", functions) is None


def test_many_kinds_and_plain_text_are_hashed():
    assert few_groups(table(17), "key", {"whole": "sum"}) is None
    plain = table(3).with_columns(pl.col("key").cast(pl.String))
    assert few_groups(plain, "key", {"whole": "sum"}) is None


def test_columns_with_nulls_are_hashed():
    frame = table(3).with_columns(pl.when(pl.col("whole") > 0).then(pl.col("decimal")))
    assert few_groups(frame, "key", {"decimal": "sum"}) is None
