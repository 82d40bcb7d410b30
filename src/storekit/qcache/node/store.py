"""The tables of a node, with its statistics. Thread-safe."""

import threading
from collections.abc import Callable, Iterator

import polars as pl

from storekit.qcache.node.cache import Cache, Dataset, charge_for
from storekit.qcache.node.errors import Refusal
from storekit.qcache.node.statistics import Statistics, Totals

__all__ = ["TableStore"]


class TableStore:
    """The cache of a node with its statistics, under one lock.

    Tables are never modified, so one that was found can be used after it was replaced.
    """

    def __init__(
        self, size: int, age: float, statistics_buffer_size: int, clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._cache = Cache(size, age, clock)
        self._statistics = Statistics(statistics_buffer_size, clock)
        self.on_change: Callable[[str], object] = _ignore
        """Called with the key of a table that is about to be replaced or removed, by a thread that
        holds the lock: it must be quick, and not call the store."""

    @property
    def size(self) -> int:
        """Bytes that the tables may take."""
        return self._cache.size

    @property
    def age(self) -> float:
        """Seconds after which a table is removed; 0 for no limit."""
        return self._cache.age

    @property
    def most_charge(self) -> int:
        """Bytes that one table may take."""
        return self._cache.most_charge

    def __repr__(self) -> str:
        with self._lock:
            return f"{len(self._cache)} datasets, {self._cache.charged} of {self.size} bytes"

    def now(self) -> float:
        """Return the time of the clock of the store, in seconds."""
        return self._clock()

    # Tables

    def datasets(self) -> Iterator[tuple[str, Dataset]]:
        """Return the current tables with their keys, in any order, without marking them as used."""
        with self._lock:
            keys, datasets = self._cache.datasets()
        return zip(keys, datasets, strict=True)

    def datasets_by_use(self) -> list[tuple[str, Dataset]]:
        """Return all tables with their keys, the least recently used first; marks none as used."""
        with self._lock:
            return self._cache.by_use()

    def peek(self, key: str) -> Dataset:
        """Return a table with its details, without marking it as used. Raises `Refusal`."""
        with self._lock:
            dataset = self._cache.peek(key)
        if dataset is None or self._cache.is_expired(dataset):
            raise _Missing(f"There is no dataset {key}")
        return dataset

    def charge_of(self, key: str) -> int:
        """Return how many bytes a table takes, 0 if there is none."""
        with self._lock:
            return self._cache.charge_of(key)

    def find(self, key: str) -> pl.DataFrame:
        """Return a table, and mark it as used. Raises `Refusal`."""
        with self._lock:
            if self._cache.remove_expired(key):
                self._statistics.count("age_evict_count")
            frame = self._cache.get(key)
            if frame is None:
                self._statistics.count("miss_count")
                raise _Missing(f"There is no dataset {key}")
        return frame

    def put(self, key: str, frame: pl.DataFrame, need: int, started: float) -> None:
        """Store a table of `need` received bytes, for a request that began at `started`."""
        charge = charge_for(frame)
        with self._lock:
            self.on_change(key)
            stored = self._cache.store(key, frame, need, charge)
            statistics = self._statistics
            statistics.count("store_count")
            if stored.replaced:
                statistics.count("replace_count")
            statistics.count("size_evict_count", len(stored.evicted_after))
            statistics.note("durations_until_eviction", *stored.evicted_after)
            statistics.note("store_row_counts", frame.height)
            statistics.tally("stored_rows", frame.height)
            statistics.note("store_durations", self._clock() - started)

    def restore(
        self,
        key: str,
        load: Callable[[], pl.DataFrame],
        stored_at: float,
        is_wanted: Callable[[], bool],
    ) -> bool:
        """Put back a table that was used before all that are here; whether that was done.

        Args:
            key: The key of the table.
            load: Returns the table. Is called without the lock, if there is room.
            stored_at: The time of the clock at which it was uploaded.
            is_wanted: Whether it is still to be put back; is asked with the lock.

        """
        with self._lock:
            if self._cache.age and self._clock() - stored_at > self._cache.age:
                self._statistics.tally("snapshot_expired")
                return False
            has_room = self._cache.charged < self.size
        frame = load() if has_room else pl.DataFrame()
        charge = charge_for(frame)
        with self._lock:
            if not is_wanted():
                return False
            done = has_room and self._cache.restore(key, frame, charge, stored_at)
            self._statistics.tally("snapshot_restored" if done else "snapshot_no_room")
        return done

    def remove(self, key: str) -> None:
        """Remove a table, if there is one."""
        with self._lock:
            self.on_change(key)
            self._cache.remove(key)
            self._statistics.tally("delete_count")

    # Figures

    def totals(self) -> Totals:
        """Return what was done since the node was made, and what there is; that changes nothing."""
        with self._lock:
            return self._statistics.totals(datasets=len(self._cache), charged=self._cache.charged)

    def take_statistics(self) -> dict[str, object]:
        """Return the statistics of QCache, and start anew."""
        with self._lock:
            return self._statistics.take(datasets=len(self._cache), charged=self._cache.charged)

    def tally(self, event: str) -> None:
        """Count an event in the totals alone."""
        with self._lock:
            self._statistics.tally(event)

    def note(self, figure: str, started: float) -> None:
        """Note how long something took that has `started`."""
        duration = self._clock() - started
        with self._lock:
            self._statistics.note(figure, duration)

    def note_hit(self, started: float | None = None) -> None:
        """Count a query that was answered; note how long it took, if it has `started`."""
        with self._lock:
            self._statistics.count("hit_count")
            if started is not None:
                self._statistics.note("query_durations", self._clock() - started)


class _Missing(Refusal):
    status = 404


def _ignore(_: str) -> None:
    """Take no note of a change."""
