"""A dump that is not what was written is refused, whatever was done to it."""

import io
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qdb import RawClient
from storekit.qdb.engine import EntryType, WholeEntry
from storekit.transfer import DumpDamaged, check_dump, dump, restore
from storekit.transfer.dumps import DumpReader, DumpWriter, reading
from storekit.transfer.frames import BLOCK, MAGIC, FrameKind, FrameWriter, dump_info_bytes
from storekit.transfer.records import RecordReader, pack_entry


def dumped(compression="zlib"):
    """Return a small dump with several blocks."""
    stream = io.BytesIO()
    writer = DumpWriter(stream.write, compression)
    writer.begin("embedded:", 1_700_000_000_000)
    for number in range(4):
        writer.add(
            [
                WholeEntry(f"blob {number}", EntryType.BLOB, bytes(40) * number, 0, ["a", "b"]),
                WholeEntry(f"text {number}", EntryType.STRING, "ä".encode() * 9, 2**41),
                WholeEntry(f"integer {number}", EntryType.INTEGER, -number),
                WholeEntry(f"time {number}", EntryType.TIMESTAMP, 10**20),
                WholeEntry(f"double {number}", EntryType.DOUBLE, 0.1),
                WholeEntry(f"tag {number}", EntryType.TAG, None),
            ]
        )
    writer.end()
    return stream.getvalue()


def refused(data):
    """Return the error with which a dump is refused, by itself and where it would be restored."""
    with pytest.raises(DumpDamaged) as caught:
        check_dump(io.BytesIO(data))
    with RawClient("embedded:") as client:
        with pytest.raises(DumpDamaged):
            restore(io.BytesIO(data), client)
        assert list(client) == []
    return caught.value


@pytest.mark.parametrize("compression", ["zlib", "zstd", "none"])
def test_a_whole_dump_is_taken(compression):
    data = dumped(compression)
    assert check_dump(io.BytesIO(data)).entries == 24


@pytest.mark.parametrize("compression", ["zlib", "zstd", "none"])
def test_any_byte_that_is_changed_shows(compression):
    data = dumped(compression)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with pytest.raises(DumpDamaged) as caught:
            check_dump(io.BytesIO(changed))
        assert caught.value.offset <= place
        assert 0 <= caught.value.entry <= 24


def test_a_dump_that_is_cut_anywhere_shows():
    data = dumped()
    for size in range(len(data)):
        with pytest.raises(DumpDamaged):
            check_dump(io.BytesIO(data[:size]))


@given(st.data())
@settings(max_examples=150)
def test_bytes_that_are_taken_out_put_in_or_moved_show(data):
    whole = dumped()
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start, len(whole)))
    other = data.draw(st.binary(max_size=50)) or whole[end : end + 60]
    changed = whole[:start] + other + whole[end:]
    if changed != whole:
        refused(changed)


def test_frames_in_another_order_or_of_another_dump_show():
    stream = io.BytesIO(dumped())
    reader = DumpReader(reading(stream))
    reader.begin()
    ends = [len(MAGIC), stream.tell()]
    while (frame := reader.frames.next()) is not None:
        ends.append(frame.end)
    data = stream.getvalue()
    first, *parts = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    assert len(parts) == 6
    assert first + b"".join(parts) == data
    for a in range(6):
        for b in range(6):
            if a != b:
                swapped = list(parts)
                swapped[a], swapped[b] = swapped[b], swapped[a]
                refused(first + b"".join(swapped))
                refused(first + b"".join(parts[:a] + parts[a : a + 1] + parts[a:]))
        refused(first + b"".join(parts[:a] + parts[a + 1 :]))
    refused(data + b"\0")
    refused(data + data)


def forged(frames, compression="none"):
    """Return a dump of which all checksums are right, whatever is in it."""
    writer = FrameWriter(compression)
    pieces = [MAGIC, *writer.frame(FrameKind.INFO, dump_info_bytes("x", 0))]
    for kind, payload in frames:
        pieces += writer.frame(kind, payload)
    return b"".join(pieces)


END = FrameKind.END, struct.pack(">QQ", 1, 1)
ENTRY = b"".join(bytes(part) for part in pack_entry(WholeEntry("a", EntryType.BLOB, b"1")))


def head(kind=0, expiry=0, alias=1, tags=0, size=1):
    return struct.pack(">BqHIQ", kind, expiry, alias, tags, size)


def test_a_forged_dump_that_is_right_is_taken():
    assert check_dump(io.BytesIO(forged([(FrameKind.BLOCK_END, ENTRY), END]))).entries == 1


