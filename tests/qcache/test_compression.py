"""Content that is packed, damaged or a bomb."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
from collections.abc import Callable

import lz4.block
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storekit.qcache import QClient
from storekit.qcache.compression import ContentTooLarge, compress, decompress, require
from tests.qcache.wire_values import unhurried

NODE = "http://127.0.0.1:9401"


# Encodings


@unhurried
@given(st.binary(max_size=5000), st.sampled_from(["gzip", "lz4"]))
@example(b"", "gzip")
@example(b"", "lz4")
@example(b"x" * 100_000, "lz4")
def test_what_is_packed_can_be_unpacked(content: bytes, encoding: str) -> None:
    assert decompress(compress(content, encoding), encoding, len(content)) == content


def test_packed_content_is_what_any_reader_of_the_format_reads() -> None:
    content = b"a,b\n1,2\n" * 1000
    assert gzip.decompress(compress(content, "gzip")) == content
    assert lz4.block.decompress(compress(content, "lz4")) == content


def test_a_gzip_file_of_several_members_is_unpacked() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two ") + gzip.compress(b"three")
    assert decompress(packed, "gzip", 100) == b"one two three"


@unhurried
@given(st.binary(max_size=300), st.sampled_from(["gzip", "lz4"]))
def test_random_bytes_are_refused_in_one_way(content: bytes, encoding: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(decompress(content, encoding, 1000)) <= 1000


@unhurried
@given(st.binary(max_size=300), st.data(), st.sampled_from(["gzip", "lz4"]))
def test_damaged_content_is_refused_in_one_way(
    content: bytes, data: st.DataObject, encoding: str
) -> None:
    packed = bytearray(compress(content, encoding))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(packed[: data.draw(st.integers(0, len(packed)))])
    for hostile in (bytes(packed), cut):
        with contextlib.suppress(ValueError):
            assert len(decompress(hostile, encoding, 1000)) <= 1000


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
def test_content_of_exactly_the_limit_is_allowed_and_no_byte_more(encoding: str) -> None:
    packed = compress(b"x" * 1000, encoding)
    assert len(decompress(packed, encoding, 1000)) == 1000
    with pytest.raises(ContentTooLarge, match="999"):
        decompress(packed, encoding, 999)


def most_memory_of(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    def unpack() -> None:
        with pytest.raises(ContentTooLarge):
            decompress(bomb, "gzip", 1_000_000)

    assert most_memory_of(unpack) < 10_000_000


def test_a_bomb_of_many_gzip_members_is_stopped() -> None:
    with pytest.raises(ValueError, match="members"):
        decompress(gzip.compress(b"") * 1000, "gzip", 1_000_000)


@pytest.mark.parametrize("announced", [2**32 - 1, 2**31, 600_000_000])
def test_an_lz4_block_that_announces_too_much_gets_no_memory(announced: int) -> None:
    bomb = announced.to_bytes(4, "little") + lz4.block.compress(b"x", store_size=False)

    def unpack() -> None:
        with pytest.raises(ValueError, match="lz4 content"):
            decompress(bomb, "lz4", 2**30)

    assert most_memory_of(unpack) < 1_000_000


def test_an_lz4_block_that_holds_less_than_announced_is_refused() -> None:
    block = (5).to_bytes(4, "little") + lz4.block.compress(b"abcd", store_size=False)
    with pytest.raises(ValueError, match="4 bytes where 5 were announced"):
        decompress(block, "lz4", 100)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, br", "lz4-frame"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match="unknown content encoding"):
        decompress(b"x", encoding, 100)


def test_lz4_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lz4.block", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'storekit\[lz4\]'"):
        require("lz4")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'storekit\[lz4\]'"):
        QClient([NODE], compression="lz4")
