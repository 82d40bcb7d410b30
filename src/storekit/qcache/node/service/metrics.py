"""The metrics of a node for `/metrics`, which reading does not reset."""

import os
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

from storekit.qcache.node.service.exposition import Family, Sample, exposition

__all__ = ["BOUNDS", "FAMILIES", "LEFT", "Metrics", "Source"]

LEFT = 499
"""The status of a request whose client disconnected before it got a response."""

BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Upper bounds of the histogram of durations, in seconds."""

FAMILIES = {
    family.name: family
    for family in (
        Family("qcache_build_info", "gauge", "1, labelled with versions"),
        Family("qcache_ready", "gauge", "1 if the node is ready, 0 while it starts or drains"),
        Family("qcache_tables", "gauge", "Stored tables"),
        Family("qcache_tables_bytes", "gauge", "Bytes of the stored tables"),
        Family("qcache_size_bytes", "gauge", "Limit of the bytes of tables (--size)"),
        Family("qcache_hits_total", "counter", "Queries that were answered"),
        Family("qcache_misses_total", "counter", "Queries of missing tables"),
        Family("qcache_stores_total", "counter", "Tables that were stored"),
        Family("qcache_replacements_total", "counter", "Of these, those that replaced one"),
        Family("qcache_deletes_total", "counter", "Requests to remove a table"),
        Family("qcache_evictions_total", "counter", "Tables evicted for their age or for space"),
        Family("qcache_stored_rows_total", "counter", "Rows of tables that were stored"),
        Family("qcache_requests_total", "counter", "Requests by kind and status"),
        Family(
            "qcache_request_duration_seconds",
            "histogram",
            "Time from the head of a request until its response was sent",
        ),
        Family("qcache_received_bytes_total", "counter", "Bytes of content of requests"),
        Family("qcache_sent_bytes_total", "counter", "Bytes of content of responses"),
        Family("qcache_requests_in_progress", "gauge", "Requests without a response yet"),
        Family("qcache_requests_waiting", "gauge", "Of these, those that wait for a thread"),
        Family("qcache_snapshot_tables_total", "counter", "Tables of the snapshot, by outcome"),
        Family("process_start_time_seconds", "gauge", "Start of the process, since 1970"),
        Family("process_cpu_seconds_total", "counter", "Processor time of the process"),
        Family("process_resident_memory_bytes", "gauge", "Memory of the process"),
        Family("process_open_fds", "gauge", "Open files and connections"),
        Family("process_max_fds", "gauge", "Limit of open files"),
    )
}
"""All metrics, in the order in which they are shown."""

_EVENTS = {
    "hit_count": ("qcache_hits_total", {}),
    "miss_count": ("qcache_misses_total", {}),
    "store_count": ("qcache_stores_total", {}),
    "replace_count": ("qcache_replacements_total", {}),
    "delete_count": ("qcache_deletes_total", {}),
    "size_evict_count": ("qcache_evictions_total", {"reason": "size"}),
    "age_evict_count": ("qcache_evictions_total", {"reason": "age"}),
    "stored_rows": ("qcache_stored_rows_total", {}),
    "snapshot_restored": ("qcache_snapshot_tables_total", {"outcome": "restored"}),
    "snapshot_expired": ("qcache_snapshot_tables_total", {"outcome": "expired"}),
    "snapshot_no_room": ("qcache_snapshot_tables_total", {"outcome": "no_room"}),
    "snapshot_refused": ("qcache_snapshot_tables_total", {"outcome": "refused"}),
}
"""The metrics of the totals of the statistics."""

_STARTED = time.time()


class Source(Protocol):
    """Something that has gauges."""

    def gauges(self) -> Mapping[str, float]:
        """Return gauges by name, with a label after a blank: `qcache_requests_waiting small`."""


class Metrics:
    """Counts the requests of a node. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: WeakSet[Source] = WeakSet()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._histograms: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._received = 0
        self._sent = 0

    def watch(self, source: Source) -> None:
        """Show the gauges of a source, as long as it exists; those of several are added."""
        with self._lock:
            self._sources.add(source)

    def note(self, kind: str, status: int, seconds: float, received: int, sent: int) -> None:
        """Count a finished request, and the bytes of its content and of its response."""
        place = bisect_left(BOUNDS, seconds)
        with self._lock:
            self._requests[kind, status] += 1
            histogram = self._histograms.get(kind)
            if histogram is None:
                histogram = self._histograms[kind] = [0] * (len(BOUNDS) + 1)
                self._seconds[kind] = 0.0
            histogram[place] += 1
            self._seconds[kind] += seconds
            self._received += received
            self._sent += sent

    def durations(self, kind: str) -> tuple[int, ...]:
        """Return how many requests of a kind are in each bucket of `BOUNDS`, and above all.

        Each request is counted once, in the first bucket whose bound it does not exceed.
        """
        with self._lock:
            return tuple(self._histograms.get(kind, (0,) * (len(BOUNDS) + 1)))

    def text(self, totals: Mapping[str, float], gauges: Mapping[str, float]) -> str:
        """Return all metrics as text.

        `totals` are the counts of the statistics, by their names there; `gauges` are the node's.
        """
        samples: dict[str, list[Sample]] = {name: [] for name in FAMILIES}
        for event, (name, labels) in _EVENTS.items():
            samples[name].append(Sample(totals.get(event, 0), labels))
        with self._lock:
            self._add_requests(samples)
            sources = list(self._sources)
        shown = {**gauges, **_of_process()}
        for source in sources:
            for figure, value in source.gauges().items():
                shown[figure] = shown.get(figure, 0) + value
        for figure, value in shown.items():
            name, _, lane = figure.partition(" ")
            samples[name].append(Sample(value, {"lane": lane} if lane else {}))
        samples["qcache_build_info"].append(Sample(1, _versions()))
        return exposition((FAMILIES[name], each) for name, each in samples.items())

    def _add_requests(self, samples: Mapping[str, list[Sample]]) -> None:
        for (kind, status), count in sorted(self._requests.items()):
            labels = {"kind": kind, "status": str(status)}
            samples["qcache_requests_total"].append(Sample(count, labels))
        for kind, histogram in sorted(self._histograms.items()):
            samples["qcache_request_duration_seconds"] += _of_histogram(
                kind, histogram, self._seconds[kind]
            )
        samples["qcache_received_bytes_total"].append(Sample(self._received, {}))
        samples["qcache_sent_bytes_total"].append(Sample(self._sent, {}))


def _of_histogram(kind: str, counts: Iterable[int], seconds: float) -> Iterable[Sample]:
    total = 0
    for bound, count in zip((*BOUNDS, float("inf")), counts, strict=True):
        total += count
        label = "+Inf" if bound == float("inf") else repr(bound)
        yield Sample(total, {"kind": kind, "le": label}, "_bucket")
    yield Sample(seconds, {"kind": kind}, "_sum")
    yield Sample(total, {"kind": kind}, "_count")


@cache
def _versions() -> dict[str, str]:
    python = ".".join(map(str, sys.version_info[:3]))
    return {"version": version("storekit"), "polars": version("polars"), "python": python}


def _of_process() -> dict[str, float]:
    figures = {"process_start_time_seconds": _STARTED, "process_cpu_seconds_total": _cpu_seconds()}
    with suppress(OSError, ValueError, AttributeError):  # not all systems have /proc
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        figures["process_resident_memory_bytes"] = pages * os.sysconf("SC_PAGE_SIZE")
        figures["process_open_fds"] = len(os.listdir("/proc/self/fd"))
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - not on Windows

        figures["process_max_fds"] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return figures


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system
