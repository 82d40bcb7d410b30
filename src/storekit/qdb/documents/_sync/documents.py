# Generated from src/storekit/qdb/documents/_async/documents.py by tools/generate_sync.py; do not edit.

"""Operations on documents of any size."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

from storekit.core.seam._sync import shielded
from storekit.qdb._sync.calls import Caller
from storekit.qdb.documents._sync.download import DocumentDownload
from storekit.qdb.documents._sync.entries import DocumentEntries
from storekit.qdb.documents._sync.files import File, Pieces, Source, Target
from storekit.qdb.documents._sync.lock import UploadLock
from storekit.qdb.documents._sync.report import Report
from storekit.qdb.documents._sync.upload import DocumentUpload
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

__all__ = ["Documents"]

_AT_ONCE = 256  # documents of a listing that are read at a time


class Documents:
    """Operations on documents; the methods of the client describe them.

    `in_flight` slices are sent or fetched at a time, while as many more are read or written:
    twice that many are in memory. For iteration and prefixes, slices, manifests and locks are
    entries like others.
    """

    def __init__(self, calls: Caller, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._clock = clock

    def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | File | Pieces",
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
        source = Source(file, size)
        report = Report(progress, chosen)
        upload = DocumentUpload(
            self._calls, chosen, source, report, slice_size=size, expiry=expiry, in_flight=count
        )
        try:
            try:
                upload.run(resume=resume, now=round(now * 1000))
            except DocumentConflict:
                if upload.lock.taken:
                    self._undo_late_slices(chosen)
                raise
            finally:
                report.close()
                shielded(source.close)
            return chosen.value  # noqa: TRY300 - this may be interrupted as well
        except BaseException as error:
            if key is None:  # the caller does not know the key to resume or remove it
                upload.discard(error)
            raise

    def _undo_late_slices(self, key: DocumentKey) -> None:
        """Undo the effects of slices that were stored after another one had taken over."""
        entries = self._entries("upload")
        entries.remove_all([key.slice_list])  # it may be wrong now
        # If the document was removed meanwhile, these slices look like one without a manifest.
        with suppress(AliasNotFound, DocumentConflict, DocumentIncomplete, DocumentDamaged):
            if entries.manifest(key) is None:
                self._remove(entries, key, take_over=False)

    def download(
        self,
        key: uuid.UUID | str,
        file: "str | os.PathLike[str] | BinaryIO | File",
        *,
        in_flight: int | None,
        resume: bool,
        progress: Progress | None,
    ) -> DocumentInfo:
        """Write a document to a file, checking each slice before, and return its description."""
        chosen = as_key(key)
        count = self._in_flight(in_flight)
        target = Target(file, keep=resume)
        report = Report(progress, chosen)
        download = DocumentDownload(
            self._entries("download"), chosen, target, report, in_flight=count
        )
        try:
            target.check()
            return download.run()
        finally:
            report.close()
            shielded(target.close)

    def document_info(self, key: uuid.UUID | str) -> DocumentInfo:
        """Return the description of a document without reading its content."""
        chosen = as_key(key)
        entries = self._entries("document_info")
        manifest = entries.manifest(chosen)
        if manifest is not None:
            return manifest.info(chosen)
        numbers = set(entries.slices(chosen))
        if 0 not in numbers:
            raise entries.absent(chosen)
        size = number = 0
        while number in numbers:
            size += entries.size_of_slice(chosen, number)
            number += 1
        return DocumentInfo(chosen.value, size, number, None)

    def documents(self, prefix: str) -> Iterator[DocumentInfo]:
        """Iterate over the complete documents whose names start with a text."""
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be text, not {type(prefix).__name__}")
        entries = self._entries("documents")
        aliases = entries.aliases(index_prefix(prefix))
        for start in range(0, len(aliases), _AT_ONCE):
            chunk = aliases[start : start + _AT_ONCE]
            found = entries.find_all(chunk, of_any_type=True)
            for alias, content in zip(chunk, found, strict=True):
                info = None if content is None else DocumentInfo.load(content, alias)
                if info is not None and info.name.startswith(prefix):
                    yield info

    def remove_document(self, key: uuid.UUID | str) -> None:
        """Remove a document, complete or not, with all its slices."""
        self._remove(self._entries("remove_document"), as_key(key), take_over=True)

    def _remove(self, entries: DocumentEntries, key: DocumentKey, *, take_over: bool) -> None:
        numbers = entries.slices(key)
        if not numbers and not any(entries.find_all([key.lock, key.manifest, key.index])):
            raise entries.absent(key)
        lock = UploadLock(entries, key, NEVER)
        lock.take(take_over=take_over)
        lock.remove_manifest()
        while numbers:
            lock.clear([key.slice(number) for number in numbers])
            numbers = entries.slices(key)
        lock.clear([key.slice_list])
        try:
            lock.release()
        except UnmatchedContent:
            lock.check()
            raise

    def _entries(self, operation: str) -> DocumentEntries:
        return DocumentEntries(self._calls, operation)

    def _in_flight(self, count: int | None) -> int:
        if count is None:
            return 1 if self._calls.address.startswith("embedded:") else 2
        return check_in_flight(count)
