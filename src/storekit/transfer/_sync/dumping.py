# Generated from src/storekit/transfer/_async/dumping.py by tools/generate_sync.py; do not edit.

"""Writes all entries of a store to a file, and restores them."""

import os
from typing import Any, BinaryIO

from storekit.core.seam._sync import call_blocking, shielded
from storekit.qdb._sync.store import Store
from storekit.qdb.engine import WholeEntry
from storekit.transfer._sync.copying import calls_of
from storekit.transfer._sync.reading import EntryReader
from storekit.transfer._sync.report import TransferReport
from storekit.transfer._sync.source import EntrySource
from storekit.transfer._sync.target import EntryTarget
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


def dump(
    source: Store[Any, Any, Any, Any],
    file: "str | os.PathLike[str] | BinaryIO",
    *,
    compression: Compression = "zlib",
    replace: bool = False,
    resume: bool = False,
    in_flight: int | None = None,
    progress: TransferCallback | None = None,
) -> DumpInfo:
    """Write all entries of a store to one file, and return its description.

    The file is compressed, and has checksums, which are verified when it is read.

    The same parts of entries are saved as by `copy`. The dump is not a snapshot of one moment: an
    entry that is not changed meanwhile is in the dump, a changed one is as it was at some moment
    of that time, and one that is created meanwhile may be missing.

    If `file` is a path, it appears at the end, complete and durable, and readable by its owner
    only. Until then the file has a name that ends in ".part", which `restore` refuses. It remains
    if the dump is cancelled, fails, or the process ends, and `resume` continues it; if the disk is
    full, it is removed. After a cancellation, a thread may still write one block.

    Args:
        source: The client of the store.
        file: A path, or a file opened for writing bytes, which is not closed.
        compression: `"zlib"`, which every installation can read; `"zstd"` is several times as fast
            and needs the extra of that name; or `"none"`.
        replace: Replace an existing file when the dump is complete.
        resume: Continue an interrupted dump to this path: entries that it has are kept, and not
            read again where that can be avoided.
        in_flight: As for `copy`.
        progress: Called with a `TransferProgress`.

    Raises:
        FileExistsError: The file exists, without `replace`.
        TransferUnfinished: A copy or restore into the store was interrupted: it is incomplete.
        OSError: The file can't be written, or another dump is writing it.
        QuasardbException: The errors of the client.

    """
    store = EntryReader(calls_of(source), "dump", in_flight)
    clock = source._clock  # noqa: SLF001 - that of the client
    report = TransferReport(progress)
    store.check_whole()
    output = call_blocking(as_output, file, compression, resume=resume, replace=replace)
    created = round(clock() * 1000)
    tally = TransferTally(clock)

    def write(page: list[WholeEntry]) -> None:
        alive = tally.alive(page)
        call_blocking(output.add, alive)
        tally.read(alive)
        report("copying", tally.entries, tally.content_bytes)

    try:
        call_blocking(output.begin, store.calls.address, created)
        EntrySource(store, without=output.seen).feed(write, ahead=_always)
        return call_blocking(output.finish)
    except BaseException as error:
        shielded(call_blocking, output.abandon, error)
        raise


def restore(
    file: "str | os.PathLike[str] | BinaryIO",
    target: Store[Any, Any, Any, Any],
    *,
    existing: Existing = "error",
    resume: bool = False,
    in_flight: int | None = None,
    progress: TransferCallback | None = None,
) -> TransferResult:
    """Write all entries of a dump to a store, and return what was written.

    A file is read twice: all of it is verified before the first entry is written. A stream that
    can be read only once is verified block by block, each before it is used: if it is damaged,
    the entries before that are in the store, which remains marked as incomplete. All written
    entries are read back and compared. Expired entries are left out.

    Marking, `existing` and `resume` are those of `copy`.

    Args:
        file: A path, or a file opened for reading bytes, which is not closed.
        target: The client of the store.
        existing: What to do if the target has a different entry of the same alias.
        resume: Continue a restore that was interrupted.
        in_flight: As for `copy`.
        progress: Called with a `TransferProgress`.

    Raises:
        DumpDamaged: The file is not a dump, or it is damaged; the error has the position.
        AliasAlreadyExists: The target has a different entry, and `existing` is `"error"`.
        TransferUnfinished: The target is marked as incomplete, without `resume`.
        TransferMismatch: Entries differ after they were written, since others change them.
        OSError: The file can't be read.
        QuasardbException: The errors of the client.

    """
    check_existing(existing)
    store = EntryReader(calls_of(target), "restore", in_flight)
    clock = target._clock  # noqa: SLF001 - the client checks expiry by it
    report = TransferReport(progress)
    source = call_blocking(DumpInput, file)
    try:
        if source.can_be_checked_first:
            _read_all(source, report)
        call_blocking(source.begin)
        tally = TransferTally(clock)
        marker = Marker.make("restore", source.info().source, clock())
        sink = EntryTarget(store, marker, tally, existing=existing, resume=resume)
        try:
            sink.open()
            while page := call_blocking(source.page):
                sink.write(page)
                different = sink.differing(page)
                if different:
                    raise sink.mismatch(different, len(different))
                tally.read(page)
                report("copying", tally.entries, tally.content_bytes)
            sink.finish()
        finally:
            sink.skipped.close()
        return tally.result()
    finally:
        shielded(call_blocking, source.close)


def check_dump(
    file: "str | os.PathLike[str] | BinaryIO", *, progress: TransferCallback | None = None
) -> DumpInfo:
    """Read and verify a whole dump, and return its description.

    Raises `DumpDamaged`, which has the position, and `OSError`.
    """
    report = TransferReport(progress)
    source = call_blocking(DumpInput, file)
    try:
        return _read_all(source, report)
    finally:
        shielded(call_blocking, source.close)


def _always(size: int) -> bool:  # noqa: ARG001 - for any size, since compression has its own thread
    return True


def _read_all(source: DumpInput, report: TransferReport) -> DumpInfo:
    call_blocking(source.begin)
    while call_blocking(source.page):
        info = source.info()
        report("checking", info.entries, info.content_bytes)
    return source.info()
