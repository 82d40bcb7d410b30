"""`AsyncRawClient.get` against the bare C call in threads of anyio, by wait and number of tasks.

The bare call needs no client: each thread of anyio has its own handle, and a call is
`qdb_blob_get`, a copy of the content, and its release. anyio's limiter is the default one, of 40
threads.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.harness import Calls, Comparison, Contender, Row, run_on_loop
from benchmarks.qdb_library import ALIAS, address
from benchmarks.qdb_sync import bare_calls_in_threads, fill
from storekit.qdb import AsyncRawClient
from storekit.qdb.capi import CapiEngine

__all__ = ["compare", "contenders"]


@dataclass(frozen=True)
class _Case:
    """The number of concurrent tasks, the wait of a call in µs, and the target for the ratio."""

    wait: int
    tasks: int
    target: float

    def __str__(self) -> str:
        wait = "no wait" if not self.wait else f"{self.wait} µs"
        return f"{wait}, {self.tasks} task{'s' if self.tasks > 1 else ''}"


_CASES = (
    _Case(0, 1, 1),
    _Case(0, 8, 4),
    _Case(0, 64, 8),
    _Case(0, 512, 10),
    _Case(100, 64, 8),
    _Case(100, 512, 15),
    _Case(1000, 64, 4),
    _Case(1000, 512, 15),
)


def contenders(library: Path, loops: list[str]) -> list[Contender]:
    """Both sides, in all cases."""
    fill(library)
    return [
        Contender(
            f"{name}, {case}, {loop}",
            partial(run_on_loop, loop, partial(make_calls, library, case.wait), case.tasks),
        )
        for case in _CASES
        for loop in loops
        for name, make_calls in (("get", _client_calls), ("anyio.to_thread", _thread_calls))
    ]


def compare(rows: dict[str, Row], loops: list[str]) -> list[Comparison]:
    """How many times as many calls a second ours makes."""
    return [
        replace(
            Comparison.times_faster(
                rows,
                f"get, {case}, {loop}",
                f"anyio.to_thread, {case}, {loop}",
                case.target if loop != "uvloop" else None,  # uvloop is for information
            ),
            name=f"{case}, {loop}",
        )
        for case in _CASES
        for loop in loops
    ]


def _client_calls(library: Path, wait: int, tasks: int) -> Calls:
    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Callable[[], Awaitable[object]]]]:
        engine = CapiEngine(address(wait), library=library)
        async with AsyncRawClient(address(wait), engine=engine) as client:
            yield [partial(client.get, ALIAS)] * tasks

    return calls()


def _thread_calls(library: Path, wait: int, tasks: int) -> Calls:
    return bare_calls_in_threads(library, lambda handle: handle.get(), tasks, wait)
