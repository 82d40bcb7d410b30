"""The status of nodes: of QCache by HTTP, of QuasarDB by its JSON documents."""

import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from storekit.cli.stores import open_qdb, qcache_nodes, qdb_place

if TYPE_CHECKING:
    import httpx

    from storekit.cli.invocation import Invocation
    from storekit.qdb import RawClient

__all__ = ["NodeFigures", "QCacheNodes", "QuasarDBNodes", "parse_figures"]

_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(\{.*\})? (\S+)")
_MOST_FIGURES = 4 << 20
"""Maximum number of characters of `/metrics` that are parsed."""

_MOST_NODES = 1000


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """The status of one node, or why there is none.

    `seconds` is the response time, `skew` how many seconds its clock is ahead of the local one;
    None if not known. `figures` are its metrics, for QCache those of `parse_figures`, for QuasarDB
    parts of its status.
    """

    node: str
    ok: bool
    error: str | None = None
    denied: bool = False
    seconds: float | None = None
    skew: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    version: str | None = None


class QCacheNodes:
    """Requests the status of all nodes of QCache concurrently, so that none delays the others."""

    def __init__(self, nodes: tuple[str, ...], client: "httpx.Client", options: Any) -> None:  # noqa: ANN401 - options of any type
        self.nodes = nodes
        self._client = client
        self._auth = options.get("auth")

    @classmethod
    @contextmanager
    def opened(cls, invocation: "Invocation") -> Iterator["QCacheNodes"]:
        """Return a context manager for the nodes and options of the settings."""
        import httpx  # noqa: PLC0415 - loaded only by commands that need it

        from storekit.core._sync.transport import HTTPTransport  # noqa: PLC0415

        settings = invocation.settings()
        options = settings.qcache_options
        transport = options.get("transport") or HTTPTransport(
            verify=options.get("verify", True), cert=options.get("cert")
        )
        timeout = httpx.Timeout(settings.timeout, connect=settings.connect_timeout)
        with httpx.Client(transport=transport, timeout=timeout, trust_env=False) as client:
            yield cls(qcache_nodes(invocation, settings), client, options)

    def figures(self) -> list[NodeFigures]:
        """Return the status of each node, in the order of the settings."""
        with ThreadPoolExecutor(min(32, len(self.nodes))) as threads:
            return [*threads.map(self._figures_of, self.nodes)]

    def _figures_of(self, node: str) -> NodeFigures:
        import httpx  # noqa: PLC0415 - loaded only by commands that need it

        from storekit.qcache.nodes import diagnose  # noqa: PLC0415

        if node.startswith("embedded:"):
            return NodeFigures(node, ok=True, version="in this process")
        try:
            began = time.perf_counter()
            status, seconds = self._get(node, "qcache/status"), time.perf_counter() - began
            skew = _skew_of(status.headers.get("date"))
            if status.status_code in {401, 403}:
                error = f"{node} refuses user and password: set auth in qcache_options"
                return NodeFigures(node, ok=False, denied=True, error=error)
            if status.status_code != 200:
                error = f"{node} answered {status.status_code}; is it a node of QCache?"
                return NodeFigures(node, ok=False, error=error)
            metrics = self._get(node, "metrics")
        except httpx.TransportError as failure:
            return NodeFigures(node, ok=False, error=diagnose(node, failure).reason)
        if metrics.status_code != 200:  # the original QCache, or an old node, has no metrics
            return NodeFigures(node, ok=True, seconds=seconds, skew=skew)
        figures, version = parse_figures(metrics.text[:_MOST_FIGURES])
        return NodeFigures(
            node, ok=True, seconds=seconds, skew=skew, figures=figures, version=version
        )

    def _get(self, node: str, path: str) -> "httpx.Response":
        return self._client.get(f"{node.rstrip('/')}/{path}", auth=self._auth)


