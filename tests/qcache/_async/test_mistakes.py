"""What beginners write, and what the error says that they should write instead."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator

import polars as pl
import pytest

from storekit.qcache import AsyncQClient, MalformedQueryException


@pytest.fixture
async def client() -> AsyncIterator[AsyncQClient]:
    async with AsyncQClient(["embedded:"]) as client:
        await client.post("cities", "city,country\nLund,SE\n")
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
        AsyncQClient(nodes)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("q", "words"),
    [
        ('{"select": ["city"]}', r"json\.loads\(...\) converts"),
        ("select city from cities", r"for SQL, use client\.sql"),
        (["city"], r"a query must be a dict such as {'select': \['a'\]"),
    ],
)
async def test_a_query_that_is_no_dict(client: AsyncQClient, q: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        await client.get("cities", q)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "where", [["==", "country", "SE"], ["like", "country", "S%"], ["!", ["==", "country", "SE"]]]
)
async def test_a_text_without_quotes_of_its_own(client: AsyncQClient, where: list[object]) -> None:
    with pytest.raises(MalformedQueryException, match=r"needs quotes of its own, e\.g\."):
        await client.get("cities", {"where": where})


async def test_formats_by_their_short_names(client: AsyncQClient) -> None:
    with pytest.raises(ValueError, match=r"write accept='text/csv', not 'csv'"):
        await client.get("cities", {}, accept="csv")
    with pytest.raises(ValueError, match=r"write content_type='application/json'"):
        await client.post("cities", "[]", "json")


async def test_a_key_that_is_a_path(client: AsyncQClient) -> None:
    with pytest.raises(ValueError, match=r"a key must be one or more of A-Z a-z 0-9 _ and -"):
        await client.get("tables/cities", {})


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
async def test_content_that_is_no_table(
    client: AsyncQClient, content: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await client.post("cities", content)  # type: ignore[call-overload]
    assert await client.get("cities", {}) is not None, "the table that was there is there"


async def test_an_iterator_of_rows(client: AsyncQClient) -> None:
    with pytest.raises(TypeError, match="post a list of the rows"):
        await client.post("cities", iter([{"city": "Lund"}]))  # type: ignore[call-overload]
    assert await client.get("cities", {}) is not None


async def test_a_file_that_is_not_there(client: AsyncQClient, tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none.csv"):
        await client.post("cities", tmp_path / "none.csv")
    assert await client.get("cities", {}) is not None


async def test_the_content_in_place_of_a_load_function(client: AsyncQClient) -> None:
    with pytest.raises(TypeError, match="load_fn must be a function that returns the content"):
        await client.query("cities", {}, "city\nLund\n")  # type: ignore[call-overload]


async def test_names_that_are_misspelt(client: AsyncQClient) -> None:
    with pytest.raises(ValueError, match="there are arrow, csv, pandas, polars, rows"):
        await client.get("cities", {}, codec="polar")
    with pytest.raises(ValueError, match="only string, enum, float, int, bool"):
        await client.post("cities", "city\n1\n", types={"city": "str"})
    with pytest.raises(TypeError, match="totaltimeout"):
        AsyncQClient(["embedded:"], totaltimeout=5)  # type: ignore[call-overload]
