"""A frame that records the codec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.codecs import CodecError, Framed, Json, Msgpack, Pickle, Raw, Signed, Text, Zstd

CODEC = Framed(Msgpack(), Json(), Zstd(Json()))


@given(st.sampled_from(["msgpack", "json", "json+zstd"]), st.lists(st.text("äb"), max_size=3))
def test_one_store_holds_values_of_many_codecs(name, value):
    content = CODEC.using(name).encode(value)
    assert CODEC.decode(content) == value
    assert CODEC.decode(memoryview(content)) == value


def test_the_first_codec_writes_unless_another_one_is_named():
    assert CODEC.encode(1) == b"\xf5SK\x01\x07msgpack\x01"
    assert Framed(Msgpack(), Json(), default="json").encode(1) == b"\xf5SK\x01\x04json1"
    with pytest.raises(ValueError, match="'text' is not one of the codecs msgpack, json, json"):
        CODEC.using("text")


@pytest.mark.parametrize(
    "content", [b"", b"\xf5SK\x01", b"[1]", b"\x80\x05N.", b"\xf5SK\x02\x04json1"]
)
def test_content_without_a_frame_is_a_codec_error(content):
    with pytest.raises(CodecError, match=r"no frame that names its codec \(codec framed\)"):
        CODEC.decode(content)


def test_a_codec_that_is_not_given_is_never_used():
    written = Framed(Pickle(trust=True)).encode([1])
    with pytest.raises(
        CodecError, match=r"none of the codecs msgpack, json, json.zstd, but 'pickle'"
    ):
        CODEC.decode(written)


@pytest.mark.parametrize(
    "head", [b"\x09my secret", b"\xff" + b"x" * 255, b"\x04js", b"\x00", b"\x02\xff\xff"]
)
def test_a_name_that_cannot_be_one_is_not_shown(head):
    with pytest.raises(CodecError, match=r"json\+zstd \(codec framed\)$"):
        CODEC.decode(b"\xf5SK\x01" + head)


def test_an_error_names_the_codec_in_the_frame():
    with pytest.raises(CodecError, match=r"\(codec json\)"):
        CODEC.decode(b"\xf5SK\x01\x04json[")


def test_a_frame_can_be_signed_and_hold_signed_values():
    inside = Framed(Signed(Json(), keys=b"k" * 32), Text())
    assert inside.decode(inside.encode([1])) == [1]
    around = Signed(CODEC, keys=b"k" * 32)
    assert around.name == "framed+signed"
    assert around.decode(around.encode([1])) == [1]


def test_codecs_of_a_frame_are_checked():
    with pytest.raises(ValueError, match="two codecs have the name 'json'"):
        Framed(Json(), Json(int))
    with pytest.raises(ValueError, match="at least one"):
        Framed()
    for wrong in ("json", Raw):
        with pytest.raises(TypeError, match="takes codecs"):
            Framed(wrong)
    nameless = Raw()
    for name in ("", "a b", "Ä", "a+", "x" * 256, "+a", "A"):
        nameless.name = name
        with pytest.raises(ValueError, match="name of a codec"):
            Framed(nameless)
    nameless.name = None
    with pytest.raises(TypeError, match="name of a codec"):
        Framed(nameless)
    assert repr(Framed(Raw(), Json()).using("json")).endswith("Json(), default='json')")
