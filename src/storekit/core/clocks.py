"""Clocks that tests move, and what else goes by them.

A client has a clock that tells the time. One that also has a method `pause`, as
`storekit.testing.Clock` has, is moved by whoever has it: then pauses of the client end at once, and
move it on. Deadlines go by real time in any case, since sockets and threads know no other.
"""

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

__all__ = ["MovedClock", "steady"]


@runtime_checkable
class MovedClock(Protocol):
    """A clock that stands still until somebody moves it."""

    def __call__(self) -> float:
        """Return seconds since the epoch."""

    def pause(self, seconds: float, /) -> None:
        """Go on by so many seconds, at once."""


def steady(clock: Callable[[], float]) -> Callable[[], float]:
    """Return what durations go by: the clock if it is moved, else that which never goes back."""
    return clock if isinstance(clock, MovedClock) else time.monotonic
