"""Measuring contenders side by side, and judging what came out.

Everything runs in interleaved rounds (A B C A B C ...), and two contenders are compared
by the median of their ratios in each round: what slows the machine down for a while
slows both, and a round that went wrong does not count for more than one.
"""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import anyio

__all__ = ["LOOPS", "Calls", "Comparison", "Contender", "Effort", "Row", "race", "run_on_loop"]

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
"""Arguments of `anyio.run` by the name of the event loop."""

WARM_UP = 8
"""Calls by each task before the clock starts: connections are made, caches are filled."""

_FEW = 50

Calls = AbstractAsyncContextManager[Sequence[Callable[[], Awaitable[object]]]]
"""What is called, one function for each task, while the context lasts."""


@dataclass(frozen=True)
class Contender:
    """`run` makes a client, warms it up, and returns the seconds that so many calls took."""

    name: str
    run: Callable[[int], float]


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float  # each contender in each round; 0 for a few calls


@dataclass(frozen=True)
class Row:
    """The figures of one contender: µs a call, one figure a round."""

    name: str
    rounds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


@dataclass(frozen=True)
class Comparison:
    """One figure a round, and the target that their median is to meet."""

    name: str
    figures: Sequence[float]
    target: float | None = None
    at_most: bool = False  # the target is an upper bound

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
    count = _FEW
    if not seconds:
        return count
    for share in (0.1, 1.0):  # the first look is a rough one
        took = _timed(contender, count)
        count = max(_FEW, round(count * seconds * share / took))
    return count


def _timed(contender: Contender, calls: int) -> float:
    gc.collect()
    return contender.run(calls)


def run_on_loop(loop: str, make_calls: Callable[[int], Calls], tasks: int, calls: int) -> float:
    """Make the calls on a fresh event loop, in so many tasks at a time; returns the seconds."""

    async def main() -> float:
        async with make_calls(tasks) as functions:
            await _spread(functions, WARM_UP * tasks)
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
    for _ in left:  # shared by all tasks: none is idle before the end
        await function()
