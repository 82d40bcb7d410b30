"""The vendor's client, in a separate process whose C library is the stub.

Reads numbers of calls from standard input, makes so many calls, and prints their seconds.
"""

import sys

import quasardb  # type: ignore[import-untyped]

from benchmarks.harness import time_calls
from benchmarks.qdb_library import ALIAS, CONTENT, address


def main() -> None:
    assert "stub" in quasardb.build(), "this is not the library to measure with"
    cluster = quasardb.Cluster(address())
    entry = cluster.blob(ALIAS)  # once: only its `get` is measured
    entry.update(CONTENT)
    assert entry.get() == CONTENT
    for line in sys.stdin:
        print(time_calls(entry.get, int(line)), flush=True)
    cluster.close()


if __name__ == "__main__":
    main()