def parse_figures(text: str) -> tuple[dict[str, float], str | None]:
    """Return the samples of Prometheus's text format by name, and the version of the node.

    Samples that differ only in their labels are added up; of histograms, only sum and count are
    returned.
    """
    figures: dict[str, float] = {}
    version = None
    for line in text.splitlines():
        matched = _SAMPLE.fullmatch(line)
        if matched is None or matched[1].endswith("_bucket"):
            continue
        if matched[1] == "qcache_build_info":
            found = re.search(r'storekit="([^"]*)"|version="([^"]*)"', matched[2] or "")
            version = None if found is None else found[1] or found[2]
        try:
            figures[matched[1]] = figures.get(matched[1], 0.0) + float(matched[3])
        except ValueError:
            continue
    return figures, version


def _skew_of(date: str | None) -> float | None:
    """Return how far the clock of an HTTP server is ahead, to about two seconds."""
    try:
        there = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    skew = (there - datetime.now(UTC)).total_seconds()
    # The header has whole seconds, and servers cache it for a second.
    return 0.0 if -2.5 < skew < 1.0 else skew


class QuasarDBNodes:
    """Requests the status of the nodes of a cluster of QuasarDB, or of an embedded store."""

    def __init__(self, client: "RawClient", first: list[str]) -> None:
        self._client = client
        self._first = first

    @classmethod
    @contextmanager
    def opened(cls, invocation: "Invocation") -> Iterator["QuasarDBNodes"]:
        """Return a context manager for the store of the settings."""
        from storekit.qdb.values import parse_nodes  # noqa: PLC0415 - loads a client

        with open_qdb(invocation) as client:
            place = qdb_place(invocation, invocation.settings())
            if place.startswith("embedded:"):
                from storekit.qdb.embedded.status import DEFAULT_NODE  # noqa: PLC0415

                yield cls(client, [DEFAULT_NODE])
            else:
                yield cls(client, [node.authority for node in parse_nodes(place)])

    def figures(self) -> list[NodeFigures]:
        """Return the status of each node. Raises `ConnectionFailed` if none can be reached."""
        return [self._figures_of(node) for node in self._ring()]

    def _ring(self) -> list[str]:
        """Return all nodes of the ring that can be found from the first ones."""
        from storekit.qdb import QuasardbException  # noqa: PLC0415 - loads a client

        found = list(self._first)
        for node in found:  # grows meanwhile
            if len(found) >= _MOST_NODES:
                break
            try:
                topology = self._client.node_topology(node)
            except QuasardbException:
                continue
            for neighbour in ("predecessor", "successor"):
                endpoint = topology.get(neighbour, {}).get("endpoint")
                if isinstance(endpoint, str) and endpoint not in found:
                    found.append(endpoint)
        return found

    def _figures_of(self, node: str) -> NodeFigures:
        from storekit.qdb import QuasardbException  # noqa: PLC0415 - loads a client

        began = time.perf_counter()
        try:
            status = self._client.node_status(node)
        except QuasardbException as error:
            return NodeFigures(node, ok=False, error=str(error))
        seconds = time.perf_counter() - began
        return NodeFigures(
            node,
            ok=True,
            seconds=seconds,
            skew=_skew_to(status.get("timestamp")),
            figures=_of_quasardb(status),
            version=str(status.get("engine_version", "")) or None,
        )


def _skew_to(timestamp: object) -> float | None:
    try:
        there = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return None
    there = there if there.tzinfo is not None else there.replace(tzinfo=UTC)
    return (there - datetime.now(UTC)).total_seconds()


def _of_quasardb(status: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures that are shown of the status of a node, as far as it has them."""
    places = {
        "entries": ("entries", "count"),
        "size": ("entries", "size"),
        "operations": ("overall", "count"),
        "failures": ("overall", "failures"),
        "sessions": ("network", "sessions"),
    }
    figures: dict[str, float] = {}
    for name, (part, key) in places.items():
        found = status.get(part, {})
        if part == "entries":
            # Entries in memory are also on disk, except in stores without a disk.
            counts = [found.get(where, {}).get(key) for where in ("persisted", "resident")]
            values = [each for each in counts if isinstance(each, int | float)]
            if values:
                figures[name] = float(max(values))
        elif isinstance(found.get(key), int | float):
            figures[name] = float(found[key])
    memory = status.get("memory", {}).get("physmem", {})
    for name, key in (("memory_used", "used"), ("memory_total", "total")):
        if isinstance(memory.get(key), int | float):
            figures[name] = float(memory[key])
    return figures
