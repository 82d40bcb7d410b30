"""How a client stands at one moment: its connections, who waits for them, its nodes.

Observers of calls that also want to show this have a method `attach`, which is given each client
that is made with them. They ask it when they show figures: a call costs nothing for it.
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
    """Connections (sessions, for QuasarDB) of one pool, in numbers.

    `pool` is the server of the pool, or the address of the store; `max` how many there may be.
    """

    pool: str
    used: int
    idle: int
    waiting: int  # calls that wait for one
    max: int


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node of the ring, by the text that names it; `out` while it does not get calls."""

    node: str
    out: bool


@dataclass(frozen=True, slots=True)
class ClientState:
    """What a client has at a moment. `store` is "qdb" or "qcache"; qdb has no `nodes`."""

    store: str
    connections: tuple[ConnectionState, ...] = ()
    nodes: tuple[NodeState, ...] = ()


class WithState(Protocol):
    """A client, as observers see it. They must not keep it alive: it is gone when it is closed."""

    def state(self) -> ClientState:
        """Return how it stands. May be called from any thread; waits for nothing."""


@runtime_checkable
class StateObserver(Protocol):
    """An observer that is told which clients there are, beside their calls."""

    def attach(self, client: WithState) -> None:
        """Take note of a client that was made with this observer."""


class WatchedClients:
    """The clients of one observer, for as long as they exist. Safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: WeakSet[WithState] = WeakSet()

    def add(self, client: WithState) -> None:
        """Take note of one more."""
        with self._lock:
            self._clients.add(client)

    def states(self) -> list[ClientState]:
        """Return how they stand, those of one store and server put together."""
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
    """Tell those observers of a client that want to know."""
    for observer in observers:
        if isinstance(observer, StateObserver):
            observer.attach(client)


def server_of(address: str) -> tuple[str, int | None]:
    """Return host and port of a node or cluster; the text itself where it names no single one."""
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
