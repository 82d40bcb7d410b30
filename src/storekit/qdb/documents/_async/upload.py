"""Storing a document of any size, in slices."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from storekit.core.seam._async import call_blocking, run_all, shielded
from storekit.qdb._async.calls import AsyncCaller
from storekit.qdb.documents._async.entries import AsyncDocumentEntries, RunningWrites
from storekit.qdb.documents._async.files import AsyncSource
from storekit.qdb.documents._async.lock import AsyncUploadLock
from storekit.qdb.documents._async.report import AsyncReport
from storekit.qdb.documents.keys import DocumentKey
from storekit.qdb.documents.manifest import Manifest
from storekit.qdb.documents.slices import Slice
from storekit.qdb.errors import AliasNotFound

__all__ = ["AsyncDocumentUpload"]

_DIGEST = 32  # bytes of a digest in the list of slices
_SHARE = 32  # lists of slices may add at most one byte for so many bytes of content
_WAIT = 1.5  # seconds to wait for running writes when a failed upload is removed


class AsyncDocumentUpload:
    """One upload, from a source to the entries of a document, under its lock."""

    def __init__(
        self,
        calls: AsyncCaller,
        key: DocumentKey,
        source: AsyncSource,
        report: AsyncReport,
        *,
        slice_size: int,
        expiry: int,
        in_flight: int,
    ) -> None:
        self._calls = calls
        self._writes = RunningWrites()
        self._entries = AsyncDocumentEntries(calls, "upload", self._writes)
        self._key = key
        self._source = source
        self._report = report
        self._slice_size = slice_size
        self._expiry = expiry
        self._in_flight = in_flight
        self.lock = AsyncUploadLock(self._entries, key, expiry, slice_size)

    async def run(self, *, resume: bool, now: int) -> None:
        """Store all slices, and then the manifest. `now` is in milliseconds since the epoch."""
        total = await self._source.size()
        window = await self._source.window(0, self._in_flight)
        await self.lock.take(take_over=resume)
        known = await self.lock.known_slices() if resume else {}
        await self.lock.remove_manifest()
        digests: list[str] = []
        done = unlisted = 0
        while window:
            await self.lock.check()
            following: list[Slice] = []

            async def read_on(number: int, following: list[Slice] = following) -> None:
                following += await self._source.window(number, self._in_flight)

            if any(known.get(each.number, each.digest) != each.digest for each in window):
                # The list must be invalid before the slices that it describes are replaced.
                known = {}
                self.lock.distrust_list()
                await self.lock.store_list(digests)
            calls: list[Callable[[], Awaitable[None]]] = [
                partial(self._store, each, known=each.number in known) for each in window
            ]
            calls.append(partial(read_on, window[-1].number + 1))
            await run_all(calls)
            digests += [each.digest for each in window]
            taken = sum(len(each.content) for each in window)
            done, unlisted = done + taken, unlisted + taken
            await self._report(done, None if total is None else max(done, total))
            window = following
            due = unlisted >= _SHARE * _DIGEST * len(digests)
            if window and due and len(digests) > len(known):
                await self.lock.store_list(digests)
                unlisted = 0
        await self._report.end(done)
        stored = await self._entries.slices(self._key)
        await self.lock.clear([self._key.slice(each) for each in stored if each >= len(digests)])
        await self.lock.store_manifest(
            Manifest(self._slice_size, done, tuple(digests), self.lock.upload, self._key.name, now)
        )

    async def _store(self, each: Slice, *, known: bool) -> None:
        """Store a slice; if it is stored already, only set when it expires."""
        alias = self._key.slice(each.number)
        if known:
            with suppress(AliasNotFound):
                await self._entries.set_expiry(alias, self._expiry)
                self._source.buffers.give(each.content)
                return
        attempts = await self._entries.store(alias, each.content, self._expiry)
        if attempts <= 1:  # otherwise, an abandoned attempt may still be using the content
            self._source.buffers.give(each.content)

    async def discard(self, error: BaseException) -> None:
        """Remove all that is stored of an upload whose key the caller does not know.

        If that fails, the `error` that ended the upload gets a note with the key.
        """
        note = (
            f"what is stored of it has the key {self._key}: "
            f"client.remove_document({str(self._key.value)!r})"
        )
        error.add_note(note)
        if not self.lock.tried:
            error.__notes__.remove(note)
            return
        try:
            await shielded(self._remove_all, partial(error.__notes__.remove, note))
        except Exception as another:  # noqa: BLE001 - the first error is raised
            error.add_note(f"it could not be removed: {another}")
        except BaseException as another:
            another.add_note(note)
            raise

    async def _remove_all(self, when_done: Callable[[], object]) -> None:
        # Cancelled calls of this upload may go on in their threads.
        if await call_blocking(self._writes.stop, _WAIT):
            entries = AsyncDocumentEntries(self._calls, "upload")
            stored = await entries.aliases(self._key.hex)
            await entries.remove_all([*stored, self._key.index])
            when_done()
