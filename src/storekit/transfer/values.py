"""What transfers are told, and what they tell."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = [
    "Compression",
    "DumpInfo",
    "Existing",
    "TransferCallback",
    "TransferProgress",
    "TransferResult",
    "check_existing",
]

Existing = Literal["error", "overwrite", "skip"]
"""What becomes of an entry that is in the target already, and is not the same."""

Compression = Literal["zlib", "zstd", "none"]
"""How the blocks of a dump are compressed."""


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How far a transfer is: entries and bytes of content that it has read in this phase."""

    phase: Literal["checking", "copying", "verifying"]
    entries: int
    content_bytes: int


TransferCallback = Callable[[TransferProgress], object]
"""Told how far a transfer is. What it returns is awaited by async transfers, if that can be."""


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What a transfer came to.

    Of `entries` that were read, `written` were made or changed in the target, `unchanged` were
    there already (tags are, once an entry came that has them), `skipped` are there with something
    else, and `expired` had no time left.
    `content_bytes` is what all of them hold. `changed` of them changed while they were copied, and
    were copied again; `removed` went from the source meanwhile, and may be in the target.
    """

    entries: int
    written: int
    unchanged: int
    skipped: int
    expired: int
    content_bytes: int
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class DumpInfo:
    """What is in a dump. `source` is the address of the store, `created` when it was begun."""

    entries: int
    content_bytes: int
    source: str
    created: datetime


def check_existing(existing: object) -> None:
    """Raise `ValueError` for what says nothing about entries that are there."""
    if existing not in ("error", "overwrite", "skip"):
        raise ValueError(f"existing must be 'error', 'overwrite' or 'skip', not {existing!r}")
