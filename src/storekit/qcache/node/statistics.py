"""The counters of a node, which start anew when they are read."""

from collections import Counter, deque
from collections.abc import Callable

__all__ = ["Statistics"]


class Statistics:
    """Counts events, and keeps the newest figures of each kind; times are in seconds.

    Not safe for threads: its owner has the lock.
    """

    def __init__(self, buffer_size: int, clock: Callable[[], float]) -> None:
        self._buffer_size = buffer_size
        self._clock = clock
        self._start()

    def _start(self) -> None:
        self._since = self._clock()
        self._counts: Counter[str] = Counter()
        self._figures: dict[str, deque[float]] = {}

    def count(self, event: str, times: int = 1) -> None:
        """Count an event. One that happened 0 times is there from now on, too."""
        self._counts[event] += times

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
