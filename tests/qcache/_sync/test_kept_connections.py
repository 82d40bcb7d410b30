# Generated from tests/qcache/_async/test_kept_connections.py by tools/generate_sync.py; do not edit.

"""Connections that a client opens ahead, and keeps."""

import pytest

from storekit.options import PoolLimits
from storekit.qcache import QClient
from tests.support.stub_node import StubNode
from tests.support.stub_server import refusing_port

TWO = PoolLimits(min_size=2)


def sizes(client: QClient) -> list[int]:
    (transport,) = client._owned_transports
    return sorted(pool.idle for pool in transport.statistics().values())


def test_min_size_connections_to_each_node_are_open_once_a_client_is_entered():
    with StubNode() as one, StubNode() as other:
        with QClient([one.url, other.url], limits=TWO) as client:
            assert sizes(client) == [2, 2]
            client.get("key", {})
            assert sizes(client) == [2, 2]


def test_a_client_opens_nothing_ahead_unless_it_is_asked_to():
    with StubNode() as node:
        with QClient([node.url]) as client:
            assert sizes(client) == []


def test_a_node_that_is_out_does_not_keep_a_client_from_being_entered():
    with StubNode() as node, refusing_port() as port:
        with QClient([node.url, f"http://127.0.0.1:{port}"], limits=TWO) as client:
            assert sizes(client) == [0, 2]


def test_what_is_interrupted_while_it_is_entered_leaves_nothing_open(monkeypatch):
    with StubNode() as node:
        client = QClient([node.url], limits=TWO)
        (transport,) = client._owned_transports
        warm_up = client._warm_ups[0]

        def fail() -> None:
            warm_up()
            raise ValueError("interrupted")

        client._warm_ups = [fail]
        with pytest.raises(ValueError, match="interrupted"):
            client.__enter__()
        assert transport.statistics()[node.url].size == 0


def test_a_transport_shows_its_servers_and_how_many_connections_there_are():
    with StubNode() as node:
        with QClient([node.url], limits=TWO) as client:
            (transport,) = client._owned_transports
            name = type(transport).__name__
            assert repr(transport) == f"<{name}: {node.url} (2 idle, 0 leased)>"
