"""Status, configuration and topology of an embedded store, in the JSON format of the servers."""

import datetime
import json
import os
import platform
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from storekit.qdb.embedded.location import Location
from storekit.qdb.embedded.lock import CallLock
from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["DEFAULT_NODE", "OPERATIONS", "Counter", "EmbeddedNode"]

DEFAULT_NODE = "127.0.0.1:2836"

_SCHEME = "qdb://"
_PORTS = range(1, 65536)
_LOOPBACK = {"localhost": "127.0.0.1", "[::1]": "127.0.0.1"}

OPERATIONS = (
    "get",
    "put",
    "update",
    "get_and_update",
    "compare_and_swap",
    "get_and_remove",
    "remove",
    "remove_if",
    "purge_all",
)


@dataclass(slots=True)
class Counter:
    """Statistics of one operation in one session."""

    count: int = 0
    successes: int = 0
    in_bytes: int = 0
    out_bytes: int = 0


class EmbeddedNode:
    """The one node of an embedded store, as one engine presents it.

    `now_ns` returns nanoseconds since the epoch. The statistics are of the calls of this engine.
    """

    def __init__(
        self,
        address: str,
        location: Location,
        *,
        durable: bool,
        timeout: float,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.address: str = _endpoint(address)
        self.durable = durable
        self.timeout = timeout
        self.now_ns = now_ns
        self._location = location
        self._startup = _now()
        self._lock = CallLock()
        self._sessions: set[int] = set()
        self._closed: dict[str, Counter] = {}
        self._open: list[Mapping[str, Counter]] = []

    def opened(self, session: object) -> None:
        """Count an open session."""
        self._sessions.add(id(session))

    def closed(self, session: object) -> None:
        """Stop counting a session."""
        self._sessions.discard(id(session))

    def count(self, counters: Mapping[str, Counter]) -> None:
        """Include the counters of an open session."""
        self._lock.run(self._open.append, counters)

    def keep(self, counters: Mapping[str, Counter]) -> None:
        """Add the final counters of a closed session."""
        self._lock.run(self._keep, counters)

    def _keep(self, counters: Mapping[str, Counter]) -> None:
        others = [each for each in self._open if each is not counters]
        if len(others) < len(self._open):
            self._closed, self._open = _sum([self._closed, counters]), others

    def _total(self) -> dict[str, Counter]:
        return _sum([self._closed, *self._open])

    def check(self, node: str) -> None:
        """Raise unless this is the address of the node."""
        endpoint = _endpoint(node)
        if endpoint != self.address:
            raise error_for(
                ErrorCode.CONNECTION_REFUSED,
                f"An embedded store has only one node, {self.address}, not {endpoint}.",
            )

    def status(self, count: int, size: int) -> bytes:
        """Return the status. `count` is the number of entries, `size` that of their bytes."""
        counters = self._lock.run(self._total)
        figures = {"count": count, "size": size}
        nothing = {"count": 0, "size": 0}
        on_disk = self._location.path is not None
        return _json(
            {
                "node_id": self._node_id(),
                "operating_system": platform.platform(),
                "hardware_concurrency": os.cpu_count() or 1,
                "timestamp": _now(),
                "startup": self._startup,
                "engine_version": f"SQLite {sqlite3.sqlite_version}",
                "engine_build_date": _source_date(),
                "memory": _memory(),
                "cpu_times": _cpu_times(),
                "disk_usage": _disk_usage(self._location.path),
                "network": {
                    "listening_endpoint": self.address,
                    "partitions": {"count": 1, "max_sessions": 0, "available_sessions": 0},
                    "sessions": len(self._sessions),
                },
                "entries": {
                    "resident": nothing if on_disk else figures,
                    "persisted": figures if on_disk else nothing,
                },
                "operations": {name: _figures(counters[name]) for name in sorted(counters)},
                "overall": _figures(_total(counters.values())),
            }
        )

    def config(self) -> bytes:
        """Return the configuration."""
        path = self._location.path
        return _json(
            {
                "local": {
                    "depot": {"root": path, "transient": path is None, "sync": self.durable},
                    "network": {"listen_on": self.address},
                    "user": {"daemon": False},
                },
                "global": {
                    "cluster": {
                        "transient": path is None,
                        "enable_stop": False,
                        "enable_purge_all": True,
                    },
                    "limiter": {"busy_timeout": self.timeout},
                },
            }
        )

    def topology(self) -> bytes:
        """Return the ring, which has one node."""
        this = {"reference": self._node_id(), "endpoint": self.address}
        return _json({"predecessor": this, "center": this, "successor": this})

    def _node_id(self) -> str:
        return f"{os.getpid():x}-0-0-1"


def _endpoint(node: str) -> str:
    host, colon, port = node.removeprefix(_SCHEME).rpartition(":")
    digits = port.isascii() and port.isdigit()
    if not colon or not host or "," in host or not digits or int(port) not in _PORTS:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "A node must be given as host:port.")
    return f"{_LOOPBACK.get(host, host)}:{int(port)}"


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()


def _source_date() -> str:
    db = sqlite3.connect(":memory:")
    try:
        # "2022-12-28 14:03:47" and a hash
        return str(db.execute("SELECT sqlite_source_id()").fetchone()[0])[:19]
    finally:
        db.close()


def _memory() -> dict[str, dict[str, int]]:
    try:
        page, total = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
        free = os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not on all systems
        page = total = free = 0
    physical = {"used": (total - free) * page, "total": total * page}
    return {"physmem": physical, "vm": {"used": _virtual(page), "total": (1 << 47) - 1}}


def _virtual(page: int) -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * page
    except OSError:
        return 0


def _cpu_times() -> dict[str, int]:
    """Return milliseconds of the machine, or of this process if the system does not report them."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            user, _, system, idle = (int(ticks) for ticks in file.readline().split()[1:5])
    except (OSError, ValueError):
        times = os.times()
        return {"idle": 0, "system": int(times.system * 1000), "user": int(times.user * 1000)}
    tick = 1000 // os.sysconf("SC_CLK_TCK")
    return {"idle": idle * tick, "system": system * tick, "user": user * tick}


def _disk_usage(path: str | None) -> dict[str, int]:
    if path is None:
        return {"free": 0, "total": 0}
    try:
        usage = shutil.disk_usage(os.path.dirname(path))
    except OSError:  # the directory was removed
        return {"free": 0, "total": 0}
    return {"free": usage.free, "total": usage.total}


def _sum(all_counters: Iterable[Mapping[str, Counter]]) -> dict[str, Counter]:
    total: dict[str, Counter] = {}
    for counters in all_counters:
        for name, counter in counters.items():
            total[name] = _total([total.get(name, Counter()), counter])
    return total


def _total(counters: Iterable[Counter]) -> Counter:
    total = Counter()
    for counter in counters:
        total.count += counter.count
        total.successes += counter.successes
        total.in_bytes += counter.in_bytes
        total.out_bytes += counter.out_bytes
    return total


def _figures(counter: Counter) -> dict[str, int]:
    return {
        "count": counter.count,
        "successes": counter.successes,
        "failures": counter.count - counter.successes,
        "pageins": 0,
        "evictions": 0,
        "in_bytes": counter.in_bytes,
        "out_bytes": counter.out_bytes,
    }
