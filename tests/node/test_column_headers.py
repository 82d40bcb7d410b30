"""The headers about columns are read as the reference server reads them."""

from __future__ import annotations

import contextlib
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading.headers import StandIn, parse_stand_ins, parse_types
from tests.node.roomy import add_stand_ins

TABLE = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def added(header: str, table: pl.DataFrame = TABLE) -> pl.DataFrame:
    return add_stand_ins(table, parse_stand_ins(header))


@pytest.mark.parametrize(
    ("header", "types"),
    [
        ("", {}),
        ("a=string", {"a": "string"}),
        (" a = string ; b=enum;c=float", {"a": "string", "b": "enum", "c": "float"}),
        ("a=string;a=float", {"a": "float"}),
        ("å=enum", {"å": "enum"}),
    ],
)
def test_types_are_names_with_a_type_each(header: str, types: dict[str, str]) -> None:
    assert parse_types(header) == types


@pytest.mark.parametrize(
    "header",
    ["a", "a=", "a=int", "a=bool", "a=String", "a=string;", ";", "a=b=c", "a=string,b=enum"],
)
def test_malformed_types_are_refused(header: str) -> None:
    with pytest.raises(BadTable, match="X-QCache-types"):
        parse_types(header)


@pytest.mark.parametrize("header", ["c", "c=5;", ";", "c=5=6", "c=5;d"])
def test_malformed_stand_ins_are_refused(header: str) -> None:
    with pytest.raises(BadTable, match="X-QCache-stand-in-columns"):
        parse_stand_ins(header)


def test_stand_ins_are_names_with_a_value_each() -> None:
    assert parse_stand_ins("") == []
    assert parse_stand_ins(" c = 5 ; d='x y'") == [StandIn("c", "5"), StandIn("d", "'x y'")]


@pytest.mark.parametrize(
    ("value", "dtype", "one"),
    [
        ("5", pl.Int64, 5),
        ("-3", pl.Int64, -3),
        ("+007", pl.Int64, 7),
        ("1.5", pl.Float64, 1.5),
        ("1e3", pl.Float64, 1000.0),
        (".5", pl.Float64, 0.5),
        ("nan", pl.Float64, None),
        ("-NaN", pl.Float64, None),
        ("inf", pl.Float64, float("inf")),
        ("-Infinity", pl.Float64, float("-inf")),
        ("x", pl.String, "x"),
        ("", pl.String, ""),
        ("'x'", pl.String, "x"),
        ('"x"', pl.String, "x"),
        ("'x", pl.String, "x"),
        ("x\"'", pl.String, 'x"'),
        ("'", pl.String, ""),
        ("''x''", pl.String, "'x'"),
        ("'5'", pl.String, "5"),
        ("'a'", pl.String, "a"),
        ("1_000", pl.String, "1_000"),
        ("0x10", pl.String, "0x10"),
        ("True", pl.String, "True"),
        ("٣", pl.String, "٣"),
        ("räksmörgås", pl.String, "räksmörgås"),
    ],
)
def test_a_value_is_a_number_or_else_text(value: str, dtype: pl.DataType, one: Any) -> None:
    got = added(f"c={value}")["c"]
    assert got.dtype == dtype
    assert got.to_list() == [one, one]


def test_the_name_of_a_column_copies_it() -> None:
    got = added("c=b;d=c;5=a;e=5")
    assert got.columns == ["a", "b", "c", "d", "5", "e"]
    assert got["d"].to_list() == ["x", "y"]
    assert got["e"].to_list() == [1, 2]


def test_a_column_that_is_there_stays() -> None:
    assert added("a=9;b=c;c=1;c=2").rows() == [(1, "x", 1), (2, "y", 1)]


@pytest.mark.parametrize("value", ["9223372036854775808", "-9223372036854775809", "9" * 5000])
def test_numbers_beyond_int64_are_refused(value: str) -> None:
    with pytest.raises(BadTable, match="int64"):
        added(f"c={value}")


@pytest.mark.parametrize("table", [TABLE.clear(), pl.DataFrame()])
def test_a_table_without_rows_gets_the_column_and_no_row(table: pl.DataFrame) -> None:
    got = added("c=5;d=x", table)
    assert got.height == 0
    assert got.columns == [*table.columns, "c", "d"]
    assert got.schema["c"] == pl.Int64


@given(st.text(max_size=20))
def test_any_header_is_read_or_refused(header: str) -> None:
    for parse in (parse_types, parse_stand_ins):
        with contextlib.suppress(BadTable):
            parse(header)
