"""The counters of a node: those that are reset when they are read, and totals."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Statistics", "Totals"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of a node since it was made, and its current state; reading changes nothing."""

    uptime: float
    """Seconds since the node was made."""

    counts: Mapping[str, int]
    """Events by their names in `/qcache/statistics`, and some that it does not have; those that
    never happened may be missing."""

    datasets: int
    """Number of stored tables."""

    charged: int
    """Bytes that they are charged."""


class Statistics:
    """Counts events, and keeps the newest figures of each kind; times are in seconds.

    Not safe for threads: its owner has the lock.
    """

    def __init__(self, buffer_size: int, clock: Callable[[], float]) -> None:
        self._buffer_size = buffer_size
        self._clock = clock
        self._made = clock()
        self._total_counts: Counter[str] = Counter()
        self._start()

    def _start(self) -> None:
        self._since = self._clock()
        self._counts: Counter[str] = Counter()
        self._figures: dict[str, deque[float]] = {}

    def count(self, event: str, times: int = 1) -> None:
        """Count an event. One that happened 0 times is there from now on, too."""
        self._counts[event] += times
        self._total_counts[event] += times

    def tally(self, event: str, times: int = 1) -> None:
        """Count an event in the totals alone: QCache's statistics do not have it."""
        self._total_counts[event] += times

    def note(self, name: str, *figures: float) -> None:
        """Add to the figures of one kind. With none, the kind is there from now on."""
        kept = self._figures.get(name)
        if kept is None:
            kept = self._figures[name] = deque(maxlen=self._buffer_size)
        kept.extend(figures)

    def take(self, *, datasets: int, charged: int) -> dict[str, object]:
        """Return all there is since the last time, and the state of the cache; start anew."""
        taken: dict[str, object] = {
            "dataset_count": datasets,
            "cache_size": float(charged),
            "statistics_duration": self._clock() - self._since,
            "statistics_buffer_size": self._buffer_size,
            **self._counts,
            **{name: list(figures) for name, figures in self._figures.items()},
        }
        self._start()
        return taken

    def totals(self, *, datasets: int, charged: int) -> Totals:
        """Return what there is since the beginning, and the state of the cache; change nothing."""
        uptime = self._clock() - self._made
        return Totals(uptime, dict(self._total_counts), datasets, charged)
