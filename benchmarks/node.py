"""A QCache node of storekit against QCache 0.9.3, both over HTTP, with targets.

    python -m benchmarks.node             # four minutes; `nox -s bench` does the same
    python -m benchmarks.node --quick     # a check that it runs; the figures mean little
    python -m benchmarks.node --readme    # writes the result into docs/speed.md, too

The exit status is 0 even if a target is missed, unless `--strict` is given. Needs Linux, and
Python 2.7 for the server, which is built the first time.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from benchmarks import command, node_tasks, report
from benchmarks.command import ROOT, say
from benchmarks.harness import Comparison, Effort, Row, race
from benchmarks.node_servers import (
    OURS,
    SERVERS,
    THEIRS,
    WITHOUT_UVLOOP,
    bound_to,
    client_of,
    cores,
    running,
)
from benchmarks.node_table import SMALL_TABLE, large_table
from storekit.qcache import QClient
from tools.qcache_server import ServerUnavailable, ensure_server

_PACKAGES = ("polars", "uvicorn", "httptools", "uvloop")
_ROWS, _QUICK_ROWS = 1_000_000, 20_000
_MEMORY = "memory of the stored table"
_MOST_MEMORY = 0.5

Section = tuple[dict[str, Row], list[Comparison]]


def _large(content: bytes, effort: Effort) -> Section:
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(client_of(stack.enter_context(running(name))))
            for name in SERVERS
        }
        node_tasks.check(clients, content)
        rows = race(node_tasks.large_contenders(clients, content), effort, say)
    return rows, node_tasks.compare_large(rows)


def _small(effort: Effort) -> Section:
    there = cores()
    with ExitStack() as stack:
        clients: dict[str, QClient] = {}
        with bound_to(there[0] if there else None):
            servers = {
                name: stack.enter_context(running(name)) for name in (*SERVERS, WITHOUT_UVLOOP)
            }
        stack.enter_context(bound_to(there[-1] if there else None))
        for name, server in servers.items():
            clients[name] = stack.enter_context(client_of(server))
        rows = race(node_tasks.small_contenders(clients), effort, say)
    return rows, node_tasks.compare_small(rows)


def _memory(content: bytes, rounds: int) -> tuple[dict[str, list[float]], Comparison]:
    """MB by which a new server process grows when it stores the table."""
    growth: dict[str, list[float]] = {name: [] for name in SERVERS}
    for number in range(rounds):
        say(f"memory, round {number + 1} of {rounds}")
        for name in SERVERS:
            with running(name) as server, client_of(server) as client:
                client.post("small", SMALL_TABLE)  # loads modules that are loaded on first use
                client.get("small", {})
                before = server.settled_memory()
                client.post("large", content)
                growth[name].append((server.settled_memory() - before) / 1e6)
    ratios = [ours / theirs for ours, theirs in zip(growth[OURS], growth[THEIRS], strict=True)]
    return growth, Comparison(f"{_MEMORY}, share of QCache's", ratios, _MOST_MEMORY, at_most=True)


def _memory_table(growth: Mapping[str, Sequence[float]]) -> str:
    return report.row_table(Row(f"{name}, MB", figures) for name, figures in growth.items())


def _text(
    large: Section,
    small: Section,
    memory: tuple[dict[str, list[float]], Comparison],
    size: int,
    facts: dict[str, str],
) -> str:
    """The text that is printed, and written into docs/speed.md."""
    rounds = len(next(iter(large[0].values())).rounds)
    return f"""\
A node of ours (`python -m storekit.qcache serve`) against QCache 0.9.3: how many times as fast,
by round (the median counts), and what memory it takes:

{report.comparison_table([*large[1], memory[1], *small[1]])}

Milliseconds by task:

{report.row_table(_in_milliseconds(large[0]))}

Memory by which the process grows:

{_memory_table(memory[0])}

Measured by `nox -s bench` (`python -m benchmarks.node`) in {rounds} interleaved rounds, task by
task, end to end over HTTP on the loopback interface: each server in a process of its own, and
the same client, `QClient`, for both, without compression. The large table has 1 000 000 rows
and 10 columns (whole numbers, floats, text of few and of many values, bools, nulls), {size} MB
of CSV. QCache 0.9.3 works in one thread; our node may use all cores.

Requests a second: one client asks one thing after the other; the server is bound to one core,
the client to another one if there is one. Memory: the resident set of a fresh process, before
and after the upload of the large table, once it stays the same for a second.

Machine: {report.machine_line(facts)}."""


def _in_milliseconds(rows: Mapping[str, Row]) -> list[Row]:
    return [Row(name, [each / 1000 for each in row.rounds]) for name, row in rows.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    options = command.parse("benchmarks.node", arguments)
    try:
        ensure_server()
    except ServerUnavailable as error:
        print(f"There is nothing to compare with: {error}", file=sys.stderr)
        return 1 if options.strict else 0
    facts = report.machine(_PACKAGES)
    load_before = command.load_average()
    content = large_table(_QUICK_ROWS if options.quick else _ROWS)

    say("large table")
    large = _large(content, Effort(2, 0) if options.quick else Effort(5, 0))
    memory = _memory(content, 1 if options.quick else 3)
    say("small table")
    small = _small(Effort(2, 0) if options.quick else Effort(5, 0.5))

    text = _text(large, small, memory, round(len(content) / 1e6), facts)
    print(text)
    load = {"before": load_before, "after": command.load_average()}
    print(f"\nLoad average before: {load['before']}, after: {load['after']}")
    comparisons = [*large[1], memory[1], *small[1]]
    data = {
        "machine": facts,
        "load_average": load,
        "large": report.as_json(large[0].values(), large[1]),
        "memory": {"megabytes": memory[0], **report.as_json([], [memory[1]])},
        "small": report.as_json(small[0].values(), small[1]),
    }
    (options.output / "node.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if options.readme:
        report.replace_block(ROOT / "docs" / "speed.md", text, "benchmark-node")
    return command.conclude(comparisons, strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
