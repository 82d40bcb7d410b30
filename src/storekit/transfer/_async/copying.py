"""Copying all entries of one store into another."""

import time
from typing import Any

from storekit.qdb._async.calls import AsyncCaller
from storekit.qdb._async.store import AsyncStore
from storekit.qdb.engine import WholeEntry
from storekit.transfer._async.reading import AsyncEntryReader
from storekit.transfer._async.report import AsyncTransferReport
from storekit.transfer._async.source import AsyncEntrySource
from storekit.transfer._async.target import AsyncEntryTarget
from storekit.transfer.marker import Marker
from storekit.transfer.spool import AliasSpool
from storekit.transfer.tally import TransferTally
from storekit.transfer.values import Existing, TransferCallback, TransferResult, check_existing

__all__ = ["calls_of", "copy"]

_ROUNDS = 3  # in which what has changed meanwhile is copied again
_PAGE = 64  # entries, which may all be large
_SHOWN = 100
_LARGE = 4 << 20
"""Bytes of a page that takes longer to read and write than threads wait for each other."""


async def copy(
    source: AsyncStore[Any, Any, Any, Any],
    target: AsyncStore[Any, Any, Any, Any],
    *,
    existing: Existing = "error",
    resume: bool = False,
    verify: bool = True,
    in_flight: int | None = None,
    progress: TransferCallback | None = None,
) -> TransferResult:
    """Copy all entries of one store into another, and return what was copied.

    Entries of all types are copied with their content, byte for byte, their expiry and their tags;
    this includes documents, which consist of entries. The codecs of the clients are not used.
    Memory: some megabytes, or four times the largest entry.

    At the end, every entry is read again on both sides and compared. Entries that have changed
    since are copied again. **An entry that is not changed while the copy runs is the same on both
    sides when it returns.** A changed one is as it was at some moment of that time; one that is
    created meanwhile may be missing, and one that is removed may have been copied.

    Until the copy has succeeded, the target has an entry `storekit/transfer` that marks it as
    incomplete. There is no other state: what is left to do follows from comparing target and
    source. Changes of others to entries of the target meanwhile may be overwritten.

    After a cancellation, or the end of the process, the mark remains, and `resume` continues. A
    call that is in progress at a cancellation may still be executed.

    Args:
        source: The client of the store to copy from.
        target: The client of the one to copy into.
        existing: What to do if the target already has a different entry of the same alias:
            `"error"` ends the copy and keeps that entry, `"overwrite"` replaces it, and
            `"skip"` keeps it.
        resume: Continue a copy that was interrupted. All entries are compared, and missing or
            unfinished ones are copied.
        verify: Compare all entries at the end.
        in_flight: Number of concurrent calls for each store. The default is 2, and 1 for an
            embedded store, where more is no faster. A cluster with high latency needs more.
        progress: Called with a `TransferProgress`.

    Raises:
        AliasAlreadyExists: The target has a different entry, and `existing` is `"error"`.
        TransferUnfinished: The target is marked as incomplete, without `resume`; or the source
            is; or another transfer took over.
        TransferMismatch: Entries differ at the end, since they were changed repeatedly.
        QuasardbException: The errors of the clients.

    """
    check_existing(existing)
    here, there = (
        AsyncEntryReader(calls_of(client), "copy", in_flight) for client in (source, target)
    )
    report = AsyncTransferReport(progress)
    await here.check_whole()
    clock = target._clock  # noqa: SLF001 - the client checks expiry by it
    tally = TransferTally(clock)
    marker = Marker.make("copy", here.calls.address, clock())
    sink = AsyncEntryTarget(there, marker, tally, existing=existing, resume=resume)
    try:
        await sink.open()
        waits = here.waits or there.waits
        await _copy_all(here, sink, tally, report, waits=waits)
        if verify:
            await _verify_all(here, sink, tally, report, waits=waits)
        await sink.finish()
    finally:
        sink.skipped.close()
    return tally.result()


def calls_of(client: AsyncStore[Any, Any, Any, Any]) -> AsyncCaller:
    """Return the calls of a client. Raises `TypeError` for other objects."""
    if not isinstance(client, AsyncStore):
        raise TypeError(f"a store is given as its client, not as {type(client).__name__}")
    return client._calls  # noqa: SLF001 - content is copied without the codecs


async def _copy_all(
    source: AsyncEntryReader,
    sink: AsyncEntryTarget,
    tally: TransferTally,
    report: AsyncTransferReport,
    *,
    waits: bool,
) -> None:
    async def write(page: list[WholeEntry]) -> None:
        await sink.write(page)
        tally.read(page)
        await report("copying", tally.entries, tally.content_bytes)

    await AsyncEntrySource(source).feed(write, ahead=lambda size: waits or size >= _LARGE)


async def _verify_all(
    source: AsyncEntryReader,
    sink: AsyncEntryTarget,
    tally: TransferTally,
    report: AsyncTransferReport,
    *,
    waits: bool,
) -> None:
    differing = AliasSpool()
    seen = TransferTally(time.time)

    async def compare(page: list[WholeEntry]) -> None:
        aliases = await sink.differing(page)
        if aliases:
            differing.add(aliases)
        seen.read(page)
        await report("verifying", seen.entries, seen.content_bytes)

    try:
        await sink.look_for_tags()
        # Large entries are in memory on both sides, and in a cluster's library as well.
        await AsyncEntrySource(source, in_order=False).feed(
            compare, ahead=lambda size: waits != (size >= _LARGE)
        )
        tally.changed = len(differing)
        for _ in range(_ROUNDS):
            if not len(differing):
                return
            before, differing = differing, AliasSpool()
            await _copy_again(source, sink, tally, before, differing)
            before.close()
        if len(differing):
            raise sink.mismatch(differing.page(0, _SHOWN), len(differing))
    finally:
        differing.close()


async def _copy_again(
    source: AsyncEntryReader,
    sink: AsyncEntryTarget,
    tally: TransferTally,
    aliases: AliasSpool,
    differing: AliasSpool,
) -> None:
    """Copy entries that have changed meanwhile, and collect those that still differ."""
    for start in range(0, len(aliases), _PAGE):
        some = aliases.page(start, _PAGE)
        found = await source.read(some, tags=True)
        there = [entry for entry in found if entry is not None]
        tally.removed += len(some) - len(there)
        await sink.overwrite(there)
        differing.add(await sink.differing(there))
