"""The lock by which one upload or removal at a time changes a document."""

import uuid
from contextlib import suppress
from dataclasses import replace

from storekit.qdb.documents._async.entries import AsyncDocumentEntries
from storekit.qdb.documents.keys import DocumentKey
from storekit.qdb.documents.manifest import (
    DocumentConflict,
    LockRecord,
    Manifest,
    digest_of,
    dump_digests,
    load_digests,
)
from storekit.qdb.engine import BatchOperation, OperationKind
from storekit.qdb.errors import UnmatchedContent

__all__ = ["AsyncUploadLock"]

_AT_ONCE = 256  # entries to remove between two checks of the lock


class AsyncUploadLock:
    """The lock of a document for one upload or removal.

    The lock is an entry that is only put or swapped, so only one of two callers gets it. Another
    one may take it over; the previous holder notices with its next change of the entry. The
    changes that complete or remove a document are in one transaction with a change of the lock.
    """

    def __init__(
        self, entries: AsyncDocumentEntries, key: DocumentKey, expiry: int, slice_size: int = 0
    ) -> None:
        self._entries = entries
        self._key = key
        self._expiry = expiry
        self._record = LockRecord(uuid.uuid4().hex, slice_size=slice_size)
        self._listed: str | None = None  # digest of the stored list, if that is valid
        self.tried = False
        self.taken = False

    @property
    def upload(self) -> str:
        """The id of this upload."""
        return self._record.upload

    async def take(self, *, take_over: bool) -> None:
        """Take the lock, with `take_over` also from another holder.

        Raises `DocumentConflict` if there is another holder, without `take_over`.
        """
        self.tried = True
        alias = self._key.lock
        while True:
            stored = await self._entries.find(alias)
            mine = self._record.dump()
            if stored == mine:  # by an earlier attempt that seemed to have failed
                break
            before = LockRecord("", ended=True) if stored is None else LockRecord.load(stored)
            if not (before.ended or take_over):
                raise DocumentConflict(
                    f"another upload or removal of document {self._key} is running, or was "
                    "interrupted; upload with resume=True to take over, or remove the document "
                    "first"
                )
            same = take_over and before.slice_size == self._record.slice_size
            self._record = replace(self._record, lists=before.lists if same else ())
            if await self._entries.swap(alias, stored, self._record.dump(), self._expiry):
                break
        self.taken = True

    async def check(self) -> None:
        """Raise `DocumentConflict` if the lock is lost."""
        if await self._entries.find(self._key.lock) != self._record.dump():
            raise self._lost()

    async def known_slices(self) -> dict[int, str]:
        """Return the digests of slices that an earlier upload has stored, by number."""
        # Not those of a complete document: it may be damaged, and this upload is to repair it.
        found = await self._entries.find(self._key.slice_list)
        if found is None or digest_of(found) not in self._record.lists:
            return {}
        self._listed = digest_of(found)
        return dict(enumerate(load_digests(found)))

    def distrust_list(self) -> None:
        """Make the stored list of slices invalid with the next change of the lock."""
        self._listed = None

    async def store_list(self, digests: list[str]) -> None:
        """Store the list of slices. Until that is done, the previous list is valid."""
        content = dump_digests(digests)
        digest = digest_of(content)
        lists = (digest,) if self._listed is None else (self._listed, digest)
        after = replace(self._record, step=self._record.step + 1, lists=lists)
        before = self._record.dump()
        if not await self._entries.swap(self._key.lock, before, after.dump(), self._expiry):
            raise self._lost()
        self._record = after
        await self._entries.store(self._key.slice_list, content, self._expiry)
        self._listed = digest

    async def store_manifest(self, manifest: Manifest) -> None:
        """Store the manifest, which completes the document, and release the lock.

        Raises `DocumentConflict` if the lock is lost.
        """
        listed = manifest.info(self._key).dump()
        await self.check()
        done = await self._change(
            BatchOperation(
                OperationKind.BLOB_UPDATE, self._key.manifest, manifest.dump(), expiry=self._expiry
            ),
            BatchOperation(OperationKind.BLOB_UPDATE, self._key.index, listed, expiry=self._expiry),
            ended=True,
        )
        if not done:
            raise self._lost()
        await self._entries.remove_all([self._key.slice_list])
        with suppress(UnmatchedContent):  # the lock is free, and another one may have taken it
            await self.release()

    async def remove_manifest(self) -> None:
        """Remove the manifest, so that the document is incomplete."""
        aliases = [self._key.manifest, self._key.index]
        stored = await self._entries.find_all(aliases)
        found = [
            alias for alias, content in zip(aliases, stored, strict=True) if content is not None
        ]
        if not found:
            return
        removals = [BatchOperation(OperationKind.BLOB_REMOVE, alias) for alias in found]
        if not await self._change(*removals):
            await self.check()  # if the lock is still held, the manifest has expired

    async def _change(self, *changes: BatchOperation, ended: bool = False) -> bool:
        """Change entries in one transaction with the lock; return whether that was done."""
        after = replace(self._record, step=self._record.step + 1, ended=ended)
        alias = self._key.lock
        hold = BatchOperation(
            OperationKind.BLOB_CAS,
            alias,
            after.dump(),
            comparand=self._record.dump(),
            expiry=self._expiry,
        )
        done = await self._entries.change_all([hold, *changes])
        # A retried transaction may have been done at the first attempt.
        done = done or await self._entries.find(alias) == after.dump()
        if done:
            self._record = after
        return done

    async def clear(self, aliases: list[str]) -> None:
        """Remove entries of the document, if they exist. Raises `DocumentConflict`."""
        for start in range(0, len(aliases), _AT_ONCE):
            await self.check()
            await self._entries.remove_all(aliases[start : start + _AT_ONCE])

    async def release(self) -> None:
        """Remove the lock. Raises `UnmatchedContent` if it is held by another one."""
        await self._entries.remove_if(self._key.lock, self._record.dump())

    def _lost(self) -> DocumentConflict:
        return DocumentConflict(
            f"{self._entries.operation} of document {self._key} has stopped: another upload or "
            "removal has taken over, or the document has expired; nothing more is stored"
        )
