"""All entries of a store into one file, and back."""

import os
from typing import Any, BinaryIO

from storekit.core.seam._async import call_blocking, shielded
from storekit.qdb._async.store import AsyncStore
from storekit.qdb.engine import WholeEntry
from storekit.transfer._async.copying import calls_of
from storekit.transfer._async.reading import AsyncEntryReader
from storekit.transfer._async.report import AsyncTransferReport
from storekit.transfer._async.source import AsyncEntrySource
from storekit.transfer._async.target import AsyncEntryTarget
from storekit.transfer.files import DumpInput, as_output
from storekit.transfer.marker import Marker
from storekit.transfer.tally import TransferTally
from storekit.transfer.values import (
    Compression,
    DumpInfo,
    Existing,
    TransferCallback,
    TransferResult,
    check_existing,
)

__all__ = ["check_dump", "dump", "restore"]


async def dump(
    source: AsyncStore[Any, Any, Any, Any],
    file: "str | os.PathLike[str] | BinaryIO",
    *,
    compression: Compression = "zlib",
    replace: bool = False,
    resume: bool = False,
    in_flight: int | None = None,
    progress: TransferCallback | None = None,
) -> DumpInfo:
    """Write all entries of a store to one file, and return what is in it.

    It is compressed, and checked by checksums when it is read.

    Entries are written as `copy` copies them. They are read one after the other, while others may
    change them: an entry that nobody touches meanwhile is in the dump as it is, one that is changed
    is there as it was at one moment of that time, one that is made meanwhile may be missing. It
    is no picture of one moment.

    A file that is named by its path comes into being at the end, whole and durable, and readable
    by its owner alone; until then, what there is has a name that ends in ".part" and is refused by
    `restore`. It stays if the dump is cancelled, fails, or dies with its process, and `resume`
    goes on with it. Where the disk is full, it is removed. After cancelling, a thread may go on
    writing one block.

    Args:
        source: The client of the store.
        file: A path, or a file that is open for writing bytes, which is left open.
        compression: `"zlib"`, which every installation can read; `"zstd"` is several times as fast
            and needs the extra of that name; or `"none"`.
        replace: Replace a file that is there, once the dump is whole.
        resume: Go on with a dump to this path that was broken off: entries that it has are left
            as they are there, and not read for a second time where that can be avoided.
        in_flight: As for `copy`.
        progress: Called with a `TransferProgress`.

    Raises:
        FileExistsError: There is a file, and it is not to be replaced.
        TransferUnfinished: A copy or restore into the store was broken off: it is not whole.
        OSError: The file can't be written; another dump is writing it.
        QuasardbException: What the client raises.

    """
    store = AsyncEntryReader(calls_of(source), "dump", in_flight)
    clock = source._clock  # noqa: SLF001 - that of the client
    report = AsyncTransferReport(progress)
    await store.check_whole()
    output = await call_blocking(as_output, file, compression, resume=resume, replace=replace)
    created = round(clock() * 1000)
    tally = TransferTally(clock)

    async def write(page: list[WholeEntry]) -> None:
        alive = tally.alive(page)
        await call_blocking(output.add, alive)
        tally.read(alive)
        await report("copying", tally.entries, tally.content_bytes)

    try:
        await call_blocking(output.begin, store.calls.address, created)
        await AsyncEntrySource(store, without=output.seen).feed(write, ahead=_always)
        return await call_blocking(output.finish)
    except BaseException as error:
        await shielded(call_blocking, output.abandon, error)
        raise


async def restore(
    file: "str | os.PathLike[str] | BinaryIO",
    target: AsyncStore[Any, Any, Any, Any],
    *,
    existing: Existing = "error",
    resume: bool = False,
    in_flight: int | None = None,
    progress: TransferCallback | None = None,
) -> TransferResult:
    """Put all entries of a dump into a store, and return what that came to.

    A file is read twice: all of it is checked before the first entry is written. A stream that
    can be read only once is checked block by block, each before anything of it is used: where it
    is damaged, what came before is in the store, which stays marked as unfinished. All that is
    written is read back and compared. Entries whose time is over are left out.

    Marking, `existing` and `resume` are those of `copy`.

    Args:
        file: A path, or a file that is open for reading bytes, which is left open.
        target: The client of the store.
        existing: What becomes of an entry that is there already, and not the same.
        resume: Take over from a restore that was broken off.
        in_flight: As for `copy`.
        progress: Called with a `TransferProgress`.

    Raises:
        DumpDamaged: The file is no dump, or not what was written; it says where.
        AliasAlreadyExists: An entry is there, and `existing` is `"error"`.
        TransferUnfinished: The target is marked, and this is not to resume.
        TransferMismatch: What was written is not what is there; somebody changes it.
        OSError: The file can't be read.
        QuasardbException: What the client raises.

    """
    check_existing(existing)
    store = AsyncEntryReader(calls_of(target), "restore", in_flight)
    clock = target._clock  # noqa: SLF001 - by which the client checks times of expiry
    report = AsyncTransferReport(progress)
    source = await call_blocking(DumpInput, file)
    try:
        if source.can_be_checked_first:
            await _read_all(source, report)
        await call_blocking(source.begin)
        tally = TransferTally(clock)
        marker = Marker.make("restore", source.info().source, clock())
        sink = AsyncEntryTarget(store, marker, tally, existing=existing, resume=resume)
        try:
            await sink.open()
            while page := await call_blocking(source.page):
                await sink.write(page)
                different = await sink.differing(page)
                if different:
                    raise sink.mismatch(different, len(different))
                tally.read(page)
                await report("copying", tally.entries, tally.content_bytes)
            await sink.finish()
        finally:
            sink.skipped.close()
        return tally.result()
    finally:
        await shielded(call_blocking, source.close)


async def check_dump(
    file: "str | os.PathLike[str] | BinaryIO", *, progress: TransferCallback | None = None
) -> DumpInfo:
    """Read a dump to its end, check all of it, and return what is in it.

    Raises `DumpDamaged`, which says where, and `OSError`.
    """
    report = AsyncTransferReport(progress)
    source = await call_blocking(DumpInput, file)
    try:
        return await _read_all(source, report)
    finally:
        await shielded(call_blocking, source.close)


def _always(size: int) -> bool:  # noqa: ARG001 - of any size: to compress takes a thread of its own
    return True


async def _read_all(source: DumpInput, report: AsyncTransferReport) -> DumpInfo:
    await call_blocking(source.begin)
    while await call_blocking(source.page):
        info = source.info()
        await report("checking", info.entries, info.content_bytes)
    return source.info()
