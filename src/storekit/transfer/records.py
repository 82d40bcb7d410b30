"""Encodes and decodes the entries of a dump.

An entry is a head of 23 bytes (type, expiry, bytes of the alias, number of tags, bytes of the
content; big-endian), its alias, its tags with two bytes of length before each, and its content:
a blob or string unchanged, an integer or double in 8 bytes, a timestamp in 16, none for a tag.
Nothing is unpickled, or decoded by a codec.
"""

import struct
from collections.abc import Callable, Iterable

from storekit.qdb.engine import MAX_ALIAS, EntryType, WholeEntry
from storekit.transfer.errors import DumpDamaged

__all__ = ["LARGEST_CONTENT", "RecordReader", "pack_entry", "size_of_content", "size_of_contents"]

LARGEST_CONTENT = (1 << 31) - 1
"""Maximum bytes of a content: more than any store accepts."""

_MOST_TAGS = 1 << 20
_HEAD = struct.Struct(">BqHIQ")
_LENGTH = struct.Struct(">H")
_INTEGER = struct.Struct(">q")
_DOUBLE = struct.Struct(">d")
_STAMP_BYTES = 16
_TYPES: dict[int, EntryType] = {int(each): each for each in EntryType}
_SIZES = {
    EntryType.INTEGER: _INTEGER.size,
    EntryType.DOUBLE: _DOUBLE.size,
    EntryType.TIMESTAMP: _STAMP_BYTES,
    EntryType.TAG: 0,
}


def size_of_content(entry: WholeEntry) -> int:
    """Return the size of an entry's content in a dump, in bytes."""
    content = entry.content
    return len(content) if isinstance(content, bytes | memoryview) else _SIZES[entry.type]


def size_of_contents(entries: Iterable[WholeEntry]) -> int:
    """Return the size of the contents of entries in a dump, in bytes."""
    size = 0
    for entry in entries:
        content = entry.content
        size += len(content) if type(content) is bytes else size_of_content(entry)
    return size


def pack_entry(entry: WholeEntry) -> tuple[bytes, bytes | memoryview]:
    """Return the part before the content of an entry, and the content."""
    alias = entry.alias.encode()
    content = _content_bytes(entry)
    head = _HEAD.pack(entry.type, entry.expiry, len(alias), len(entry.tags), len(content)) + alias
    if entry.tags:
        for each in entry.tags:
            tag = each.encode()
            head += _LENGTH.pack(len(tag)) + tag
    return head, content


def _content_bytes(entry: WholeEntry) -> bytes | memoryview:
    content = entry.content
    if isinstance(content, bytes | memoryview):
        return content
    if entry.type is EntryType.DOUBLE and content is not None:
        return _DOUBLE.pack(content)
    if entry.type is EntryType.TIMESTAMP and isinstance(content, int):
        return content.to_bytes(_STAMP_BYTES, "big", signed=True)
    return b"" if content is None else _INTEGER.pack(content)


class RecordReader:
    """Reads entries from blocks of bytes.

    `next_block` returns the next one, None at the end. Memory is allocated for received content,
    not for announced sizes. `where` returns the position of the last block in the file.
    """

    def __init__(self, next_block: Callable[[], bytes | None], where: Callable[[], int]) -> None:
        self._next_block = next_block
        self._where = where
        self._block = b""
        self._at = 0
        self.count: int = 0
        self.content_bytes: int = 0

    def next(self) -> WholeEntry | None:
        """Return the next entry; None at the end. Raises `DumpDamaged`."""
        if self._at == len(self._block) and not self._fill():
            return None
        kind, expiry, alias_size, tag_count, size = _HEAD.unpack(self._take(_HEAD.size))
        entry_type = _TYPES.get(kind)
        if (
            entry_type is None
            or expiry < 0
            or tag_count > _MOST_TAGS
            or size > LARGEST_CONTENT
            or size != _SIZES.get(entry_type, size)
        ):
            raise self._damaged("the head of an entry is none")
        alias = self._name(alias_size)
        tags = [self._name(*_LENGTH.unpack(self._take(_LENGTH.size))) for _ in range(tag_count)]
        entry = WholeEntry(alias, entry_type, self._content(entry_type, size), expiry, tags)
        self.count += 1
        self.content_bytes += size
        return entry

    @property
    def at_end_of_entry(self) -> bool:
        """Whether all that has come was whole entries."""
        return self._at == len(self._block)

    def _name(self, size: int) -> str:
        if not 1 <= size <= MAX_ALIAS:
            raise self._damaged("an alias or tag has no size that one can have")
        raw = self._take(size)
        if 0 in raw:
            raise self._damaged("an alias or tag has a NUL character")
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError:
            raise self._damaged("an alias or tag is no text") from None

    def _content(self, kind: EntryType, size: int) -> bytes | int | float | None:
        content = self._take(size)
        if kind is EntryType.BLOB:
            return content
        if kind is EntryType.STRING:
            try:
                str(content, "utf-8")
            except UnicodeDecodeError:
                raise self._damaged("a string is no text") from None
            return content
        if kind is EntryType.INTEGER:
            return int(_INTEGER.unpack(content)[0])
        if kind is EntryType.DOUBLE:
            return float(_DOUBLE.unpack(content)[0])
        return int.from_bytes(content, "big", signed=True) if kind is EntryType.TIMESTAMP else None

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._block):
            taken = self._block[self._at : end]
            self._at = end
            return taken
        taken_so_far = bytearray(self._block[self._at :])
        while len(taken_so_far) < size:
            if not self._fill():
                raise self._damaged("the dump ends in the middle of an entry")
            missing = size - len(taken_so_far)
            taken_so_far += self._block[:missing]
            self._at = min(missing, len(self._block))
        return bytes(taken_so_far)

    def _fill(self) -> bool:
        block = self._next_block()
        self._block, self._at = block or b"", 0
        return block is not None

    def _damaged(self, what: str) -> DumpDamaged:
        return DumpDamaged(what, offset=self._where(), entry=self.count)
