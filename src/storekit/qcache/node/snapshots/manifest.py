"""The list of the tables of a snapshot, as bytes and back. No I/O."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Any

__all__ = ["MOST_BYTES", "BadSnapshot", "SavedTable", "decode_manifest", "encode_manifest"]

MOST_BYTES = 64 * 2**20
"""Maximum size of a manifest; the least recently used tables beyond it are left out."""

_KIND = "storekit node snapshot"
_VERSION = 1
_ROOM = 1024
"""Bytes of a manifest besides the tables."""

_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_FILE = re.compile(r"[0-9a-f]{32}\.table", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COUNT = range(2**63)


class BadSnapshot(Exception):
    """A file is damaged, or not part of a snapshot; the message says why."""


@dataclass(frozen=True, slots=True)
class SavedTable:
    """One table of a snapshot, with the size and checksum of its file."""

    key: str
    file: str
    bytes: int
    sha256: str
    rows: int
    columns: int
    enums: tuple[str, ...]
    """Columns that are enums; the file has them as text."""

    stored_at: float
    """When it was uploaded: seconds since 1970."""


def encode_manifest(tables: Iterable[SavedTable]) -> tuple[bytes, int]:
    """Return a manifest of as many of the first tables as fit, and how many these are."""
    written, room = [], MOST_BYTES - _ROOM
    for table in tables:
        text = json.dumps(asdict(table))
        room -= len(text) + 2
        if room < 0:
            break
        written.append(text)
    body = f"[{', '.join(written)}]"
    head = {"kind": _KIND, "version": _VERSION, "sha256": _digest(body)}
    return f"{json.dumps(head)}\n{body}\n".encode(), len(written)


def decode_manifest(content: bytes) -> list[SavedTable]:
    """Return the tables of a manifest, or raise `BadSnapshot`."""
    first, _, rest = content.partition(b"\n")
    try:
        head = json.loads(first)
        body = rest.removesuffix(b"\n").decode()
    except (ValueError, RecursionError) as error:
        raise BadSnapshot(f"it is no manifest: {error}") from error
    if not isinstance(head, dict) or head.get("kind") != _KIND:
        raise BadSnapshot("it is no manifest of a snapshot of a node")
    if head.get("version") != _VERSION:
        raise BadSnapshot(f"it has version {head.get('version')!r}; this node reads {_VERSION}")
    if head.get("sha256") != _digest(body):
        raise BadSnapshot("its checksum is wrong: it is damaged")
    try:
        tables = [_table(found) for found in json.loads(body)]
    except (ValueError, TypeError, RecursionError) as error:
        raise BadSnapshot(f"it has no list of tables: {error}") from error
    for name in ("key", "file"):
        if len({getattr(table, name) for table in tables}) < len(tables):
            raise BadSnapshot(f"two tables have the same {name}")
    return tables


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _table(found: dict[str, Any]) -> SavedTable:
    names = {each.name for each in fields(SavedTable)}
    if not isinstance(found, dict) or found.keys() != names:
        raise BadSnapshot("a table is described in another way")
    table = SavedTable(**{**found, "enums": tuple(found["enums"])})
    right = (
        _matches(_KEY, table.key)
        and _matches(_FILE, table.file)
        and _matches(_DIGEST, table.sha256)
        and all(_is_count(each) for each in (table.bytes, table.rows, table.columns))
        and all(isinstance(name, str) for name in table.enums)
        and isinstance(table.stored_at, int | float)
        and math.isfinite(table.stored_at)
    )
    if not right:
        raise BadSnapshot(f"a table is described wrongly: {str(found)[:200]}")
    return table


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in _COUNT
