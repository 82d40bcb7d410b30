"""Reading a document of any size, in slices."""

from functools import partial

from storekit.core.seam._async import call_blocking, run_all
from storekit.qdb.buffers import Buffers
from storekit.qdb.documents._async.entries import AsyncDocumentEntries
from storekit.qdb.documents._async.files import AsyncTarget
from storekit.qdb.documents._async.report import AsyncReport
from storekit.qdb.documents.keys import DocumentKey
from storekit.qdb.documents.manifest import (
    DocumentDamaged,
    DocumentIncomplete,
    DocumentInfo,
    Manifest,
)
from storekit.qdb.engine import Session
from storekit.qdb.errors import AliasNotFound

__all__ = ["AsyncDocumentDownload"]

_BUFFERED = 64 << 20  # largest slice for buffers: a manifest of another client may name any size


class AsyncDocumentDownload:
    """One download, from the entries of a document to a target."""

    def __init__(
        self,
        entries: AsyncDocumentEntries,
        key: DocumentKey,
        target: AsyncTarget,
        report: AsyncReport,
        *,
        in_flight: int,
    ) -> None:
        self._entries = entries
        self._key = key
        self._target = target
        self._report = report
        self._in_flight = in_flight

    async def run(self) -> DocumentInfo:
        """Write all slices, and return the description of the document."""
        manifest = await self._entries.manifest(self._key)
        if manifest is None:
            return await self._run_unchecked()
        await self._run_checked(manifest)
        return manifest.info(self._key)

    async def _run_checked(self, manifest: Manifest) -> None:
        last = len(manifest.digests)
        size = min(manifest.slice_size, manifest.size)
        buffers = Buffers(size if size <= _BUFFERED else 0)
        number = await self._target.open(manifest)
        done = min(number * manifest.slice_size, manifest.size)
        window: dict[int, bytes | memoryview] = {}
        while number < last or window:
            contents = [window[each] for each in sorted(window)]
            window = {}
            calls = [
                partial(self._fetch_checked, each, manifest, window, buffers)
                for each in range(number, min(number + self._in_flight, last))
            ]
            await run_all([*calls, partial(self._target.write, contents)])
            number += len(calls)
            if contents:
                done += sum(len(content) for content in contents)
                await self._report(done, manifest.size)
            if self._target.is_path:  # the file of a caller might keep references to it
                for content in contents:
                    buffers.give(content)
        await self._report.end(manifest.size)
        await self._target.finish(manifest)

    async def _fetch_checked(
        self,
        number: int,
        manifest: Manifest,
        into: dict[int, bytes | memoryview],
        buffers: Buffers,
    ) -> None:
        alias = self._key.slice(number)
        read = partial(_read_into, alias=alias, buffers=buffers)
        try:
            content = await self._entries.calls.call(
                self._entries.operation, alias, read, reads=True
            )
            await call_blocking(manifest.check, number, content, self._key)
        except (AliasNotFound, DocumentDamaged) as error:
            await self._raise_if_changed(manifest, error)
            if isinstance(error, DocumentDamaged):
                raise
            raise DocumentDamaged(
                f"slice {number} of document {self._key} is missing; upload it again"
            ) from error
        into[number] = content

    async def _raise_if_changed(self, manifest: Manifest | None, cause: Exception | None) -> None:
        """Raise an error if the document was replaced or removed while it was read."""
        now = await self._entries.manifest(self._key)
        if now == manifest:
            return
        if now is None:
            detail = "The document was removed, or has expired, during the download."
            raise self._entries.absent(self._key, detail) from cause
        raise DocumentIncomplete(
            f"document {self._key} was replaced during the download; download it again"
        ) from cause

    async def _run_unchecked(self) -> DocumentInfo:
        """Write the slices of a document without a manifest, up to the first missing one."""
        try:
            first = await self._entries.get(self._key.slice(0))
        except AliasNotFound as error:
            raise self._entries.absent(self._key) from error
        number = done = 0
        await self._target.open(None)
        ended = False
        window = {0: first}
        while window:
            contents = [window[each] for each in sorted(window)]
            number += len(contents)
            window = {}
            following = range(number, number + self._in_flight)
            calls = [partial(self._fetch_if_there, each, window) for each in following if not ended]
            await run_all([*calls, partial(self._target.write, contents)])
            done += sum(len(content) for content in contents)
            await self._report(done, None)
            gap = next((each for each in following if each not in window), None)
            if gap is not None:
                ended = True
                window = {each: window[each] for each in window if each < gap}
        await self._raise_if_changed(None, None)
        await self._entries.size_of_slice(self._key, 0)  # raises if it was removed meanwhile
        await self._report.end(done)
        await self._target.finish(None)
        return DocumentInfo(self._key.value, done, number, None)

    async def _fetch_if_there(self, number: int, into: dict[int, bytes | memoryview]) -> None:
        try:
            into[number] = await self._entries.get(self._key.slice(number))
        except AliasNotFound:
            return


def _read_into(session: Session, alias: str, buffers: Buffers) -> bytes | memoryview:
    """Return the content of a slice, in one of the buffers if it fits."""
    place = buffers.take()
    content = session.blob_get_into(alias, place)
    if not (isinstance(content, memoryview) and content.obj is place.obj):
        buffers.give(place)
    return content
