"""Documents of any size, in slices."""

import os
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from storekit.core.seam._async import run_all, shielded
from storekit.qdb.documents._async.download import AsyncDownloads
from storekit.qdb.documents._async.files import AsyncFile, AsyncPieces, AsyncSource
from storekit.qdb.documents.manifest import (
    SLICE_SIZE,
    Claim,
    DocumentConflict,
    DocumentDamaged,
    DocumentIncomplete,
    DocumentInfo,
    Manifest,
    Progress,
    Slice,
    as_key,
    check_slice_size,
    digest_of,
    draft_alias,
    list_alias,
    load_digests,
    manifest_alias,
    no_progress,
    slice_alias,
)
from storekit.qdb.engine import NEVER
from storekit.qdb.errors import (
    AliasNotFound,
    UnmatchedContent,
)
from storekit.qdb.values import Expiry, to_milliseconds

__all__ = ["AsyncDocuments"]

_DIGEST = 32  # bytes of a digest in the list of slices
_SHARE = 32  # of the content, so much may be written again as lists of slices


class AsyncDocuments(AsyncDownloads):
    """Files that are stored in slices, checked by their digests.

    Slices travel `in_flight` at a time, while as many more are read or written: twice that
    many are in memory. To iteration and prefixes, slices and what belongs to them are entries
    like others.
    """

    async def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | AsyncFile | AsyncPieces",
        key: uuid.UUID | str | None = None,
        *,
        slice_size: int = SLICE_SIZE,
        in_flight: int | None = None,
        resume: bool = False,
        expiry_time: Expiry = None,
        progress: Progress | None = None,
    ) -> uuid.UUID:
        """Store a document and return its key.

        Until the last slice is there, a download of the key raises `DocumentIncomplete`. An
        upload that was cancelled or has failed can be resumed, if it was given a key. After
        cancelling, a thread may go on reading a file for as long as one slice takes.

        One upload or removal at a time holds a document. Only the one that holds it makes it
        whole: the manifest is written in one transaction with the draft that says so. Slices
        are in no transaction: whoever is taken over finds out before its next `in_flight`
        slices, and those on their way may still arrive. If they replace slices of other
        content, a download raises `DocumentDamaged`; remove the document and upload it again.

        Args:
            file: A path, an open binary file, or an iterable of pieces.
            key: A new one by default. A document that has it already is replaced.
            slice_size: Bytes of a slice. To resume, it must be what it was.
            in_flight: How many slices are on their way at the same time. By default 2, and 1
                for an embedded store, which gains nothing by more.
            resume: Take over from an earlier upload to this key that was broken off, or is
                still under way and fails then; and leave out slices that it has noted as
                stored, if slices have 2 KiB or more. The file is read, and compared, from
                its start all the same. A whole document is replaced as a whole.
            expiry_time: When the document expires; None for never.
            progress: Called with the bytes that are stored, and of how many, None if
                that is not known.

        Raises:
            DocumentConflict: An upload or removal of the document is under way or was broken
                off, and this is not to resume; or another one took over.
            TypeError, ValueError: A wrong argument; nothing is stored.
            OSError: The file can't be read.

        """
        key = uuid.uuid4() if key is None else as_key(key)
        size, count = check_slice_size(slice_size), self._in_flight(in_flight)
        claim = Claim("upload", key, to_milliseconds(expiry_time, self._clock()))
        claim.draft = replace(claim.draft, slice_size=size)
        source = AsyncSource(file, size)
        try:
            await self._upload(claim, source, count, resume, progress or no_progress)
        except DocumentConflict:
            if claim.taken:
                await self._clean_up(key)
            raise
        finally:
            await shielded(source.aclose)
        return key

    async def _upload(
        self, claim: Claim, source: AsyncSource, count: int, resume: bool, progress: Progress
    ) -> None:
        total = await source.size()
        window = await source.window(0, count)
        await self._take(claim, take_over=resume)
        known = await self._known_slices(claim) if resume else {}
        await self._discard_manifest(claim)
        digests: list[str] = []
        done = unlisted = 0
        while window:
            await self._check(claim)
            following: list[Slice] = []

            async def read_on(number: int, following: list[Slice] = following) -> None:
                following += await source.window(number, count)

            if any(known.get(each.number, each.digest) != each.digest for each in window):
                # Before other content comes in its place, nothing must vouch for it any more.
                known, claim.listed = {}, None
                await self._store_list(claim, digests)
            puts: list[Callable[[], Awaitable[None]]] = [
                partial(self._store_slice, claim, each, source, known=each.number in known)
                for each in window
            ]
            puts.append(partial(read_on, window[-1].number + 1))
            await run_all(puts)
            digests += [each.digest for each in window]
            taken = sum(len(each.content) for each in window)
            done, unlisted = done + taken, unlisted + taken
            progress(done, total)
            window = following
            due = unlisted >= _SHARE * _DIGEST * len(digests)
            if window and due and len(digests) > len(known):
                await self._store_list(claim, digests)
                unlisted = 0
        there = await self._slices_there(claim.operation, claim.key)
        left = [slice_alias(claim.key, number) for number in there if number >= len(digests)]
        await self._clear(claim, left)
        manifest = Manifest(claim.draft.slice_size, done, tuple(digests), claim.draft.upload)
        await self._store_manifest(claim, manifest)

    async def _store_slice(
        self, claim: Claim, each: Slice, source: AsyncSource, *, known: bool
    ) -> None:
        store = self._keep if known else self._store
        attempts = await store(claim, slice_alias(claim.key, each.number), each.content)
        if attempts <= 1:  # of several, one that was given up may not have ended
            source.buffers.give(each.content)

    async def _known_slices(self, claim: Claim) -> dict[int, str]:
        """Return the digests of slices that an earlier upload has stored, by number."""
        # Not those of a whole document: it may be damaged, and this is to mend it.
        found = await self._find(claim.operation, list_alias(claim.key))
        if found is None or digest_of(found) not in claim.draft.lists:
            return {}
        claim.listed = digest_of(found)
        return dict(enumerate(load_digests(found)))

    async def _clean_up(self, key: uuid.UUID) -> None:
        """Undo what slices do that have come after another one took over."""
        await self._discard("upload", [list_alias(key)])  # it may be wrong now
        # Of a document that was removed, they would look like one.
        with suppress(AliasNotFound, DocumentConflict, DocumentIncomplete, DocumentDamaged):
            if await self._manifest("upload", key) is None:
                await self._remove("upload", key, take_over=False)

    async def document_info(self, key: uuid.UUID | str) -> DocumentInfo:
        """Return what is known about a document without reading it.

        Of one without a manifest, slices are counted and their sizes added up. Raises
        `AliasNotFound`, `DocumentIncomplete`, and `DocumentDamaged` for a manifest that
        can't be read.
        """
        key = as_key(key)
        manifest = await self._manifest("document_info", key)
        if manifest is not None:
            return manifest.info(key)
        there = set(await self._slices_there("document_info", key))
        size = number = 0
        while number in there or not number:
            size += await self._size_of_slice("document_info", key, number)
            number += 1
        return DocumentInfo(key, size, number, None)

    async def remove_document(self, key: uuid.UUID | str) -> None:
        """Remove a document, whole or not, with all its slices.

        It takes over from an upload that is under way, which fails then; see `upload` for
        what may still arrive. A removal that was broken off can be repeated.

        Raises:
            AliasNotFound: There is no such document.
            DocumentConflict: Another upload or removal took over.

        """
        await self._remove("remove_document", as_key(key), take_over=True)

    async def _remove(self, operation: str, key: uuid.UUID, *, take_over: bool) -> None:
        there = await self._slices_there(operation, key)
        if not there:
            found = [
                await self._find(operation, alias)
                for alias in (draft_alias(key), manifest_alias(key))
            ]
            if not any(found):
                raise self._absent(operation, key, None)
        claim = Claim(operation, key, NEVER)
        await self._take(claim, take_over=take_over)
        await self._discard_manifest(claim)
        while there:
            await self._clear(claim, [slice_alias(key, number) for number in there])
            there = await self._slices_there(operation, key)
        await self._clear(claim, [list_alias(key)])
        try:
            await self._let_go(claim)
        except UnmatchedContent:
            await self._check(claim)
            raise
