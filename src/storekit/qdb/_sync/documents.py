# Generated from src/storekit/qdb/_async/documents.py by tools/generate_sync.py; do not edit.

"""Documents of any size, in slices."""

import os
import uuid
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from storekit.core.runtime._sync import call_blocking, run_all, shielded
from storekit.qdb._sync.conversion import Conversion
from storekit.qdb._sync.files import Pieces, Source, Target
from storekit.qdb.documents import (
    SLICE_SIZE,
    DocumentDamaged,
    DocumentIncomplete,
    DocumentInfo,
    Manifest,
    Progress,
    Slice,
    as_key,
    check_in_flight,
    check_slice_size,
    draft_alias,
    manifest_alias,
    slice_alias,
)
from storekit.qdb.engine import Kind, Operation, Session
from storekit.qdb.errors import AliasNotFound, ErrorCode, error_for
from storekit.qdb.values import Expiry, to_milliseconds

__all__ = ["Documents"]

_AT_ONCE = 256  # slices to remove in one batch
_ALL = 2**31 - 1


def _ignore(done: int, total: int | None) -> None:
    """Stand in for a callback that nobody gave."""


class Documents(Conversion):
    """Files that are stored in slices, checked by their digests.

    Slices travel `in_flight` at a time, while as many more are read or written: about twice
    that many times the size of a slice is in memory.
    """

    def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | Pieces",
        key: uuid.UUID | str | None = None,
        *,
        slice_size: int = SLICE_SIZE,
        in_flight: int = 2,
        resume: bool = False,
        expiry_time: Expiry = None,
        progress: Progress | None = None,
    ) -> uuid.UUID:
        """Store a document and return its key.

        Until the last slice is there, a download of the key raises `DocumentIncomplete`. An
        upload that was cancelled or has failed can be resumed, if it was given a key.

        Args:
            file: A path, an open binary file, or an iterable of pieces.
            key: A new one by default. A document that has it already is replaced.
            slice_size: Bytes of a slice. To resume, it must be what it was.
            in_flight: How many slices are on their way at the same time.
            resume: Leave out slices that an earlier upload to this key has stored. The
                file is read, and compared, from its start all the same.
            expiry_time: When the document expires; None for never.
            progress: Called with the bytes that are stored, and of how many, None if
                that is not known.

        Raises:
            TypeError, ValueError: A wrong argument; nothing is stored.
            OSError: The file can't be read.

        """
        key = uuid.uuid4() if key is None else as_key(key)
        size, count = check_slice_size(slice_size), check_in_flight(in_flight)
        expiry = to_milliseconds(expiry_time, self._clock())
        source = Source(file)
        try:
            self._upload(source, key, size, count, resume, expiry, progress or _ignore)
        finally:
            shielded(source.close)
        return key

    def _upload(
        self,
        source: Source,
        key: uuid.UUID,
        slice_size: int,
        count: int,
        resume: bool,
        expiry: int,
        progress: Progress,
    ) -> None:
        total = source.size()
        draft = self._draft(key, slice_size) if resume else Manifest(slice_size, 0, ())
        stored = self._stored_slices(key, draft)
        digests: list[str] = []
        done = 0
        self._store(draft_alias(key), draft.dump(), expiry)
        self._discard([manifest_alias(key)])
        window = self._read_window(source, 0, slice_size, count)
        while window:
            following: list[Slice] = []

            def read_on(number: int, following: list[Slice] = following) -> None:
                following += self._read_window(source, number, slice_size, count)

            new = [each for each in window if stored.get(each.number) != each.digest]
            if any(each.number in stored for each in new):
                # Before other content comes in its place, nothing must vouch for it any more.
                stored = {}
                self._store_draft(key, slice_size, done, digests, expiry)
            puts: list[Callable[[], None]] = [
                partial(self._store, slice_alias(key, each.number), each.content, expiry)
                for each in new
            ]
            puts.append(partial(read_on, window[-1].number + 1))
            run_all(puts)
            digests += [each.digest for each in window]
            done += sum(len(each.content) for each in window)
            progress(done, total)
            window = following
            if window and len(digests) > len(stored):
                self._store_draft(key, slice_size, done, digests, expiry)
        left = [n for n in self._slices_there(key) if n >= len(digests)]
        self._discard([slice_alias(key, number) for number in left])
        manifest = Manifest(slice_size, done, tuple(digests))
        self._store(manifest_alias(key), manifest.dump(), expiry)
        self._discard([draft_alias(key)])

    def download(
        self,
        key: uuid.UUID | str,
        file: "str | os.PathLike[str] | BinaryIO",
        *,
        in_flight: int = 2,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> DocumentInfo:
        """Write a document to a file, each slice checked before, and return what it is.

        A file that is named by its path comes into being at the end, whole and durable;
        what is there before that has ".part" after its name. Documents in the slices of the
        1.x client's documentation have nothing to be checked by, and end with the first
        slice that is missing.

        Args:
            key: What `upload` returned.
            file: A path, or a file that is open for writing bytes.
            in_flight: How many slices are on their way at the same time.
            resume: Go on with a ".part" file, as far as its content is right.
            progress: Called with the bytes that are written, and of how many, None if
                that is not known.

        Raises:
            AliasNotFound: There is no such document.
            DocumentIncomplete: An upload or removal has begun and has not ended.
            DocumentDamaged: A slice is missing or not what was uploaded.
            OSError: The file can't be written.

        """
        key = as_key(key)
        count = check_in_flight(in_flight)
        target = Target(file)
        manifest = self._manifest(key)
        try:
            if manifest is None:
                return self._download_unchecked(key, target, count, progress or _ignore)
            first = 0
            if resume and target.part is not None and call_blocking(target.part.exists):
                first = call_blocking(manifest.sound_slices, target.part)
            self._download(key, target, manifest, first, count, progress or _ignore)
            return manifest.info(key)
        finally:
            shielded(target.close)

    def _download(
        self,
        key: uuid.UUID,
        target: Target,
        manifest: Manifest,
        first: int,
        count: int,
        progress: Progress,
    ) -> None:
        last = len(manifest.digests)
        done = min(first * manifest.slice_size, manifest.size)
        target.open(done)
        window: dict[int, bytes | memoryview] = {}
        number = first
        while number < last or window:
            contents = [window[each] for each in sorted(window)]
            window = {}
            calls = [
                partial(self._fetch_checked, key, each, manifest, window)
                for each in range(number, min(number + count, last))
            ]
            run_all([*calls, partial(target.write, contents)])
            number += len(calls)
            if contents:
                done += sum(len(content) for content in contents)
                progress(done, manifest.size)
        target.finish()

    def _fetch_checked(
        self,
        key: uuid.UUID,
        number: int,
        manifest: Manifest,
        into: dict[int, bytes | memoryview],
    ) -> None:
        try:
            content = self._get("download", slice_alias(key, number))
        except AliasNotFound as missing:
            self._manifest(key)  # unless it is gone as a whole
            raise DocumentDamaged(
                f"slice {number} of document {key} is missing; upload it again"
            ) from missing
        call_blocking(manifest.check, number, content, key)
        into[number] = content

    def _download_unchecked(
        self, key: uuid.UUID, target: Target, count: int, progress: Progress
    ) -> DocumentInfo:
        content: bytes | memoryview = self._get("download", slice_alias(key, 0))
        number = done = 0
        target.open(0)
        ended = False
        window = {0: content}
        while window:
            contents = [window[each] for each in sorted(window)]
            number += len(contents)
            window = {}
            calls = [
                partial(self._fetch_if_there, key, each, window)
                for each in range(number, number + count)
                if not ended
            ]
            run_all([*calls, partial(target.write, contents)])
            done += sum(len(content) for content in contents)
            progress(done, None)
            gap = next((each for each in range(number, number + count) if each not in window), None)
            if gap is not None:
                ended = True
                window = {each: window[each] for each in window if each < gap}
        target.finish()
        return DocumentInfo(key, done, number, None)

    def _fetch_if_there(
        self, key: uuid.UUID, number: int, into: dict[int, bytes | memoryview]
    ) -> None:
        try:
            into[number] = self._get("download", slice_alias(key, number))
        except AliasNotFound:
            return

    def document_info(self, key: uuid.UUID | str) -> DocumentInfo:
        """Return what is known about a document without reading it.

        Of one without a manifest, slices are counted and their sizes added up. Raises
        `AliasNotFound` and `DocumentIncomplete`.
        """
        key = as_key(key)
        manifest = self._manifest(key)
        if manifest is not None:
            return manifest.info(key)
        there = set(self._slices_there(key))
        size = number = 0
        while number in there or not number:
            alias = slice_alias(key, number)
            known = self._call("document_info", alias, partial(_size_of, alias=alias), reads=True)
            size += known
            number += 1
        return DocumentInfo(key, size, number, None)

    def remove_document(self, key: uuid.UUID | str) -> None:
        """Remove a document, whole or not, with all its slices. Raises `AliasNotFound`."""
        key = as_key(key)
        there = self._slices_there(key)
        if not there:
            self._get_any(key)
        self._store(draft_alias(key), Manifest(1, 0, ()).dump(), 0)
        self._discard([manifest_alias(key)])
        self._discard([slice_alias(key, number) for number in there])
        self._discard([draft_alias(key)])

    # Parts of documents

    def _get_any(self, key: uuid.UUID) -> None:
        """Raise `AliasNotFound` if there is neither a manifest nor a draft."""
        try:
            self._get("remove_document", draft_alias(key))
        except AliasNotFound:
            self._get("remove_document", manifest_alias(key))

    def _manifest(self, key: uuid.UUID) -> Manifest | None:
        """Return the manifest; None if there is none, as there is no draft."""
        try:
            return Manifest.load(bytes(self._get("download", manifest_alias(key))), key)
        except AliasNotFound:
            pass
        try:
            self._get("download", draft_alias(key))
        except AliasNotFound:
            return None
        raise DocumentIncomplete(
            f"document {key} is not whole: an upload or removal of it is under way, or was "
            "broken off; resume that, or wait for it"
        )

    def _draft(self, key: uuid.UUID, slice_size: int) -> Manifest:
        """Return what vouches for the slices that an earlier upload has left."""
        for alias in (draft_alias(key), manifest_alias(key)):
            try:
                manifest = Manifest.load(bytes(self._get("upload", alias)), key)
            except (AliasNotFound, DocumentDamaged):
                continue
            if manifest.slice_size == slice_size:
                return manifest
        return Manifest(slice_size, 0, ())

    def _stored_slices(self, key: uuid.UUID, draft: Manifest) -> dict[int, str]:
        """Return the digests of the slices that are there, by number."""
        there = set(self._slices_there(key)) if draft.digests else set()
        return {number: each for number, each in enumerate(draft.digests) if number in there}

    def _slices_there(self, key: uuid.UUID) -> list[int]:
        found = self._call(
            "upload", key.hex, lambda session: session.prefix_get(key.hex, _ALL), reads=True
        )
        numbers = [alias.removeprefix(key.hex) for alias in found]
        return sorted(int(n) for n in numbers if n.isascii() and n.isdecimal() and str(int(n)) == n)

    def _read_window(self, source: Source, number: int, size: int, count: int) -> list[Slice]:
        window: list[Slice] = []
        for each in range(number, number + count):
            content = source.take(each, size)
            if content is None:
                break
            window.append(content)
        return window

    def _store(self, alias: str, content: bytes | memoryview, expiry: int) -> None:
        # As safe to repeat as a read: whoever does it, the same content is there in the end.
        self._call(
            "upload", alias, lambda session: session.blob_update(alias, content, expiry), reads=True
        )

    def _store_draft(
        self, key: uuid.UUID, slice_size: int, size: int, digests: list[str], expiry: int
    ) -> None:
        draft = Manifest(slice_size, size, tuple(digests))
        self._store(draft_alias(key), draft.dump(), expiry)

    def _discard(self, aliases: list[str]) -> None:
        """Remove entries, those that are there."""
        for start in range(0, len(aliases), _AT_ONCE):
            part = aliases[start : start + _AT_ONCE]
            self._call("remove_document", None, partial(_remove, aliases=part), reads=True)


def _remove(session: Session, aliases: list[str]) -> None:
    outcomes = session.run_batch([Operation(Kind.BLOB_REMOVE, alias) for alias in aliases])
    for alias, outcome in zip(aliases, outcomes, strict=True):
        if not outcome.ok and outcome.error != ErrorCode.ALIAS_NOT_FOUND:
            raise error_for(outcome.error, alias=alias)


def _size_of(session: Session, alias: str) -> int:
    return session.get_metadata(alias).size
