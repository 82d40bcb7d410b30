"""Servers that are busy, time limits, and full pools."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest

from storekit.core.seam._async import call_blocking, run_all
from storekit.options import PoolLimits, RetryPolicy, Timeouts
from storekit.qcache import (
    AsyncQClient,
    ClientBusy,
    NodeTimeout,
    QClientException,
    ServerBusy,
    ServerError,
)
from tests.qcache._async.failing import PATIENT, TABLE, WRITES, Gate, Pauses, pool_of, read
from tests.support.stub_node import (
    WAIT,
    Answer,
    Clock,
    RunningClock,
    StubNode,
    always,
    reply,
    resets,
    result,
    silent,
    well,
)

# Servers that are busy


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_the_wait_that_a_server_asks_for_is_kept(
    start_node: Callable[..., StubNode], clock: Clock, status: int
) -> None:
    answers = iter([reply(status, b"", {"Retry-After": "7"}), result()])
    node = start_node(lambda _: Answer(next(answers)))
    pauses = Pauses(clock)
    async with pool_of([node.url], clock, pause=pauses) as pool:
        answer = await pool.send("key", read("key"))
    assert answer.status == 200
    assert pauses.seconds == [7.0]


async def test_without_a_wish_the_pauses_grow(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(always(reply(503)))
    pauses = Pauses(clock)
    policy = RetryPolicy(attempts=5, initial_backoff=0.5, max_backoff=3)
    async with pool_of([node.url], clock, retry=policy, pause=pauses, rng=lambda: 1.0) as pool:
        with pytest.raises(ServerBusy):
            await pool.send("key", read("key"))
    assert pauses.seconds == [0.5, 1.0, 2.0, 3.0]


async def test_a_server_that_stays_busy(start_node: Callable[..., StubNode]) -> None:
    node = start_node(always(reply(503, b"overloaded", {"Retry-After": "0.001"})))
    async with AsyncQClient([node.url], **PATIENT) as client:
        with pytest.raises(ServerBusy, match="answered 503: overloaded") as caught:
            await client.get("key", {})
    error = caught.value
    assert (error.status, error.text, error.retry_after) == (503, "overloaded", 0.001)
    assert error.node == node.url
    assert len(node.queries) == 3
    assert not node.probes
    assert isinstance(error, ServerError)


async def test_no_pause_ends_after_the_deadline(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(always(reply(503, b"", {"Retry-After": "1000"})))
    pauses = Pauses(clock)
    timeouts = Timeouts(connect=WAIT, read=WAIT, write=WAIT, total=300)
    async with pool_of([node.url], clock, timeouts=timeouts, pause=pauses) as pool:
        with pytest.raises(ServerBusy) as caught:
            await pool.send("key", read("key"))
    assert caught.value.retry_after == 1000
    assert pauses.seconds == []
    assert len(node.requests) == 1


@pytest.mark.parametrize("operation", ["post", "delete"])
async def test_a_write_is_not_repeated_at_a_busy_server(
    start_node: Callable[..., StubNode], operation: str
) -> None:
    node = start_node(always(reply(503, b"", {"Retry-After": "0"})))
    async with AsyncQClient([node.url], **PATIENT) as client:
        with pytest.raises(ServerBusy, match="may"):
            await WRITES[operation](client, "key")
    assert len(node.requests) == 1


async def test_retries_of_all_calls_together_are_bounded(
    start_node: Callable[..., StubNode], clock: Clock
) -> None:
    node = start_node(always(reply(503)))
    policy = RetryPolicy(attempts=4, initial_backoff=0, budget=5, budget_per_second=0)
    async with pool_of([node.url], clock, retry=policy) as pool:
        for _ in range(10):
            with pytest.raises(ServerBusy):
                await pool.send("key", read("key"))
    assert len(node.requests) == 10 + 5


# Time limits and full pools


async def test_the_total_timeout_ends_an_operation(start_node: Callable[..., StubNode]) -> None:
    node = start_node(silent)
    async with AsyncQClient([node.url], WAIT, WAIT, total_timeout=0.1) as client:
        with pytest.raises(NodeTimeout, match="deadline"):
            await client.get("key", {})
        with pytest.raises(NodeTimeout, match="may hold no dataset"):
            await client.post("key", TABLE)
        node.answer = well
        assert await client.get("key", {}) is not None
    assert not node.probes, "a node that had no fair chance was taken out"


async def test_the_total_timeout_holds_for_the_probes_that_a_call_waits_for(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(resets)
    timeouts = Timeouts(connect=WAIT, read=WAIT, write=WAIT, total=0.2)
    async with pool_of([node.url], RunningClock(), timeouts=timeouts) as pool:
        with pytest.raises(QClientException):
            await pool.send("key", read("key"))
        node.answer = silent
        started = time.monotonic()
        with pytest.raises(NodeTimeout):
            await pool.send("key", read("key"))
        assert time.monotonic() - started < WAIT / 2
        node.let_go()
    assert len(node.queries) == 1


async def busy(
    client: AsyncQClient, node: StubNode, gate: Gate, kept_waiting: Callable[[], Awaitable[None]]
) -> None:
    """Run something while another call has the only connection."""

    async def first() -> None:
        assert await client.get("key", {}) is not None

    async def second() -> None:
        try:
            await call_blocking(node.wait_for, lambda node: node.requests)
            await kept_waiting()
        finally:
            gate.opened.set()

    await run_all([first, second])


@pytest.mark.parametrize("limits", [PoolLimits(max_size=1), PoolLimits(max_size=1, max_waiting=0)])
async def test_a_client_whose_connections_are_all_in_use_is_busy(
    start_node: Callable[..., StubNode], limits: PoolLimits
) -> None:
    gate = Gate()
    node = start_node(gate)
    async with AsyncQClient([node.url], pool_timeout=0.05, limits=limits, **PATIENT) as client:

        async def kept_waiting() -> None:
            with pytest.raises(ClientBusy, match="get 'other'") as caught:
                await client.get("other", {})
            assert caught.value.node == node.url
            assert caught.value.reached is False
            assert caught.value.__cause__ is not None

        await busy(client, node, gate, kept_waiting)
        assert await client.get("key", {}) is not None
    assert len(node.queries) == 2
    assert not node.probes
