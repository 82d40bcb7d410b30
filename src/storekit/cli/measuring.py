"""Durations of many calls, in a histogram."""

import math
from dataclasses import dataclass, field

__all__ = ["Measured"]

_PER_DOUBLING = 16
_FIRST = 1e-7
"""Seconds. Shorter durations count as this long."""


@dataclass(slots=True)
class Measured:
    """Durations of calls in seconds, in a logarithmic histogram, exact to 4 %."""

    counts: dict[int, int] = field(default_factory=dict)
    count: int = 0
    total: float = 0.0
    longest: float = 0.0
    failures: int = 0
    elapsed: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a call."""
        place = round(_PER_DOUBLING * math.log2(max(seconds, _FIRST) / _FIRST))
        self.counts[place] = self.counts.get(place, 0) + 1
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.count / self.elapsed if self.elapsed else 0.0

    def quantile(self, share: float) -> float:
        """Return the time that this share (0 to 1) of the calls did not exceed."""
        wanted, seen = share * self.count, 0
        for place in sorted(self.counts):
            seen += self.counts[place]
            if seen >= wanted:
                return min(self.longest, _seconds(place))
        return 0.0

    def histogram(self) -> list[tuple[float, float, int]]:
        """Return ranges of time, each twice as long as the previous one, and the calls in each."""
        doubled: dict[int, int] = {}
        for place, count in self.counts.items():
            doubled[place // _PER_DOUBLING] = doubled.get(place // _PER_DOUBLING, 0) + count
        if not doubled:
            return []
        return [
            (math.ldexp(_FIRST, power), math.ldexp(_FIRST, power + 1), doubled.get(power, 0))
            for power in range(min(doubled), max(doubled) + 1)
        ]


def _seconds(place: int) -> float:
    return _FIRST * math.exp2(place / _PER_DOUBLING)
