"""What goes around other codecs: compression, signatures, encryption."""

import copy
import hashlib
import hmac
import pickle
import tracemalloc

import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.codecs import CodecError, Encrypted, Json, Lz4, Raw, Signed, Text, Zstd
from storekit.codecs.keys import Keys

KEY, OLD = bytes(range(32)), b"o" * 32

MAKERS = {
    "zstd": Zstd,
    "lz4": Lz4,
    "signed": lambda inner: Signed(inner, keys=KEY),
    "encrypted": lambda inner: Encrypted(inner, keys=KEY),
}
every = pytest.mark.parametrize("wrap", MAKERS.values(), ids=MAKERS)
secret = pytest.mark.parametrize("kind", [Signed, Encrypted])
packed = pytest.mark.parametrize("kind", [Zstd, Lz4])


@every
@given(content=st.binary(max_size=3000))
@settings(max_examples=40)
def test_what_goes_in_comes_out(wrap, content):
    codec = wrap(Raw())
    assert codec.decode(codec.encode(content)) == content
    assert codec.decode(memoryview(codec.encode(content))) == content


def test_wrappers_compose_and_their_name_says_how():
    codec = Encrypted(Signed(Lz4(Zstd(Json())), keys=KEY), keys=KEY)
    assert codec.name == "json+zstd+lz4+signed+encrypted"
    assert codec.decode(codec.encode({"a": [1, None]})) == {"a": [1, None]}


class Unchecked(Raw):
    """Writes what the codec text would refuse."""

    name = "text"


@every
def test_an_error_of_what_is_within_passes_through(wrap):
    with pytest.raises(CodecError, match=r"\(codec text\)"):
        wrap(Text()).decode(wrap(Unchecked()).encode(b"\xff"))
    with pytest.raises(TypeError, match="text takes str"):
        wrap(Text()).encode(5)


@pytest.mark.parametrize("kind", [Zstd, Lz4, Signed, Encrypted])
def test_only_codecs_can_be_wrapped(kind):
    options = {"keys": KEY} if kind in (Signed, Encrypted) else {}
    for wrong in (Raw, "raw", None):
        with pytest.raises(TypeError, match="wraps a codec"):
            kind(wrong, **options)


# Compression


@packed
def test_compression_is_bounded_both_ways(kind):
    codec = kind(Raw(), max_size=1000)
    assert codec.decode(codec.encode(bytes(1000))) == bytes(1000)
    with pytest.raises(ValueError, match="at most 1000 bytes, not 1001"):
        codec.encode(bytes(1001))
    with pytest.raises(CodecError, match="more than 1000 bytes"):
        codec.decode(kind(Raw()).encode(bytes(1001)))


def _zstd_without_size(content):
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return compressor.compress(content) + compressor.flush()


def _lz4_without_size(content):
    return lz4.frame.compress(content, store_size=False)


UNSIZED = [(Zstd, _zstd_without_size), (Lz4, _lz4_without_size)]


@pytest.mark.parametrize(("kind", "compress"), UNSIZED)
@pytest.mark.parametrize("content", [b"", b"abc" * 500, bytes(300_000)], ids=len)
def test_frames_that_do_not_tell_their_size_are_read(kind, compress, content):
    assert kind(Raw(), max_size=300_000).decode(memoryview(compress(content))) == content
    for broken in (compress(content)[:-1], compress(content) + b"x"):
        with pytest.raises(CodecError):
            kind(Raw(), max_size=300_000).decode(broken)


@pytest.mark.parametrize(("kind", "compress"), UNSIZED)
def test_a_bomb_is_found_out_before_it_takes_memory(kind, compress):
    for bomb in (compress(bytes(2**26)), kind(Raw()).encode(bytes(2**26))):
        codec = kind(Raw(), max_size=2**16)
        codec.decode(codec.encode(b""))
        tracemalloc.start()
        try:
            with pytest.raises(CodecError, match="unpacks to more"):
                codec.decode(bomb)
            assert tracemalloc.get_traced_memory()[1] < 2**24
        finally:
            tracemalloc.stop()


def test_a_size_that_cannot_be_is_not_believed():
    frame = bytearray(lz4.frame.compress(b"abc", store_size=True))
    frame[6:14] = (2**27).to_bytes(8, "little")
    frame[14] = _lz4_head_checksum(frame[4:14])
    tracemalloc.start()
    try:
        with pytest.raises(CodecError, match="not a complete LZ4 frame"):
            Lz4(Raw()).decode(bytes(frame))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def _lz4_head_checksum(descriptor):
    # The one byte that fits: the format's own hash is not at hand here.
    for byte in range(256):
        try:
            lz4.frame.get_frame_info(b"\x04\x22\x4d\x18" + bytes(descriptor) + bytes([byte]))
        except RuntimeError:
            continue
        return byte
    raise AssertionError("there is no such byte")


@packed
def test_nothing_may_stand_behind_the_frame(kind):
    content = kind(Raw()).encode(b"value")
    for tail in (b"x", content):
        with pytest.raises(CodecError):
            kind(Raw()).decode(content + tail)


@packed
def test_damage_shows(kind):
    content = kind(Raw()).encode(b"some content that repeats, some content that repeats")
    for at in range(len(content)):
        broken = bytearray(content)
        broken[at] ^= 0x10
        try:
            back = kind(Raw()).decode(bytes(broken))
        except CodecError:
            continue
        assert back == b"some content that repeats, some content that repeats"


