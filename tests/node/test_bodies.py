"""What a request brings is gathered without a loss, as a whole or in blocks of lines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qcache.node.http import bodies
from storekit.qcache.node.http.bodies import Body, Discarded, Lines

CONTENT = st.text("ab\n", max_size=40).map(str.encode)
PIECES = st.lists(st.tuples(CONTENT, st.booleans()), max_size=12)
"""What comes, and whether it is put into the memory that there is."""


def put(lines: Lines, piece: bytes) -> None:
    """Put a piece where there is room, as who receives it does."""
    while piece:
        with lines.room() as room:
            count = min(len(room), len(piece))
            room[:count] = piece[:count]
        lines.advance(count)
        piece = piece[count:]


def blocks_of(pieces: list[tuple[bytes, bool]], size: int) -> list[bytes]:
    blocks: list[bytes] = []
    lines = Lines(blocks.append, size)
    for piece, is_direct in pieces:
        if is_direct:
            put(lines, piece)
        else:
            lines.add(piece)
    lines.finish()
    return blocks


@given(PIECES, st.integers(1, 50), st.integers(1, 10))
@settings(max_examples=500, deadline=None)
def test_blocks_are_the_content_and_end_with_a_line_where_they_can(pieces, size, long_line):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_LONG_LINE", long_line)
        blocks = blocks_of(pieces, size)
    assert b"".join(blocks) == b"".join(piece for piece, _ in pieces)
    for block in blocks[:-1]:
        assert block.endswith(b"\n") or (b"\n" not in block and len(block) == size)
    assert all(0 < len(block) <= size for block in blocks)


def test_a_block_has_as_many_lines_as_it_can():
    assert blocks_of([(b"aa\nbb\ncc\ndd", True)], 8) == [b"aa\nbb\n", b"cc\ndd"]


def test_a_block_is_handed_on_as_soon_as_it_is_full():
    blocks: list[bytes] = []
    lines = Lines(blocks.append, 4)
    lines.add(b"a\nb")
    assert blocks == []
    lines.add(b"c")
    assert blocks == [b"a\n"]
    with lines.room() as room:
        assert len(room) == 2


def test_a_block_that_is_never_full_can_be_freed():
    lines = Lines(lambda _: None, 10)
    lines.add(b"abc")
    with lines.room() as room:
        assert len(room) == 7
    lines._block.close()  # as its finalizer does: BufferError while there is a view


def test_no_content_has_no_blocks():
    assert blocks_of([(b"", False)], 10) == []


def test_blocks_are_large_unless_told_otherwise():
    with Lines(lambda _: None).room() as room:
        assert len(room) == 8 * 2**20


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_a_body_is_what_came(pieces):
    body = Body()
    for piece in pieces:
        body.add(piece)
    assert body.take() == b"".join(pieces)


def test_there_is_always_room_for_what_nobody_wants():
    nowhere = Discarded()
    sizes = set()
    for _ in range(3):
        with nowhere.room() as room:
            sizes.add(len(room))
        nowhere.advance(max(sizes))
        nowhere.add(bytes(max(sizes)))
    assert sizes == {64 * 1024}
