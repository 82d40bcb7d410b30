"""Nodes that misbehave on purpose, on raw sockets, and a clock that can be moved.

What a node does with a request is a function, which a test may swap at any time:

    with StubNode(lambda request: Answer(reply(200, b"OK"))) as node:
        ...
        node.answer = resets
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple, Self

WAIT = 20.0
"""Seconds after which something that should have happened counts as not happening."""


class Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def is_status(self) -> bool:
        return self.target.endswith("/qcache/status")


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
    return Answer(reply(200, b"OK") if request.is_status else result())


def silent(_: Request) -> Answer:
    return Answer(then="hold")


def resets(_: Request) -> Answer:
    return Answer(then="reset")


def well_but(behaviour: Behaviour) -> Behaviour:
    """Says that it is well, on a connection for that alone, and else does something else."""
    status = Answer(reply(200, b"OK", {"Connection": "close"}), "close")
    return lambda request: status if request.is_status else behaviour(request)


def always(data: bytes, then: Literal["keep", "close", "reset", "hold"] = "keep") -> Behaviour:
    return lambda _: Answer(data, then)


class StubNode:
    """A server on a free port of 127.0.0.1. `requests` are those it has read, in order."""

    def __init__(self, answer: Behaviour = well) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._released = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def queries(self) -> list[Request]:
        return [request for request in self.requests if not request.is_status]

    @property
    def probes(self) -> list[Request]:
        return [request for request in self.requests if request.is_status]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the port it had if it had one."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        listener.listen(128)
        self._listener = listener
        self._released.clear()
        self._run(self._accept, listener)

    def stop(self) -> None:
        """Stop listening, and reset all connections."""
        self._released.set()
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        # Only once nothing more is accepted is the set of connections complete.
        accepting, *_ = self._threads
        accepting.join(WAIT)
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT)
        self._threads.clear()
        listener.close()

    def release(self) -> None:
        """Close the connections that are held without a word, now and from now on."""
        self._released.set()

    def wait_for(self, condition: Callable[[StubNode], bool]) -> None:
        """Wait until the requests are such that `condition` holds."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), WAIT):
                raise AssertionError(f"never happened; requests: {self.requests}")

    def _run(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.add(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        reset = False
        try:
            with connection, connection.makefile("rb") as stream:
                for request in _requests(stream):
                    with self._changed:
                        self.requests.append(request)
                        self._changed.notify_all()
                    answer = self.answer(request)
                    if answer.data:
                        connection.sendall(answer.data)
                    if answer.then == "hold":
                        self._released.wait()
                    if answer.then == "reset":
                        reset = True
                        connection.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                    if answer.then != "keep":
                        break
        except OSError:
            if not reset and self._listener is not None:
                return  # the client went away, which is its right
        finally:
            self._connections.discard(connection)


def _requests(stream) -> Iterator[Request]:
    while line := stream.readline():
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(_chunks(stream))
        else:
            body = stream.read(int(headers.get("content-length", 0)))
        yield Request(method, target, headers, body)


def _chunks(stream) -> Iterator[bytes]:
    while size := int(stream.readline() or b"0", 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


@contextlib.contextmanager
def refusing_node() -> Iterator[str]:
    """The URL of a port that refuses connections and that nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


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
