"""The QCache client, side by side with qcache-client and httpx, with the targets to meet.

    python -m benchmarks.qcache             # three minutes; `nox -s bench` does the same
    python -m benchmarks.qcache --quick     # a look whether it runs; the figures mean little
    python -m benchmarks.qcache --readme    # writes the result into README.md, too

Exit status 0 also where a target is missed, unless `--strict` is given.
"""

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import clients, layers, memory, report
from benchmarks.harness import LOOPS, Comparison, Effort, Row, race
from benchmarks.stub import running_stub

_ROOT = Path(__file__).resolve().parent.parent
_TASKS = 32


def _targets(rows: dict[str, Row], loops: list[str]) -> list[Comparison]:
    sync, peer = "QClient, 1 thread", "qcache-client, 1 thread"
    peer_threads = f"qcache-client, {_TASKS} threads"
    httpx_tasks = f"httpx.AsyncClient, {_TASKS} tasks, asyncio"
    ours = {loop: f"AsyncQClient, {_TASKS} tasks, {loop}" for loop in loops}

    def target(loop: str, times: float) -> float | None:
        return times if loop in ("asyncio", "trio") else None  # uvloop is for information

    return [
        Comparison.times_faster(rows, sync, peer, 3),
        *(
            Comparison.times_faster(rows, ours[loop], peer_threads, target(loop, 4))
            for loop in loops
        ),
        Comparison.times_faster(rows, sync, httpx_tasks, 10),
        *(
            Comparison.times_faster(rows, ours[loop], httpx_tasks, target(loop, 10))
            for loop in loops
        ),
    ]


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def _text(rows: Sequence[Row], comparisons: Sequence[Comparison], facts: dict[str, str]) -> str:
    """What is printed, and what goes into the README."""
    return f"""\
Microseconds a call of one small query, by round:

{report.row_table(rows)}

How many times as many calls a second, by round (the median counts), and peak memory:

{report.comparison_table(comparisons)}

Measured by `nox -s bench` (`python -m benchmarks.qcache`) in {len(rows[0].rounds)} interleaved
rounds, against a stub on the loopback interface, in a process of its own, that answers fixed
bytes. qcache-client has `trust_env=False`, and each thread a client of its own; httpx runs on
asyncio with its own pool, its default limits and `trust_env=False`.

The bare socket does no more than send the same request and read the reply: what it takes is
spent by the kernel, the stub and the scheduler, and no client with one thread can be faster.

Machine: {report.machine_line(facts)}."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.qcache")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: docs/benchmarks")
    parser.add_argument("--quick", action="store_true", help="no plot, and figures mean little")
    parser.add_argument("--readme", action="store_true", help="write the result into README.md")
    parser.add_argument("--one-core", action="store_true", help="clients and stub on one core")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a target is missed")
    options = parser.parse_args(arguments)
    if options.quick and options.readme:
        parser.error("--quick figures are not for the README")
    if options.quick and options.output is None:
        parser.error("--quick needs an --output: its figures are not for the repository")
    output: Path = options.output or _ROOT / "docs" / "benchmarks"
    output.mkdir(parents=True, exist_ok=True)

    loops = [loop for loop in LOOPS if importlib.util.find_spec(loop)]
    if options.one_core and not hasattr(os, "sched_setaffinity"):
        parser.error("this system does not bind processes to cores")
    if options.one_core:
        # Inherited by the stub. What is left is the work of clients and stub; what is gone is
        # the time in which one core wakes another, 100 µs a round trip on some machines.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    facts = report.machine()
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    main_effort, layer_effort = Effort(7, 0.7), Effort(5, 0.4)
    memory_rounds = 3
    if options.quick:
        main_effort = layer_effort = Effort(2, 0)
        memory_rounds = 1

    with running_stub() as url:
        _say("queries")
        found = race(clients.contenders(url, _TASKS, loops), main_effort, _say)
        memories = memory.compare(url, memory_rounds, _say)
        _say("layers")
        layer_rows = race(layers.contenders(url, loops), layer_effort, _say)

    rows = list(found.values())
    comparisons = _targets(found, loops) + memories
    layer_comparisons = layers.compare(layer_rows, loops)
    text = _text(rows, comparisons, facts)
    print(text)
    print("\nLayers, for information: µs a call, and how many times faster ours is.\n")
    print(report.row_table(layer_rows.values()))
    print("\n" + report.comparison_table(layer_comparisons))

    load = {"before": load_before, "after": os.getloadavg()[0] if load_before is not None else None}
    print(f"\nLoad average before: {load['before']}, after: {load['after']}")
    data = {
        "machine": facts,
        "load_average": load,
        "queries": report.as_json(rows, comparisons),
        "layers": report.as_json(layer_rows.values(), layer_comparisons),
    }
    (output / "qcache.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if not options.quick:
        report.plot(rows, report.machine_line(facts), output / "qcache.png")
    if options.readme:
        report.replace_block(_ROOT / "README.md", text + _picture(output))

    missed = [each.name for each in comparisons if each.missed]
    if missed:
        print(f"\nMISSED: {'; '.join(missed)}")
    return 1 if missed and options.strict else 0


def _picture(output: Path) -> str:
    path = output.resolve() / "qcache.png"
    if not path.is_relative_to(_ROOT):
        return ""
    return f"\n\n![µs a call by client]({path.relative_to(_ROOT).as_posix()})"


if __name__ == "__main__":
    sys.exit(main())
