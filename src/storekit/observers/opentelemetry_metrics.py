"""An observer that keeps OpenTelemetry metrics (`pip install storekit[opentelemetry]`)."""

from collections.abc import Callable, Iterable
from functools import partial

from storekit._extras import require
from storekit.observers.events import CallEnded, CallRetried, CallStarted
from storekit.observers.state import ClientState, WatchedClients, WithState, server_of

require("storekit.observers.opentelemetry_metrics", "opentelemetry", "opentelemetry.metrics")

from opentelemetry.metrics import (  # noqa: E402 - after the check, whose message says what to install
    CallbackOptions,
    Meter,
    Observation,
    get_meter,
)

__all__ = ["OpenTelemetryMetrics"]

_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Bucket boundaries of durations, in seconds, as the conventions advise."""

_SYSTEMS = {"qdb": "quasardb"}


class OpenTelemetryMetrics:
    """Keeps metrics of the calls, connections and nodes of all clients that are made with it.

    Names and attributes follow OpenTelemetry's conventions for database clients; names that these
    do not have begin with `storekit.`. No key and no content is among the attributes.

    - `db.client.operation.duration`, histogram, seconds. Calls that failed have `error.type`.
    - `storekit.client.operation.retries`, counter: attempts that failed and were followed by
      another, with their `error.type`.
    - `db.client.connection.count`, by `db.client.connection.state`: `used` or `idle`.
    - `db.client.connection.max`, and `db.client.connection.pending_requests`, calls that wait.
    - `storekit.client.node.out`: 1 for a node that is out of the ring, else 0.
    """

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter if meter is not None else get_meter("storekit")
        self._clients = WatchedClients()
        self._durations = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_BOUNDS,
        )
        self._retries = meter.create_counter(
            "storekit.client.operation.retries",
            unit="{retry}",
            description="Attempts that failed and were followed by another.",
        )
        for name, unit, description, observe in (
            (
                "db.client.connection.count",
                "{connection}",
                "The number of connections that are currently in the state.",
                _connections,
            ),
            (
                "db.client.connection.max",
                "{connection}",
                "The maximum number of open connections allowed.",
                _most_connections,
            ),
            (
                "db.client.connection.pending_requests",
                "{request}",
                "The number of calls that wait for an open connection.",
                _pending,
            ),
            (
                "storekit.client.node.out",
                "{node}",
                "1 for a node that is out of the ring.",
                _nodes_out,
            ),
        ):
            meter.create_observable_up_down_counter(
                name, [partial(self._observe, observe)], unit=unit, description=description
            )

    def attach(self, client: WithState) -> None:
        """Add a client whose connections and nodes are to be included."""
        self._clients.add(client)

    def start(self, event: CallStarted) -> None:
        """Do nothing: the event at the end has all details."""

    def retry(self, token: object, event: CallRetried) -> None:  # noqa: ARG002 - always None here
        """Count an attempt that failed."""
        attributes = _attributes(event.call, event.node)
        self._retries.add(1, {**attributes, "error.type": type(event.error).__name__})

    def end(self, token: object, event: CallEnded) -> None:  # noqa: ARG002 - always None here
        """Record how long a call took."""
        attributes = _attributes(event.call, event.node)
        if event.error is not None:
            attributes["error.type"] = type(event.error).__name__
        self._durations.record(event.duration, attributes)

    def _observe(
        self,
        observe: Callable[[ClientState], Iterable[Observation]],
        _options: CallbackOptions,
    ) -> Iterable[Observation]:
        for state in self._clients.states():
            yield from observe(state)


def _attributes(call: CallStarted, node: str | None) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "db.system.name": _SYSTEMS.get(call.store, call.store),
        "db.operation.name": call.operation,
    }
    if node is not None:
        host, port = server_of(node)
        attributes["server.address"] = host
        if port is not None:
            attributes["server.port"] = port
    return attributes


def _connections(state: ClientState) -> Iterable[Observation]:
    for each in state.connections:
        pool = {"db.client.connection.pool.name": each.pool}
        yield Observation(each.used, {**pool, "db.client.connection.state": "used"})
        yield Observation(each.idle, {**pool, "db.client.connection.state": "idle"})


def _most_connections(state: ClientState) -> Iterable[Observation]:
    for each in state.connections:
        yield Observation(each.max, {"db.client.connection.pool.name": each.pool})


def _pending(state: ClientState) -> Iterable[Observation]:
    for each in state.connections:
        yield Observation(each.waiting, {"db.client.connection.pool.name": each.pool})


def _nodes_out(state: ClientState) -> Iterable[Observation]:
    for node in state.nodes:
        host, port = server_of(node.node)
        attributes: dict[str, str | int] = {"server.address": host}
        if port is not None:
            attributes["server.port"] = port
        yield Observation(int(node.out), attributes)
