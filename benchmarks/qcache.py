"""The QCache client against qcache-client and httpx, with targets.

    python -m benchmarks.qcache             # three minutes; `nox -s bench` does the same
    python -m benchmarks.qcache --quick     # a check that it runs; the figures mean little
    python -m benchmarks.qcache --readme    # writes the result into docs/speed.md, too

The exit status is 0 even if a target is missed, unless `--strict` is given.
"""

import json
import sys
from collections.abc import Sequence

from benchmarks import clients, command, layers, memory, report
from benchmarks.command import ROOT, say
from benchmarks.harness import Comparison, Effort, Row, race
from benchmarks.stub import running_stub

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


def _text(rows: Sequence[Row], comparisons: Sequence[Comparison], facts: dict[str, str]) -> str:
    """The text that is printed, and written into docs/speed.md."""
    return f"""\
Microseconds a call of one small query, by round:

{report.row_table(rows)}

How many times as many calls a second, by round (the median counts), and peak memory:

{report.comparison_table(comparisons)}

Measured by `nox -s bench` (`python -m benchmarks.qcache`) in {len(rows[0].rounds)} interleaved
rounds, against a stub on the loopback interface, in a process of its own, that answers fixed
bytes. qcache-client has `trust_env=False`, and each thread a client of its own; httpx runs on
asyncio with its own pool, its default limits and `trust_env=False`.

The bare socket only sends the same request and reads the reply: its time is spent by the kernel,
the stub and the scheduler, and no client with one thread can be faster.

Machine: {report.machine_line(facts)}."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = command.parse("benchmarks.qcache", arguments)
    loops = command.loops()
    facts = report.machine()
    load_before = command.load_average()
    main_effort, layer_effort = Effort(7, 0.7), Effort(5, 0.4)
    memory_rounds = 3
    if options.quick:
        main_effort = layer_effort = Effort(2, 0)
        memory_rounds = 1

    with running_stub() as url:
        say("queries")
        found = race(clients.contenders(url, _TASKS, loops), main_effort, say)
        memories = memory.compare(url, memory_rounds, say)
        say("layers")
        layer_rows = race(layers.contenders(url, loops), layer_effort, say)

    rows = list(found.values())
    comparisons = _targets(found, loops) + memories
    layer_comparisons = layers.compare(layer_rows, loops)
    text = _text(rows, comparisons, facts)
    print(text)
    print("\nLayers, for information: µs a call, and how many times faster ours is.\n")
    print(report.row_table(layer_rows.values()))
    print("\n" + report.comparison_table(layer_comparisons))

    load = {"before": load_before, "after": command.load_average()}
    print(f"\nLoad average before: {load['before']}, after: {load['after']}")
    data = {
        "machine": facts,
        "load_average": load,
        "queries": report.as_json(rows, comparisons),
        "layers": report.as_json(layer_rows.values(), layer_comparisons),
    }
    (options.output / "qcache.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if options.readme:
        report.replace_block(ROOT / "docs" / "speed.md", text)

    return command.conclude(comparisons, strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
