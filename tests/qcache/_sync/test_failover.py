# Generated from tests/qcache/_async/test_failover.py by tools/generate_sync.py; do not edit.

"""Which node is asked, and how nodes come back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import httpx
import pytest
from qclient.node_ring import NodeRing

from storekit.core.seam._sync import call_blocking, run_all, sleep
from storekit.options import RetryPolicy, Timeouts
from storekit.qcache import (
    ConnectionLost,
    NoCacheAvailable,
    NodeTimeout,
    NodeUnreachable,
    QClient,
    QClientException,
    ServerError,
    UnexpectedServerResponse,
)
from storekit.qcache.ring import HashRing
from storekit.qcache.wire import PreparedRequest
from tests.qcache._sync.failing import AT_ONCE, PATIENT, TABLE, Gate, pool_of, read
from tests.support.stub_node import (
    WAIT,
    Answer,
    Behaviour,
    Clock,
    StubNode,
    always,
    key_of,
    keys_of,
    mute_node,
    reply,
    resets,
    result,
    silent,
    well,
    well_but,
)
from tools.qcache_server import QCacheServer


def eventually(condition: Callable[[], object]) -> None:
    """Let others run until something holds that they bring about."""
    until = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < until, "never happened"
        sleep(0.002)


# Which node is next


def naming(node: str) -> Behaviour:
    return well_but(always(result(b'[{"node":"%b"}]' % node.encode(), 1)))


def test_the_next_node_is_the_one_that_qcache_client_would_choose(
    start_node: Callable[..., StubNode],
) -> None:
    nodes = {node.url: node for node in (start_node(), start_node(), start_node())}
    for url, node in nodes.items():
        node.answer = naming(url)
    peer = NodeRing(list(nodes))
    keys = [f"key-{number}" for number in range(30)]
    with QClient(list(nodes), **PATIENT) as client:
        for alive in (3, 2, 1):
            for key in keys:
                found = client.get(key, {}).json()
                assert found == [{"node": peer.get_node(key)}]
            if alive > 1:
                victim = peer.get_node(keys[0])
                nodes[victim].stop()
                peer.remove_node(victim)


def test_a_failed_node_is_asked_once(start_node: Callable[..., StubNode]) -> None:
    bad, good = start_node(resets), start_node()
    nodes = [bad.url, good.url]
    keys = keys_of(bad.url, nodes, 10)
    with QClient(nodes, **PATIENT) as client:
        for key in keys:
            assert client.get(key, {}) is not None
        statistics = client.get_statistics()
    assert len(bad.requests) == 1
    assert len(good.queries) == 10
    assert statistics[bad.url].connection_error == 1
    assert statistics[bad.url].requests == 1
    assert statistics[good.url].requests == 10


def test_the_counters_say_what_was_met(start_node: Callable[..., StubNode], refusing: str) -> None:
    node = start_node(silent)
    with QClient([node.url], connect_timeout=WAIT, read_timeout=0.05, retry=AT_ONCE) as client:
        with pytest.raises(NodeTimeout):
            client.get("key", {})
        counts = client.get_statistics()[node.url]
        assert (counts.read_timeout, counts.retry_error, counts.requests) == (1, 1, 2)
    with mute_node("https") as url:
        with QClient([url], connect_timeout=0.05, verify=False, retry=AT_ONCE) as client:
            with pytest.raises(NodeTimeout):
                client.get("key", {})
            assert client.get_statistics()[url].connect_timeout == 1
    node = start_node(always(result(b"no gzip", 1, **{"Content-Encoding": "gzip"})))
    with QClient([node.url], **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse):
            client.get("key", {})
        assert client.get_statistics()[node.url].unknown_error == 1


def test_status_and_statistics_tell_of_each_node(
    start_node: Callable[..., StubNode], refusing: str
) -> None:
    good = start_node(lambda request: Answer(reply(200, b'{"hit_count": 2}')))
    bad, odd = start_node(resets), start_node(always(reply(500, b"broken")))
    nodes = [good.url, bad.url, odd.url, refusing]
    kinds = {bad.url: ConnectionLost, odd.url: ServerError, refusing: NodeUnreachable}
    with QClient(nodes, **PATIENT) as client:
        status = client.status()
        reports = client.statistics()
    assert list(status) == list(reports) == nodes
    assert {url for url, state in status.items() if state} == {good.url}
    assert reports[good.url].statistics == {"hit_count": 2}
    for url, kind in kinds.items():
        assert type(status[url].error) is kind
        assert type(reports[url].error) is kind
        assert reports[url].statistics is None


# Coming back


def test_a_node_comes_back_by_a_probe(start_node: Callable[..., StubNode], clock: Clock) -> None:
    node, other = start_node(), start_node()
    nodes = [node.url, other.url]
    key = key_of(node.url, nodes)
    with pool_of(nodes, clock) as pool:
        node.stop()
        assert pool.send(key, read(key)).node == other.url
        node.start()
        assert pool.send(key, read(key)).node == other.url
        assert not node.requests, "it was asked before its time"
        gate = Gate()
        node.answer = gate
        clock.move_on(1.1)
        assert pool.send(key, read(key)).node == other.url, "a request waited for a probe"
        gate.opened.set()
        eventually(lambda: node.url not in pool._outages)
        assert pool.send(key, read(key)).node == node.url
        counts = pool.take_statistics()
    assert len(node.probes) == 1
    assert counts[node.url].resurrections == 1
    assert counts[node.url].connection_error == 1
    assert counts[other.url].resurrections == 0


def test_the_only_node_is_asked_again_at_once(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(resets)
    with pool_of([node.url], clock) as pool:
        with pytest.raises(ConnectionLost):
            pool.send("key", read("key"))
        node.answer = well
        assert pool.send("key", read("key")).status == 200


def test_probes_of_a_dead_node_grow_rare(start_node: Callable[..., StubNode], clock: Clock) -> None:
    dead, other = start_node(resets), start_node()
    nodes = [dead.url, other.url]
    key = key_of(dead.url, nodes)
    with pool_of(nodes, clock) as pool:
        pool.send(key, read(key))
        probed_after = []
        waited = 0
        while len(probed_after) < 7:
            waited += 1
            clock.move_on(1.0)
            before = len(dead.probes)
            pool.send(key, read(key))
            eventually(lambda: dead.url not in pool._probing)
            if len(dead.probes) > before:
                probed_after.append(waited)
                waited = 0
    assert probed_after == [1, 2, 4, 8, 16, 30, 30]


def test_no_request_waits_for_the_probe_of_a_silent_node(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    dead, other = start_node(resets), start_node()
    nodes = [dead.url, other.url]
    keys = [*keys_of(dead.url, nodes, 10), *keys_of(other.url, nodes, 10)]
    with pool_of(nodes, clock) as pool:
        assert pool.send(keys[0], read(keys[0])).node == other.url
        dead.answer = silent
        clock.move_on(2)
        for key in keys:
            assert pool.send(key, read(key)).node == other.url
        call_blocking(dead.wait_for, lambda node: node.probes)
        assert dead.url in pool._probing, "the probe had ended before the requests did"
        run_all([partial(pool.send, key, read(key)) for key in keys])
        assert dead.url in pool._probing, "the probe had ended before the requests did"
        assert len(dead.probes) == 1
        dead.let_go()
        eventually(lambda: dead.url not in pool._probing)
    assert len(other.queries) == 1 + 2 * len(keys)


def test_when_all_are_out_callers_share_one_probe(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(resets)
    with pool_of([node.url], clock, retry=RetryPolicy(attempts=1)) as pool:
        with pytest.raises(ConnectionLost):
            pool.send("key", read("key"))
        gate = Gate()
        node.answer = gate
        answered = []

        def ask() -> None:
            answered.append(pool.send("key", read("key")).status)

        def open_gate() -> None:
            call_blocking(node.wait_for, lambda node: node.probes)
            gate.opened.set()

        run_all([ask, ask, ask, ask, open_gate])
    assert answered == [200] * 4
    assert len(node.probes) == 1


def test_when_all_are_out_the_first_that_is_back_is_enough(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    nodes = {node.url: node for node in (start_node(resets), start_node(resets))}
    key = key_of(next(iter(nodes)), list(nodes))
    with pool_of(list(nodes), clock, retry=RetryPolicy(attempts=2)) as pool:
        with pytest.raises(QClientException):
            pool.send(key, read(key))
        first, second = (nodes[url] for url in pool._outages)
        first.answer, second.answer = silent, well
        assert pool.send(key, read(key)).node == second.url
        assert first.url in pool._probing, "the probe of the silent node was waited for"
        first.let_go()


def test_a_probe_that_is_refused_keeps_the_node_out(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(resets)
    with pool_of([node.url], clock) as pool:
        with pytest.raises(ConnectionLost):
            pool.send("key", read("key"))
        node.answer = always(reply(503, b"starting"))
        with pytest.raises(NoCacheAvailable, match="answered 503: starting"):
            pool.send("key", read("key"))
    assert len(node.queries) == 1


def test_nodes_that_die_and_restart(
    start_qcache: Callable[..., QCacheServer], clock: Clock
) -> None:
    first, second = start_qcache(), start_qcache()
    nodes = [first.url, second.url]
    key = key_of(first.url, nodes)
    headers = httpx.Headers({"content-type": "text/csv", "content-length": str(len(TABLE))})
    upload = PreparedRequest(
        "post", "POST", f"qcache/dataset/{key}", headers, TABLE.encode(), writes=True
    )
    soon = Timeouts(connect=WAIT, read=0.1, write=WAIT)
    with (
        pool_of(nodes, clock) as pool,
        pool_of(nodes, clock, timeouts=soon) as impatient,
    ):
        assert pool.send(key, upload).status == 201
        assert pool.send(key, read(key)).content == b'[{"a":1}]'
        first.kill()
        answer = pool.send(key, read(key))
        assert (answer.node, answer.status) == (second.url, 404)
        assert pool.send(key, upload).node == second.url
        first.restart()
        clock.move_on(1.1)
        answer = pool.send(key, read(key))  # starts a probe, which may be done first
        assert (answer.node, answer.status) in {(second.url, 200), (first.url, 404)}
        eventually(lambda: first.url not in pool._outages)
        answer = pool.send(key, read(key))
        assert (answer.node, answer.status) == (first.url, 404)
        first.suspend()
        with pytest.raises(NodeTimeout):
            impatient.send(key, upload)
        first.resume()


# Many callers


def test_many_callers_at_once_while_a_node_dies(
    start_node: Callable[..., StubNode],
) -> None:
    nodes = {node.url: node for node in (start_node(), start_node(), start_node())}
    for url, node in nodes.items():
        node.answer = naming(url)
    victim = nodes[HashRing(nodes).node_for("key-0")]
    found: list[str] = []

    with QClient(list(nodes), **PATIENT) as client:

        def call(caller: int) -> None:
            for number in range(20):
                (row,) = client.get(f"key-{caller * 20 + number}", {}).json()
                found.append(row["node"])
                if len(found) == 60:
                    victim.stop()

        run_all([partial(call, caller) for caller in range(12)])
        statistics = client.get_statistics()
    assert len(found) == 240
    assert {found.count(url) > 0 for url in nodes} == {True}
    failed = statistics[victim.url].connection_error
    assert sum(counts.requests for counts in statistics.values()) == 240 + failed


def test_requests_that_meet_an_outage_do_not_lengthen_the_pause_between_probes(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(resets)
    with pool_of([node.url], clock, retry=RetryPolicy(attempts=1)) as pool:
        for _ in range(12):
            with pytest.raises(NoCacheAvailable):
                pool.send("key", read("key"))
        outage = pool._outages[node.url]
        assert (outage.probes, outage.next_probe - clock()) == (0, 1.0)
        clock.move_on(1.0)
        for _ in range(12):
            with pytest.raises(NoCacheAvailable):
                pool.send("key", read("key"))
        assert (outage.probes, outage.next_probe - clock()) == (1, 2.0)
