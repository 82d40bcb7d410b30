"""Operations on documents of any size."""

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import BinaryIO

from storekit.core.seam._async import shielded
from storekit.qdb._async.calls import AsyncCaller
from storekit.qdb.documents._async.download import AsyncDocumentDownload
from storekit.qdb.documents._async.entries import AsyncDocumentEntries
from storekit.qdb.documents._async.files import AsyncFile, AsyncPieces, AsyncSource, AsyncTarget
from storekit.qdb.documents._async.lock import AsyncUploadLock
from storekit.qdb.documents._async.report import AsyncReport
from storekit.qdb.documents._async.upload import AsyncDocumentUpload
from storekit.qdb.documents.keys import DocumentKey, as_key, index_prefix
from storekit.qdb.documents.manifest import (
    DocumentConflict,
    DocumentDamaged,
    DocumentIncomplete,
    DocumentInfo,
    check_in_flight,
    check_slice_size,
)
from storekit.qdb.documents.progress import Progress
from storekit.qdb.engine import NEVER
from storekit.qdb.errors import AliasNotFound, UnmatchedContent
from storekit.qdb.times import Expiry, to_milliseconds

__all__ = ["AsyncDocuments"]

_AT_ONCE = 256  # documents of a listing that are read at a time


class AsyncDocuments:
    """Operations on documents; the methods of the client describe them.

    `in_flight` slices are sent or fetched at a time, while as many more are read or written:
    twice that many are in memory. For iteration and prefixes, slices, manifests and locks are
    entries like others.
    """

    def __init__(self, calls: AsyncCaller, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._clock = clock

    async def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | AsyncFile | AsyncPieces",
        key: uuid.UUID | str | None,
        *,
        slice_size: int,
        in_flight: int | None,
        resume: bool,
        expiry_time: Expiry,
        progress: Progress | None,
    ) -> uuid.UUID | str:
        """Store a document and return its key."""
        chosen = as_key(uuid.uuid4() if key is None else key)
        size, count = check_slice_size(slice_size), self._in_flight(in_flight)
        now = self._clock()
        expiry = to_milliseconds(expiry_time, now, "upload")
        source = AsyncSource(file, size)
        report = AsyncReport(progress, chosen)
        upload = AsyncDocumentUpload(
            self._calls, chosen, source, report, slice_size=size, expiry=expiry, in_flight=count
        )
        try:
            try:
                await upload.run(resume=resume, now=round(now * 1000))
            except DocumentConflict:
                if upload.lock.taken:
                    await self._undo_late_slices(chosen)
                raise
            finally:
                report.close()
                await shielded(source.aclose)
            return chosen.value  # noqa: TRY300 - this may be interrupted as well
        except BaseException as error:
            if key is None:  # the caller does not know the key to resume or remove it
                await upload.discard(error)
            raise

    async def _undo_late_slices(self, key: DocumentKey) -> None:
        """Undo the effects of slices that were stored after another one had taken over."""
        entries = self._entries("upload")
        await entries.remove_all([key.slice_list])  # it may be wrong now
        # If the document was removed meanwhile, these slices look like one without a manifest.
        with suppress(AliasNotFound, DocumentConflict, DocumentIncomplete, DocumentDamaged):
            if await entries.manifest(key) is None:
                await self._remove(entries, key, take_over=False)

    async def download(
        self,
        key: uuid.UUID | str,
        file: "str | os.PathLike[str] | BinaryIO | AsyncFile",
        *,
        in_flight: int | None,
        resume: bool,
        progress: Progress | None,
    ) -> DocumentInfo:
        """Write a document to a file, checking each slice before, and return its description."""
        chosen = as_key(key)
        count = self._in_flight(in_flight)
        target = AsyncTarget(file, keep=resume)
        report = AsyncReport(progress, chosen)
        download = AsyncDocumentDownload(
            self._entries("download"), chosen, target, report, in_flight=count
        )
        try:
            await target.check()
            return await download.run()
        finally:
            report.close()
            await shielded(target.aclose)

    async def document_info(self, key: uuid.UUID | str) -> DocumentInfo:
        """Return the description of a document without reading its content."""
        chosen = as_key(key)
        entries = self._entries("document_info")
        manifest = await entries.manifest(chosen)
        if manifest is not None:
            return manifest.info(chosen)
        numbers = set(await entries.slices(chosen))
        if 0 not in numbers:
            raise entries.absent(chosen)
        size = number = 0
        while number in numbers:
            size += await entries.size_of_slice(chosen, number)
            number += 1
        return DocumentInfo(chosen.value, size, number, None)

    async def documents(self, prefix: str) -> AsyncIterator[DocumentInfo]:
        """Iterate over the complete documents whose names start with a text."""
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be text, not {type(prefix).__name__}")
        entries = self._entries("documents")
        aliases = await entries.aliases(index_prefix(prefix))
        for start in range(0, len(aliases), _AT_ONCE):
            chunk = aliases[start : start + _AT_ONCE]
            found = await entries.find_all(chunk, of_any_type=True)
            for alias, content in zip(chunk, found, strict=True):
                info = None if content is None else DocumentInfo.load(content, alias)
                if info is not None and info.name.startswith(prefix):
                    yield info

    async def remove_document(self, key: uuid.UUID | str) -> None:
        """Remove a document, complete or not, with all its slices."""
        await self._remove(self._entries("remove_document"), as_key(key), take_over=True)

    async def _remove(
        self, entries: AsyncDocumentEntries, key: DocumentKey, *, take_over: bool
    ) -> None:
        numbers = await entries.slices(key)
        if not numbers and not any(await entries.find_all([key.lock, key.manifest, key.index])):
            raise entries.absent(key)
        lock = AsyncUploadLock(entries, key, NEVER)
        await lock.take(take_over=take_over)
        await lock.remove_manifest()
        while numbers:
            await lock.clear([key.slice(number) for number in numbers])
            numbers = await entries.slices(key)
        await lock.clear([key.slice_list])
        try:
            await lock.release()
        except UnmatchedContent:
            await lock.check()
            raise

    def _entries(self, operation: str) -> AsyncDocumentEntries:
        return AsyncDocumentEntries(self._calls, operation)

    def _in_flight(self, count: int | None) -> int:
        if count is None:
            return 1 if self._calls.address.startswith("embedded:") else 2
        return check_in_flight(count)
