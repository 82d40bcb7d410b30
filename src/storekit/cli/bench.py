"""The command `bench`: latencies and throughput of a store."""

import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from storekit.cli.exits import USAGE, CommandError
from storekit.cli.invocation import Invocation, command
from storekit.cli.measuring import Measured
from storekit.cli.output import shown_duration
from storekit.cli.parameters import as_size
from storekit.cli.stores import async_qcache, async_qdb, named_stores
from storekit.cli.tabular import table_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio import CancelScope

__all__ = ["bench_"]

Call = Callable[[int], Awaitable[object]]
"""One call of an operation; the number selects the key."""

_KEYS = 100
_TABLES = 8
_CLEAN_UP_TIMEOUT = 10.0
"""Seconds for removing what was written."""

_BAR = 30


@command("bench", short_help="Measure a store from here.")
@click.argument("url", required=False)
@click.option(
    "--seconds", type=click.FloatRange(min=0.05), default=2.0, help="Per line. By default 2."
)
@click.option(
    "--tasks",
    type=click.IntRange(min=1, max=1000),
    default=32,
    help="Concurrent tasks. By default 32.",
)
@click.option(
    "--size",
    callback=as_size,
    metavar="SIZE",
    help="Size of an entry, or a table. By default 1 KB.",
)
def bench_(
    invocation: Invocation, url: str | None, seconds: float, tasks: int, size: int | None
) -> None:
    """Measure latencies and throughput of the store at URL, by default that of the settings.

    Each operation is measured with one task and with many tasks at once. The command writes
    entries or tables whose names begin with storekit-bench, and removes them at the end.
    """
    import anyio  # noqa: PLC0415 - the only command with an event loop

    if url is not None:
        invocation.store = url
    names = named_stores(invocation)
    if len(names) > 1:
        raise CommandError("the settings have two stores: give the URL of one", USAGE)
    opened = _quasardb if names == ["QuasarDB"] else _qcache

    async def measure_all() -> list[tuple[str, int, Measured]]:
        results = []
        async with opened(invocation, 1000 if size is None else size) as operations:
            for name, call in operations.items():
                for at_once in dict.fromkeys((1, tasks)):
                    _say(f"\r\033[K{name}, {at_once} at once ... ")
                    results.append((name, at_once, await _measure(call, at_once, seconds)))
        _say("\r\033[K")
        return results

    results = anyio.run(measure_all)
    if invocation.json:
        for name, at_once, measured in results:
            invocation.output.json(_fields(name, at_once, measured))
        return
    invocation.output.lines(table_lines([_row(*each) for each in results], invocation.output.width))
    for name, at_once, measured in results:
        if at_once == 1:
            invocation.output.lines(["", f"{name}, one at a time:", *_bars(measured)])


def _say(text: str) -> None:
    """Print progress, on a terminal only."""
    if sys.stderr.isatty():
        print(text, end="", file=sys.stderr, flush=True)  # noqa: T201


@asynccontextmanager
async def _quasardb(invocation: Invocation, size: int) -> "AsyncIterator[dict[str, Call]]":
    """Return a context manager for the operations of QuasarDB to measure, on temporary entries."""
    prefix = f"storekit-bench-{secrets.token_hex(4)}-"
    content = secrets.token_bytes(size)
    async with async_qdb(invocation) as client:
        try:
            for number in range(_KEYS):
                await client.put(f"{prefix}{number}", content)
            await client.int_put(f"{prefix}counter", 0)
            yield {
                "get": lambda number: client.get(f"{prefix}{number % _KEYS}"),
                "update": lambda number: client.update(f"{prefix}{number % _KEYS}", content),
                "int_add": lambda _: client.int_add(f"{prefix}counter", 1),
            }
        finally:
            with _clean_up():
                await client.remove_many(await client.prefix_get(prefix))


@asynccontextmanager
async def _qcache(invocation: Invocation, size: int) -> "AsyncIterator[dict[str, Call]]":
    """Return a context manager for the operations of QCache to measure, on temporary tables."""
    prefix = f"storekit-bench-{secrets.token_hex(4)}-"
    rows = max(1, size // 20)
    content = "number,text\n" + "".join(f"{row},text of {row}\n" for row in range(rows))
    query = {"where": ["<", "number", 10]}
    async with async_qcache(invocation) as client:
        try:
            for number in range(_TABLES):
                await client.post(f"{prefix}{number}", content)
            yield {
                "query": lambda number: client.get(f"{prefix}{number % _TABLES}", query),
                "post": lambda number: client.post(f"{prefix}{number % _TABLES}", content),
            }
        finally:
            with _clean_up():
                for number in range(_TABLES):
                    await client.delete(f"{prefix}{number}")


def _clean_up() -> "CancelScope":
    """Return a scope that Ctrl-C does not cancel, with a timeout."""
    import anyio  # noqa: PLC0415 - the only command with an event loop

    return anyio.move_on_after(_CLEAN_UP_TIMEOUT, shield=True)


async def _measure(call: Call, at_once: int, seconds: float) -> Measured:
    """Make calls for some seconds, `at_once` at a time. The first error ends it, and is raised."""
    import anyio  # noqa: PLC0415 - the only command with an event loop

    measured = Measured()
    failures: list[Exception] = []
    for number in range(2 * at_once):  # warm up connections and caches
        await call(number)
    began = time.perf_counter()
    async with anyio.create_task_group() as group:

        async def work(number: int) -> None:
            while (start := time.perf_counter()) < began + seconds:
                try:
                    await call(number)
                except Exception as error:  # noqa: BLE001 - raised below, not in a group
                    failures.append(error)
                    group.cancel_scope.cancel()
                    return
                measured.add(time.perf_counter() - start)
                number += at_once

        for number in range(at_once):
            group.start_soon(work, number)
    measured.elapsed = time.perf_counter() - began
    if failures:
        raise failures[0]
    return measured


def _row(name: str, at_once: int, measured: Measured) -> dict[str, object]:
    return {
        "operation": name,
        "at once": at_once,
        "a second": round(measured.rate),
        "median": shown_duration(measured.quantile(0.5)),
        "90 %": shown_duration(measured.quantile(0.9)),
        "99 %": shown_duration(measured.quantile(0.99)),
        "longest": shown_duration(measured.longest),
    }


def _fields(name: str, at_once: int, measured: Measured) -> dict[str, object]:
    return {
        "operation": name,
        "at_once": at_once,
        "calls": measured.count,
        "a_second": round(measured.rate, 1),
        "median": measured.quantile(0.5),
        "p90": measured.quantile(0.9),
        "p99": measured.quantile(0.99),
        "longest": measured.longest,
        "histogram": measured.histogram(),
    }


def _bars(measured: Measured) -> Iterator[str]:
    """Return the lines of a histogram, one for each doubling of the time."""
    ranges = measured.histogram()
    most = max(count for _, _, count in ranges)
    for least, below, count in ranges:
        bar = "█" * max(1 if count else 0, round(_BAR * count / most))
        yield f"{shown_duration(least):>9} - {shown_duration(below):>9}  {bar:{_BAR}}  {count:,}"
