"""Write the feature table of docs/features.md from what the tests of the clients have called.

    python tools/feature_table.py            run the tests of the clients, write the table
    python tools/feature_table.py --check    write nothing; exit 1 if the table would change

A cell says yes if a test that passed has called the operation there, and the call returned.
`tests/support/features.py` records the calls, also in every other run of the tests, and
compares at the end of a whole one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["BEGIN", "END", "RECORDING", "VARIABLE", "Call", "differs", "render", "test_files"]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "features.md"
BEGIN, END = "<!-- features:begin -->\n", "<!-- features:end -->"
VARIABLE = "STOREKIT_FEATURES_TO"
"""Environment variable that names the file into which a run of the tests writes its calls."""

RECORDING = (
    *("tests/qdb/_async/test_*.py", "tests/qdb/_sync/test_*.py", "tests/qdb/test_values.py"),
    *("tests/qcache/_async/test_real.py", "tests/qcache/_sync/test_real.py"),
    *("tests/qcache/_async/test_pages.py", "tests/qcache/_sync/test_pages.py"),
    *("tests/qcache/_async/test_own_nodes.py", "tests/qcache/_sync/test_own_nodes.py"),
)
"""The tests whose calls count."""

WORLDS = ("asyncio", "trio", "sync")
EMBEDDED, LIBRARY, VENDOR = "embedded", "C library", "vendor's library"
REAL, SERVED = "real server", "served node"

# The documented names, as the pages of quasardb's and qcache's own Python clients have them.
DOCUMENTED_QDB = (
    *("get", "put", "update", "remove", "get_update", "get_remove", "compare_and_swap"),
    *("remove_if", "remove_all", "expires_at", "expires_from_now", "get_expiry_time"),
    *("prefix_get", "run_batch", "node_status", "node_config", "node_topology", "stop_node"),
)
DOCUMENTED_BATCH = tuple(
    f"run_batch of {name}"
    for name in (
        *("get_alloc", "put", "update", "remove", "cas", "get_update", "get_remove"),
        "remove_if",
    )
)
DOCUMENTED_ITERATORS = ("RawForwardIterator", "ForwardIterator")
DOCUMENTED_VALUES = (
    *("version", "build", "make_error_string", "BatchRequest.cpp_type", "BatchRequest.pickle"),
    *("BatchResult.unpickle", "RemoteNode.c_type"),
)
DOCUMENTED_QCACHE = ("get", "post", "query", "delete")
REFUSED = {"stop_node": "refuses"}
"""What the embedded engine, which is also inside the C library for tests, refuses by design."""


class Call(NamedTuple):
    """A call that returned, in a test that passed."""

    store: str  # "qdb" or "qcache"
    operation: str
    world: str  # of WORLDS
    engine: str  # or "" where there is none to speak of


def render(calls: Iterable[Call], qdb: Sequence[str], qcache: Sequence[str]) -> dict[str, str]:
    """Return the tables by title; `qdb` and `qcache` are the public operations."""
    seen = set(calls)
    documented = (*DOCUMENTED_QDB, *DOCUMENTED_BATCH, *DOCUMENTED_ITERATORS)
    return {
        "QuasarDB, documented": _qdb_table(seen, documented),
        "QuasarDB, functions and values": _values_table(seen),
        "QuasarDB, beyond": _qdb_table(seen, sorted(set(qdb) - set(documented))),
        "QCache, documented": _qcache_table(seen, DOCUMENTED_QCACHE),
        "QCache, beyond": _qcache_table(seen, sorted(set(qcache) - set(DOCUMENTED_QCACHE))),
    }


def _qdb_table(seen: set[Call], operations: Iterable[str]) -> str:
    engines = (EMBEDDED, LIBRARY)
    heads = [f"{engine}, {world}" for engine in engines for world in WORLDS]
    rows = []
    for operation in operations:
        no = REFUSED.get(operation, "no")
        cells = [
            "yes" if Call("qdb", operation, world, engine) in seen else no
            for engine in engines
            for world in WORLDS
        ]
        rows.append([f"`{operation}`", *cells])
    return _table(["", *heads], rows)


def _values_table(seen: set[Call]) -> str:
    rows = []
    for operation in DOCUMENTED_VALUES:
        engines = {call.engine for call in seen if call[:2] == ("qdb", operation)}
        named = [engine for engine in (EMBEDDED, LIBRARY, VENDOR) if engine in engines]
        rows.append([f"`{operation}`", ", ".join(named) or ("yes" if engines else "no")])
    return _table(["", "tested with"], rows)


def _qcache_table(seen: set[Call], operations: Iterable[str]) -> str:
    places = [(engine, world) for engine in (REAL, EMBEDDED, SERVED) for world in WORLDS]
    rows = [
        [
            f"`{operation}`",
            *(
                "yes" if Call("qcache", operation, world, engine) in seen else "no"
                for engine, world in places
            ),
        ]
        for operation in operations
    ]
    return _table(["", *(f"{engine}, {world}" for engine, world in places)], rows)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def differs(tables: dict[str, str], text: str) -> list[str]:
    """Return the titles of the tables that the text of the page does not have like this."""
    block = _block(text)[1]
    return [title for title, table in tables.items() if f"{title}:\n\n{table}\n" not in block]


def _block(text: str) -> tuple[str, str, str]:
    before, begin, rest = text.partition(BEGIN)
    block, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"docs/features.md lacks the lines {BEGIN.strip()} and {END}")
    return before + begin, block, end + after


def test_files() -> list[Path]:
    """Return the files with the tests whose calls count."""
    return sorted(path for pattern in RECORDING for path in ROOT.glob(pattern))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "calls.json"
        files = [str(file.relative_to(ROOT)) for file in test_files()]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, VARIABLE: str(path)}, check=False
        )
        if done.returncode:
            print("The table is made of tests that pass, and these did not.", file=sys.stderr)
            return 1
        recorded = json.loads(path.read_text())
    calls = [Call(*call) for call in recorded["calls"]]
    tables = render(calls, recorded["qdb"], recorded["qcache"])
    text = PAGE.read_text(encoding="utf-8")
    changed = differs(tables, text)
    if options.check:
        print(
            *(f"docs/features.md: the table {title!r} is out of date" for title in changed),
            sep="\n",
        )
        return int(bool(changed))
    before, _, after = _block(text)
    block = "".join(f"{title}:\n\n{table}\n" for title, table in tables.items())
    PAGE.write_text(f"{before}\n{block}{after}", encoding="utf-8")
    print("docs/features.md is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
