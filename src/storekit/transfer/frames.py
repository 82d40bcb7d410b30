"""The blocks of a dump, each with a checksum that covers all before it.

A dump is `MAGIC`, then frames. A frame is a head of 32 bytes and a payload of at most 1 MiB
(`BLOCK`), compressed or not:

    kind         1 byte    INFO first, once; then PART and BLOCK_END; then END, once, and nothing
    compression  1 byte    0 none, 1 zlib, 2 zstd
    reserved     2 bytes   zero
    number       4 bytes   0, 1, 2, ...
    size         4 bytes   of the payload when it is unpacked
    stored       4 bytes   of the payload as it is in the file
    digest      16 bytes   BLAKE2b of the digest before, the head up to here, and the payload

Numbers are big-endian. Each digest is part of the next, so the one of END covers the whole file:
all changes, removed or moved parts, and truncation are detected. A frame of kind PART ends in the
middle of an entry.

Files are untrusted: every size is checked before memory is allocated for it.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from storekit._extras import require
from storekit.transfer.errors import DumpDamaged
from storekit.transfer.values import Compression

__all__ = [
    "BLOCK",
    "MAGIC",
    "DumpFrame",
    "FrameKind",
    "FrameReader",
    "FrameWriter",
    "dump_info_bytes",
]

MAGIC = b"\x89STOREKIT-DUMP1\n"
BLOCK = 1 << 20
"""Maximum bytes of a payload."""

_HEAD = struct.Struct(">BBHIII")
_DIGEST = 16
_ZLIB_LEVEL = 1  # 3 takes twice the time for a tenth of the size
_ZSTD_LEVEL = 3
_NUMBERS: dict[Compression, int] = {"none": 0, "zlib": 1, "zstd": 2}


class FrameKind(IntEnum):
    """The kind of a frame."""

    INFO = 1
    PART = 2
    BLOCK_END = 3
    END = 4


@dataclass(slots=True)
class DumpFrame:
    """A frame that was read, and its position in the file."""

    kind: FrameKind
    payload: bytes
    offset: int
    end: int


class FrameWriter:
    """Makes frames, one after the other."""

    def __init__(self, compression: Compression) -> None:
        """Begin a dump. `ModuleNotFoundError` if the package for the compression is missing."""
        if compression not in _NUMBERS:
            raise ValueError(f"compression must be 'zlib', 'zstd' or 'none', not {compression!r}")
        self._compress = _compressor(compression)
        self._compression = _NUMBERS[compression]
        self._digest = _first_digest()
        self._number = 0

    def go_on(self, reader: "FrameReader") -> None:
        """Continue after the last frame that a reader has read."""
        self._digest, self._number = reader.state

    def frame(self, kind: FrameKind, payload: bytes | bytearray | memoryview) -> list[bytes]:
        """Return a frame, in pieces."""
        assert len(payload) <= BLOCK  # noqa: S101 - callers split it
        compression, stored = self._compression, self._compress(payload)
        if len(stored) >= len(payload):
            compression, stored = 0, bytes(payload)
        head = _HEAD.pack(kind, compression, 0, self._number, len(payload), len(stored))
        self._digest = _digest_of(self._digest, head, stored)
        self._number += 1
        return [head + self._digest, stored]


class FrameReader:
    """Reads and verifies frames.

    `read` returns the requested number of bytes, fewer only at the end of the file.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._digest = _first_digest()
        self._number = 0
        self._unpackers: dict[int, Callable[[bytes, int], bytes]] = {}
        self.offset: int = 0
        self.entries = 0  # for the position of damage in errors
        self._ended = False

    @property
    def state(self) -> tuple[bytes, int]:
        """The digest of the last frame, and the number of the next."""
        return self._digest, self._number

    def begin(self) -> dict[str, Any]:
        """Read the beginning, and return the description of the dump."""
        magic = self._read(len(MAGIC))
        if magic != MAGIC:
            raise self._damaged("the file is no dump of storekit")
        self.offset = len(MAGIC)
        frame = self.next()
        if frame is None or frame.kind is not FrameKind.INFO:
            raise self._damaged("the dump does not begin with what it is")
        info: Any = None
        try:
            info = json.loads(frame.payload)
            known = (
                isinstance(info, dict)
                and isinstance(info["source"], str)
                and type(info["created"]) is int
                and 0 <= info["created"] < 1 << 45
            )
        except (ValueError, KeyError, RecursionError):
            known = False
        if not known:
            raise self._damaged("what the dump says of itself can't be read")
        return dict(info)

    def next(self) -> DumpFrame | None:
        """Return the next frame; None after the last one."""
        offset = self.offset
        if self._ended:
            if self._read(1):
                raise self._damaged("there is something behind the end of the dump")
            return None
        head = self._read(_HEAD.size + _DIGEST)
        if len(head) < _HEAD.size + _DIGEST:
            raise self._damaged("the dump is cut short: it was broken off, or lost its end")
        kind, compression, reserved, number, size, stored = _HEAD.unpack_from(head)
        sound = (
            kind in _KINDS
            and not reserved
            and number == self._number
            and (kind == FrameKind.INFO) == (number == 0)
            and size <= BLOCK
            and (stored < size if compression else stored == size)
        )
        if not sound:
            raise self._damaged("the head of a block is not what was written")
        payload = self._read(stored)
        if len(payload) < stored:
            raise self._damaged("the dump is cut short: it was broken off, or lost its end")
        digest = _digest_of(self._digest, head[: _HEAD.size], payload)
        if digest != head[_HEAD.size :]:
            raise self._damaged("a block is not what was written: its checksum is another")
        if compression:
            payload = self._unpack(compression, payload, size)
        self._digest = digest
        self._number += 1
        self.offset = offset + len(head) + stored
        self._ended = kind == FrameKind.END
        return DumpFrame(FrameKind(kind), payload, offset, self.offset)

    def _unpack(self, compression: int, stored: bytes, size: int) -> bytes:
        if compression not in self._unpackers:
            if compression not in _UNPACKERS:
                raise self._damaged("a block is compressed in a way that nobody knows")
            self._unpackers[compression] = _UNPACKERS[compression]()
        payload = self._unpackers[compression](stored, size)
        if len(payload) != size:
            raise self._damaged("a block can't be unpacked")
        return payload

    def _damaged(self, what: str) -> DumpDamaged:
        return DumpDamaged(what, offset=self.offset, entry=self.entries)


