"""Nodes one after another that keep their tables in one directory."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

from storekit.qcache.node.node import Node
from storekit.qcache.node.snapshots.manifest import decode_manifest, encode_manifest
from storekit.qcache.node.snapshots.snapshot import Snapshot
from tests.node.asking import store

CSV = {"content-type": "text/csv"}
JSON = {"content-type": "application/json"}
NUMBERS = itertools.count()


class Clock:
    """Two clocks that a test moves: the time that passes, and the time of day."""

    def __init__(self) -> None:
        self.passed = 1000.0
        self.day = 1_700_000_000.0

    def wait(self, seconds: float) -> None:
        self.passed += seconds
        self.day += seconds

    def restart(self) -> None:
        self.passed = 5.0  # the machine was started anew


class Keeper:
    """Nodes one after another, whose tables are in one directory."""

    def __init__(self, place: Path, **options: Any) -> None:
        self.place = place
        self.options = options
        self.clock = Clock()

    def start(self, **options: Any) -> tuple[Node, Snapshot]:
        node = Node(**{**self.options, **options}, clock=lambda: self.clock.passed)
        return node, self.snapshot(node)

    def snapshot(self, node: Node) -> Snapshot:
        clock = self.clock
        return Snapshot(node, str(self.place), clock=lambda: clock.passed, wall=lambda: clock.day)

    @property
    def tables(self) -> Path:
        return self.place / "tables"

    def manifest(self) -> list[Any]:
        return decode_manifest((self.tables / "manifest").read_bytes())

    def rewrite(self, **changes: Any) -> None:
        """Change what the manifest says of its first table, with a checksum that is right."""
        first, *rest = self.manifest()
        written, _ = encode_manifest([replace(first, **changes), *rest])
        (self.tables / "manifest").write_bytes(written)

    def read(self, **options: Any) -> Node:
        """A new node with what is there, which then goes without a trace."""
        node, snapshot = self.start(**options)
        snapshot.read()
        snapshot._directory.close()
        return node


def saved(keeper: Keeper, tables: dict[str, bytes], **options: Any) -> None:
    node, snapshot = keeper.start(**options)
    for key, table in tables.items():
        store(node, key, table)
    snapshot.write(60)


def keys(node: Node) -> list[str]:
    return [key for key, _ in node.tables.datasets_by_use()]


def total(node: Node, event: str) -> int:
    return node.tables.totals().counts.get(event, 0)
