"""Activity of a node as counters, of which the page shows differences."""

from dataclasses import dataclass
from importlib.util import find_spec

from storekit._version import __version__
from storekit.qcache.node.node import Node
from storekit.qcache.node.service.metrics import BOUNDS

__all__ = ["Queue", "life_of"]


@dataclass(frozen=True, slots=True)
class Queue:
    """Numbers of requests that are being processed, and that wait."""

    working: int
    waiting: int


def life_of(node: Node, queue: Queue) -> dict[str, object]:
    """Return counters since the node was made, and its state. Reading resets nothing."""
    totals = node.tables.totals()
    counts = totals.counts
    return {
        "version": __version__,
        "state": node.state,
        "sql": find_spec("sqlglot") is not None,
        "uptime": totals.uptime,
        "tables": totals.datasets,
        "memory": totals.charged,
        "size": node.size,
        "hits": counts.get("hit_count", 0),
        "misses": counts.get("miss_count", 0),
        "stored": counts.get("store_count", 0),
        "evicted_by_size": counts.get("size_evict_count", 0),
        "evicted_by_age": counts.get("age_evict_count", 0),
        "working": queue.working,
        "waiting": queue.waiting,
        "bounds": BOUNDS,
        "queries": node.metrics.durations("query"),
        "stores": node.metrics.durations("store"),
    }
