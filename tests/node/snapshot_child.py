"""A node that writes its snapshot, and may be killed while it does: `python -m ... DIR VERSION`."""

import sys

from storekit.qcache.node.node import Node
from storekit.qcache.node.snapshots.snapshot import Snapshot
from tests.node.asking import store

TABLES = 12
CHANGED = range(0, TABLES, 2)


def content(number: int, version: int) -> bytes:
    return b"number,version\n" + f"{number},{version}\n".encode() * 2000


def main(place: str, version: int) -> None:
    node = Node()
    snapshot = Snapshot(node, place)
    snapshot.read()
    for number in CHANGED if version > 1 else range(TABLES):
        store(node, f"k{number}", content(number, version))
    print("writing", flush=True)  # noqa: T201
    snapshot.write(60)
    print("written", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
