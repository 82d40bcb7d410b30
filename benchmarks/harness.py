"""Measuring contenders in interleaved rounds, and comparing the results.

Rounds are interleaved (A B C A B C ...), and two contenders are compared by the median of their
ratios in each round: a temporary slowdown of the machine affects both, and an outlier counts as
one round only.
"""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import anyio

__all__ = [
    "LOOPS",
    "Calls",
    "Comparison",
    "Contender",
    "Effort",
    "Row",
    "race",
    "run_on_loop",
    "time_calls",
]

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
"""Arguments of `anyio.run` by the name of the event loop."""

WARM_UP = 8
"""Calls by each task before the clock starts: connections are made, caches are filled."""

_WARM = 1024  # calls that are enough to warm up any number of tasks

Calls = AbstractAsyncContextManager[Sequence[Callable[[], Awaitable[object]]]]
"""A context manager that yields the function that each task calls."""


@dataclass(frozen=True)
class Contender:
    """`run` makes a client, warms it up, and returns the seconds that a number of calls took."""

    name: str
    run: Callable[[int], float]
    fewest: int = 50  # smallest number of calls to measure


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float  # for each contender in each round; 0 for a few calls


@dataclass(frozen=True)
class Row:
    """The results of one contender: µs per call, for each round."""

    name: str
    rounds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


@dataclass(frozen=True)
class Comparison:
    """A figure for each round, and the target for their median."""

    name: str
    figures: Sequence[float]
    target: float | None = None
    at_most: bool = False  # the target is an upper bound
    reason: str = ""  # why the target is known to be missed

    @property
    def median(self) -> float:
        return statistics.median(self.figures)

    @property
    def missed(self) -> bool:
        if self.target is None:
            return False
        return self.median > self.target if self.at_most else self.median < self.target

    @classmethod
    def times_faster(
        cls, rows: Mapping[str, Row], ours: str, theirs: str, target: float | None = None
    ) -> "Comparison":
        pairs = zip(rows[ours].rounds, rows[theirs].rounds, strict=True)
        return cls(f"{ours} vs {theirs}", [their / our for our, their in pairs], target)

    @classmethod
    def times_as_long(
        cls, rows: Mapping[str, Row], ours: str, theirs: str, target: float | None = None
    ) -> "Comparison":
        pairs = zip(rows[ours].rounds, rows[theirs].rounds, strict=True)
        name = f"{ours}, times as long as {theirs}"
        return cls(name, [our / their for our, their in pairs], target, at_most=True)

    @classmethod
    def microseconds_more(
        cls, rows: Mapping[str, Row], ours: str, theirs: str, target: float | None = None
    ) -> "Comparison":
        pairs = zip(rows[ours].rounds, rows[theirs].rounds, strict=True)
        name = f"{ours}, µs more than {theirs}"
        return cls(name, [our - their for our, their in pairs], target, at_most=True)


def race(
    contenders: Sequence[Contender], effort: Effort, report: Callable[[str], None]
) -> dict[str, Row]:
    """Measure all contenders; rows by name."""
    calls = {each.name: _enough_calls(each, effort.seconds) for each in contenders}
    figures: dict[str, list[float]] = {each.name: [] for each in contenders}
    for number in range(effort.rounds):
        report(f"round {number + 1} of {effort.rounds}")
        for each in contenders:
            count = calls[each.name]
            figures[each.name].append(_timed(each, count) / count * 1e6)
    return {name: Row(name, rounds) for name, rounds in figures.items()}


def _enough_calls(contender: Contender, seconds: float) -> int:
    count = contender.fewest
    if not seconds:
        return count
    # With few calls, starting and ending the tasks takes a large part of the time, so a short
    # measurement would give a wrong estimate.
    while (took := _timed(contender, count)) < seconds / 2:
        count = min(round(count * seconds / took), 10 * count)
    return max(contender.fewest, round(count * seconds / took))


def _timed(contender: Contender, calls: int) -> float:
    gc.collect()
    return contender.run(calls)


def time_calls(call: Callable[[], object], calls: int) -> float:
    """Make the calls in this thread, after a warm-up; return the seconds."""
    for _ in range(WARM_UP):
        call()
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - started


def run_on_loop(loop: str, make_calls: Callable[[int], Calls], tasks: int, calls: int) -> float:
    """Make the calls on a new event loop, in `tasks` concurrent tasks; return the seconds."""

    async def main() -> float:
        async with make_calls(tasks) as functions:
            await _spread(functions, min(WARM_UP * tasks, _WARM))
            started = time.perf_counter()
            await _spread(functions, calls)
            return time.perf_counter() - started

    return anyio.run(main, **LOOPS[loop])


async def _spread(functions: Sequence[Callable[[], Awaitable[object]]], calls: int) -> None:
    left = iter(range(calls))

    if len(functions) == 1:
        await _work(functions[0], left)
        return
    async with anyio.create_task_group() as group:
        for function in functions:
            group.start_soon(_work, function, left)


async def _work(function: Callable[[], Awaitable[object]], left: Iterator[int]) -> None:
    for _ in left:  # shared by all tasks, so that none is idle before the end
        await function()
