"""The entries of a document besides its slices: manifest, lock record, list of digests.

The manifest has the digests of all slices, and is written last. While slices change there is a
lock record, which names the upload or removal that holds the document. A list has the digests of
the slices stored so far; it is valid if the lock record has the digest of the list. All that is
read from the store is checked before it is used.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

from storekit.errors import StoreKitError
from storekit.qdb._show import moment, shorten, table
from storekit.qdb.documents.keys import DocumentKey, as_key
from storekit.qdb.times import from_milliseconds

__all__ = [
    "SLICE_SIZE",
    "DocumentConflict",
    "DocumentDamaged",
    "DocumentIncomplete",
    "DocumentInfo",
    "LockRecord",
    "Manifest",
    "check_in_flight",
    "check_slice_size",
    "digest_of",
    "dump_digests",
    "load_digests",
]

SLICE_SIZE = 10 * 1024 * 1024
"""Bytes of a slice, as in the documentation of the 1.x client."""

_VERSION = 1
_PIECE = 1 << 20  # bytes that are read at a time
_DIGEST = hashlib.sha256().digest_size
_HEX = re.compile(f"[0-9a-f]{{{2 * _DIGEST}}}")
_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


class DocumentConflict(StoreKitError):
    """Another upload or removal of the document is running, or was interrupted."""


class DocumentIncomplete(StoreKitError):
    """The document is not complete, or was replaced while it was read."""


class DocumentDamaged(StoreKitError):
    """The document is not the uploaded one: a slice is missing or has changed."""


@dataclass(frozen=True, slots=True, repr=False)
class DocumentInfo:
    """A document in the store.

    `key` is a UUID or a name, `size` in bytes. `checksum` is the SHA-256, in hex, of the
    concatenated SHA-256 digests of its slices; None for a document without a manifest.
    `uploaded` is the time of the upload, by the clock of the client; None if it was not
    recorded.
    """

    key: uuid.UUID | str
    size: int
    slices: int
    checksum: str | None
    uploaded: datetime | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The key as text."""
        return str(self.key)

    def __repr__(self) -> str:
        when = "" if self.uploaded is None else f", {moment(self.uploaded)}"
        size = f"{self.size:,} bytes in {self.slices} slices"
        return f"<DocumentInfo {shorten(self.name)!r}: {size}{when}>"

    def _repr_html_(self) -> str:
        rows = {
            "name": self.name,
            "size": f"{self.size:,}",
            "slices": self.slices,
            "uploaded": "" if self.uploaded is None else moment(self.uploaded),
            "checksum": self.checksum or "",
        }
        return table(rows)

    def dump(self) -> bytes:
        """Return the entry that listings read."""
        uploaded = None if self.uploaded is None else round(self.uploaded.timestamp() * 1000)
        return _dumped(
            {
                "version": _VERSION,
                "name": self.name,
                "size": self.size,
                "slices": self.slices,
                "checksum": self.checksum,
                "uploaded": uploaded,
            }
        )

    @classmethod
    def load(cls, content: bytes, alias: str) -> "DocumentInfo | None":
        """Return the info in an entry of a listing; None if it is malformed or of another alias."""
        try:
            fields = _fields_of(content)
            key = as_key(fields["name"])
            size, slices = fields["size"], fields["slices"]
            checksum, uploaded = fields["checksum"], _moment(fields["uploaded"])
        except _UNREADABLE:
            return None
        sound = (
            key.index == alias
            and _is_count(size)
            and _is_count(slices)
            and isinstance(checksum, str)
            and _HEX.fullmatch(checksum)
        )
        return cls(key.value, size, slices, checksum, uploaded) if sound else None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The digests of the slices of a document, all of `slice_size` bytes but for the last.

    `upload` is an id of the upload, which distinguishes two uploads of the same content.
    """

    slice_size: int
    size: int
    digests: tuple[str, ...]
    upload: str = ""
    name: str | None = None
    uploaded: int | None = None

    def dump(self) -> bytes:
        """Return the manifest as it is stored."""
        return _dumped(
            {
                "version": _VERSION,
                "slice_size": self.slice_size,
                "size": self.size,
                "sha256": self.digests,
                "upload": self.upload,
                "name": self.name,
                "uploaded": self.uploaded,
            }
        )

    @classmethod
    def load(cls, content: bytes, key: DocumentKey) -> "Manifest":
        """Return the manifest of an entry. Raises `DocumentDamaged` if it is malformed."""
        try:
            fields = _fields_of(content)
            digests = fields["sha256"]
            if type(digests) is not list:
                raise TypeError("the digests are not a list")
            manifest = cls(
                fields["slice_size"],
                fields["size"],
                tuple(digests),
                fields.get("upload", ""),
                fields.get("name"),
                fields.get("uploaded"),
            )
            if not manifest._is_sound(key):
                raise ValueError("the fields are inconsistent")
        except _UNREADABLE as error:
            raise DocumentDamaged(
                f"the manifest of document {key} can't be read; upload the document again"
            ) from error
        return manifest

    def _is_sound(self, key: DocumentKey) -> bool:
        return (
            _is_count(self.slice_size)
            and _is_count(self.size)
            and self.slice_size > 0
            and len(self.digests) == -(-self.size // self.slice_size)
            and all(type(each) is str and _HEX.fullmatch(each) for each in self.digests)
            and type(self.upload) is str
            and self.name == key.name
            and (self.uploaded is None or _is_count(self.uploaded))
        )

    def info(self, key: DocumentKey) -> DocumentInfo:
        """Return the public description of the document."""
        checksum = digest_of(dump_digests(self.digests))
        uploaded = _moment(self.uploaded)
        return DocumentInfo(key.value, self.size, len(self.digests), checksum, uploaded)

    def size_of(self, number: int) -> int:
        """Return the bytes of one slice."""
        return min(self.slice_size, self.size - number * self.slice_size)

    def sound_slices(self, file: BinaryIO) -> int:
        """Return how many slices at the start of a file have the right content."""
        file.seek(0)
        for number, digest in enumerate(self.digests):
            left, found = self.size_of(number), hashlib.sha256()
            # In pieces: the size of a slice comes from the store, and may be huge.
            while left and (piece := file.read(min(left, _PIECE))):
                found.update(piece)
                left -= len(piece)
            if left or found.hexdigest() != digest:
                return number
        return len(self.digests)

    def check(self, number: int, content: bytes | memoryview, key: DocumentKey) -> None:
        """Raise `DocumentDamaged` if this is not the uploaded slice."""
        if len(content) != self.size_of(number) or digest_of(content) != self.digests[number]:
            raise DocumentDamaged(
                f"slice {number} of document {key} is not the uploaded one; upload it again"
            )


@dataclass(frozen=True, slots=True)
class LockRecord:
    """The lock entry of a document that is being changed. No two stored ones are equal.

    `upload` is the id of the upload or removal that holds the lock. `lists` are the digests of
    valid lists of slices. `slice_size` is 0 for a removal. With `ended`, the lock is free, and
    the manifest is stored.
    """

    upload: str
    step: int = 0
    slice_size: int = 0
    lists: tuple[str, ...] = ()
    ended: bool = False

    def dump(self) -> bytes:
        """Return the record as it is stored."""
        return _dumped(
            {
                "version": _VERSION,
                "upload": self.upload,
                "step": self.step,
                "slice_size": self.slice_size,
                "lists": self.lists,
                "ended": self.ended,
            }
        )

    @classmethod
    def load(cls, content: bytes) -> "LockRecord":
        """Return the record of an entry; a record without valid lists if it is malformed."""
        try:
            fields = _fields_of(content)
            upload, lists, ended = fields["upload"], fields["lists"], fields["ended"]
            step, slice_size = fields["step"], fields["slice_size"]
        except _UNREADABLE:
            return cls("")
        sound = (
            type(upload) is str
            and _is_count(step)
            and _is_count(slice_size)
            and type(lists) is list
            and all(type(each) is str for each in lists)
            and type(ended) is bool
        )
        return cls(upload, step, slice_size, tuple(lists), ended) if sound else cls("")


def _dumped(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _fields_of(content: bytes) -> dict[str, Any]:
    """Return the fields that `_dumped` has written. Raises one of `_UNREADABLE`."""
    fields = json.loads(content)
    if type(fields) is not dict or type(fields["version"]) is not int:
        raise TypeError("it has no version")
    if fields["version"] != _VERSION:
        raise ValueError(f"version {fields['version']}")
    return fields


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)


def digest_of(content: bytes | memoryview) -> str:
    """Return the SHA-256 digest in hex."""
    return hashlib.sha256(content).hexdigest()


def dump_digests(digests: Sequence[str]) -> bytes:
    """Return a list of digests as it is stored: their bytes, concatenated."""
    return b"".join(bytes.fromhex(digest) for digest in digests)


def load_digests(content: bytes) -> list[str]:
    """Return the digests of a list."""
    return [content[at : at + _DIGEST].hex() for at in range(0, len(content), _DIGEST)]


def check_slice_size(size: object) -> int:
    """Return a number of bytes for slices. Raises `TypeError` and `ValueError`."""
    return _whole("slice_size", size)


def check_in_flight(count: object) -> int:
    """Return a number of slices. Raises `TypeError` and `ValueError`."""
    return _whole("in_flight", count)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be 1 or more, not {value}")
    return value
