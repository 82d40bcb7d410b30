"""The sync client where no more threads can be had."""

import threading

import pytest

from storekit.options import RetryPolicy
from storekit.qcache import ConnectionLost, QClient
from tests.support.stub_node import WAIT, StubNode, key_of, resets


def test_a_probe_that_cannot_start_fails_no_request(monkeypatch, caplog):
    with StubNode(resets) as dead, StubNode() as other:
        nodes = [dead.url, other.url]
        key = key_of(dead.url, nodes)
        with QClient(nodes, WAIT, WAIT, retry=RetryPolicy(attempts=1)) as client:
            with pytest.raises(ConnectionLost):
                client.get(key, {})
            client._nodes._outages[dead.url].next_probe = 0.0

            start = threading.Thread.start

            def refuse(thread: threading.Thread) -> None:
                if thread.name == "storekit-background":
                    raise RuntimeError("can't start new thread")
                start(thread)

            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                assert client.get(key, {}) is not None
            assert not client._nodes._probing
    assert "could not be probed" in caplog.text