@packed
def test_options_are_checked(kind):
    for wrong in (2.5, "1", True):
        with pytest.raises(TypeError):
            kind(Raw(), level=wrong)
        with pytest.raises(TypeError):
            kind(Raw(), max_size=wrong)
    for wrong in (1000, -1000):
        with pytest.raises(ValueError):
            kind(Raw(), level=wrong)
    with pytest.raises(ValueError):
        kind(Raw(), max_size=0)


# Signatures and encryption


@secret
def test_content_of_an_older_key_is_read_until_it_is_taken_away(kind):
    old = kind(Text(), keys=[OLD]).encode("value")
    rotated = kind(Text(), keys=[KEY, OLD])
    assert rotated.decode(old) == "value"
    new = rotated.encode("value")
    assert kind(Text(), keys=KEY).decode(new) == "value"
    with pytest.raises(CodecError, match="key that is not in keys"):
        kind(Text(), keys=KEY).decode(old)
    with pytest.raises(CodecError, match="key that is not in keys"):
        kind(Text(), keys=OLD).decode(new)


@secret
def test_any_change_is_noticed(kind):
    codec = kind(Raw(), keys=KEY)
    content = codec.encode(b"value")
    for at in range(len(content)):
        for bit in range(8):
            broken = bytearray(content)
            broken[at] ^= 1 << bit
            with pytest.raises(CodecError):
                codec.decode(bytes(broken))
    for end in range(len(content)):
        with pytest.raises(CodecError):
            codec.decode(content[:end])
    with pytest.raises(CodecError):
        codec.decode(content + b"x")


@secret
def test_content_does_not_pass_for_that_of_another_codec(kind):
    content = kind(Text(), keys=KEY).encode("5")
    with pytest.raises(CodecError):
        kind(Json(), keys=KEY).decode(content)
    with pytest.raises(CodecError):
        kind(Raw(), keys=KEY).decode(content)


@secret
def test_keys_are_checked_and_never_shown(kind):
    short = b"hush"
    for wrong in (short, [KEY, short]):
        with pytest.raises(ValueError, match="bytes") as caught:
            kind(Raw(), keys=wrong)
        assert "hush" not in str(caught.value)
    with pytest.raises(ValueError, match="at least one"):
        kind(Raw(), keys=[])
    for wrong in ("hush" * 8, ["hush" * 8], [bytearray(b"hush" * 8)]):
        with pytest.raises(TypeError) as caught:
            kind(Raw(), keys=wrong)
        assert "hush" not in str(caught.value)
    codec = kind(Raw(), keys=[b"hush" * 8, KEY])
    assert repr(codec) == f"{kind.__name__}({codec._inner!r}, keys=<2 secret>)"
    for take_away in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            take_away(codec)
        assert "hush" not in str(caught.value)


def test_the_signature_is_hmac_sha256_over_name_and_content():
    content = Signed(Raw(), keys=KEY).encode(b"value")
    signed = b"storekit signed 1\0raw+signed\0value"
    assert content[5:37] == hmac.new(KEY, signed, hashlib.sha256).digest()
    assert content[37:] == b"value"


def test_the_signature_is_compared_in_constant_time(monkeypatch):
    compared = []

    def compare(first, second):
        compared.append((len(first), len(second)))
        return original(first, second)

    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    codec = Signed(Raw(), keys=KEY)
    content = bytearray(codec.encode(b"value"))
    codec.decode(bytes(content))
    content[-1] ^= 1
    with pytest.raises(CodecError, match="was changed"):
        codec.decode(bytes(content))
    assert compared == [(32, 32)] * 2


def test_what_is_signed_is_not_decoded_before_the_signature_is_checked():
    class Bait:
        name, content_type = "bait", "x/y"

        def encode(self, value):
            return value

        def decode(self, data):
            raise AssertionError("it was decoded")

    forged = bytearray(Signed(Bait(), keys=KEY).encode(b"value"))
    forged[-1] ^= 1
    with pytest.raises(CodecError):
        Signed(Bait(), keys=KEY).decode(bytes(forged))


def test_encryption_hides_the_content_and_never_repeats_itself():
    codec = Encrypted(Raw(), keys=KEY)
    assert b"value" not in codec.encode(b"value")
    assert len({codec.encode(b"value") for _ in range(50)}) == 50
    assert len({codec.encode(b"value")[5:17] for _ in range(50)}) == 50


@pytest.mark.parametrize("size", [16, 32])
def test_encryption_takes_keys_for_aes_128_and_256(size):
    codec = Encrypted(Raw(), keys=bytes(size))
    assert codec.decode(codec.encode(b"value")) == b"value"
    for wrong in (size - 1, size + 1, 24):
        with pytest.raises(ValueError, match="16 or 32"):
            Encrypted(Raw(), keys=bytes(wrong))


def test_keys_that_share_an_id_are_all_tried(monkeypatch):
    monkeypatch.setattr("storekit.codecs.keys._id_of", lambda key: b"same")
    for kind in (Signed, Encrypted):
        written = kind(Raw(), keys=[OLD]).encode(b"value")
        assert kind(Raw(), keys=[KEY, OLD]).decode(written) == b"value"
    assert len(Keys([KEY, OLD])) == 2
