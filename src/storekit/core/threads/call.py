"""Used by both executors: how calls are batched, the error at a deadline, statistics."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["NO_BATCHING", "Batching", "CallStatistics", "CallTimeout"]

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741 - an item
V = TypeVar("V")


@dataclass(frozen=True, slots=True, eq=False)
class Batching(Generic[S, I, V]):
    """How to make the call of a single item, and one call for several items that wait together.

    `alone` returns the value of an item or raises. `together` returns a value or an exception
    for each item, in order. If it raises, each caller gets a copy of the error, made by
    `copy_error`, since two tasks must not share an exception.

    A batch has at most `most` items, and ends with the item that brings its size to
    `most_bytes`, so that small items do not wait for many large ones. At most `most_batches`
    are made at a time.
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
    """The deadline has passed. If `started`, the call had begun, and may still succeed."""

    def __init__(self, *, started: bool) -> None:
        super().__init__("the call was running" if started else "the call was still in the queue")
        self.started = started


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """The current counts of sessions and calls.

    `sessions` are open. `calls` are those that a caller waits for; of these, `queued` have not
    begun. `abandoned` threads are in a call whose caller has left, and were replaced by other
    threads.
    """

    threads: int
    idle: int
    sessions: int
    calls: int
    queued: int
    abandoned: int
