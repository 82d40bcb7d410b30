"""What both sides of the workers share: joint calls, and the error of a deadline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["CallTimeout", "Joint", "WorkerStatistics"]

S = TypeVar("S")
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, eq=False)
class Joint(Generic[S, K, V]):
    """A call that can be made for one key, or for many keys in one go.

    `many` returns a value or an exception for each key, in order. What it raises goes to
    every caller, so it should be made anew for each: see `copy_error`.
    """

    one: Callable[[S, K], V]
    many: Callable[[S, Sequence[K]], Sequence[V | Exception]]
    copy_error: Callable[[Exception], Exception]


class CallTimeout(Exception):
    """The caller's time was up. `started` tells whether the call had begun, and may be done."""

    def __init__(self, *, started: bool) -> None:
        super().__init__("the call was running" if started else "the call was still in the queue")
        self.started = started


@dataclass(frozen=True, slots=True)
class WorkerStatistics:
    """The workers at one moment.

    `sessions` are open, `calls` are waited for by a caller, of which `queued` have not
    begun. `abandoned` threads are in a call that nobody waits for any more and that went
    on for so long that another thread took their place.
    """

    threads: int
    idle: int
    sessions: int
    calls: int
    queued: int
    abandoned: int
