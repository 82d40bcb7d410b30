"""How long 1 GiB takes as a document of an embedded store, and how much memory.

    python -m benchmarks.documents             # two minutes; `nox -s bench` does the same
    python -m benchmarks.documents --quick     # a check that it runs; the figures mean little
    python -m benchmarks.documents --readme    # writes the result into docs/qdb.md, too

The baseline is a copy of the file with an fsync. Each run is a separate process, in a new
temporary directory. The exit status is 0 even if a target is missed, unless `--strict` is given.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import anyio

from benchmarks import command, report
from benchmarks.command import ROOT, say
from benchmarks.harness import LOOPS, Comparison, Row
from benchmarks.memory import peak

__all__ = ["main"]

_PACKAGES = ("anyio", "trio")
_LONGEST = 2  # target: times as long as the copy
_MOST = 64  # MiB
_SIZE = 1 << 30
_QUICK_SIZE = 32 << 20
_KEY = uuid.UUID(int=1)
_COPY = "copy and fsync"
_WAYS = ("upload", "download")
_WORLDS = ("sync", "asyncio", "trio")


def _ours(way: str, world: str) -> str:
    return f"{way}, {world}"


# In the child process: the measured calls, in a directory with the file "source"


def _copy(directory: Path) -> float:
    started = time.perf_counter()
    shutil.copyfile(directory / "source", directory / "copy")
    with (directory / "copy").open("rb") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - started


def _sync(way: str, directory: Path) -> float:
    from storekit.qdb import RawClient  # noqa: PLC0415 - each process loads only what it needs

    with RawClient(f"embedded:{directory / 'store'}") as client:
        started = time.perf_counter()
        if way == "upload":
            client.upload(directory / "source", _KEY)
        else:
            client.download(_KEY, directory / "copy")
        return time.perf_counter() - started


def _async(way: str, loop: str, directory: Path) -> float:
    from storekit.qdb import AsyncRawClient  # noqa: PLC0415

    async def main() -> float:
        async with AsyncRawClient(f"embedded:{directory / 'store'}") as client:
            started = time.perf_counter()
            if way == "upload":
                await client.upload(directory / "source", _KEY)
            else:
                await client.download(_KEY, directory / "copy")
            return time.perf_counter() - started

    return anyio.run(main, **LOOPS[loop])


def _run(name: str, directory: Path) -> None:
    """Make one run, and print its seconds and the peak memory of this process, in bytes."""
    way, _, world = name.partition(", ")
    if name == _COPY:
        seconds = _copy(directory)
    elif world == "sync":
        seconds = _sync(way, directory)
    else:
        seconds = _async(way, world, directory)
    print(seconds, peak())


# In the parent process


def _measure(name: str, directory: Path) -> tuple[float, float]:
    """Return seconds and MiB of a fresh process."""
    # On a virtual machine, memory that was not used for long is slow. Writing another file
    # before makes the system use the memory that the run needs.
    shutil.copyfile(directory / "source", directory / "before")
    (directory / "before").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.documents", "run", name, str(directory)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    )
    seconds, memory = done.stdout.split()
    (directory / "copy").unlink(missing_ok=True)
    return float(seconds), float(memory) / 2**20


def _race(size: int, rounds: int) -> tuple[dict[str, Row], dict[str, Row]]:
    """Return the seconds of all runs, and the memory of those of storekit, by name."""
    names = [_COPY, *(_ours(way, world) for world in _WORLDS for way in _WAYS)]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    memory: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        _write_source(directory / "source", size)
        _measure(_COPY, directory)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for name in names:
                if name.startswith("upload"):
                    for part in directory.glob("store*"):
                        shutil.rmtree(part) if part.is_dir() else part.unlink()
                taken, used = _measure(name, directory)
                seconds[name].append(taken)
                memory[name].append(used)
    return (
        {name: Row(name, rounds) for name, rounds in seconds.items()},
        {name: Row(name, rounds) for name, rounds in memory.items() if name != _COPY},
    )


def _write_source(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))


def _compare(seconds: dict[str, Row], memory: dict[str, Row]) -> list[Comparison]:
    times = [
        Comparison.times_as_long(seconds, name, _COPY, _LONGEST)
        for name in seconds
        if name in memory
    ]
    sizes = [
        Comparison(f"{name}, most MiB of the process", row.rounds, _MOST, at_most=True)
        for name, row in memory.items()
    ]
    return times + sizes


def _text(
    seconds: dict[str, Row], comparisons: list[Comparison], size: int, facts: dict[str, str]
) -> str:
    """The text that is printed, and written into the documentation."""
    copy = seconds[_COPY]
    return f"""\
{size / 2**30:g} GiB into an embedded store and out of it, against a copy of the file with an
fsync, which took {min(copy.rounds):.2f} to {max(copy.rounds):.2f} s:

{report.comparison_table(comparisons)}

Measured by `python -m benchmarks.documents` in {len(copy.rounds)} interleaved rounds, each run in
a separate process, after a file of that size was written and deleted; the median counts.

Machine: {report.machine_line(facts)}."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = command.parse("benchmarks.documents", arguments)
    facts = report.machine(_PACKAGES)
    load_before = command.load_average()
    size, rounds = (_QUICK_SIZE, 1) if options.quick else (_SIZE, 7)
    seconds, memory = _race(size, rounds)
    comparisons = _compare(seconds, memory)

    text = _text(seconds, comparisons, size, facts)
    print(text)
    print("\nSeconds.\n")
    print(report.row_table(seconds.values()))
    load = {"before": load_before, "after": command.load_average()}
    print(f"\nLoad average before: {load['before']}, after: {load['after']}")
    data = {
        "machine": facts,
        "load_average": load,
        "bytes": size,
        "seconds": {row.name: list(row.rounds) for row in seconds.values()},
        "mebibytes": {row.name: list(row.rounds) for row in memory.values()},
    }
    (options.output / "documents.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if options.readme:
        report.replace_block(ROOT / "docs" / "qdb.md", text, "benchmark-documents")
    return command.conclude(comparisons, strict=options.strict)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        _run(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main())
