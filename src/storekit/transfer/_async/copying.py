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
    """Copy all entries of one store into another, and return what that came to.

    Entries of all types come with their content as it is, byte for byte, with their time of
    expiry and their tags; documents with them, as they are made of entries. Codecs of the clients
    play no part. Some megabytes are in memory at a time, or as much as the largest entries take:
    four of them.

    At the end, every entry is read again on both sides and compared. What has changed since it was
    copied is copied again. **An entry that nobody touches while the copy runs is the same on both
    sides when it returns.** One that is changed meanwhile is as it was at one moment of that time;
    one that is made meanwhile may be missing, and one that is removed may have been copied.

    While the copy runs, and until it has succeeded, the target has an entry `storekit/transfer`
    that says that it is not whole. There is no other state: what is in the target, compared with
    the source, says what there is left to do. The target belongs to the copy meanwhile: what
    others change there of entries that are in the source may be overwritten.

    Cancelling stops it where it is, with the mark in place, and so does the end of the process;
    `resume` goes on. A call that is under way then may still be made.

    Args:
        source: The client of the store to copy from.
        target: The client of the one to copy into.
        existing: What becomes of an entry that the target has already, and that is not the same:
            `"error"` ends the copy and leaves it, `"overwrite"` and `"skip"` do what they say.
        resume: Take over from a copy that was broken off. All is compared, and what is missing or
            not finished is copied.
        verify: Compare all at the end.
        in_flight: How many calls of a store are on their way at the same time. By default 2, and
            1 for an embedded store, which gains nothing by more. A cluster that is far away does.
        progress: Called with a `TransferProgress`.

    Raises:
        AliasAlreadyExists: An entry is there, and `existing` is `"error"`.
        TransferUnfinished: The target is marked and this is not to resume; or the source is
            itself a copy that was broken off; or another transfer took over.
        TransferMismatch: Entries are not the same at the end, since somebody goes on changing them.
        QuasardbException: What the clients raise.

    """
    check_existing(existing)
    here, there = (
        AsyncEntryReader(calls_of(client), "copy", in_flight) for client in (source, target)
    )
    report = AsyncTransferReport(progress)
    await here.check_whole()
    clock = target._clock  # noqa: SLF001 - by which the client checks times of expiry
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
    """Return the calls of a client. Raises `TypeError` for what is none."""
    if not isinstance(client, AsyncStore):
        raise TypeError(f"a store is given as its client, not as {type(client).__name__}")
    return client._calls  # noqa: SLF001 - content is copied as it is, past the codecs


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
        # What is large is in memory on both sides, and over a cluster's library more than once.
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
    """Copy entries that have changed meanwhile, and note those that are still not the same."""
    for start in range(0, len(aliases), _PAGE):
        some = aliases.page(start, _PAGE)
        found = await source.read(some, tags=True)
        there = [entry for entry in found if entry is not None]
        tally.removed += len(some) - len(there)
        await sink.overwrite(there)
        differing.add(await sink.differing(there))
