"""What a document is in the store: slices, and a manifest that vouches for them.

Slice number n of a document is the entry `KEY.hex + str(n)`, as in the documentation of the
1.x client, so that either reads what the other wrote. The manifest, `KEY.hex + ".json"`,
is written last. While slices come and go there is a draft of it, `KEY.hex + ".part"`.
"""

import hashlib
import json
import mmap
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storekit.errors import StoreKitError

__all__ = [
    "SLICE_SIZE",
    "DocumentDamaged",
    "DocumentIncomplete",
    "DocumentInfo",
    "Manifest",
    "Progress",
    "Slice",
    "as_key",
    "check_in_flight",
    "check_slice_size",
    "draft_alias",
    "manifest_alias",
    "slice_alias",
    "take_slice",
]

SLICE_SIZE = 10 * 1024 * 1024
"""Bytes of a slice, as in the documentation of the 1.x client."""

_VERSION = 1
_PIECE = 1 << 20  # bytes that are read at a time

Progress = Callable[[int, int | None], object]
"""Told how many bytes are done, and of how many, None if that is not known."""


class DocumentIncomplete(StoreKitError):
    """An upload or removal of the document has begun and has not ended."""


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
    """The digests of the slices of a document, which all but the last have `slice_size` bytes."""

    slice_size: int
    size: int
    digests: tuple[str, ...]

    def dump(self) -> bytes:
        """Return the manifest as it is stored."""
        return json.dumps(
            {
                "version": _VERSION,
                "slice_size": self.slice_size,
                "size": self.size,
                "sha256": self.digests,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def load(cls, content: bytes, key: uuid.UUID) -> "Manifest":
        """Return what was dumped. Raises `DocumentDamaged`."""
        try:
            fields = json.loads(content)
            manifest = cls(fields["slice_size"], fields["size"], tuple(fields["sha256"]))
            if fields["version"] != _VERSION or not manifest._is_sound():
                raise ValueError(f"version {fields['version']!r}")
        except (ValueError, KeyError, TypeError) as error:
            raise DocumentDamaged(
                f"the manifest of document {key} can't be read; upload the document again"
            ) from error
        return manifest

    def _is_sound(self) -> bool:
        return (
            type(self.slice_size) is int
            and type(self.size) is int
            and self.slice_size > 0
            and len(self.digests) == -(-self.size // self.slice_size)
            and all(isinstance(digest, str) for digest in self.digests)
        )

    def info(self, key: uuid.UUID) -> DocumentInfo:
        """Return what users are told."""
        digests = b"".join(bytes.fromhex(digest) for digest in self.digests)
        checksum = hashlib.sha256(digests).hexdigest()
        return DocumentInfo(key, self.size, len(self.digests), checksum)

    def size_of(self, number: int) -> int:
        """Return the bytes of one slice."""
        return min(self.slice_size, self.size - number * self.slice_size)

    def sound_slices(self, path: Path) -> int:
        """Return how many slices are at the start of a file as they should be."""
        sound = 0
        with path.open("rb") as file:
            for number, digest in enumerate(self.digests):
                content = file.read(self.size_of(number))
                if len(content) < self.size_of(number) or _digest(content) != digest:
                    break
                sound += 1
        return sound

    def check(self, number: int, content: bytes | memoryview, key: uuid.UUID) -> None:
        """Raise `DocumentDamaged` unless this is the slice that was uploaded."""
        if _digest(content) != self.digests[number]:
            raise DocumentDamaged(
                f"slice {number} of document {key} is not what was uploaded; upload it again"
            )


def take_slice(read: Callable[[int], bytes], number: int, size: int) -> Slice | None:
    """Read the next slice, full unless it is the last; None at the end."""
    # Not a bytearray: of freed ones as large as this the allocator keeps some for each thread.
    place = memoryview(mmap.mmap(-1, size))
    end = 0
    while end < size:
        piece = read(min(size - end, _PIECE))
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise TypeError(
                f"a document is read from a binary file, not one of {type(piece).__name__}"
            )
        if not piece:
            break
        place[end : end + len(piece)] = piece
        end += len(piece)
    if not end:
        return None
    return Slice(number, place[:end], _digest(place[:end]))


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


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
    """Return the alias of what tells that a document is not whole."""
    return f"{key.hex}.part"
