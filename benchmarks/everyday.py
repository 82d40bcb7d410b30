"""Frequent operations: converting queries to JSON, getting many entries, exporting tables.

    python -m benchmarks.everyday             # a minute
    python -m benchmarks.everyday --quick     # a check that it runs; the figures mean little
    python -m benchmarks.everyday --readme    # writes the result into docs/speed.md, too

The exit status is 1 if a target is missed; with `--quick`, only if `--strict` is given. The gets
need a C compiler: they use the stub of the C library, each call of which takes 100 µs.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import polars as pl

from benchmarks import command, report
from benchmarks.command import ROOT, say
from benchmarks.harness import Comparison, Contender, Effort, Row, race, time_calls
from benchmarks.qdb_library import CONTENT, address, compiled_stub
from storekit.qcache import QClient
from storekit.qcache.query import Query, col, sum_
from storekit.qcache.sql.parse import parse
from storekit.qdb import RawClient
from storekit.qdb.capi import CapiEngine

_WAIT = 100  # µs
_MANY = 1000
_ROWS = 100_000

_TEXT = """
select country, sum(people) as total from cities
where people > 100000 and country in ('SE', 'NO')
group by country having sum(people) > 5 order by total desc limit 10
"""

_SQL, _AGAIN = "SQL to JSON", "the same text again"
_JSON, _BUILT = "Query to JSON", "Query made and to JSON"
_GETS, _GET_MANY = f"{_MANY:,} gets, sync", f"get_many of {_MANY:,}"
_EXPORTS = {name: f"export, {name}" for name in ("csv", "jsonl", "parquet", "arrow")}


def _query() -> Query:
    return (
        Query()
        .select("country", sum_("people").as_("total"))
        .where((col("people") > 100_000) & col("country").is_in(["SE", "NO"]))
        .group_by("country")
        .order_by("-total")
        .limit(10)
    )


def _run_to_json(calls: int) -> float:
    """Time only the conversion. Each needs a new query, since a query caches its JSON."""
    seconds = 0.0
    for _ in range(calls):
        query = _query()
        began = time.perf_counter()
        query.to_json()
        seconds += time.perf_counter() - began
    return seconds


def _sql_to_json() -> str:
    return parse.__wrapped__(_TEXT).query.to_json()


def _sql_to_json_again() -> str:
    return parse(_TEXT).query.to_json()


def _of_queries() -> list[Contender]:
    calls: dict[str, Callable[[], object]] = {
        _SQL: _sql_to_json,
        _AGAIN: _sql_to_json_again,
        _BUILT: lambda: _query().to_json(),
    }
    return [
        *(Contender(name, partial(time_calls, call)) for name, call in calls.items()),
        Contender(_JSON, _run_to_json),
    ]


@contextmanager
def _of_entries() -> Iterator[list[Contender]]:
    aliases = [f"alias/{number}" for number in range(_MANY)]
    with (
        compiled_stub() as library,
        RawClient(address(_WAIT), engine=CapiEngine(address(_WAIT), library=library)) as client,
    ):
        client.update_many(dict.fromkeys(aliases, CONTENT))

        def get_all() -> None:
            for alias in aliases:
                client.get(alias)

        yield [
            Contender(_GETS, partial(time_calls, get_all), fewest=1),
            Contender(_GET_MANY, partial(time_calls, lambda: client.get_many(aliases)), fewest=1),
        ]


@contextmanager
def _of_exports(rows: int) -> Iterator[list[Contender]]:
    frame = pl.DataFrame(
        {
            "n": range(rows),
            "name": [f"Å/{n % 1000} of {n}" for n in range(rows)],
            "score": [n * 0.37 for n in range(rows)],
        }
    )
    with QClient(["embedded:"], read_timeout=60) as client, tempfile.TemporaryDirectory() as place:
        client.post("table", frame)
        yield [
            Contender(
                label,
                partial(time_calls, partial(client.export, "table", {}, Path(place, f"x.{name}"))),
                fewest=1,
            )
            for name, label in _EXPORTS.items()
        ]


def _compare(rows: dict[str, Row]) -> list[Comparison]:
    targets = {_SQL: 1000.0, _AGAIN: 5.0, _JSON: 20.0, _BUILT: None}
    return [
        *(
            Comparison(f"{name}, µs", rows[name].rounds, target, at_most=True)
            for name, target in targets.items()
        ),
        Comparison.times_faster(rows, _GET_MANY, _GETS, 5),
    ]


def _text(rows: dict[str, Row], comparisons: list[Comparison], facts: dict[str, str]) -> str:
    """The text that is printed, and written into docs/speed.md."""
    rounds = len(next(iter(rows.values())).rounds)
    return f"""\
What programs do every day, in microseconds. The gets are of the stub of the C library, each call
of which takes {_WAIT} µs; exports are of {_ROWS:,} rows of a node in the same process, with
its work:

{report.row_table(rows.values())}

{report.comparison_table(comparisons)}

Measured by `python -m benchmarks.everyday` in {rounds} interleaved rounds.

Machine: {report.machine_line(facts)}."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = command.parse("benchmarks.everyday", arguments)
    effort = Effort(2, 0) if options.quick else Effort(7, 0.2)
    rows = race(_of_queries(), effort, say)
    say("entries")
    with _of_entries() as contenders:
        rows |= race(contenders, effort, say)
    say("exports")
    with _of_exports(_ROWS // 100 if options.quick else _ROWS) as contenders:
        rows |= race(contenders, effort, say)
    comparisons = _compare(rows)
    facts = report.machine(("polars", "sqlglot", "msgspec", "pyarrow"))
    text = _text(rows, comparisons, facts)
    print(text)
    data = {"machine": facts, "everyday": report.as_json(rows.values(), comparisons)}
    (options.output / "everyday.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if options.readme:
        report.replace_block(ROOT / "docs" / "speed.md", text, "benchmark-everyday")
    return command.conclude(comparisons, strict=options.strict or not options.quick)


if __name__ == "__main__":
    sys.exit(main())
