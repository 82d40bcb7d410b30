# Generated from tests/qcache/_async/failing.py by tools/generate_sync.py; do not edit.

"""What the tests of failing nodes share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import httpx

from storekit.core._sync.transport import HTTPTransport
from storekit.options import RetryPolicy, Timeouts
from storekit.qcache import ConnectionLost, GarbledResponse, QClient, TruncatedResponse
from storekit.qcache._sync.node_pool import NodePool
from storekit.qcache.addresses import check_node
from storekit.qcache.ring import HashRing
from storekit.qcache.wire import PreparedRequest
from tests.support.stub_node import WAIT, Answer, Clock, Request, always, resets, result, well

AT_ONCE = RetryPolicy(attempts=3, initial_backoff=0)
PATIENT = {"connect_timeout": WAIT, "read_timeout": WAIT, "retry": AT_ONCE}
TABLE = "a\n1\n"
HEADERS = httpx.Headers({"accept": "application/json"})
PROBE = PreparedRequest("status", "GET", "qcache/status", HEADERS)


def read(key: str) -> PreparedRequest:
    return PreparedRequest(f"get {key!r}", "GET", f"qcache/dataset/{key}?q=%7B%7D", HEADERS)


class Pauses:
    """Stands in for sleeping: notes for how long, and moves the clock on."""

    def __init__(self, clock: Clock) -> None:
        self.seconds: list[float] = []
        self._clock = clock

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._clock.move_on(seconds)


class Gate:
    """A behaviour that answers well, once it is open."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, request: Request) -> Answer:
        assert self.opened.wait(WAIT)
        return well(request)


@contextlib.contextmanager
def pool_of(
    nodes: list[str],
    clock: Clock,
    *,
    retry: RetryPolicy = AT_ONCE,
    timeouts: Timeouts | None = None,
    pause: Callable[[float], None] | None = None,
    rng: Callable[[], float] = lambda: 0.0,
) -> Iterator[NodePool]:
    with HTTPTransport() as transport:
        pool = NodePool(
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
            pool.close()


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
    "another protocol": (
        always(b"SSH-2.0-OpenSSH_9.6\r\n"),
        GarbledResponse,
        "not an HTTP/1.1 reply",
    ),
    "a bad chunk": (always(CHUNKED + b"zz\r\n"), GarbledResponse, "not an HTTP/1.1 reply"),
    "an endless head": (
        always(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: %b\r\n" % (b"x" * 1000) * 200, "hold"),
        GarbledResponse,
        "bytes of headers",
    ),
}


# Writes


WRITES: dict[str, Callable[[QClient, str], None]] = {
    "post": lambda client, key: client.post(key, TABLE),
    "delete": lambda client, key: client.delete(key),
}
