"""SQL and queries in Python, by the client."""

import pytest

from storekit import AsyncStoreKit
from storekit.qcache import AsyncQClient, DatasetMissing
from storekit.qcache.query import Query, col, sum_
from storekit.qcache.sql import UnsupportedSql

CITIES = "country,people\nSE,3\nSE,4\nNO,5\n"


@pytest.fixture
async def client():
    async with AsyncQClient(["embedded:"]) as client:
        await client.post("cities", CITIES)
        yield client


async def test_a_select_is_answered(client):
    text = "select country, sum(people) as total from cities group by country order by total"
    result = await client.sql(text)
    assert result.json() == [{"country": "NO", "total": 5}, {"country": "SE", "total": 7}]
    frame = await client.sql(text, codec="polars")
    assert frame["total"].to_list() == [5, 7]


async def test_a_select_from_a_dataset_that_is_not_there_says_so(client):
    with pytest.raises(DatasetMissing, match="'towns'"):
        await client.sql("select a from towns")


async def test_a_statement_without_an_equal_is_refused(client):
    with pytest.raises(UnsupportedSql, match=r"line 1, column 33, 'JOIN b"):
        await client.sql("select country from cities join b on a = b")


async def test_every_method_that_takes_a_query_takes_one_in_python(client, tmp_path):
    query = Query().select("country", sum_("people").as_("total")).group_by("country")
    total = (await client.get("cities", query.where(col("people") > 3))).json()
    assert sorted(row["total"] for row in total) == [4, 5]
    assert len((await client.get("cities", query, post_query=True)).json()) == 2
    pages = [page.json() async for page in client.pages("cities", query, page_size=1)]
    assert [len(page) for page in pages] == [1, 1]
    loaded = await client.query("towns", query, lambda: CITIES)
    assert len(loaded.json()) == 2
    assert await client.export("cities", query, tmp_path / "out.csv") == 2
    async with AsyncStoreKit() as kit:
        await kit.put_table("cities", CITIES)
        assert len((await kit.query("cities", query)).json()) == 2
        pages = [page.json() async for page in kit.pages("cities", query, page_size=1)]
        assert [len(page) for page in pages] == [1, 1]
