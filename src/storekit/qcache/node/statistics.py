"""The counters of a node: those that start anew when they are read, and those that never do."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["DURATION_BOUNDS", "Durations", "Statistics", "Totals"]

DURATION_BOUNDS = (
    *(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
)
"""Seconds up to which durations are counted, each bound by itself; what takes longer comes last."""

_SPREAD = ("query_request_durations", "store_request_durations")
"""Figures of which is kept for good how many lie between which bounds."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long requests of one kind took, since the node was made."""

    counts: tuple[int, ...]
    """How many took as long as each of `DURATION_BOUNDS` and longer than the one before;
    the last count is of those that took longer than all."""

    seconds: float
    """What all took together."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a node did since it was made, and what it has; reading it changes nothing."""

    uptime: float
    """Seconds since it was made."""

    counts: Mapping[str, int]
    """Events by the names that `/qcache/statistics` has for them, and some that it has not; those
    that never happened may be missing."""

    queries: Durations
    stores: Durations

    datasets: int
    """Tables that it has."""

    charged: int
    """Bytes that they take."""


class Statistics:
    """Counts events, and keeps the newest figures of each kind; times are in seconds.

    Not safe for threads: its owner has the lock.
    """

    def __init__(self, buffer_size: int, clock: Callable[[], float]) -> None:
        self._buffer_size = buffer_size
        self._clock = clock
        self._made = clock()
        self._total_counts: Counter[str] = Counter()
        self._spreads = {name: [0] * (len(DURATION_BOUNDS) + 1) for name in _SPREAD}
        self._sums = dict.fromkeys(_SPREAD, 0.0)
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
        spread = self._spreads.get(name)
        if spread is not None:
            for figure in figures:
                spread[bisect_left(DURATION_BOUNDS, figure)] += 1
                self._sums[name] += figure

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
        queries, stores = (
            Durations(tuple(self._spreads[name]), self._sums[name]) for name in _SPREAD
        )
        uptime = self._clock() - self._made
        return Totals(uptime, dict(self._total_counts), queries, stores, datasets, charged)
