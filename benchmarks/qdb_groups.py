"""The embedded store with concurrent tasks, threads and processes.

In memory, in a file, and in a file with each commit synced. The baseline for single commits is
plain `sqlite3` with the pragmas of the store: one INSERT OR REPLACE, one COMMIT.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness import Calls, Comparison, Contender, Row, run_on_loop, time_calls
from storekit.qdb import AsyncRawClient, RawClient

__all__ = ["compare", "contenders"]

_CONTENT = bytes(range(100))
_PLACES = {
    "in memory": "embedded:",
    "in a file": "embedded:{}",
    "durable": "embedded:{}?durable=true",
}
_TASKS = (1, 8, 64, 512)
_QUICK = (1, 8)
_SQLITE = "plain sqlite3, durable, single commits"
_THREADS = 16
_PROCESSES = 4
_ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def contenders(loops: list[str], *, quick: bool = False) -> Iterator[list[Contender]]:
    """Contenders, each with its own store, which is created for each round."""
    with tempfile.TemporaryDirectory(prefix="storekit-benchmark-") as directory:
        root = Path(directory)
        found = [
            Contender(f"sync {method}, {place}", partial(_run_sync, root, text, method))
            for place, text in _PLACES.items()
            for method in ("get", "update")
        ]
        found += [
            Contender(
                f"async {method}, {place}, {tasks} task{'s' if tasks > 1 else ''}, {loop}",
                partial(run_on_loop, loop, partial(_async_calls, root, text, method), tasks),
            )
            for place, text in _PLACES.items()
            for method in ("get", "update")
            for tasks in (_QUICK if quick else _TASKS)
            for loop in loops
        ]
        found += [
            Contender(_SQLITE, partial(_run_sqlite, root)),
            *(
                Contender(
                    f"sync update, {place}, {_THREADS} threads", partial(_run_threads, root, text)
                )
                for place, text in _PLACES.items()
            ),
            *(
                Contender(
                    f"sync update, {place}, {_PROCESSES} processes",
                    partial(_run_processes, root, _PLACES[place]),
                    fewest=400,
                )
                for place in (() if quick else ("in a file", "durable"))
            ),
        ]
        yield found


def compare(rows: dict[str, Row], loops: list[str], *, quick: bool = False) -> list[Comparison]:
    """The async clients against the sync ones, and group commit against single commits."""
    own = [loop for loop in loops if loop != "uvloop"]
    found = [
        Comparison.microseconds_more(
            rows, f"async {method}, in memory, 1 task, {loop}", f"sync {method}, in memory", 15
        )
        for method in ("get", "update")
        for loop in own
    ]
    for loop in own:
        if not quick:
            name = f"async update, in a file, 64 tasks, {loop}"
            found.append(Comparison.times_faster(rows, name, "sync update, in a file", 1))
        found += [
            Comparison.times_faster(
                rows, f"async update, durable, {tasks} tasks, {loop}", _SQLITE, target
            )
            for tasks, target in ((8, 4), (64, 8))
            if tasks in (_QUICK if quick else _TASKS)
        ]
    name = f"sync update, durable, {_THREADS} threads"
    found.append(Comparison.times_faster(rows, name, "sync update, durable", 3))
    return found


def _place(root: Path, text: str) -> str:
    return text.format(tempfile.mkdtemp(dir=root) + "/store")


def _run_sync(root: Path, text: str, method: str, calls: int) -> float:
    with RawClient(_place(root, text)) as client:
        client.update("a", _CONTENT)
        call = (
            partial(client.get, "a") if method == "get" else partial(client.update, "a", _CONTENT)
        )
        return time_calls(call, calls)


def _async_calls(root: Path, text: str, method: str, tasks: int) -> Calls:
    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Callable[[], Awaitable[object]]]]:
        async with AsyncRawClient(_place(root, text)) as client:
            for number in range(tasks):
                await client.update(f"{number}", _CONTENT)
            yield [
                partial(client.get, f"{number}")
                if method == "get"
                else partial(client.update, f"{number}", _CONTENT)
                for number in range(tasks)
            ]

    return calls()


def _run_sqlite(root: Path, calls: int) -> float:
    database = sqlite3.connect(tempfile.mkdtemp(dir=root) + "/store", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE entry (alias TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID")

    def update() -> None:
        database.execute("INSERT OR REPLACE INTO entry VALUES ('a', ?)", (_CONTENT,))

    try:
        return time_calls(update, calls)
    finally:
        database.close()


def _run_threads(root: Path, text: str, calls: int) -> float:
    with RawClient(_place(root, text)) as client:
        start = threading.Barrier(_THREADS + 1)

        def work(number: int) -> None:
            client.update(f"{number}", _CONTENT)
            start.wait()
            for _ in range(calls // _THREADS):
                client.update(f"{number}", _CONTENT)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(_THREADS)]
        for thread in threads:
            thread.start()
        start.wait()
        started = time.perf_counter()
        for thread in threads:
            thread.join()
        return time.perf_counter() - started


_CHILD = """
import sys, time
from storekit.qdb import RawClient
place, name, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
with RawClient(place) as client:
    client.update(name, b"")
    print(flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    for _ in range(calls):
        client.update(name, bytes(100))
    print(time.perf_counter() - started, flush=True)
"""


def _run_processes(root: Path, text: str, calls: int) -> float:
    """Update in several concurrent processes; return the seconds of the slowest one."""
    place = _place(root, text)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, place, f"{number}", f"{calls // _PROCESSES}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT / "src")},
        )
        for number in range(_PROCESSES)
    ]  # fmt: skip
    took = 0.0
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        assert child.stdout is not None
        took = max(took, float(child.stdout.readline()))
        child.communicate()
    return took
