# Generated from tests/qcache/_async/test_mistakes.py by tools/generate_sync.py; do not edit.

"""What beginners write, and what the error says that they should write instead."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import polars as pl
import pytest

from storekit.qcache import MalformedQueryException, QClient


@pytest.fixture
def client() -> Iterator[QClient]:
    with QClient(["embedded:"]) as client:
        client.post("cities", "city,country\nLund,SE\n")
        yield client


@pytest.mark.parametrize(
    ("nodes", "error", "words"),
    [
        ("http://host:9401", TypeError, r"write \['http://host:9401'\]"),
        (["host:9401"], ValueError, r"such as 'http://host:9401'"),
        ([], ValueError, "name at least one node"),
        (["http://me:s3cret@host:9401"], ValueError, r"use auth=\(user, password\)"),
    ],
)
def test_nodes_that_are_none(nodes: list[str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        QClient(nodes)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("q", "words"),
    [
        ('{"select": ["city"]}', r"json\.loads\(...\) converts"),
        ("select city from cities", r"for SQL, use client\.sql"),
        (["city"], r"a query must be a dict such as {'select': \['a'\]"),
    ],
)
def test_a_query_that_is_no_dict(client: QClient, q: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        client.get("cities", q)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "where", [["==", "country", "SE"], ["like", "country", "S%"], ["!", ["==", "country", "SE"]]]
)
def test_a_text_without_quotes_of_its_own(client: QClient, where: list[object]) -> None:
    with pytest.raises(MalformedQueryException, match=r"needs quotes of its own, e\.g\."):
        client.get("cities", {"where": where})


def test_formats_by_their_short_names(client: QClient) -> None:
    with pytest.raises(ValueError, match=r"write accept='text/csv', not 'csv'"):
        client.get("cities", {}, accept="csv")
    with pytest.raises(ValueError, match=r"write content_type='application/json'"):
        client.post("cities", "[]", "json")


def test_a_key_that_is_a_path(client: QClient) -> None:
    with pytest.raises(ValueError, match=r"a key must be one or more of A-Z a-z 0-9 _ and -"):
        client.get("tables/cities", {})


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("cities.csv", ValueError, r"give pathlib\.Path\('cities\.csv'\)"),
        ({"city": ["Lund"]}, TypeError, r"for one row, post \[row\]; for columns, a frame"),
        ([["Lund", "SE"]], TypeError, r"\[dict\(zip\(names, row\)\) for row in rows\]"),
        ('{"city": "Lund"}', ValueError, r"takes a list of them: post \[row\]"),
        (pl.Series("city", ["Lund"]), TypeError, r"series\.to_frame\(\)"),
        (pl.LazyFrame({"city": ["Lund"]}), TypeError, r"collect\(\) it"),
        (None, TypeError, "content must be bytes or str, a list of dicts, a path"),
    ],
)
def test_content_that_is_no_table(
    client: QClient, content: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.post("cities", content)  # type: ignore[call-overload]
    assert client.get("cities", {}) is not None, "the table that was there is there"


def test_an_iterator_of_rows(client: QClient) -> None:
    with pytest.raises(TypeError, match="post a list of the rows"):
        client.post("cities", iter([{"city": "Lund"}]))  # type: ignore[call-overload]
    assert client.get("cities", {}) is not None


def test_a_file_that_is_not_there(client: QClient, tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none.csv"):
        client.post("cities", tmp_path / "none.csv")
    assert client.get("cities", {}) is not None


def test_the_content_in_place_of_a_load_function(client: QClient) -> None:
    with pytest.raises(TypeError, match="load_fn must be a function that returns the content"):
        client.query("cities", {}, "city\nLund\n")  # type: ignore[call-overload]


def test_names_that_are_misspelt(client: QClient) -> None:
    with pytest.raises(ValueError, match="there are arrow, csv, pandas, polars, rows"):
        client.get("cities", {}, codec="polar")
    with pytest.raises(ValueError, match="only string, enum, float, int, bool"):
        client.post("cities", "city\n1\n", types={"city": "str"})
    with pytest.raises(TypeError, match="totaltimeout"):
        QClient(["embedded:"], totaltimeout=5)  # type: ignore[call-overload]
