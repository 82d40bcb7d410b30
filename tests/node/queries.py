"""A table and how tests ask it, without a node."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query import grouping
from storekit.qcache.node.tables import TEXT, decode_mixed, enum_of, is_mixed
from tests.node.roomy import parse_query, run_query

TABLE = pl.DataFrame(
    {
        "i": [1, 2, 3, -4],
        "f": [1.5, None, 3.0, -2.5],
        "s": ["x", "y", None, "Z"],
        "b": [True, False, True, False],
        "nb": [True, None, False, True],
        "e": ["c", "b", None, "a"],
        "z": [0, 2, -1, 0],
        "t": ["y", "x", None, "Z"],
    }
).with_columns(enum_of(pl.Series("e", ["c", "b", None, "a"])))
"""Every type that a column can have, but for mixed ones."""


def ask(query: object, table: pl.DataFrame = TABLE) -> list[dict[str, Any]]:
    """Return the rows of an answer, which is the same in the ways of a large table."""
    parsed = parse_query(json.dumps(query))
    try:
        answer = run_query(table, parsed)
    except BadQuery as error:
        with pytest.raises(BadQuery, match=f"^{re.escape(str(error))}$"):
            ask_as_large(table, parsed)
        raise
    same = ask_as_large(table, parsed)
    assert (same.header, same.unsliced_length) == (answer.header, answer.unsliced_length)
    assert_equal(same.frame, answer.frame)
    assert len(answer.header) == answer.frame.width
    columns = [
        decode_mixed(column) if is_mixed(column.dtype) else column.to_list()
        for column in answer.frame.get_columns()
    ]
    return [dict(zip(answer.header, row, strict=True)) for row in zip(*columns, strict=True)]


def assert_equal(one: pl.DataFrame, other: pl.DataFrame) -> None:
    """Check that tables are equal, but for the last digits of floats that threads add."""
    if not one.equals(other):
        assert_frame_equal(one, other, rel_tol=1e-12, abs_tol=1e-12)


def ask_as_large(table: pl.DataFrame, query: Mapping[str, object]) -> Answer:
    """Answer a query as if the table were large: its text is held as codes, ways are others."""
    codes = table.with_columns(
        column.cast(pl.Categorical(pl.Categories.random(physical=pl.UInt8)))
        for column in table
        if column.dtype == TEXT
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "_LONG", 0)
        return run_query(codes, query)


def where(*condition: object, table: pl.DataFrame = TABLE) -> list[Any]:
    """Return `i` of the rows that a condition chooses."""
    return [row["i"] for row in ask({"where": list(condition), "select": ["i"]}, table)]


def alias(expression: object, table: pl.DataFrame = TABLE) -> list[Any]:
    """Return the values of an expression."""
    return [row["x"] for row in ask({"select": [["=", "x", expression]]}, table)]


def refusal(query: object, table: pl.DataFrame = TABLE) -> str:
    """Return why a query is refused."""
    try:
        rows = ask(query, table)
    except BadQuery as error:
        return str(error)
    raise AssertionError(f"it was answered: {rows}")
