# Generated from tests/qcache/_async/test_states.py by tools/generate_sync.py; do not edit.

"""What observers see of connections and nodes, and what the log says of the ring."""

from __future__ import annotations

import logging

import pytest

from storekit.observers import ClientState, ConnectionState, NodeState
from storekit.options import PoolLimits, RetryPolicy
from storekit.qcache import NoCacheAvailable, QClient
from tests.support.stub_node import WAIT, StubNode, key_of, refusing_node

PATIENT = {"connect_timeout": WAIT, "read_timeout": WAIT, "retry": RetryPolicy(attempts=3)}


class Seer:
    """An observer that wants to know how clients stand."""

    def __init__(self) -> None:
        self.clients = []

    def start(self, event):
        pass

    def retry(self, token, event):
        pass

    def end(self, token, event):
        pass

    def attach(self, client):
        self.clients.append(client)

    def state(self) -> ClientState:
        (client,) = self.clients
        return client.state()


def test_a_client_tells_its_connections_and_nodes():
    seer = Seer()
    with StubNode() as node:
        limits = PoolLimits(max_size=7)
        with QClient([node.url], observers=[seer], limits=limits, **PATIENT) as client:
            assert seer.state() == ClientState("qcache", (), (NodeState(node.url, out=False),))
            client.get("k", {})
            (connections,) = seer.state().connections
            assert connections == ConnectionState(node.url, used=0, idle=1, waiting=0, max=7)
        (connections,) = seer.state().connections
        assert (connections.used, connections.idle) == (0, 0)


def test_a_node_that_is_out_is_told_until_it_is_back(caplog):
    caplog.set_level(logging.INFO, "storekit.ring")
    seer = Seer()
    node = StubNode()
    with StubNode() as other:
        with node:
            urls = [node.url, other.url]
            key = key_of(node.url, urls)
        with QClient(urls, observers=[seer], **PATIENT) as client:
            client.get(key, {})  # from the other one
            assert seer.state().nodes == (
                NodeState(node.url, out=True),
                NodeState(other.url, out=False),
            )
            (left,) = caplog.records
            assert (left.name, left.levelname) == ("storekit.ring", "WARNING")
            said = left.getMessage()
            assert said.startswith(f"{node.url} leaves the ring: no connection to {node.url}: ")
            assert said.endswith("; 1 of 2 nodes are out")


def test_the_log_says_when_a_node_is_back_and_after_how_long(caplog):
    caplog.set_level(logging.INFO, "storekit.ring")
    seer = Seer()
    with refusing_node() as url:
        node = StubNode()
        node.port = int(url.rpartition(":")[2])
    with QClient([url], observers=[seer], **PATIENT) as client:
        with pytest.raises(NoCacheAvailable):
            client.get("k", {})
        assert seer.state().nodes == (NodeState(url, out=True),)
        with node:
            assert client.get("k", {}) is not None
            assert seer.state().nodes == (NodeState(url, out=False),)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "next probe in" in caplog.messages[0]
    assert caplog.messages[1].startswith(f"{url} is back in the ring after ")
    assert caplog.messages[1].endswith(" s; 0 of 1 nodes are out")
