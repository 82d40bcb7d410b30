# Generated from src/storekit/qdb/documents/_async/download.py by tools/generate_sync.py; do not edit.

"""Reading documents of any size, in slices."""

import os
import uuid
from functools import partial
from typing import BinaryIO

from storekit.core.seam._sync import call_blocking, run_all, shielded
from storekit.qdb.buffers import Buffers
from storekit.qdb.documents._sync.files import File, Target
from storekit.qdb.documents._sync.lock import Drafts
from storekit.qdb.documents.manifest import (
    DocumentDamaged,
    DocumentIncomplete,
    DocumentInfo,
    Manifest,
    Progress,
    as_key,
    check_in_flight,
    no_progress,
    slice_alias,
)
from storekit.qdb.engine import Session
from storekit.qdb.errors import AliasNotFound, ErrorCode, QuasardbException, error_for
from storekit.qdb.methods import bound

__all__ = ["Downloads"]

_BUFFERED = 64 << 20  # bytes of a slice; a manifest may say anything


class Downloads(Drafts):
    """Downloads, and what is needed to look at documents."""

    def download(
        self,
        key: uuid.UUID | str,
        file: "str | os.PathLike[str] | BinaryIO | File",
        *,
        in_flight: int | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> DocumentInfo:
        """Write a document to a file, each slice checked before, and return what it is.

        A file that is named by its path comes into being at the end, whole and durable;
        what is there before that has a name that ends in ".part". To an open file slices are
        written as they come; after cancelling, a thread may go on writing the last of them.
        Documents in the slices of the 1.x client's documentation have nothing to be checked
        by, and end with the first slice that is missing.

        Args:
            key: What `upload` returned.
            file: A path, or a file that is open for writing bytes.
            in_flight: How many slices are on their way at the same time. By default 2, and 1
                for an embedded store, which gains nothing by more.
            resume: Keep what there is if this breaks off, in a file with ".part" after its
                name, and go on with such a file as far as its content is right. One
                download at a time can do so.
            progress: Called with the bytes that are written, and of how many, None if
                that is not known.

        Raises:
            AliasNotFound: There is no such document, or none any more.
            DocumentIncomplete: An upload or removal has begun and has not ended, or has
                replaced the document meanwhile.
            DocumentDamaged: A slice is missing or not what was uploaded.
            OSError: The file can't be written, or another download is writing it.

        """
        key = as_key(key)
        count = self._in_flight(in_flight)
        target = Target(file, keep=resume)
        try:
            target.check()
            manifest = self._manifest("download", key)
            if manifest is None:
                return self._download_unchecked(key, target, count, progress or no_progress)
            self._download(key, target, manifest, count, progress or no_progress)
            return manifest.info(key)
        finally:
            shielded(target.close)

    def _download(
        self,
        key: uuid.UUID,
        target: Target,
        manifest: Manifest,
        count: int,
        progress: Progress,
    ) -> None:
        last = len(manifest.digests)
        size = min(manifest.slice_size, manifest.size)
        buffers = Buffers(size if size <= _BUFFERED else 0)
        number = target.open(manifest)
        done = min(number * manifest.slice_size, manifest.size)
        window: dict[int, bytes | memoryview] = {}
        while number < last or window:
            contents = [window[each] for each in sorted(window)]
            window = {}
            calls = [
                partial(self._fetch_checked, key, each, manifest, window, buffers)
                for each in range(number, min(number + count, last))
            ]
            run_all([*calls, partial(target.write, contents)])
            number += len(calls)
            if contents:
                done += sum(len(content) for content in contents)
                progress(done, manifest.size)
            if target.is_path:  # others might keep what they were given
                for content in contents:
                    buffers.give(content)
        target.finish(manifest)

    def _fetch_checked(
        self,
        key: uuid.UUID,
        number: int,
        manifest: Manifest,
        into: dict[int, bytes | memoryview],
        buffers: Buffers,
    ) -> None:
        alias = slice_alias(key, number)
        read = partial(_read_into, alias=alias, buffers=buffers)
        try:
            content = self._calls.call("download", alias, read, reads=True)
            call_blocking(manifest.check, number, content, key)
        except (AliasNotFound, DocumentDamaged) as error:
            self._raise_if_changed(key, manifest, error)
            if isinstance(error, DocumentDamaged):
                raise
            raise DocumentDamaged(
                f"slice {number} of document {key} is missing; upload it again"
            ) from error
        into[number] = content

    def _raise_if_changed(
        self, key: uuid.UUID, manifest: Manifest | None, cause: Exception | None
    ) -> None:
        """Raise what became of a document while it was read, if it is not what it was."""
        now = self._manifest("download", key)
        if now == manifest:
            return
        if now is None:
            detail = "The document was removed, or has expired, during the download."
            raise self._absent("download", key, detail) from cause
        raise DocumentIncomplete(
            f"document {key} was replaced during the download; download it again"
        ) from cause

    def _download_unchecked(
        self, key: uuid.UUID, target: Target, count: int, progress: Progress
    ) -> DocumentInfo:
        content: bytes | memoryview = self._get(slice_alias(key, 0))
        number = done = 0
        target.open(None)
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
        self._raise_if_changed(key, None, None)
        self._size_of_slice("download", key, 0)  # unless it was removed meanwhile
        target.finish(None)
        return DocumentInfo(key, done, number, None)

    def _get(self, alias: str) -> bytes | memoryview:
        """Get a slice, which is large, and would hold up others in a batch."""
        read = bound(Session.blob_get, alias)
        return self._calls.call("download", alias, read, reads=True)

    def _fetch_if_there(
        self, key: uuid.UUID, number: int, into: dict[int, bytes | memoryview]
    ) -> None:
        try:
            into[number] = self._get(slice_alias(key, number))
        except AliasNotFound:
            return

    def _size_of_slice(self, operation: str, key: uuid.UUID, number: int) -> int:
        alias = slice_alias(key, number)
        return self._calls.call(operation, alias, partial(_size_of, alias=alias), reads=True)

    def _in_flight(self, count: int | None) -> int:
        if count is None:
            return 1 if self._calls.address.startswith("embedded:") else 2
        return check_in_flight(count)

    def _absent(self, operation: str, key: uuid.UUID, detail: str | None) -> QuasardbException:
        return error_for(
            ErrorCode.ALIAS_NOT_FOUND,
            detail,
            operation=operation,
            alias=key.hex,
            node=self._calls.address,
        )


def _size_of(session: Session, alias: str) -> int:
    return session.get_metadata(alias).size


def _read_into(session: Session, alias: str, buffers: Buffers) -> bytes | memoryview:
    """Return the content of a slice, in memory that nobody else has if it is one of these."""
    place = buffers.take()
    content = session.blob_get_into(alias, place)
    if not (isinstance(content, memoryview) and content.obj is place.obj):
        buffers.give(place)
    return content
