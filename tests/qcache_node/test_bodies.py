"""What a request brings is gathered without a loss, whatever was announced."""

from __future__ import annotations

import ctypes
import mmap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qcache.embedded import bodies
from storekit.qcache.embedded.bodies import Body

HUGE_PAGES = hasattr(mmap, "MADV_HUGEPAGE")


def gathered(pieces: list[bytes], announced: int) -> bytes:
    body = Body(announced)
    for piece in pieces:
        body.add(piece)
    return body.take()


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For how many bytes room was made, of bodies of 30 bytes or more."""
    made: list[int] = []
    real = bodies._with_room

    def note(content, size):
        made.append(size)
        return real(content, size)

    monkeypatch.setattr(bodies, "_LARGE", 30)
    monkeypatch.setattr(bodies, "_SURE", 10)
    monkeypatch.setattr(bodies, "_with_room", note)
    return made


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_content_is_what_came_whatever_was_announced(pieces, announced):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_LARGE", 30)
        patch.setattr(bodies, "_SURE", 10)
        assert gathered(pieces, announced) == b"".join(pieces)


@pytest.mark.parametrize("announced", [40 * 2**20, 50 * 2**20, 60 * 2**20])
def test_large_content_is_gathered(announced):
    piece = bytes(range(256)) * 4096
    assert gathered([piece] * 50, announced) == piece * 50


@pytest.mark.skipif(not HUGE_PAGES, reason="there are no huge pages here")
def test_room_is_made_once_some_of_much_has_come(rooms):
    assert gathered([b"x" * 9] * 5, 45) == b"x" * 45
    assert rooms == [45]


def test_room_is_not_made_for_what_is_only_announced(rooms):
    assert gathered([b"x" * 9], 45) == b"x" * 9
    assert gathered([b"x" * 25], 25) == b"x" * 25
    assert gathered([b"x" * 50], 0) == b"x" * 50
    assert rooms == []


@pytest.mark.parametrize("announced", [2**62, 2**70])
def test_content_comes_also_where_there_is_no_room_for_what_is_announced(announced):
    piece = b"x" * 2**20
    assert gathered([piece] * 10, announced) == piece * 10


@pytest.mark.skipif(not HUGE_PAGES, reason="there are no huge pages here")
def test_a_system_that_declines_huge_pages_does_no_harm(monkeypatch, rooms):
    class Library:
        def madvise(self, start: ctypes.c_void_p, size: ctypes.c_size_t, advice: int) -> int:
            asked.append((size.value, advice))
            return -1

    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(bodies, "_HUGE_PAGE", 1)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    assert gathered([b"x" * 20] * 2, 40) == b"x" * 40
    assert asked == [(40, mmap.MADV_HUGEPAGE)]
