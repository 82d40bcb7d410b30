"""The async clients over the vendor's library, without a connection."""

from __future__ import annotations

import threading
import time

import pytest

from storekit import qdb
from storekit.errors import ClientClosed
from storekit.options import RetryPolicy
from storekit.qdb import AsyncClient, AsyncRawClient, BatchRequest, Operations
from tests.qdb.libraries import join_connects

FAST = RetryPolicy(attempts=1)


@pytest.fixture
async def client(vendor_library, closed_port):
    async with AsyncRawClient(f"qdb://127.0.0.1:{closed_port}", retry=FAST) as client:
        yield client


def threads_of(client: AsyncRawClient) -> list[str]:
    return [each.name for each in threading.enumerate() if client._calls.address in each.name]


@pytest.mark.parametrize(
    ("alias", "error"),
    [
        ("", qdb.InvalidArgument),
        ("a\0b", qdb.InvalidArgument),
        ("a" * 1025, qdb.AliasTooLong),
        ("..a", qdb.ReservedAlias),
        (5, TypeError),
    ],
)
async def test_wrong_arguments_are_refused_before_the_library_is_asked(client, alias, error):
    for call in (client.put, client.update, client.get_update, client.remove_if):
        with pytest.raises(error):
            await call(alias, b"")
    with pytest.raises(error):
        await client.compare_and_swap(alias, b"", b"")
    with pytest.raises(TypeError):
        await client.put("a", 5)
    with pytest.raises(ValueError):
        await client.run_batch([BatchRequest(Operations.uninitialized, "a")])
    with pytest.raises(ValueError):
        await client.int_put("a", 2**63)
    assert threads_of(client) == []
    assert await client.run_batch([]) == (0, [])


async def test_every_operation_says_that_there_is_no_connection(client):
    calls = [
        client.put("a", b""), client.update("a", b""), client.get("a"), client.remove("a"),
        client.get_update("a", b""), client.get_remove("a"), client.remove_if("a", b""),
        client.compare_and_swap("a", b"", b""), client.expires_at("a", None),
        client.expires_from_now("a", 5), client.get_expiry_time("a"), client.prefix_get("abc"),
        client.run_batch([BatchRequest(Operations.get_alloc, "a")]), client.remove_all(),
        client.node_status("127.0.0.1:1"), anext(aiter(client)),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(qdb.ConnectionFailed):
            await call
    assert client.statistics().sessions == 0


async def test_a_closed_client_refuses(vendor_library, closed_port):
    client = AsyncClient(f"qdb://127.0.0.1:{closed_port}", retry=FAST)
    with pytest.raises(qdb.ConnectionFailed):
        await client.get("a")
    await client.aclose()
    await client.aclose()
    for call in (client.get("a"), client.run_batch([BatchRequest(Operations.get_alloc, "a")])):
        with pytest.raises(ClientClosed):
            await call
    assert threads_of(client) == []


async def test_connecting_has_a_deadline_of_its_own(vendor_library, black_hole):
    port, leave = black_hole
    async with AsyncRawClient(
        f"qdb://127.0.0.1:{port}", timeout=2, connect_timeout=0.2, retry=FAST
    ) as client:
        begun = time.monotonic()
        with pytest.raises(qdb.StoreTimeout):
            await client.get("a")
        took = time.monotonic() - begun
    leave()
    join_connects()
    assert took < 1.5
