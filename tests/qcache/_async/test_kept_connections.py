"""Connections that a client opens ahead, and keeps."""

import pytest

from storekit.options import PoolLimits
from storekit.qcache import AsyncQClient
from tests.support.stub_node import StubNode
from tests.support.stub_server import refusing_port

TWO = PoolLimits(min_size=2)


def sizes(client: AsyncQClient) -> list[int]:
    (transport,) = client._owned_transports
    return sorted(pool.idle for pool in transport.statistics().values())


async def test_min_size_connections_to_each_node_are_open_once_a_client_is_entered():
    with StubNode() as one, StubNode() as other:
        async with AsyncQClient([one.url, other.url], limits=TWO) as client:
            assert sizes(client) == [2, 2]
            await client.get("key", {})
            assert sizes(client) == [2, 2]


async def test_a_client_opens_nothing_ahead_unless_it_is_asked_to():
    with StubNode() as node:
        async with AsyncQClient([node.url]) as client:
            assert sizes(client) == []


async def test_a_node_that_is_out_does_not_keep_a_client_from_being_entered():
    with StubNode() as node, refusing_port() as port:
        async with AsyncQClient([node.url, f"http://127.0.0.1:{port}"], limits=TWO) as client:
            assert sizes(client) == [0, 2]


async def test_what_is_interrupted_while_it_is_entered_leaves_nothing_open(monkeypatch):
    with StubNode() as node:
        client = AsyncQClient([node.url], limits=TWO)
        (transport,) = client._owned_transports
        warm_up = client._warm_ups[0]

        async def fail() -> None:
            await warm_up()
            raise ValueError("interrupted")

        client._warm_ups = [fail]
        with pytest.raises(ValueError, match="interrupted"):
            await client.__aenter__()
        assert transport.statistics()[node.url].size == 0


async def test_a_transport_shows_its_servers_and_how_many_connections_there_are():
    with StubNode() as node:
        async with AsyncQClient([node.url], limits=TWO) as client:
            (transport,) = client._owned_transports
            name = type(transport).__name__
            assert repr(transport) == f"<{name}: {node.url} (2 idle, 0 leased)>"
