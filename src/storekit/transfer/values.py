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
    """The progress of a transfer: entries and bytes of content read in this phase."""

    phase: Literal["checking", "copying", "verifying"]
    entries: int
    content_bytes: int


TransferCallback = Callable[[TransferProgress], object]
"""Called with the progress of a transfer. Async transfers await its result if it is awaitable."""


@dataclass(frozen=True, slots=True)
class TransferResult:
    """The result of a transfer.

    Of the `entries` that were read, `written` were created or changed in the target, `unchanged`
    existed with the same content (tags do, once an entry that has them was written), `skipped`
    existed with another content, and `expired` had expired.
    `content_bytes` is the size of all contents. `changed` entries changed while they were copied,
    and were copied again; `removed` ones were removed from the source meanwhile, and may be in the
    target.
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
    """The description of a dump. `source` is the address of the store, `created` its start."""

    entries: int
    content_bytes: int
    source: str
    created: datetime


def check_existing(existing: object) -> None:
    """Raise `ValueError` for other values of `existing`."""
    if existing not in ("error", "overwrite", "skip"):
        raise ValueError(f"existing must be 'error', 'overwrite' or 'skip', not {existing!r}")
