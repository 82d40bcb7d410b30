"""Pages of a result, with the real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storekit.qcache import AsyncQClient, DatasetChanged, DatasetMissing, QueryResult
from tests.qcache._async.real import large_table

# Pages


async def pages_of(client: AsyncQClient, *args: object, **kwargs: object) -> list[QueryResult]:
    pages = []
    async for page in client.pages(*args, **kwargs):
        assert isinstance(page, QueryResult)
        pages.append(page)
    return pages


@pytest.mark.parametrize("page_size", [1, 3, 7, 10, 11, 1000])
async def test_pages_together_are_the_whole_result(
    client: AsyncQClient, fresh_key: Callable[[], str], page_size: int
) -> None:
    key = fresh_key()
    await client.post(key, large_table(10))
    pages = await pages_of(client, key, {"select": ["n"], "order_by": ["n"]}, page_size)
    assert [row["n"] for page in pages for row in page] == list(range(10))
    assert len(pages) == -(-10 // page_size)
    assert {page.unsliced_result_len for page in pages} == {10}


@pytest.mark.parametrize(
    ("window", "sizes"),
    [
        ({"offset": 2}, [3, 3, 2]),
        ({"limit": 7}, [3, 3, 1]),
        ({"limit": 6}, [3, 3]),
        ({"limit": 100}, [3, 3, 3, 1]),
        ({"offset": 4, "limit": 4}, [3, 1]),
        ({"offset": 9, "limit": 4}, [1]),
        ({"offset": 10}, []),
        ({"offset": 50, "limit": 4}, []),
        ({"offset": 0, "limit": 0}, [3, 3, 3, 1]),
        ({"offset": None, "limit": None}, [3, 3, 3, 1]),
    ],
)
async def test_pages_stay_in_the_window_of_the_query(
    client: AsyncQClient,
    fresh_key: Callable[[], str],
    window: dict[str, int],
    sizes: list[int],
) -> None:
    key = fresh_key()
    await client.post(key, large_table(10))
    pages = await pages_of(client, key, {"order_by": ["n"], **window}, 3)
    assert [len(page.rows()) for page in pages] == sizes
    start = window.get("offset") or 0
    numbers = [row["n"] for page in pages for row in page]
    assert numbers == list(range(start, start + sum(sizes)))


async def test_pages_of_csv(client: AsyncQClient, key: str) -> None:
    pages = await pages_of(client, key, {"select": ["a"]}, 2, "text/csv")
    assert [page.content for page in pages] == [b"a\n1\n2\n", b"a\n3\n"]


async def test_an_empty_table_is_one_empty_page(
    client: AsyncQClient, fresh_key: Callable[[], str]
) -> None:
    key = fresh_key()
    await client.post(key, "a,b\n")
    (page,) = await pages_of(client, key, {})
    assert page.rows() == []


async def test_pages_of_nothing(client: AsyncQClient, fresh_key: Callable[[], str]) -> None:
    with pytest.raises(DatasetMissing, match="there is no such dataset"):
        await pages_of(client, fresh_key(), {})


async def test_pages_notice_that_the_table_was_replaced(client: AsyncQClient, key: str) -> None:
    seen = []
    with pytest.raises(DatasetChanged, match="had 3 rows and now has 1"):
        async for page in client.pages(key, {}, 2):
            seen.append(page.rows())
            await client.post(key, "a\n1\n")
    assert len(seen) == 1


async def test_pages_notice_that_the_table_went(client: AsyncQClient, key: str) -> None:
    with pytest.raises(DatasetMissing):
        async for _ in client.pages(key, {}, 2):
            await client.delete(key)
