"""The arithmetic of retries: how long to pause, and whether the budget allows it."""

import threading
from collections.abc import Callable

from storekit.options import RetryPolicy

__all__ = ["RetryBudget", "pause_before"]


def pause_before(repeat: int, policy: RetryPolicy, rng: Callable[[], float]) -> float:
    """Return the pause in seconds before repeat number `repeat` (0 is the first): full jitter."""
    # The exponent is capped because 2.0**1100 overflows; max_backoff is reached long before.
    ceiling = min(policy.max_backoff, policy.initial_backoff * 2.0 ** min(repeat, 60))
    return rng() * ceiling


class RetryBudget:
    """A token bucket that all calls of one client share. Safe to use from many threads."""

    def __init__(self, capacity: float, per_second: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._clock = clock
        self._tokens = capacity
        self._filled_at = clock()
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Take one token; False if there is none."""
        with self._lock:
            now = self._clock()
            earned = (now - self._filled_at) * self._per_second
            self._tokens = min(self._capacity, self._tokens + earned)
            self._filled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