_KINDS = frozenset(FrameKind)


def dump_info_bytes(source: str, created: int) -> bytes:
    """Encode the description of a dump: its source, and milliseconds since the epoch."""
    return json.dumps({"source": source, "created": created}).encode()


def _first_digest() -> bytes:
    return hashlib.blake2b(MAGIC, digest_size=_DIGEST).digest()


def _digest_of(before: bytes, head: bytes, payload: bytes) -> bytes:
    digest = hashlib.blake2b(before, digest_size=_DIGEST)
    digest.update(head)
    digest.update(payload)
    return digest.digest()


def _compressor(compression: Compression) -> Callable[[bytes | bytearray | memoryview], bytes]:
    if compression == "none":
        return bytes
    if compression == "zlib":
        return lambda payload: zlib.compress(payload, _ZLIB_LEVEL)
    require("a dump with zstd", "zstd", "zstandard")
    import zstandard  # noqa: PLC0415 - an extra

    compress: Callable[[Any], bytes] = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress
    return compress


def _zlib() -> Callable[[bytes, int], bytes]:
    def unpack(stored: bytes, size: int) -> bytes:
        unpacker = zlib.decompressobj()
        try:
            payload = unpacker.decompress(stored, size + 1)
        except zlib.error:
            return b""
        return payload if unpacker.eof and not unpacker.unused_data else b""

    return unpack


def _zstd() -> Callable[[bytes, int], bytes]:
    require("this dump, whose blocks are compressed with zstd,", "zstd", "zstandard")
    import zstandard  # noqa: PLC0415 - an extra

    unpacker = zstandard.ZstdDecompressor()

    def unpack(stored: bytes, size: int) -> bytes:
        try:
            if zstandard.get_frame_parameters(stored).content_size != size:
                return b""
            payload: bytes = unpacker.decompress(stored, allow_extra_data=False)
        except zstandard.ZstdError:
            return b""
        return payload

    return unpack


_UNPACKERS: dict[int, Callable[[], Callable[[bytes, int], bytes]]] = {1: _zlib, 2: _zstd}
