"""Nodes that fail, in every way we could think of, and come back."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

import httpx
import pytest
from qclient.node_ring import NodeRing

from storekit.core._async.transport import AsyncHTTPTransport
from storekit.core.seam._async import call_blocking, run_all, sleep
from storekit.options import PoolLimits, RetryPolicy, Timeouts
from storekit.qcache import (
    AsyncQClient,
    ClientBusy,
    ConnectionLost,
    GarbledResponse,
    NoCacheAvailable,
    NodeTimeout,
    NodeUnreachable,
    QClientException,
    ServerBusy,
    ServerError,
    TooManyConsecutiveErrors,
    TruncatedResponse,
    UnexpectedServerResponse,
)
from storekit.qcache._async.node_pool import AsyncNodePool
from storekit.qcache.addresses import check_node
from storekit.qcache.ring import HashRing
from storekit.qcache.wire import PreparedRequest
from tests.support.stub_node import (
    WAIT,
    Answer,
    Behaviour,
    Clock,
    Request,
    RunningClock,
    StubNode,
    always,
    key_of,
    keys_of,
    mute_node,
    refusing_node,
    reply,
    resets,
    result,
    silent,
    well,
    well_but,
)
from tools.qcache_server import QCacheServer

AT_ONCE = RetryPolicy(attempts=3, initial_backoff=0)
PATIENT = {"connect_timeout": WAIT, "read_timeout": WAIT, "retry": AT_ONCE}
TABLE = "a\n1\n"
HEADERS = httpx.Headers({"accept": "application/json"})
PROBE = PreparedRequest("status", "GET", "qcache/status", HEADERS)


@pytest.fixture
def start_node() -> Iterator[Callable[..., StubNode]]:
    with contextlib.ExitStack() as nodes:
        yield lambda answer=well: nodes.enter_context(StubNode(answer))


@pytest.fixture
def refusing() -> Iterator[str]:
    with refusing_node() as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    return Clock()


def read(key: str) -> PreparedRequest:
    return PreparedRequest(f"get {key!r}", "GET", f"qcache/dataset/{key}?q=%7B%7D", HEADERS)


class Pauses:
    """Stands in for sleeping: notes for how long, and moves the clock on."""

    def __init__(self, clock: Clock) -> None:
        self.seconds: list[float] = []
        self._clock = clock

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._clock.move_on(seconds)


class Gate:
    """A behaviour that answers well, once it is open."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, request: Request) -> Answer:
        assert self.opened.wait(WAIT)
        return well(request)


