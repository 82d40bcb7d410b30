"""What holds for a client and a real server holds for our own nodes, served and in process."""

# ruff: noqa: F405

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from storekit import qcache
from storekit.qcache import AsyncQClient, MalformedQueryException, UnexpectedServerResponse
from storekit.qcache.node.registry import node_at
from tests.qcache._async.test_pages import *  # noqa: F403
from tests.qcache._async.test_real import *  # noqa: F403
from tests.qcache._async.test_tables import *  # noqa: F403
from tests.qcache._async.test_tls import *  # noqa: F403
from tests.support.served import *  # noqa: F403
from tools.qcache_server import QCacheServer


class Address(NamedTuple):
    """All that most tests want to know of a node."""

    url: str


@pytest.fixture(scope="module", params=["served", "embedded"])
def qcache_node(request: pytest.FixtureRequest) -> Iterator[QCacheServer | Address]:
    if request.param == "served":
        yield request.getfixturevalue("served_node")
    else:
        node = node_at("embedded:tests")
        yield Address("embedded:tests")
        del node


@pytest.fixture(scope="module")
def tls_node(tls_served_node: QCacheServer) -> QCacheServer:
    return tls_served_node


@pytest.fixture(scope="module")
def mutual_tls_node(mutual_tls_served_node: QCacheServer) -> QCacheServer:
    return mutual_tls_served_node


@pytest.fixture(scope="module")
def auth_node(auth_served_node: QCacheServer) -> QCacheServer:
    return auth_served_node


# Where ours are kinder: tests of the same names take the place of those of the real server.


async def test_a_refused_content_type_leaves_no_dataset(client: AsyncQClient, key: str) -> None:
    with pytest.raises(UnsupportedContentType):
        await client.post(key, b"c\n1\n", content_type="text/html")
    assert (await client.get(key, {})).json() == ROWS


@pytest.mark.parametrize(
    ("content", "content_type"),
    [("", "text/csv"), ('a\n"open\n', "text/csv"), ('{"a": 1}', "application/json")],
)
async def test_a_bad_upload_leaves_no_dataset(
    client: AsyncQClient, key: str, content: str, content_type: str
) -> None:
    with pytest.raises(UnexpectedServerResponse) as caught:
        await client.post(key, content, content_type)
    assert caught.value.status == 400
    assert (await client.get(key, {})).json() == ROWS


async def test_a_query_that_makes_the_server_fail(client: AsyncQClient, key: str) -> None:
    with pytest.raises(MalformedQueryException):
        await client.get(key, {"where": ["like", "s", "'('"]})


async def test_tls_to_a_node_without(served_node: QCacheServer) -> None:
    node = f"https://127.0.0.1:{served_node.port}"
    async with AsyncQClient([node], verify=False, **PATIENT) as client:
        with pytest.raises((NodeTimeout, TLSFailure)) as caught:
            await client.get("key", {})
        assert caught.value.node == node
        assert caught.value.reached is False


async def test_stand_in_columns_can_be_given_for_a_query(client: AsyncQClient, key: str) -> None:
    result = await client.get(key, {}, stand_in_columns={"c": 5})
    assert result.json() == [{**row, "c": 5} for row in ROWS]
    assert (await client.get(key, {})).json() == ROWS


async def test_a_node_that_was_restarted_is_empty_and_found_again(
    start_served: Callable[..., QCacheServer], fresh_key: Callable[[], str]
) -> None:
    server, key = start_served(), fresh_key()
    async with AsyncQClient([server.url], **PATIENT) as client:
        await client.post(key, TABLE)
        server.restart()
        assert (await client.query(key, {}, lambda: TABLE)).json() == ROWS


async def test_an_accept_type_that_the_server_lacks(client: AsyncQClient, key: str) -> None:
    with pytest.raises(qcache.UnsupportedAcceptType, match="text/html") as caught:
        await client.get(key, {}, accept="text/html")
    assert caught.value.status == 406
    for accept in ("*/*", "APPLICATION/JSON"):
        found = await client.get(key, {}, accept=accept)
        assert found is not None
        assert found.content_type == "application/json"
