"""What both sides of the executors share: batches of calls, the error of a deadline, counts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["NO_BATCHING", "Batching", "CallStatistics", "CallTimeout"]

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741 - an item
V = TypeVar("V")


@dataclass(frozen=True, slots=True, eq=False)
class Batching(Generic[S, I, V]):
    """How to make calls for single items, and for items that wait together as one.

    `alone` returns the value of an item or raises. `together` returns a value or an exception
    for each item, in order. What it raises goes to every caller, as `copy_error` makes it
    anew: two tasks must not share an exception.

    A batch has at most `most` items, and ends with the item that brings its size to
    `most_bytes`, so that small items do not wait for many large ones. More than `most_batches`
    at a time are of no use.
    """

    alone: Callable[[S, I], V]
    together: Callable[[S, Sequence[I]], Sequence[V | Exception]]
    copy_error: Callable[[Exception], Exception]
    most: int = 256
    most_bytes: int = 256 * 1024
    most_batches: int = 4


def _refuse(*_: object) -> Any:  # noqa: ANN401 - for calls of any type
    raise TypeError("this executor makes no batches")


NO_BATCHING: Batching[Any, Any, Any] = Batching(_refuse, _refuse, lambda error: error)


class CallTimeout(Exception):
    """The caller's time was up. `started` tells whether the call had begun, and may be done."""

    def __init__(self, *, started: bool) -> None:
        super().__init__("the call was running" if started else "the call was still in the queue")
        self.started = started


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """Sessions and calls at one moment.

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
