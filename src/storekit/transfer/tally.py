"""Counters of a transfer."""

from collections.abc import Callable, Sequence

from storekit.qdb.engine import WholeEntry
from storekit.transfer.records import size_of_contents
from storekit.transfer.values import TransferResult

__all__ = ["TransferTally"]


class TransferTally:
    """Counts entries by outcome. `clock` returns seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.entries: int = 0
        self.content_bytes: int = 0
        self.written: int = 0
        self.unchanged: int = 0
        self.skipped: int = 0
        self.expired: int = 0
        self.changed: int = 0
        self.removed: int = 0

    def read(self, page: Sequence[WholeEntry]) -> None:
        """Count entries that were read."""
        self.entries += len(page)
        self.content_bytes += size_of_contents(page)

    def alive(self, entries: Sequence[WholeEntry]) -> list[WholeEntry]:
        """Return the entries that have not expired."""
        now = self._clock() * 1000
        return [each for each in entries if not each.expiry or each.expiry > now]

    def is_expired(self, entry: WholeEntry) -> bool:
        """Return whether an entry has expired."""
        return bool(entry.expiry) and entry.expiry <= self._clock() * 1000

    def result(self) -> TransferResult:
        """Return the counts."""
        return TransferResult(
            entries=self.entries,
            written=self.written,
            unchanged=self.unchanged,
            skipped=self.skipped,
            expired=self.expired,
            content_bytes=self.content_bytes,
            changed=self.changed,
            removed=self.removed,
        )
