"""Writes and reads dumps: entries in frames."""

import struct
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from storekit.qdb.engine import WholeEntry
from storekit.transfer.errors import DumpDamaged
from storekit.transfer.frames import (
    BLOCK,
    MAGIC,
    FrameKind,
    FrameReader,
    FrameWriter,
    dump_info_bytes,
)
from storekit.transfer.records import RecordReader, pack_entry
from storekit.transfer.values import Compression, DumpInfo

__all__ = ["DumpReader", "DumpWriter", "Write", "reading"]

_END = struct.Struct(">QQ")  # entries, bytes of content
_PAGE = 256  # entries
_PAGE_BYTES = 4 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Write = Callable[[bytes | memoryview], object]
"""Writes all bytes."""


class DumpWriter:
    """Writes a dump, some entries at a time."""

    def __init__(self, write: Write, compression: Compression) -> None:
        self._write = write
        self._frames = FrameWriter(compression)
        self._source = ""
        self._created = 0
        self.entries: int = 0
        self.content_bytes: int = 0

    def begin(self, source: str, created: int) -> None:
        """Write the beginning. `created` is in milliseconds since the epoch."""
        self._source, self._created = source, created
        self._write(MAGIC)
        self._frame(FrameKind.INFO, dump_info_bytes(source, created))

    def go_on(self, reader: "DumpReader") -> None:
        """Continue after the part that a reader has read."""
        self._frames.go_on(reader.frames)
        self._source, self._created = reader.source, reader.created
        self.entries, self.content_bytes = reader.entries, reader.content_bytes

    def add(self, entries: Iterable[WholeEntry]) -> None:
        """Write entries, in as many blocks as they take; the last one ends with an entry."""
        block = bytearray()
        for entry in entries:
            head, content = pack_entry(entry)
            block += head
            self.entries += 1
            self.content_bytes += len(content)
            if len(block) + len(content) <= BLOCK:
                block += content
                continue
            # Large contents are not copied as a whole.
            view = memoryview(content)
            while view:
                room = max(0, BLOCK - len(block))
                block += view[:room]
                view = view[room:]
                if len(block) >= BLOCK and view:
                    block = self._full(block)
        while len(block) > BLOCK:
            block = self._full(block)
        if block:
            self._frame(FrameKind.BLOCK_END, block)

    def end(self) -> None:
        """Write the end."""
        self._frame(FrameKind.END, _END.pack(self.entries, self.content_bytes))

    def info(self) -> DumpInfo:
        """Return the description of the dump, as far as it was written."""
        return _info(self.entries, self.content_bytes, self._source, self._created)

    def _full(self, block: bytearray) -> bytearray:
        """Write full blocks, and return the rest."""
        with memoryview(block) as view:
            self._frame(FrameKind.PART, view[:BLOCK])
            return bytearray(view[BLOCK:])

    def _frame(self, kind: FrameKind, payload: bytes | bytearray | memoryview) -> None:
        for piece in self._frames.frame(kind, payload):
            self._write(piece)


class DumpReader:
    """Reads a dump, some entries at a time, and verifies all of it.

    `read` returns the requested number of bytes, fewer only at the end of the file. Every method
    may raise `DumpDamaged`.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.frames: FrameReader = FrameReader(read)
        self._records = RecordReader(self._next_block, self._where)
        self._block_at = 0
        self._summary: bytes | None = None
        self._part = False
        self.source: str = ""
        self.created: int = 0
        self.safe_end: int = 0
        """The position in the file up to which complete entries were read."""

    @property
    def entries(self) -> int:
        """How many entries were read."""
        return self._records.count

    @property
    def content_bytes(self) -> int:
        """How many bytes of content were read."""
        return self._records.content_bytes

    def begin(self) -> None:
        """Read the beginning."""
        info = self.frames.begin()
        self.source, self.created = info["source"], info["created"]
        self.safe_end = self.frames.offset

    def page(self) -> list[WholeEntry]:
        """Return some entries; none at the end, when the dump was verified to be complete."""
        page: list[WholeEntry] = []
        size = self.content_bytes
        while len(page) < _PAGE and self.content_bytes - size < _PAGE_BYTES:
            entry = self._records.next()
            if entry is None:
                break
            page.append(entry)
            if self._records.at_end_of_entry and not self._part:
                self.safe_end = self.frames.offset
                break
        if not page:
            self._check_summary()
        return page

    def info(self) -> DumpInfo:
        """Return the description of the dump, as far as it was read."""
        return _info(self.entries, self.content_bytes, self.source, self.created)

    def _next_block(self) -> bytes | None:
        self.frames.entries = self._records.count
        frame = self.frames.next()
        if frame is None:
            return None
        self._block_at = frame.offset
        self._part = frame.kind is FrameKind.PART
        if frame.kind is FrameKind.END:
            self._summary = frame.payload
            self.frames.next()  # which raises if there is more data
            return None
        return frame.payload

    def _where(self) -> int:
        return self._block_at

    def _check_summary(self) -> None:
        if self._summary != _END.pack(self.entries, self.content_bytes):
            raise DumpDamaged(
                "the end of the dump counts other entries than there are",
                offset=self._block_at,
                entry=self.entries,
            )


def _info(entries: int, content_bytes: int, source: str, created: int) -> DumpInfo:
    return DumpInfo(entries, content_bytes, source, _EPOCH + timedelta(milliseconds=created))


def reading(file: BinaryIO) -> Callable[[int], bytes]:
    """Return a function that reads a number of bytes of a file, fewer only at its end."""

    def read(size: int) -> bytes:
        found = file.read(size)
        if len(found) == size or not found:
            return found
        pieces = [found]  # a pipe may return fewer bytes before its end
        missing = size - len(found)
        while missing and (piece := file.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    return read
