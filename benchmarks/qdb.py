"""The QuasarDB clients over a stub of the C library, and the embedded store, with targets.

    python -m benchmarks.qdb             # twenty minutes; `nox -s bench` does the same
    python -m benchmarks.qdb --quick     # a check that it runs; the figures mean little
    python -m benchmarks.qdb --readme    # writes the result into docs/speed.md, too

The exit status is 1 if a target is missed for which `_KNOWN` has no reason; with `--quick`, only
if `--strict` is given. Needs a C compiler.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import (
    command,
    qdb_async,
    qdb_embedded,
    qdb_groups,
    qdb_sync,
    qdb_writes,
    report,
)
from benchmarks.command import ROOT, say
from benchmarks.harness import Comparison, Effort, Row, race
from benchmarks.qdb_library import compiled_stub

_PACKAGES = ("anyio", "trio", "uvloop", "cffi", "quasardb", "diskcache")

# Targets that are known to be missed, by the start of their names, with the reasons.
_KNOWN = {
    "RawClient.get, 100 bytes, times as long as quasardb": (
        "cffi without a compiler: the bare call alone takes longer"
    ),
    "RawClient.get, 1 MB, times as long": "it is copied; `get_view` does not copy",
    "AsyncRawClient.get_view, 1 MB": "the hop to a thread and back takes longer than the call",
}

Section = tuple[dict[str, Row], list[Comparison]]


def _explained(comparisons: list[Comparison]) -> list[Comparison]:
    return [
        replace(each, reason=reason) if each.missed else each
        for each in comparisons
        for reason in [next((_KNOWN[start] for start in _KNOWN if each.name.startswith(start)), "")]
    ]


def _text(
    tasks: Section,
    writes: Section,
    calls: Section,
    embedded: Section,
    groups: Section,
    facts: dict[str, str],
) -> str:
    """The text that is printed, and written into docs/speed.md."""
    rounds = len(next(iter(tasks[0].values())).rounds)
    return f"""\
`get` of 100 bytes by tasks: how many times as many a second as the bare C call makes in the
threads of `anyio.to_thread`, with anyio's default limit of 40, by round (the median counts).
The wait is what the C call takes; a batch takes one wait and 2 µs more for each operation:

{report.comparison_table(tasks[1])}

Other operations, in the same way. `update`, `put`, `remove`, `compare_and_swap` and `int_add`
are joined into batches as gets are, `get_remove`, `expires_at` and `has_tag` are not; a mix of
writes and reads is compared with reads only:

{report.comparison_table(writes[1])}

One call at a time, in microseconds:

{report.row_table(calls[0].values())}

{report.comparison_table(calls[1])}

An embedded store on disk against diskcache, both with `synchronous = NORMAL`, in microseconds;
`prefix_get` finds 1 000 of 100 000 aliases:

{report.row_table(embedded[0].values())}

{report.comparison_table(embedded[1])}

The same under many tasks, threads and processes, in microseconds an operation:

{report.row_table(groups[0].values())}

{report.comparison_table(groups[1])}

Measured by `nox -s bench` (`python -m benchmarks.qdb`) in {rounds} interleaved rounds, against
a stub of the C library that the benchmark compiles: a hash map that sleeps where the library
would wait for the network. It hands out contents in fresh buffers that it has written.

The bare call is `qdb_blob_get` by cffi, a copy of the content, and `qdb_release`; for 1 MB,
`qdb_blob_get` and `qdb_release` alone, without a look at the content. `anyio.to_thread` is the
bare call in a thread of anyio's, each with its own handle. `quasardb` is the vendor's client,
an extension module, over the same stub: `get` of an entry object that exists already.

Machine: {report.machine_line(facts)}."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = command.parse("benchmarks.qdb", arguments)
    loops = command.loops()
    facts = report.machine(_PACKAGES)
    load_before = command.load_average()
    effort = Effort(2, 0) if options.quick else Effort(7, 0.4)
    size = qdb_embedded.SIZE // 100 if options.quick else qdb_embedded.SIZE

    with compiled_stub() as library:
        say("calls by tasks")
        rows = race(qdb_async.contenders(library, loops), effort, say)
        tasks = rows, _explained(qdb_async.compare(rows, loops))
        say("writes by tasks")
        brief = Effort(2, 0) if options.quick else Effort(5, 0.15)
        rows = race(qdb_writes.contenders(library, loops, quick=options.quick), brief, say)
        writes = rows, _explained(qdb_writes.compare(rows, loops, quick=options.quick))
        say("single calls")
        with qdb_sync.contenders(library, loops) as contenders:
            rows = race(contenders, effort, say)
        calls = rows, _explained(qdb_sync.compare(rows, loops))
    say("embedded")
    with qdb_embedded.contenders(size) as contenders:
        rows = race(contenders, effort, say)
    embedded = rows, _explained(qdb_embedded.compare(rows))
    with qdb_groups.contenders(loops, quick=options.quick) as contenders:
        rows = race(contenders, brief, say)
    groups = rows, _explained(qdb_groups.compare(rows, loops, quick=options.quick))

    text = _text(tasks, writes, calls, embedded, groups, facts)
    print(text)
    print("\nCalls by tasks: µs a call.\n")
    print(report.row_table([*tasks[0].values(), *writes[0].values()]))
    load = {"before": load_before, "after": command.load_average()}
    print(f"\nLoad average before: {load['before']}, after: {load['after']}")
    data = {
        "machine": facts,
        "load_average": load,
        "tasks": report.as_json(tasks[0].values(), tasks[1]),
        "writes": report.as_json(writes[0].values(), writes[1]),
        "calls": report.as_json(calls[0].values(), calls[1]),
        "embedded": report.as_json(embedded[0].values(), embedded[1]),
        "groups": report.as_json(groups[0].values(), groups[1]),
    }
    (options.output / "qdb.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if options.readme:
        report.replace_block(ROOT / "docs" / "speed.md", text, "benchmark-qdb")
    compared = [each for section in (tasks, writes, calls, embedded, groups) for each in section[1]]
    return command.conclude(compared, strict=options.strict or not options.quick)


if __name__ == "__main__":
    sys.exit(main())
