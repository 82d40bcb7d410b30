"""Raw, text, JSON and MessagePack."""

import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.codecs import CodecError, Json, Msgpack, Raw, Text, decode_value, encode_value


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class User:
    name: str
    born: datetime.date | None = None
    color: Color = Color.RED


class Account(msgspec.Struct):
    id: uuid.UUID
    balance: decimal.Decimal
    opened: datetime.datetime
    owner: User


class Strict(msgspec.Struct):
    even: int

    def __post_init__(self):
        if self.even % 2:
            raise KeyError("secret")


ACCOUNT = Account(
    uuid.UUID(int=7),
    decimal.Decimal("1.50"),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    User("Ada", datetime.date(1815, 12, 10)),
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda values: st.lists(values, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=4),
    max_leaves=12,
)  # fmt: skip

both = pytest.mark.parametrize("codec_class", [Json, Msgpack])


@given(st.binary())
def test_raw_keeps_bytes(content):
    assert Raw().decode(Raw().encode(content)) == content
    assert Raw().decode(memoryview(Raw().encode(memoryview(content)))) == content


def test_raw_takes_nothing_but_bytes():
    for wrong in ("text", None, 5, [1]):
        with pytest.raises(TypeError, match="raw takes bytes"):
            Raw().encode(wrong)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_utf_8(text):
    assert Text().encode(text) == text.encode()
    assert Text().decode(memoryview(Text().encode(text))) == text


def test_text_refuses_what_is_none():
    with pytest.raises(TypeError, match="text takes str"):
        Text().encode(b"bytes")
    with pytest.raises(ValueError):
        Text().encode("\ud800")
    with pytest.raises(CodecError, match=r"not UTF-8 \(byte 2\) \(codec text\)"):
        Text().decode(b"ab\xff")


@both
@given(value=PLAIN)
def test_plain_data_comes_back(codec_class, value):
    codec = codec_class()
    assert codec.decode(codec.encode(value)) == value
    assert codec.decode(memoryview(codec.encode(value))) == value


@given(PLAIN)
def test_json_is_json(value):
    assert json.loads(Json().encode(value)) == value
    assert Json().decode(json.dumps(value).encode()) == value


@both
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (User, User("Ada")),
        (Account, ACCOUNT),
        (list[User], [User("Ada"), User("Grace")]),
        (dict[str, User], {"a": User("Ada")}),
        (User | None, None),
        (User | None, User("Ada")),
        (tuple[int, str], (1, "a")),
        (set[int], {1, 2}),
        (bytes, b"\x00\xff"),
        (datetime.timedelta, datetime.timedelta(seconds=1.5)),
        (float, 1),
        (Any, {"a": [1]}),
    ],
    ids=repr,
)
def test_values_of_a_type_come_back(codec_class, kind, value):
    codec = codec_class(kind)
    back = codec.decode(codec.encode(value))
    assert back == value
    assert type(back) is (float if kind is float else type(value))


@both
def test_a_value_of_another_class_is_not_stored(codec_class):
    with pytest.raises(TypeError, match="is for User, not dict"):
        codec_class(User).encode({"name": "Ada"})
    with pytest.raises(TypeError, match="is for Account, not User"):
        codec_class(Account).encode(User("Ada"))


@both
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (User, User(5)),
        (list[User], [User("Ada"), User(None)]),
        (User, User("Ada", born="yesterday")),
        (list[int], [1, "secret"]),
        (int, "secret"),
    ],
    ids=repr,
)
def test_what_could_not_be_read_back_is_not_stored(codec_class, kind, value):
    with pytest.raises(
        TypeError, match="could not be read back: the content does not fit"
    ) as caught:
        codec_class(kind).encode(value)
    assert "secret" not in str(caught.value)


def test_a_struct_that_was_changed_after_it_was_checked_is_not_stored():
    strict = Strict(2)
    strict.even = 3
    with pytest.raises(TypeError, match="could not be read back"):
        Json(Strict).encode(strict)
    with pytest.raises(TypeError, match="could not be read back"):
        Json(float).encode(math.nan)  # which JSON has as null


