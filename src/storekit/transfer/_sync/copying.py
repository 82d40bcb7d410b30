# Generated from src/storekit/transfer/_async/copying.py by tools/generate_sync.py; do not edit.

"""Copying all entries of one store into another."""

import time
from typing import Any

from storekit.qdb._sync.calls import Caller
from storekit.qdb._sync.store import Store
from storekit.qdb.engine import WholeEntry
from storekit.transfer._sync.reading import EntryReader
from storekit.transfer._sync.report import TransferReport
from storekit.transfer._sync.source import EntrySource
from storekit.transfer._sync.target import EntryTarget
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


def copy(
    source: Store[Any, Any, Any, Any],
    target: Store[Any, Any, Any, Any],
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
    here, there = (EntryReader(calls_of(client), "copy", in_flight) for client in (source, target))
    report = TransferReport(progress)
    here.check_whole()
    clock = target._clock  # noqa: SLF001 - by which the client checks times of expiry
    tally = TransferTally(clock)
    marker = Marker.make("copy", here.calls.address, clock())
    sink = EntryTarget(there, marker, tally, existing=existing, resume=resume)
    try:
        sink.open()
        waits = here.waits or there.waits
        _copy_all(here, sink, tally, report, waits=waits)
        if verify:
            _verify_all(here, sink, tally, report, waits=waits)
        sink.finish()
    finally:
        sink.skipped.close()
    return tally.result()


def calls_of(client: Store[Any, Any, Any, Any]) -> Caller:
    """Return the calls of a client. Raises `TypeError` for what is none."""
    if not isinstance(client, Store):
        raise TypeError(f"a store is given as its client, not as {type(client).__name__}")
    return client._calls  # noqa: SLF001 - content is copied as it is, past the codecs


def _copy_all(
    source: EntryReader,
    sink: EntryTarget,
    tally: TransferTally,
    report: TransferReport,
    *,
    waits: bool,
) -> None:
    def write(page: list[WholeEntry]) -> None:
        sink.write(page)
        tally.read(page)
        report("copying", tally.entries, tally.content_bytes)

    EntrySource(source).feed(write, ahead=lambda size: waits or size >= _LARGE)


def _verify_all(
    source: EntryReader,
    sink: EntryTarget,
    tally: TransferTally,
    report: TransferReport,
    *,
    waits: bool,
) -> None:
    differing = AliasSpool()
    seen = TransferTally(time.time)

    def compare(page: list[WholeEntry]) -> None:
        aliases = sink.differing(page)
        if aliases:
            differing.add(aliases)
        seen.read(page)
        report("verifying", seen.entries, seen.content_bytes)

    try:
        sink.look_for_tags()
        # What is large is in memory on both sides, and over a cluster's library more than once.
        EntrySource(source, in_order=False).feed(
            compare, ahead=lambda size: waits != (size >= _LARGE)
        )
        tally.changed = len(differing)
        for _ in range(_ROUNDS):
            if not len(differing):
                return
            before, differing = differing, AliasSpool()
            _copy_again(source, sink, tally, before, differing)
            before.close()
        if len(differing):
            raise sink.mismatch(differing.page(0, _SHOWN), len(differing))
    finally:
        differing.close()


def _copy_again(
    source: EntryReader,
    sink: EntryTarget,
    tally: TransferTally,
    aliases: AliasSpool,
    differing: AliasSpool,
) -> None:
    """Copy entries that have changed meanwhile, and note those that are still not the same."""
    for start in range(0, len(aliases), _PAGE):
        some = aliases.page(start, _PAGE)
        found = source.read(some, tags=True)
        there = [entry for entry in found if entry is not None]
        tally.removed += len(some) - len(there)
        sink.overwrite(there)
        differing.add(sink.differing(there))
