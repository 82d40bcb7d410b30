"""The current state of a client: its connections, the calls that wait for them, and its nodes.

An observer of calls can have a method `attach` as well, which is called with each client that is
made with the observer. It reads the state of clients when metrics are collected, so calls do not
become slower.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, runtime_checkable
from weakref import WeakSet

from storekit.observers.events import Observer

__all__ = [
    "ClientState",
    "ConnectionState",
    "NodeState",
    "StateObserver",
    "WatchedClients",
    "WithState",
    "attach_client",
    "server_of",
]


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """The numbers of connections (for QuasarDB, of sessions) of one pool.

    `pool` is the server of the pool, or the address of the store; `max` the limit of their number.
    """

    pool: str
    used: int
    idle: int
    waiting: int  # calls that wait for a connection
    max: int


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node of the ring, by its address; `out` while it gets no calls because it failed."""

    node: str
    out: bool


@dataclass(frozen=True, slots=True)
class ClientState:
    """The current state of a client. `store` is "qdb" or "qcache"; clients of qdb have no nodes."""

    store: str
    connections: tuple[ConnectionState, ...] = ()
    nodes: tuple[NodeState, ...] = ()


class WithState(Protocol):
    """A client with a state. Observers must only keep weak references to it."""

    def state(self) -> ClientState:
        """Return the current state. May be called in any thread; never waits."""


@runtime_checkable
class StateObserver(Protocol):
    """An observer that also gets the clients themselves."""

    def attach(self, client: WithState) -> None:
        """Add a client that was made with this observer."""


class WatchedClients:
    """The clients of one observer, by weak references. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: WeakSet[WithState] = WeakSet()

    def add(self, client: WithState) -> None:
        """Add a client."""
        with self._lock:
            self._clients.add(client)

    def states(self) -> list[ClientState]:
        """Return one state for each store, with clients of the same server added up."""
        with self._lock:
            clients = list(self._clients)
        connections: dict[tuple[str, str], ConnectionState] = {}
        nodes: dict[tuple[str, str], bool] = {}
        states = [client.state() for client in clients]
        for state in states:
            for each in state.connections:
                former = connections.get((state.store, each.pool))
                connections[state.store, each.pool] = each if former is None else _sum(former, each)
            for node in state.nodes:
                out = nodes.get((state.store, node.node), False)
                nodes[state.store, node.node] = out or node.out
        return [
            ClientState(
                store,
                tuple(each for (of, _), each in connections.items() if of == store),
                tuple(NodeState(name, out) for (of, name), out in nodes.items() if of == store),
            )
            for store in sorted({state.store for state in states})
        ]


def attach_client(observers: Iterable[Observer], client: WithState) -> None:
    """Attach a client to those observers that have `attach`."""
    for observer in observers:
        if isinstance(observer, StateObserver):
            observer.attach(client)


def server_of(address: str) -> tuple[str, int | None]:
    """Return host and port of an address; the address itself if it is not that of one server."""
    _, separator, rest = address.partition("://")
    place = rest.partition("/")[0]
    host, colon, port = place.rpartition(":")
    if not separator or "," in place or not place:
        return address, None
    if not colon or not port.isdecimal() or host.endswith(":"):
        return place, None
    return host.strip("[]"), int(port)


def _sum(one: ConnectionState, other: ConnectionState) -> ConnectionState:
    return ConnectionState(
        one.pool,
        one.used + other.used,
        one.idle + other.idle,
        one.waiting + other.waiting,
        one.max + other.max,
    )