@contextlib.asynccontextmanager
async def pool_of(
    nodes: list[str],
    clock: Clock,
    *,
    retry: RetryPolicy = AT_ONCE,
    timeouts: Timeouts | None = None,
    pause: Callable[[float], Awaitable[None]] | None = None,
    rng: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[AsyncNodePool]:
    async with AsyncHTTPTransport() as transport:
        pool = AsyncNodePool(
            {node: check_node(node) for node in nodes},
            HashRing(nodes),
            transport,
            timeouts=timeouts or Timeouts(connect=WAIT, read=WAIT, write=WAIT),
            retry=retry,
            probe=PROBE,
            max_content_size=2**20,
            clock=clock,
            pause=pause or Pauses(clock),
            rng=rng,
        )
        try:
            yield pool
        finally:
            await pool.aclose()


async def eventually(condition: Callable[[], object]) -> None:
    """Let others run until something holds that they bring about."""
    until = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < until, "never happened"
        await sleep(0.002)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        for part in getattr(error, "exceptions", ()):
            yield from causes(part)
        error = error.__cause__


# One failure, one exception

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FAILURES = {
    "reset": (resets, ConnectionLost, "lost the connection"),
    "closed unanswered": (always(b"", "close"), TruncatedResponse, "before it sent a reply"),
    "half a head": (always(b"HTTP/1.1 200 OK\r\nConte", "close"), TruncatedResponse, "in the head"),
    "half a body": (
        always(result(b"x" * 100, 1)[:-97], "close"),
        TruncatedResponse,
        "after 3 bytes of content",
    ),
    "half a chunk": (
        always(CHUNKED + b"5\r\nab", "close"),
        TruncatedResponse,
        "after 2 bytes of content",
    ),
    "reset in the body": (
        always(result(b"x" * 100, 1)[:-97], "reset"),
        ConnectionLost,
        "lost the connection",
    ),
    "another protocol": (always(b"SSH-2.0-OpenSSH_9.6\r\n"), GarbledResponse, "no HTTP"),
    "a bad chunk": (always(CHUNKED + b"zz\r\n"), GarbledResponse, "no HTTP"),
    "an endless head": (
        always(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: %b\r\n" % (b"x" * 1000) * 200, "hold"),
        GarbledResponse,
        "bytes of headers",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_each_failure_has_its_exception(
    start_node: Callable[..., StubNode], name: str
) -> None:
    answer, kind, words = FAILURES[name]
    node = start_node(answer)
    async with AsyncQClient([node.url], **PATIENT) as client:
        with pytest.raises(kind, match=words) as caught:
            await client.get("key", {})
    error = caught.value
    assert type(error) is kind
    assert error.node == node.url
    assert error.status is None
    assert node.url in str(error)
    assert "get 'key'" in str(error)
    assert error.reached is True
    assert any(isinstance(cause, httpx.TransportError) for cause in causes(error))


async def test_a_silent_node_times_out(start_node: Callable[..., StubNode]) -> None:
    node = start_node(silent)
    async with AsyncQClient([node.url], connect_timeout=WAIT, read_timeout=0.05) as client:
        with pytest.raises(NodeTimeout, match="was silent for too long") as caught:
            await client.get("key", {})
    assert caught.value.node == node.url
    assert any(isinstance(cause, httpx.ReadTimeout) for cause in causes(caught.value))


async def test_a_node_that_stops_in_the_middle_times_out(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(always(result(b"x" * 100, 1)[:-97], "hold"))
    async with AsyncQClient([node.url], connect_timeout=WAIT, read_timeout=0.05) as client:
        with pytest.raises(NodeTimeout, match="was silent for too long"):
            await client.get("key", {})


async def test_a_node_that_never_ends_the_handshake_times_out() -> None:
    with mute_node("https") as url:
        async with AsyncQClient([url], connect_timeout=0.05, verify=False) as client:
            with pytest.raises(NodeTimeout, match="accepted no connection in time") as caught:
                await client.get("key", {})
            with pytest.raises(NodeTimeout) as caught_again:
                await client.post("key", TABLE)
    assert caught.value.node == url
    assert caught.value.reached is False
    assert caught_again.value.reached is False
    assert "may hold no dataset" not in str(caught_again.value)


async def test_a_node_that_refuses_is_unreachable(refusing: str) -> None:
    async with AsyncQClient([refusing], **PATIENT) as client:
        with pytest.raises(NodeUnreachable, match=f"no connection to {refusing}") as caught:
            await client.get("key", {})
    assert caught.value.node == refusing
    assert caught.value.reached is False
    assert any(isinstance(cause, httpx.ConnectError) for cause in causes(caught.value))


async def test_a_host_that_does_not_exist_is_unreachable() -> None:
    async with AsyncQClient(["http://storekit.invalid:9401"], **PATIENT) as client:
        with pytest.raises((NodeUnreachable, NodeTimeout)) as caught:
            await client.get("key", {})
    assert caught.value.node == "http://storekit.invalid:9401"


async def test_nodes_that_fail_in_different_ways(
    start_node: Callable[..., StubNode], refusing: str
) -> None:
    node = start_node(resets)
    async with AsyncQClient([node.url, refusing], **PATIENT) as client:
        with pytest.raises(NoCacheAvailable, match="no QCache is reachable") as caught:
            await client.get("key", {})
    error = caught.value
    assert type(error) is NoCacheAvailable
    assert error.node is None
    assert node.url in str(error)
    assert refusing in str(error)
    kinds = {type(cause) for cause in causes(error)}
    assert {ConnectionLost, NodeUnreachable} <= kinds


async def test_a_node_that_is_well_but_fails_each_query(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(well_but(resets))
    async with AsyncQClient([node.url], **PATIENT) as client:
        with pytest.raises(TooManyConsecutiveErrors, match="3 attempts failed") as caught:
            await client.get("key", {})
    assert len(node.queries) == 3
    assert [type(part) for part in caught.value.__cause__.exceptions] == [ConnectionLost] * 3
    assert "lost the connection" in str(caught.value)
    assert caught.value.node == node.url


@pytest.mark.parametrize("limit", [2, 5])
async def test_the_documented_limit_counts_attempts(
    start_node: Callable[..., StubNode], limit: int
) -> None:
    node = start_node(well_but(resets))
    async with AsyncQClient([node.url], WAIT, WAIT, consecutive_error_count_limit=limit) as client:
        with pytest.raises(TooManyConsecutiveErrors):
            await client.get("key", {})
    assert len(node.queries) == limit


async def test_without_repeats_the_error_is_that_of_the_one_attempt(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(well_but(resets))
    async with AsyncQClient([node.url], WAIT, WAIT, consecutive_error_count_limit=1) as client:
        with pytest.raises(ConnectionLost):
            await client.get("key", {})
    assert len(node.queries) == 1


# Answers that are no answers


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (reply(200, b"[]"), "is it a QCache node"),
        (reply(200, b"[]", {"X-QCache-unsliced-length": "many"}), "is it a QCache node"),
        (reply(204), "answered 204"),
        (reply(302, b"", {"Location": "http://127.0.0.1:9/"}), "answered 302"),
        (reply(418, b"short and stout"), "answered 418: short and stout"),
    ],
)
async def test_an_answer_that_makes_no_sense(
    start_node: Callable[..., StubNode], data: bytes, words: str
) -> None:
    node = start_node(always(data))
    async with AsyncQClient([node.url], **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse, match=words) as caught:
            await client.get("key", {})
    assert type(caught.value) is UnexpectedServerResponse
    assert caught.value.node == node.url
    assert caught.value.status == int(data[9:12])
    assert len(node.requests) == 1


@pytest.mark.parametrize("status", [200, 202, 301, 400])
async def test_a_post_is_done_only_when_the_node_says_created(
    start_node: Callable[..., StubNode], status: int
) -> None:
    node = start_node(always(reply(status, b"hm")))
    async with AsyncQClient([node.url], **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse, match="may hold no dataset") as caught:
            await client.post("key", TABLE)
    assert caught.value.status == status
    assert len(node.requests) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            result(gzip.compress(bytes(2**24), mtime=0), 1, **{"Content-Encoding": "gzip"}),
            "more than",
        ),
        (result(b"\xff\xff\xff\xff\x10x", 1, **{"Content-Encoding": "lz4"}), "says it has"),
        (result(b"no gzip", 1, **{"Content-Encoding": "gzip"}), "broken gzip"),
        (result(b"x", 1, **{"Content-Encoding": "br"}), "unknown content encoding 'br'"),
        (result(b"x" * 70_000, 1), "sent more than 65536 bytes"),
        (CHUNKED + b"fffff\r\n" + b"x" * 70_000, "sent more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, "sent more than 65536 bytes"),
    ],
)
async def test_content_that_would_fill_the_memory(
    start_node: Callable[..., StubNode], data: bytes, words: str
) -> None:
    node = start_node(always(data))
    async with AsyncQClient([node.url], max_content_size=65536, **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse, match=words) as caught:
            await client.get("key", {})
        assert caught.value.node == node.url
        assert len(node.requests) == 1
        node.answer = well
        assert (await client.get("key", {})).rows() == []


async def test_a_large_bomb_is_unpacked_elsewhere_and_stopped(
    start_node: Callable[..., StubNode],
) -> None:
    bomb = gzip.compress(bytes(2**22), compresslevel=0)
    node = start_node(always(result(bomb, 1, **{"Content-Encoding": "gzip"})))
    async with AsyncQClient([node.url], max_content_size=2**22 - 1, **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse):
            await client.get("key", {})


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


# Writes


WRITES: dict[str, Callable[[AsyncQClient, str], Awaitable[None]]] = {
    "post": lambda client, key: client.post(key, TABLE),
    "delete": lambda client, key: client.delete(key),
}
AFTERMATH = {"post": "may hold no dataset", "delete": "may or may not have been deleted"}


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("name", FAILURES)
async def test_a_write_whose_fate_is_unknown_is_not_repeated(
    start_node: Callable[..., StubNode], operation: str, name: str
) -> None:
    answer, kind, _ = FAILURES[name]
    bad, good = start_node(answer), start_node()
    key = key_of(bad.url, [bad.url, good.url])
    async with AsyncQClient([bad.url, good.url], **PATIENT) as client:
        with pytest.raises(kind, match=AFTERMATH[operation]) as caught:
            await WRITES[operation](client, key)
    assert caught.value.reached is True
    assert caught.value.node == bad.url
    assert len(bad.requests) == 1
    assert not good.requests


@pytest.mark.parametrize("operation", WRITES)
async def test_a_write_is_not_sent_again_when_a_kept_connection_breaks(
    start_node: Callable[..., StubNode], operation: str
) -> None:
    node = start_node()
    async with AsyncQClient([node.url], **PATIENT) as client:
        assert await client.get("key", {}) is not None
        node.answer = always(b"", "close")
        with pytest.raises(TruncatedResponse, match=AFTERMATH[operation]):
            await WRITES[operation](client, "key")
    assert len(node.requests) == 2


@pytest.mark.parametrize("operation", WRITES)
async def test_a_write_is_repeated_when_the_caller_asks_for_it(
    start_node: Callable[..., StubNode], operation: str
) -> None:
    bad, good = start_node(resets), start_node()
    key = key_of(bad.url, [bad.url, good.url])
    policy = RetryPolicy(initial_backoff=0, retry_writes=True)
    async with AsyncQClient([bad.url, good.url], WAIT, WAIT, retry=policy) as client:
        await WRITES[operation](client, key)
    assert len(bad.requests) == 1
    assert len(good.requests) == 1


@pytest.mark.parametrize("operation", WRITES)
async def test_a_repeated_write_that_failed_everywhere_may_have_reached_a_node(
    start_node: Callable[..., StubNode], refusing: str, operation: str
) -> None:
    bad = start_node(resets)
    key = key_of(bad.url, [bad.url, refusing])
    policy = RetryPolicy(initial_backoff=0, retry_writes=True)
    async with AsyncQClient([bad.url, refusing], WAIT, WAIT, retry=policy) as client:
        with pytest.raises(NoCacheAvailable, match=AFTERMATH[operation]) as caught:
            await WRITES[operation](client, key)
    assert caught.value.reached is True


@pytest.mark.parametrize("operation", WRITES)
async def test_a_write_to_a_node_that_refuses_goes_to_the_next(
    start_node: Callable[..., StubNode], refusing: str, operation: str
) -> None:
    good = start_node()
    key = key_of(refusing, [refusing, good.url])
    async with AsyncQClient([refusing, good.url], **PATIENT) as client:
        await WRITES[operation](client, key)
    assert len(good.requests) == 1


@pytest.mark.parametrize("operation", WRITES)
async def test_a_write_that_no_node_got_changed_nothing(refusing: str, operation: str) -> None:
    async with AsyncQClient([refusing], **PATIENT) as client:
        with pytest.raises(NodeUnreachable) as caught:
            await WRITES[operation](client, "key")
    assert caught.value.reached is False
    assert AFTERMATH[operation] not in str(caught.value)


async def test_an_upload_may_take_ten_times_as_long(start_node: Callable[..., StubNode]) -> None:
    node = start_node(silent)
    async with AsyncQClient([node.url], connect_timeout=WAIT, read_timeout=0.03) as client:
        started = time.monotonic()
        with pytest.raises(NodeTimeout, match="may hold no dataset"):
            await client.post("key", TABLE)
        assert time.monotonic() - started >= 0.29
    assert len(node.requests) == 1


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
