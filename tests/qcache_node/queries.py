"""A table and how tests ask it, without a node."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from storekit.qcache.embedded.errors import BadQuery
from storekit.qcache.embedded.query import parse_query, run_query
from storekit.qcache.embedded.tables import decode_mixed, enum_of, is_mixed

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
    """Return the rows of an answer."""
    answer = run_query(table, parse_query(json.dumps(query)))
    assert len(answer.header) == answer.frame.width
    columns = [
        decode_mixed(column) if is_mixed(column.dtype) else column.to_list()
        for column in answer.frame.get_columns()
    ]
    return [dict(zip(answer.header, row, strict=True)) for row in zip(*columns, strict=True)]


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