@both
def test_what_has_no_form_is_refused(codec_class):
    deep = []
    for _ in range(10_000):
        deep = [deep]
    for wrong, error in [
        (object(), TypeError),
        ({(1, object()): 1}, TypeError),
        ("\ud800", ValueError),
        (deep, ValueError),
    ]:
        with pytest.raises(error, match=f"codec {codec_class().name} can't write"):
            codec_class().encode(wrong)
    with pytest.raises(TypeError):
        codec_class(complex | range)


def test_integers_that_do_not_fit_into_messagepack_are_refused():
    with pytest.raises(ValueError, match="msgpack can't write a value of type int"):
        Msgpack().encode(2**70)
    assert Json().decode(Json().encode(2**70)) == 2**70


def test_json_has_no_nan_and_messagepack_has():
    assert Json().encode([math.nan, math.inf]) == b"[null,null]"
    assert math.isnan(Msgpack().decode(Msgpack().encode(math.nan)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "truncated"),
        (b"[1, 2", "truncated"),
        (b"[1] x", "trailing characters"),
        (b"1 2", "trailing characters"),
        (b"NaN", "malformed"),
        (b"{'a': 1}", "malformed"),
        (b'"\xff"', "codec json"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 5000, "out of range"),
    ],
    ids=range(10),
)
def test_what_is_no_json_is_a_codec_error(content, said):
    with pytest.raises(CodecError, match=said) as caught:
        Json().decode(content)
    assert (caught.value.codec, caught.value.key) == ("json", None)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x92\x01", b"\x01\x02", b"\xc1", b"\xa1\xff", b"\x91" * 100_000,
     b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff\x01", b"\xc6\xff\xff\xff\xff", b"\x81\x80\x01",
     b"\xc7\x0c\xff" + b"\xff" * 12],
)  # fmt: skip
def test_what_is_no_messagepack_is_a_codec_error(content):
    with pytest.raises(CodecError, match=r"\(codec msgpack\)"):
        Msgpack().decode(content)


def test_content_of_another_type_is_a_codec_error_that_says_where():
    with pytest.raises(CodecError, match=r"Expected `str`, got `int` - at `\$.name`"):
        Json(User).decode(b'{"name": 5}')
    with pytest.raises(CodecError, match="missing required field `name`"):
        Json(User).decode(b"{}")
    with pytest.raises(CodecError, match=r"the content does not fit \(KeyError\)"):
        Json(Strict).decode(b'{"even": 3}')


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Color, b'"hush"'),
        (dict[str, Color], b'{"hush": "hush"}'),
        (User, b'{"name": "x", "color": "hush"}'),
        (Strict, b'{"even": 3, "hush": "hush"}'),
        (int, b'"hush"'),
        (datetime.date, b'"hush"'),
        (uuid.UUID, b'"hush"'),
        (list[int], b'["hush"]'),
    ],
    ids=str,
)
def test_no_message_shows_content(kind, content):
    with pytest.raises(CodecError) as caught:
        decode_value(Json(kind), content, "the key")
    assert "hush" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith("(codec json, key 'the key')")


def test_a_client_gets_the_key_into_the_error_of_any_codec():
    class Broken:
        name, content_type = "broken", "x/y"

        def encode(self, value):
            return "text"

        def decode(self, data):
            raise KeyError(data) if data else CodecError("empty")

    with pytest.raises(CodecError, match=r"KeyError\) \(codec broken, key 'k'\)") as caught:
        decode_value(Broken(), b"hush", "k")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(CodecError, match=r"empty \(codec broken, key 'k'\)"):
        decode_value(Broken(), b"", "k")
    with pytest.raises(TypeError, match="broken returned str"):
        encode_value(Broken(), 1)
    assert decode_value(Text(), b"a", "k") == "a"
    assert encode_value(Text(), "a") == b"a"


def test_a_codec_shows_what_it_is_for():
    assert repr(Json(User)) == "Json(User)"
    assert repr(Msgpack()) == "Msgpack()"
