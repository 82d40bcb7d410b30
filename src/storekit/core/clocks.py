"""Clocks that a test sets, and what a client measures by them.

A client has a clock that returns the time. If it also has a method `pause`, as
`storekit.testing.Clock` has, the client does not sleep: it calls `pause`, which advances the clock
at once. Deadlines always use real time, since sockets and threads can't use another.
"""

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

__all__ = ["MovedClock", "steady"]


@runtime_checkable
class MovedClock(Protocol):
    """A clock that changes only when it is told to."""

    def __call__(self) -> float:
        """Return seconds since the epoch."""

    def pause(self, seconds: float, /) -> None:
        """Advance by so many seconds, at once."""


def steady(clock: Callable[[], float]) -> Callable[[], float]:
    """Return the clock to measure durations by: `clock` if it is a `MovedClock`, else monotonic."""
    return clock if isinstance(clock, MovedClock) else time.monotonic