@pytest.mark.parametrize(
    "payload",
    [
        head(kind=2) + b"a1",
        head(kind=255) + b"a1",
        head(expiry=-1) + b"a1",
        head(alias=0) + b"1",
        head(alias=1025) + b"a" * 1025 + b"1",
        head(alias=2) + b"\xff\xff1",
        head(alias=2) + b"a\x001",
        head(tags=1) + b"a" + b"\0\0" + b"1",
        head(tags=2**32 - 1) + b"a1",
        head(kind=1, size=7) + b"a1234567",
        head(kind=3, size=1) + b"a1",
        head(kind=12, size=1) + b"a\xff",
        head(size=2**64 - 1) + b"a1",
        head(size=2**31 - 1) + b"a1",
        head(size=2) + b"a1",
        ENTRY[:-1],
        ENTRY[:5],
        ENTRY + ENTRY,
        b"",
    ],
)
def test_forged_entries_are_refused(payload):
    refused(forged([(FrameKind.BLOCK_END, payload), END]))


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [END],
        [(FrameKind.END, b"")],
        [(FrameKind.BLOCK_END, ENTRY)],
        [(FrameKind.BLOCK_END, ENTRY), (FrameKind.END, struct.pack(">QQ", 1, 2))],
        [(FrameKind.INFO, b"{}"), (FrameKind.BLOCK_END, ENTRY), END],
        [(FrameKind.BLOCK_END, ENTRY), END, END],
    ],
)
def test_forged_frames_are_refused(frames):
    refused(forged(frames))


@pytest.mark.parametrize(
    "info", [b"", b"{}", b"[]", b'{"source": 1, "created": 1}', b'{"source": "", "created": 1e99}']
)
def test_a_dump_that_says_nothing_of_itself_is_refused(info):
    writer = FrameWriter("none")
    refused(b"".join([MAGIC, *writer.frame(FrameKind.INFO, info)]))


def test_what_is_announced_takes_no_memory_before_it_has_come():
    claims = forged([(FrameKind.BLOCK_END, head(size=2**31 - 1) + b"a1"), END])
    tracemalloc.start()
    try:
        refused(claims)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_block_that_unpacks_to_more_than_it_says_takes_no_memory():
    bomb = zlib.compress(bytes(64 << 20))
    data = bytearray(forged([(FrameKind.BLOCK_END, bomb), END]))
    place = data.index(bomb)
    import hashlib

    begin = place - 32
    start = hashlib.blake2b(MAGIC, digest_size=16).digest()
    info_digest = bytes(data[len(MAGIC) + 16 : len(MAGIC) + 32])
    assert start != info_digest
    fields = struct.pack(">BBHIII", FrameKind.BLOCK_END, 1, 0, 1, BLOCK, len(bomb))
    digest = hashlib.blake2b(info_digest + fields + bomb, digest_size=16).digest()
    data[begin : begin + 32] = fields + digest
    tracemalloc.start()
    try:
        assert "unpacked" in str(refused(bytes(data)))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_what_is_no_dump_is_refused():
    for data in (b"", b"\x80\x04N.", MAGIC[:-1] + b"2", b"PK\x03\x04" * 100):
        assert "no dump" in str(refused(data))


def test_entries_are_read_from_blocks_of_any_size():
    entries = [
        WholeEntry("a", EntryType.BLOB, b"12345", 7, ["x"]),
        WholeEntry("b", EntryType.TAG, None),
    ]
    data = b"".join(bytes(part) for entry in entries for part in pack_entry(entry))
    for size in range(1, len(data) + 1):
        blocks = iter([data[at : at + size] for at in range(0, len(data), size)])
        reader = RecordReader(lambda blocks=blocks: next(blocks, None), lambda: 0)
        found = [reader.next(), reader.next(), reader.next()]
        assert found[:2] == [
            WholeEntry("a", EntryType.BLOB, b"12345", 7, ["x"]),
            WholeEntry("b", EntryType.TAG, None, 0, []),
        ]
        assert found[2] is None


def test_dumps_of_a_store_are_refused_as_well_when_they_are_changed(tmp_path):
    with RawClient("embedded:") as client:
        client.put_many((f"entry {number}", bytes([number]) * 300) for number in range(200))
        dump(client, tmp_path / "x")
    data = (tmp_path / "x").read_bytes()
    for place in range(0, len(data), 97):
        changed = bytearray(data)
        changed[place] ^= 0x10
        refused(bytes(changed))
        refused(data[:place])
