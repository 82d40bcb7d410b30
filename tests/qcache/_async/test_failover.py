"""Which node is asked, and how nodes come back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import httpx
import pytest
from qclient.node_ring import NodeRing

from storekit.core.seam._async import call_blocking, run_all, sleep
from storekit.options import RetryPolicy, Timeouts
from storekit.qcache import (
    AsyncQClient,
    ConnectionLost,
    NoCacheAvailable,
    NodeTimeout,
    NodeUnreachable,
    QClientException,
    ServerError,
    UnexpectedServerResponse,
)
from storekit.qcache.ring import HashRing
from storekit.qcache.wire import PreparedRequest
from tests.qcache._async.failing import AT_ONCE, PATIENT, TABLE, Gate, pool_of, read
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


async def eventually(condition: Callable[[], object]) -> None:
    """Let others run until something holds that they bring about."""
    until = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < until, "never happened"
        await sleep(0.002)


# Which node is next


def naming(node: str) -> Behaviour:
    return well_but(always(result(b'[{"node":"%b"}]' % node.encode(), 1)))


async def test_the_next_node_is_the_one_that_qcache_client_would_choose(
    start_node: Callable[..., StubNode],
) -> None:
    nodes = {node.url: node for node in (start_node(), start_node(), start_node())}
    for url, node in nodes.items():
        node.answer = naming(url)
    peer = NodeRing(list(nodes))
    keys = [f"key-{number}" for number in range(30)]
    async with AsyncQClient(list(nodes), **PATIENT) as client:
        for alive in (3, 2, 1):
            for key in keys:
                found = (await client.get(key, {})).json()
                assert found == [{"node": peer.get_node(key)}]
            if alive > 1:
                victim = peer.get_node(keys[0])
                nodes[victim].stop()
                peer.remove_node(victim)


async def test_a_failed_node_is_asked_once(start_node: Callable[..., StubNode]) -> None:
    bad, good = start_node(resets), start_node()
    nodes = [bad.url, good.url]
    keys = keys_of(bad.url, nodes, 10)
    async with AsyncQClient(nodes, **PATIENT) as client:
        for key in keys:
            assert await client.get(key, {}) is not None
        statistics = client.get_statistics()
    assert len(bad.requests) == 1
    assert len(good.queries) == 10
    assert statistics[bad.url].connection_error == 1
    assert statistics[bad.url].requests == 1
    assert statistics[good.url].requests == 10


async def test_the_counters_say_what_was_met(
    start_node: Callable[..., StubNode], refusing: str
) -> None:
    node = start_node(silent)
    async with AsyncQClient(
        [node.url], connect_timeout=WAIT, read_timeout=0.05, retry=AT_ONCE
    ) as client:
        with pytest.raises(NodeTimeout):
            await client.get("key", {})
        counts = client.get_statistics()[node.url]
        assert (counts.read_timeout, counts.retry_error, counts.requests) == (1, 1, 2)
    with mute_node("https") as url:
        async with AsyncQClient([url], connect_timeout=0.05, verify=False, retry=AT_ONCE) as client:
            with pytest.raises(NodeTimeout):
                await client.get("key", {})
            assert client.get_statistics()[url].connect_timeout == 1
    node = start_node(always(result(b"no gzip", 1, **{"Content-Encoding": "gzip"})))
    async with AsyncQClient([node.url], **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse):
            await client.get("key", {})
        assert client.get_statistics()[node.url].unknown_error == 1


async def test_status_and_statistics_tell_of_each_node(
    start_node: Callable[..., StubNode], refusing: str
) -> None:
    good = start_node(lambda request: Answer(reply(200, b'{"hit_count": 2}')))
    bad, odd = start_node(resets), start_node(always(reply(500, b"broken")))
    nodes = [good.url, bad.url, odd.url, refusing]
    kinds = {bad.url: ConnectionLost, odd.url: ServerError, refusing: NodeUnreachable}
    async with AsyncQClient(nodes, **PATIENT) as client:
        status = await client.status()
        reports = await client.statistics()
    assert list(status) == list(reports) == nodes
    assert {url for url, state in status.items() if state} == {good.url}
    assert reports[good.url].statistics == {"hit_count": 2}
    for url, kind in kinds.items():
        assert type(status[url].error) is kind
        assert type(reports[url].error) is kind
        assert reports[url].statistics is None


# Coming back


async def test_a_node_comes_back_by_a_probe(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node, other = start_node(), start_node()
    nodes = [node.url, other.url]
    key = key_of(node.url, nodes)
    async with pool_of(nodes, clock) as pool:
        node.stop()
        assert (await pool.send(key, read(key))).node == other.url
        node.start()
        assert (await pool.send(key, read(key))).node == other.url
        assert not node.requests, "it was asked before its time"
        gate = Gate()
        node.answer = gate
        clock.move_on(1.1)
        assert (await pool.send(key, read(key))).node == other.url, "a request waited for a probe"
        gate.opened.set()
        await eventually(lambda: node.url not in pool._outages)
        assert (await pool.send(key, read(key))).node == node.url
        counts = pool.take_statistics()
    assert len(node.probes) == 1
    assert counts[node.url].resurrections == 1
    assert counts[node.url].connection_error == 1
    assert counts[other.url].resurrections == 0


async def test_the_only_node_is_asked_again_at_once(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(resets)
    async with pool_of([node.url], clock) as pool:
        with pytest.raises(ConnectionLost):
            await pool.send("key", read("key"))
        node.answer = well
        assert (await pool.send("key", read("key"))).status == 200


async def test_probes_of_a_dead_node_grow_rare(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    dead, other = start_node(resets), start_node()
    nodes = [dead.url, other.url]
    key = key_of(dead.url, nodes)
    async with pool_of(nodes, clock) as pool:
        await pool.send(key, read(key))
        probed_after = []
        waited = 0
        while len(probed_after) < 7:
            waited += 1
            clock.move_on(1.0)
            before = len(dead.probes)
            await pool.send(key, read(key))
            await eventually(lambda: dead.url not in pool._probing)
            if len(dead.probes) > before:
                probed_after.append(waited)
                waited = 0
    assert probed_after == [1, 2, 4, 8, 16, 30, 30]


async def test_no_request_waits_for_the_probe_of_a_silent_node(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    dead, other = start_node(resets), start_node()
    nodes = [dead.url, other.url]
    keys = [*keys_of(dead.url, nodes, 10), *keys_of(other.url, nodes, 10)]
    async with pool_of(nodes, clock) as pool:
        assert (await pool.send(keys[0], read(keys[0]))).node == other.url
        dead.answer = silent
        clock.move_on(2)
        for key in keys:
            assert (await pool.send(key, read(key))).node == other.url
        await call_blocking(dead.wait_for, lambda node: node.probes)
        assert dead.url in pool._probing, "the probe had ended before the requests did"
        await run_all([partial(pool.send, key, read(key)) for key in keys])
        assert dead.url in pool._probing, "the probe had ended before the requests did"
        assert len(dead.probes) == 1
        dead.let_go()
        await eventually(lambda: dead.url not in pool._probing)
    assert len(other.queries) == 1 + 2 * len(keys)


async def test_when_all_are_out_callers_share_one_probe(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(resets)
    async with pool_of([node.url], clock, retry=RetryPolicy(attempts=1)) as pool:
        with pytest.raises(ConnectionLost):
            await pool.send("key", read("key"))
        gate = Gate()
        node.answer = gate
        answered = []

        async def ask() -> None:
            answered.append((await pool.send("key", read("key"))).status)

        async def open_gate() -> None:
            await call_blocking(node.wait_for, lambda node: node.probes)
            gate.opened.set()

        await run_all([ask, ask, ask, ask, open_gate])
    assert answered == [200] * 4
    assert len(node.probes) == 1


async def test_when_all_are_out_the_first_that_is_back_is_enough(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    nodes = {node.url: node for node in (start_node(resets), start_node(resets))}
    key = key_of(next(iter(nodes)), list(nodes))
    async with pool_of(list(nodes), clock, retry=RetryPolicy(attempts=2)) as pool:
        with pytest.raises(QClientException):
            await pool.send(key, read(key))
        first, second = (nodes[url] for url in pool._outages)
        first.answer, second.answer = silent, well
        assert (await pool.send(key, read(key))).node == second.url
        assert first.url in pool._probing, "the probe of the silent node was waited for"
        first.let_go()


async def test_a_probe_that_is_refused_keeps_the_node_out(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(resets)
    async with pool_of([node.url], clock) as pool:
        with pytest.raises(ConnectionLost):
            await pool.send("key", read("key"))
        node.answer = always(reply(503, b"starting"))
        with pytest.raises(NoCacheAvailable, match="answered 503: starting"):
            await pool.send("key", read("key"))
    assert len(node.queries) == 1


async def test_nodes_that_die_and_restart(
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
    async with (
        pool_of(nodes, clock) as pool,
        pool_of(nodes, clock, timeouts=soon) as impatient,
    ):
        assert (await pool.send(key, upload)).status == 201
        assert (await pool.send(key, read(key))).content == b'[{"a":1}]'
        first.kill()
        answer = await pool.send(key, read(key))
        assert (answer.node, answer.status) == (second.url, 404)
        assert (await pool.send(key, upload)).node == second.url
        first.restart()
        clock.move_on(1.1)
        answer = await pool.send(key, read(key))  # starts a probe, which may be done first
        assert (answer.node, answer.status) in {(second.url, 200), (first.url, 404)}
        await eventually(lambda: first.url not in pool._outages)
        answer = await pool.send(key, read(key))
        assert (answer.node, answer.status) == (first.url, 404)
        first.suspend()
        with pytest.raises(NodeTimeout):
            await impatient.send(key, upload)
        first.resume()


# Many callers


async def test_many_callers_at_once_while_a_node_dies(
    start_node: Callable[..., StubNode],
) -> None:
    nodes = {node.url: node for node in (start_node(), start_node(), start_node())}
    for url, node in nodes.items():
        node.answer = naming(url)
    victim = nodes[HashRing(nodes).node_for("key-0")]
    found: list[str] = []

    async with AsyncQClient(list(nodes), **PATIENT) as client:

        async def call(caller: int) -> None:
            for number in range(20):
                (row,) = (await client.get(f"key-{caller * 20 + number}", {})).json()
                found.append(row["node"])
                if len(found) == 60:
                    victim.stop()

        await run_all([partial(call, caller) for caller in range(12)])
        statistics = client.get_statistics()
    assert len(found) == 240
    assert {found.count(url) > 0 for url in nodes} == {True}
    failed = statistics[victim.url].connection_error
    assert sum(counts.requests for counts in statistics.values()) == 240 + failed


async def test_requests_that_meet_an_outage_do_not_lengthen_the_pause_between_probes(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(resets)
    async with pool_of([node.url], clock, retry=RetryPolicy(attempts=1)) as pool:
        for _ in range(12):
            with pytest.raises(NoCacheAvailable):
                await pool.send("key", read("key"))
        outage = pool._outages[node.url]
        assert (outage.probes, outage.next_probe - clock()) == (0, 1.0)
        clock.move_on(1.0)
        for _ in range(12):
            with pytest.raises(NoCacheAvailable):
                await pool.send("key", read("key"))
        assert (outage.probes, outage.next_probe - clock()) == (1, 2.0)
