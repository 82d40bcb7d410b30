"""Nodes that misbehave on purpose, made of stub servers, and a clock that can be moved.

What a node does with a request is a function, which a test may swap at any time:

    with StubNode(lambda request: Answer(reply(200, b"OK"))) as node:
        ...
        node.answer = resets
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from tests.support.stub_server import WAIT, Peer, Request, StubServer, refusing_port


def is_status(request: Request) -> bool:
    """Whether a client asks whether the node is well."""
    return request.target.endswith("/qcache/status")


class Answer(NamedTuple):
    data: bytes = b""
    then: Literal["keep", "close", "reset", "hold"] = "keep"
    """What becomes of the connection; "hold" leaves it open without another word."""


Behaviour = Callable[[Request], Answer]


def reply(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Stub"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def result(body: bytes = b"[]", rows: int = 0, **headers: str) -> bytes:
    """A successful answer to a query."""
    return reply(
        200,
        body,
        {"Content-Type": "application/json", "X-QCache-unsliced-length": str(rows), **headers},
    )


def well(request: Request) -> Answer:
    """Does what a node does that is well and has every dataset, empty."""
    if request.method == "POST" and not request.target.endswith("/q"):
        return Answer(reply(201))
    return Answer(reply(200, b"OK") if is_status(request) else result())


def silent(_: Request) -> Answer:
    return Answer(then="hold")


def resets(_: Request) -> Answer:
    return Answer(then="reset")


def well_but(behaviour: Behaviour) -> Behaviour:
    """Says that it is well, on a connection for that alone, and else does something else."""
    status = Answer(reply(200, b"OK", {"Connection": "close"}), "close")
    return lambda request: status if is_status(request) else behaviour(request)


def always(data: bytes, then: Literal["keep", "close", "reset", "hold"] = "keep") -> Behaviour:
    return lambda _: Answer(data, then)


class StubNode(StubServer):
    """A server that does with each request what `answer` says, which a test may swap."""

    def __init__(self, answer: Behaviour = well) -> None:
        super().__init__(self._serve_node, patience=None)
        self.answer = answer
        self._let_go = threading.Event()

    @property
    def url(self) -> str:
        return f"http://{self.authority}"

    @property
    def queries(self) -> list[Request]:
        return [request for request in self.requests if not is_status(request)]

    @property
    def probes(self) -> list[Request]:
        return [request for request in self.requests if is_status(request)]

    def start(self) -> None:
        """Listen, on the port it had if it had one."""
        self._let_go.clear()
        super().start()

    def stop(self) -> None:
        """Stop listening, and end all connections."""
        self._let_go.set()
        super().stop()

    def let_go(self) -> None:
        """Close the connections that are held without a word, now and from now on."""
        self._let_go.set()

    def wait_for(self, condition: Callable[[StubNode], bool]) -> None:
        """Wait until the requests are such that `condition` holds."""
        self._wait(lambda: condition(self), f"requests; there were {self.requests}")

    def _serve_node(self, peer: Peer) -> None:
        then = "keep"
        while then == "keep":
            request = peer.read_request()
            data, then = self.answer(request)  # what the test says by now
            if data:
                peer.send(data)
        if then == "hold":
            self._let_go.wait()
        elif then == "reset":
            peer.reset()


@contextlib.contextmanager
def refusing_node() -> Iterator[str]:
    """The URL of a port that refuses connections and that nobody else can take."""
    with refusing_port() as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def mute_node(scheme: str = "http") -> Iterator[str]:
    """The URL of a port where the system accepts connections, and nobody ever reads."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"


def key_of(node: str, nodes: list[str]) -> str:
    """A key that the ring of `nodes` gives to `node`."""
    return keys_of(node, nodes, 1)[0]


def keys_of(node: str, nodes: list[str], count: int) -> list[str]:
    from storekit.qcache.ring import HashRing

    ring = HashRing(nodes)
    keys = (f"key-{number}" for number in itertools.count())
    return list(itertools.islice((key for key in keys if ring.node_for(key) == node), count))


class Clock:
    """The time of `time.monotonic` when it was made, until a test moves it on."""

    def __init__(self) -> None:
        self._now = time.monotonic()

    def __call__(self) -> float:
        return self._now

    def move_on(self, seconds: float) -> None:
        self._now += seconds


class RunningClock(Clock):
    """The time of `time.monotonic`, which a test can move on."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._now


__all__ = [
    "WAIT",
    "Answer",
    "Behaviour",
    "Clock",
    "Request",
    "RunningClock",
    "StubNode",
    "always",
    "is_status",
    "key_of",
    "keys_of",
    "mute_node",
    "refusing_node",
    "reply",
    "resets",
    "result",
    "silent",
    "well",
    "well_but",
]
