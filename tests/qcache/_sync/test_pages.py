# Generated from tests/qcache/_async/test_pages.py by tools/generate_sync.py; do not edit.

"""Pages of a result, with the real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storekit.qcache import DatasetChanged, DatasetMissing, QClient, QueryResult
from tests.qcache._sync.real import large_table

# Pages


def pages_of(client: QClient, *args: object, **kwargs: object) -> list[QueryResult]:
    pages = []
    for page in client.pages(*args, **kwargs):
        assert isinstance(page, QueryResult)
        pages.append(page)
    return pages


@pytest.mark.parametrize("page_size", [1, 3, 7, 10, 11, 1000])
def test_pages_together_are_the_whole_result(
    client: QClient, fresh_key: Callable[[], str], page_size: int
) -> None:
    key = fresh_key()
    client.post(key, large_table(10))
    pages = pages_of(client, key, {"select": ["n"], "order_by": ["n"]}, page_size)
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
def test_pages_stay_in_the_window_of_the_query(
    client: QClient,
    fresh_key: Callable[[], str],
    window: dict[str, int],
    sizes: list[int],
) -> None:
    key = fresh_key()
    client.post(key, large_table(10))
    pages = pages_of(client, key, {"order_by": ["n"], **window}, 3)
    assert [len(page.rows()) for page in pages] == sizes
    start = window.get("offset") or 0
    numbers = [row["n"] for page in pages for row in page]
    assert numbers == list(range(start, start + sum(sizes)))


def test_pages_of_csv(client: QClient, key: str) -> None:
    pages = pages_of(client, key, {"select": ["a"]}, 2, "text/csv")
    assert [page.content for page in pages] == [b"a\n1\n2\n", b"a\n3\n"]


def test_an_empty_table_is_one_empty_page(client: QClient, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    client.post(key, "a,b\n")
    (page,) = pages_of(client, key, {})
    assert page.rows() == []


def test_pages_of_nothing(client: QClient, fresh_key: Callable[[], str]) -> None:
    with pytest.raises(DatasetMissing, match="there is no such dataset"):
        pages_of(client, fresh_key(), {})


def test_pages_notice_that_the_table_was_replaced(client: QClient, key: str) -> None:
    seen = []
    with pytest.raises(DatasetChanged, match="had 3 rows and now has 1"):
        for page in client.pages(key, {}, 2):
            seen.append(page.rows())
            client.post(key, "a\n1\n")
    assert len(seen) == 1


def test_pages_notice_that_the_table_went(client: QClient, key: str) -> None:
    with pytest.raises(DatasetMissing):
        for _ in client.pages(key, {}, 2):
            client.delete(key)
