"""Writes entries to a store that may have some already."""

from collections.abc import Sequence
from functools import partial

from storekit.core.seam._async import run_all
from storekit.qdb.engine import NEVER, EntryType, Session, WholeEntry
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    ErrorCode,
    UnmatchedContent,
    error_for,
)
from storekit.transfer._async.reading import AsyncEntryReader
from storekit.transfer.errors import TransferMismatch, TransferUnfinished
from storekit.transfer.marker import MARKER, Marker, unfinished
from storekit.transfer.records import size_of_content, size_of_contents
from storekit.transfer.spool import AliasSpool
from storekit.transfer.storing import has_same_content, is_same_entry, make_alike, store_new
from storekit.transfer.tally import TransferTally
from storekit.transfer.values import Existing

__all__ = ["AsyncEntryTarget"]

_AT_ONCE = 256  # entries of one call
_BYTES_AT_ONCE = 4 << 20


class AsyncEntryTarget:
    """Writes many entries at a time, with content, expiry and tags.

    Equal entries are kept; for different ones, `existing` says what to do. With `resume`, entries
    that have the right type and content are completed.
    """

    def __init__(
        self,
        store: AsyncEntryReader,
        marker: Marker,
        tally: TransferTally,
        *,
        existing: Existing,
        resume: bool,
    ) -> None:
        self._store = store
        self._calls = store.calls
        self._operation = store.operation
        self._marker = marker.dump()
        self._existing = existing
        self._resume = resume
        self._tally = tally
        self._tagged = True  # whether there may be tags besides those of written entries
        self.skipped: AliasSpool = AliasSpool()

    async def open(self) -> None:
        """Mark the store as incomplete. Raises `TransferUnfinished` if it is already."""
        there = await self._store.marker()
        if there is not None and not self._resume:
            raise TransferUnfinished(
                f"{unfinished(there)} into {self._calls.address} is under way, or was broken off: "
                f"resume it, or remove the entry {MARKER!r} if what is there is to stay as it is"
            )

        def mark(session: Session) -> None:
            if there is not None:
                session.blob_update(MARKER, self._marker, NEVER)
                return
            try:
                session.blob_put(MARKER, self._marker, NEVER)
            except AliasAlreadyExists:  # possibly by an attempt that seemed to fail
                if bytes(session.blob_get(MARKER)) != self._marker:
                    raise

        await self._calls.call(self._operation, MARKER, mark, reads=True)
        await self.look_for_tags()

    async def finish(self) -> None:
        """Remove the mark. Raises `TransferUnfinished` if another transfer took over."""
        attempts = 0

        def unmark(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            try:
                session.blob_remove_if(MARKER, self._marker)
            except AliasNotFound:
                if attempts == 1:  # else an attempt that seemed to fail may have removed it
                    raise

        try:
            await self._calls.call(self._operation, MARKER, unmark, reads=True)
        except (UnmatchedContent, AliasNotFound) as error:
            raise TransferUnfinished(
                f"another transfer into {self._calls.address} took over from this one"
            ) from error

    async def write(self, entries: Sequence[WholeEntry]) -> None:
        """Write entries. Raises `AliasAlreadyExists` for a different existing one."""
        writes = [partial(self._write_some, some) for some in _in_parts(entries)]
        if self._store.waits:
            await run_all(writes)
            return
        for write in writes:
            await write()

    async def _write_some(self, entries: list[WholeEntry]) -> None:
        alive = self._tally.alive(entries)
        self._tally.expired += len(entries) - len(alive)
        if self._resume:
            there = await self.read(alive)
            await self._settle(alive, there, finishing=True)
            return
        attempts = 0

        def store(session: Session) -> list[WholeEntry]:
            nonlocal attempts
            attempts += 1
            return store_new(session, alive)

        # As safe to repeat as a read: entries of an attempt that seemed to fail are found then.
        taken = await self._calls.call(self._operation, None, store, reads=True)
        self._tally.written += len(alive) - len(taken)
        if taken:
            there = await self.read(taken)
            await self._settle(taken, there, finishing=attempts > 1)

    async def _settle(
        self,
        entries: Sequence[WholeEntry],
        there: Sequence[WholeEntry | None],
        *,
        finishing: bool,
    ) -> None:
        """Compare each entry with the existing one, and act accordingly."""
        to_write: list[WholeEntry] = []
        for entry, found in zip(entries, there, strict=True):
            if found is not None and is_same_entry(entry, found):
                self._tally.unchanged += 1
            elif (
                found is None
                or (finishing and has_same_content(entry, found))
                # Tags are created by being attached.
                or entry.type is found.type is EntryType.TAG
                or self._existing == "overwrite"
            ):
                to_write.append(entry)
            elif self._existing == "skip":
                self.skipped.add([entry.alias])
                self._tally.skipped += 1
            else:
                raise self._conflict(entry, found)
        await self._make_alike(to_write)
        self._tally.written += len(to_write)

    def _conflict(self, entry: WholeEntry, found: WholeEntry) -> AliasAlreadyExists:
        differs = "another type or content"
        if has_same_content(entry, found):
            differs = "the same content, and another time of expiry or other tags"
        error = error_for(
            ErrorCode.ALIAS_ALREADY_EXISTS,
            f"The target has an entry of that alias, with {differs}, and it was left as it is. "
            f"{self._tally.written} entries were written before: resume with existing="
            "'overwrite' or 'skip', or remove that entry and resume.",
            operation=self._operation,
            alias=entry.alias,
            node=self._calls.address,
        )
        assert isinstance(error, AliasAlreadyExists)  # noqa: S101 - by its code
        return error

    async def overwrite(self, entries: Sequence[WholeEntry]) -> None:
        """Overwrite entries."""
        await self._make_alike(self._tally.alive(entries))

    async def _make_alike(self, entries: Sequence[WholeEntry]) -> None:
        if not entries:
            return

        def change(session: Session) -> None:
            # Existing entries may have changed, also by an earlier attempt.
            there = session.read_entries([each.alias for each in entries])
            for wanted, found in zip(entries, there, strict=True):
                make_alike(session, wanted, found)

        await self._calls.call(self._operation, None, change, reads=True)

    async def read(self, entries: Sequence[WholeEntry]) -> list[WholeEntry | None]:
        """Read the existing entries of the same aliases."""
        return await self._store.read(
            [each.alias for each in entries],
            tags=self._tagged or any(each.tags for each in entries),
            types=[each.type for each in entries],
        )

    async def look_for_tags(self) -> None:
        """Check whether the store has any tags, so that they are not read in vain."""
        self._tagged = await self._store.has_tags()

    async def differing(self, entries: Sequence[WholeEntry]) -> list[str]:
        """Return the aliases of missing and different entries."""
        there = await self.read(entries)
        return [
            entry.alias
            for entry, found in zip(entries, there, strict=True)
            if not (
                self._tally.is_expired(entry)
                if found is None
                else is_same_entry(entry, found) or entry.alias in self.skipped
            )
        ]

    def mismatch(self, aliases: Sequence[str], count: int) -> TransferMismatch:
        """Return the error for entries that differ."""
        shown = ", ".join(repr(alias)[:80] for alias in aliases[:3])
        return TransferMismatch(
            f"{count} entries in {self._calls.address} are not as they are in the source ({shown}"
            f"{', ...' if count > 3 else ''}): somebody changes them, here or there; resume when "
            "that is over",
            aliases=tuple(aliases[:100]),
        )


def _in_parts(entries: Sequence[WholeEntry]) -> list[list[WholeEntry]]:
    """Split entries into lists for one call each."""
    if size_of_contents(entries) < _BYTES_AT_ONCE:
        return [
            list(entries[start : start + _AT_ONCE]) for start in range(0, len(entries), _AT_ONCE)
        ]
    parts: list[list[WholeEntry]] = [[]]
    size = 0
    for entry in entries:
        if len(parts[-1]) >= _AT_ONCE or size >= _BYTES_AT_ONCE:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += size_of_content(entry)
    return parts
