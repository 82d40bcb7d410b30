"""An observer that keeps Prometheus metrics (`pip install storekit[prometheus]`)."""

from collections.abc import Iterable

from storekit._extras import require
from storekit.observers.events import CallEnded, CallRetried, CallStarted
from storekit.observers.state import WatchedClients, WithState

require("storekit.observers.prometheus", "prometheus", "prometheus_client")

from prometheus_client import (  # noqa: E402 - after the check, whose message says what to install
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
)
from prometheus_client.core import GaugeMetricFamily  # noqa: E402

__all__ = ["PrometheusObserver"]

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class PrometheusObserver:
    """Keeps metrics of the calls, connections and nodes of all clients that are made with it.

    Make one, and give it to all clients: a registry takes each name only once, and a second
    observer raises `ValueError`. No key and no content is among the labels. `store` is "qdb" or
    "qcache".

    - `storekit_client_operation_duration_seconds`, histogram by `store` and `operation`.
    - `storekit_client_errors_total` by `store`, `operation` and `error`, the name of its class.
    - `storekit_client_retries_total`, the same, of attempts that were followed by another.
    - `storekit_client_connections` by `store`, `pool` and `state`: `used` or `idle`.
    - `storekit_client_connections_max`, and `storekit_client_waiting`, calls that wait for one, by
      `store` and `pool`.
    - `storekit_client_node_out` by `store` and `node`: 1 if it is out of the ring.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._clients = WatchedClients()
        self._durations = Histogram(
            "storekit_client_operation_duration_seconds",
            "Time that calls took, with all attempts and pauses",
            ["store", "operation"],
            buckets=_BOUNDS,
            registry=registry,
        )
        self._errors = Counter(
            "storekit_client_errors_total",
            "Calls that failed or were cancelled",
            ["store", "operation", "error"],
            registry=registry,
        )
        self._retries = Counter(
            "storekit_client_retries_total",
            "Attempts that failed and were followed by another",
            ["store", "operation", "error"],
            registry=registry,
        )
        registry.register(self)

    def attach(self, client: WithState) -> None:
        """Add a client whose connections and nodes are to be included."""
        self._clients.add(client)

    def start(self, event: CallStarted) -> None:
        """Do nothing: the event at the end has all details."""

    def retry(self, token: object, event: CallRetried) -> None:  # noqa: ARG002 - always None here
        """Count an attempt that failed."""
        call, kind = event.call, type(event.error).__name__
        self._retries.labels(call.store, call.operation, kind).inc()

    def end(self, token: object, event: CallEnded) -> None:  # noqa: ARG002 - always None here
        """Record how long a call took, and how it failed."""
        call = event.call
        self._durations.labels(call.store, call.operation).observe(event.duration)
        if event.error is not None:
            kind = type(event.error).__name__
            self._errors.labels(call.store, call.operation, kind).inc()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the current state of clients, for the registry."""
        connections = GaugeMetricFamily(
            "storekit_client_connections",
            "Connections or sessions, by state",
            labels=["store", "pool", "state"],
        )
        most = GaugeMetricFamily(
            "storekit_client_connections_max",
            "Maximum number of connections",
            labels=["store", "pool"],
        )
        waiting = GaugeMetricFamily(
            "storekit_client_waiting",
            "Calls that wait for a connection",
            labels=["store", "pool"],
        )
        out = GaugeMetricFamily(
            "storekit_client_node_out",
            "1 for a node that is out of the ring",
            labels=["store", "node"],
        )
        for state in self._clients.states():
            for each in state.connections:
                connections.add_metric([state.store, each.pool, "used"], each.used)
                connections.add_metric([state.store, each.pool, "idle"], each.idle)
                most.add_metric([state.store, each.pool], each.max)
                waiting.add_metric([state.store, each.pool], each.waiting)
            for node in state.nodes:
                out.add_metric([state.store, node.node], int(node.out))
        return connections, most, waiting, out
