"""What a document is in the store: slices, and a manifest that vouches for them.

Slice number n of a document is the entry `KEY.hex + str(n)`, as in the documentation of the
1.x client, so that either reads what the other wrote. The manifest, `KEY.hex + ".json"`,
is written last. While slices come and go there is a draft, `KEY.hex + ".part"`: it says who
is at it, and only that one changes the document. Which slices are there already is in
`KEY.hex + ".sha256"`; that counts as far as the draft vouches for it.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import FileIO
from typing import BinaryIO

from storekit.errors import StoreKitError
from storekit.qdb.buffers import Buffers

__all__ = [
    "SLICE_SIZE",
    "Claim",
    "DocumentConflict",
    "DocumentDamaged",
    "DocumentIncomplete",
    "DocumentInfo",
    "Draft",
    "Manifest",
    "Progress",
    "Slice",
    "as_key",
    "check_in_flight",
    "check_slice_size",
    "digest_of",
    "draft_alias",
    "dump_digests",
    "fill_slice",
    "list_alias",
    "load_digests",
    "manifest_alias",
    "no_progress",
    "slice_alias",
    "take_slice",
]

SLICE_SIZE = 10 * 1024 * 1024
"""Bytes of a slice, as in the documentation of the 1.x client."""

_VERSION = 1
_PIECE = 1 << 20  # bytes that are read at a time
_DIGEST = hashlib.sha256().digest_size
_HEX = re.compile(f"[0-9a-f]{{{2 * _DIGEST}}}")
_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)

Progress = Callable[[int, int | None], object]
"""Told how many bytes are done, and of how many, None if that is not known."""


class DocumentConflict(StoreKitError):
    """Another upload or removal of the document is under way, or was broken off."""


class DocumentIncomplete(StoreKitError):
    """The document is not whole, or was replaced while it was read."""


class DocumentDamaged(StoreKitError):
    """The document is not what was uploaded: a slice is missing or has changed."""


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document in the store.

    `checksum` is the SHA-256, in hex, of the SHA-256 digests of its slices one after the
    other; None for a document that has no manifest. `size` is in bytes.
    """

    key: uuid.UUID
    size: int
    slices: int
    checksum: str | None


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice on its way, with its SHA-256 digest in hex."""

    number: int
    content: memoryview
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The digests of the slices of a document, which all but the last have `slice_size` bytes.

    `upload` tells two uploads of the same content apart.
    """

    slice_size: int
    size: int
    digests: tuple[str, ...]
    upload: str = ""

    def dump(self) -> bytes:
        """Return the manifest as it is stored."""
        return json.dumps(
            {
                "version": _VERSION,
                "slice_size": self.slice_size,
                "size": self.size,
                "sha256": self.digests,
                "upload": self.upload,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def load(cls, content: bytes, key: uuid.UUID) -> "Manifest":
        """Return what was dumped. Raises `DocumentDamaged`."""
        try:
            fields = json.loads(content)
            digests = tuple(fields["sha256"])
            upload = fields.get("upload", "")
            manifest = cls(fields["slice_size"], fields["size"], digests, upload)
            if fields["version"] != _VERSION or not manifest._is_sound():
                raise ValueError(f"version {fields['version']!r}")
        except _UNREADABLE as error:
            raise DocumentDamaged(
                f"the manifest of document {key} can't be read; upload the document again"
            ) from error
        return manifest

    def _is_sound(self) -> bool:
        return (
            type(self.slice_size) is int
            and type(self.size) is int
            and self.slice_size > 0
            and self.size >= 0
            and len(self.digests) == -(-self.size // self.slice_size)
            and all(isinstance(each, str) and _HEX.fullmatch(each) for each in self.digests)
            and isinstance(self.upload, str)
        )

    def info(self, key: uuid.UUID) -> DocumentInfo:
        """Return what users are told."""
        checksum = digest_of(dump_digests(self.digests))
        return DocumentInfo(key, self.size, len(self.digests), checksum)

    def size_of(self, number: int) -> int:
        """Return the bytes of one slice."""
        return min(self.slice_size, self.size - number * self.slice_size)

    def sound_slices(self, file: BinaryIO) -> int:
        """Return how many slices are at the start of a file as they should be."""
        sound = 0
        file.seek(0)
        for number, digest in enumerate(self.digests):
            content = file.read(self.size_of(number))
            if len(content) < self.size_of(number) or digest_of(content) != digest:
                break
            sound += 1
        return sound

    def check(self, number: int, content: bytes | memoryview, key: uuid.UUID) -> None:
        """Raise `DocumentDamaged` unless this is the slice that was uploaded."""
        if digest_of(content) != self.digests[number]:
            raise DocumentDamaged(
                f"slice {number} of document {key} is not what was uploaded; upload it again"
            )


@dataclass(frozen=True, slots=True)
class Draft:
    """Who is changing a document; no draft that is ever stored is like another.

    `lists` are digests of lists of slices: what is in such a list is there. `slice_size` is 0
    for a removal. With `ended`, nobody is at it any more, and the manifest is there.
    """

    upload: str
    step: int = 0
    slice_size: int = 0
    lists: tuple[str, ...] = ()
    ended: bool = False

    def dump(self) -> bytes:
        """Return the draft as it is stored."""
        return json.dumps(
            {
                "version": _VERSION,
                "upload": self.upload,
                "step": self.step,
                "slice_size": self.slice_size,
                "lists": self.lists,
                "ended": self.ended,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def load(cls, content: bytes) -> "Draft":
        """Return what was dumped; of what can't be read, one that vouches for nothing."""
        try:
            fields = json.loads(content)
            if fields["version"] != _VERSION:
                return cls("")
            return cls(
                str(fields["upload"]),
                int(fields["step"]),
                int(fields["slice_size"]),
                tuple(fields["lists"]),
                fields["ended"] is True,
            )
        except _UNREADABLE:
            return cls("")


@dataclass(slots=True)
class Claim:
    """One upload or removal, and the draft by which it holds the document.

    `listed` is the digest of the list of slices that is stored, if that can be trusted.
    """

    operation: str
    key: uuid.UUID
    expiry: int
    draft: Draft = field(default_factory=lambda: Draft(uuid.uuid4().hex))
    taken: bool = False
    listed: str | None = None

    @property
    def content(self) -> bytes:
        """The draft as it is stored."""
        return self.draft.dump()


def take_slice(read: Callable[[int], object], number: int, buffers: Buffers) -> object:
    """Read the next `Slice`, full unless it is the last; None at the end.

    What is read first is returned as it is if it is not bytes.
    """
    place, end = buffers.take(), 0
    while end < len(place):
        piece = read(min(len(place) - end, _PIECE))
        if not isinstance(piece, bytes | bytearray | memoryview):
            if not end and piece is not None:  # of files that would have to wait, None is no end
                return piece
            raise TypeError(f"a document is made of bytes, not of {type(piece).__name__}")
        if not piece:
            break
        place[end : end + len(piece)] = piece
        end += len(piece)
    return _slice_of(place[:end], number)


def fill_slice(file: FileIO, number: int, buffers: Buffers) -> Slice | None:
    """Read the next slice as `take_slice` does, from a file that needs no copy for that."""
    place, end = buffers.take(), 0
    while end < len(place) and (count := file.readinto(place[end:])):
        end += count
    return _slice_of(place[:end], number)


def _slice_of(content: memoryview, number: int) -> Slice | None:
    return Slice(number, content, digest_of(content)) if content else None


def no_progress(done: int, total: int | None) -> None:
    """Stand in for a callback that nobody gave."""


def digest_of(content: bytes | memoryview) -> str:
    """Return the SHA-256 digest in hex."""
    return hashlib.sha256(content).hexdigest()


def dump_digests(digests: Sequence[str]) -> bytes:
    """Return a list of digests as it is stored: their bytes, one after the other."""
    return b"".join(bytes.fromhex(digest) for digest in digests)


def load_digests(content: bytes) -> list[str]:
    """Return the digests of a list."""
    return [content[at : at + _DIGEST].hex() for at in range(0, len(content), _DIGEST)]


def as_key(key: object) -> uuid.UUID:
    """Return the key of a document. Raises `TypeError`, or `ValueError` for text that is none."""
    if isinstance(key, uuid.UUID):
        return key
    if isinstance(key, str):
        return uuid.UUID(key)
    raise TypeError(f"the key of a document is a UUID, not {type(key).__name__}")


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


def slice_alias(key: uuid.UUID, number: int) -> str:
    """Return the alias of one slice."""
    return f"{key.hex}{number}"


def manifest_alias(key: uuid.UUID) -> str:
    """Return the alias of what vouches for a whole document."""
    return f"{key.hex}.json"


def draft_alias(key: uuid.UUID) -> str:
    """Return the alias of what tells that a document is not whole, and who is at it."""
    return f"{key.hex}.part"


def list_alias(key: uuid.UUID) -> str:
    """Return the alias of the digests of the slices that are there, in an upload."""
    return f"{key.hex}.sha256"
