"""The overhead of a client for a value, over the call of the session and of the codec's library.

    python -m benchmarks.codecs             # two minutes; `nox -s bench` does the same
    python -m benchmarks.codecs --quick     # a check that it runs; the figures mean little
    python -m benchmarks.codecs --readme    # writes the result into docs/codecs.md, too

Measures the sync client on an embedded store in memory, in one thread. The exit status is 0 even
if a target is missed, unless `--strict` is given.
"""

import json
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import msgspec

from benchmarks import command, report
from benchmarks.command import ROOT, say
from benchmarks.harness import Comparison, Contender, Effort, Row, race, time_calls
from storekit.qdb import Client
from storekit.qdb.embedded import EmbeddedEngine

__all__ = ["main"]

_PACKAGES = ("msgspec",)
_MOST = 2  # target: additional microseconds for a value
_ALIAS = "alias"
_VALUE = {
    "id": 71_352,
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "active": True,
    "score": 0.93,
    "tags": ["mathematics", "poetry"],
}


@dataclass(frozen=True)
class Library:
    """The library of a codec, with encoder and decoder created in advance."""

    encode: Callable[[object], bytes]
    decode: Callable[[bytes | memoryview], object]


_LIBRARIES = {
    "json": Library(msgspec.json.Encoder().encode, msgspec.json.Decoder().decode),
    "msgpack": Library(msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode),
    "pickle": Library(partial(pickle.dumps, protocol=5), pickle.loads),
}


def _ours(method: str, codec: str) -> str:
    return f"Client.{method}, {codec}"


def _bare(method: str, codec: str) -> str:
    return f"session and library, {method}, {codec}"


def _contenders() -> list[Contender]:
    return [
        contender
        for codec, library in _LIBRARIES.items()
        for contender in (
            Contender(_ours("put", codec), partial(_run_put, codec)),
            Contender(_bare("put", codec), partial(_run_bare_put, library)),
            Contender(_ours("get", codec), partial(_run_get, codec)),
            Contender(_bare("get", codec), partial(_run_bare_get, library)),
        )
    ]


def _compare(rows: dict[str, Row]) -> list[Comparison]:
    return [
        Comparison.microseconds_more(rows, _ours(method, codec), _bare(method, codec), _MOST)
        for codec in _LIBRARIES
        for method in ("put", "get")
    ]


# Every run has its own store, so that entries of other runs do not slow it down.


def _run_put(codec: str, calls: int) -> float:
    aliases = map(str, count())
    with Client("embedded:", codec=codec) as client:
        return time_calls(lambda: client.put(next(aliases), _VALUE), calls)


def _run_bare_put(library: Library, calls: int) -> float:
    aliases = map(str, count())
    session = EmbeddedEngine("embedded:").connect()
    put, encode = session.blob_put, library.encode
    try:
        return time_calls(lambda: put(next(aliases), encode(_VALUE), 0), calls)
    finally:
        session.close()


def _run_get(codec: str, calls: int) -> float:
    with Client("embedded:", codec=codec) as client:
        client.put(_ALIAS, _VALUE)
        return time_calls(lambda: client.get(_ALIAS), calls)


def _run_bare_get(library: Library, calls: int) -> float:
    session = EmbeddedEngine("embedded:").connect()
    get, decode = session.blob_get, library.decode
    try:
        session.blob_put(_ALIAS, library.encode(_VALUE), 0)
        return time_calls(lambda: decode(get(_ALIAS)), calls)
    finally:
        session.close()


def _text(rows: dict[str, Row], comparisons: list[Comparison], facts: dict[str, str]) -> str:
    """The text that is printed, and written into the documentation."""
    rounds = len(next(iter(rows.values())).rounds)
    return f"""\
What the sync client takes for a value, over the same call of a session and the bare call of the
library, on an embedded store in memory; the value is a dict of six items:

{report.comparison_table(comparisons)}

Measured by `python -m benchmarks.codecs` in {rounds} interleaved rounds, in microseconds; the
median counts. The libraries are msgspec and pickle, with encoders and decoders made before.

Machine: {report.machine_line(facts)}."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = command.parse("benchmarks.codecs", arguments)
    facts = report.machine(_PACKAGES)
    load_before = command.load_average()
    rows = race(_contenders(), Effort(2, 0) if options.quick else Effort(15, 0.4), say)
    comparisons = _compare(rows)

    text = _text(rows, comparisons, facts)
    print(text)
    print("\nMicroseconds a call.\n")
    print(report.row_table(rows.values()))
    load = {"before": load_before, "after": command.load_average()}
    print(f"\nLoad average before: {load['before']}, after: {load['after']}")
    data = {
        "machine": facts,
        "load_average": load,
        "codecs": report.as_json(rows.values(), comparisons),
    }
    (options.output / "codecs.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if options.readme:
        report.replace_block(ROOT / "docs" / "codecs.md", text, "benchmark-codecs")
    return command.conclude(comparisons, strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
