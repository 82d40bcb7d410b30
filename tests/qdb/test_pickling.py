"""Aliases as text, and values as the plain pickles that every client reads."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qdb.codec import DEFAULT_PICKLER, ClassNotAllowed, UnreadableValue, ValuePickler


class Point:
    pass


@pytest.mark.parametrize("value", [None, 5, "tëxt", b"\x00", {"a": {1, 2}}, [(1,)]], ids=repr)
def test_what_is_written_is_a_plain_pickle_that_every_client_reads(value):
    written = DEFAULT_PICKLER.dump(value)
    assert pickle.loads(written) == value
    assert written[:2] == b"\x80\x02"
    assert DEFAULT_PICKLER.load(memoryview(written)) == value


def test_what_is_let_in_is_the_clients_choice():
    with pytest.raises(TypeError, match=r'allow=\["tests.qdb.test_pickling.Point"\]'):
        DEFAULT_PICKLER.dump(Point())
    written = ValuePickler([Point]).dump(Point())
    with pytest.raises(ClassNotAllowed, match=r'allow=\["tests.qdb.test_pickling.Point"\]'):
        DEFAULT_PICKLER.load(written)
    assert type(ValuePickler([Point]).load(written)) is Point
    assert type(ValuePickler(trust_pickle=True).load(written)) is Point
    with pytest.raises(UnreadableValue):
        DEFAULT_PICKLER.load(b"no pickle")
    with pytest.raises(TypeError, match="can't be pickled"):
        DEFAULT_PICKLER.dump(lambda: None)


KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary()
    | st.text(st.characters(exclude_categories=["Cs"])) | st.uuids() | st.dates(),
    lambda keys: st.tuples(keys, keys) | st.lists(keys, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(KEYS)
@settings(deadline=None)
def test_every_alias_comes_back(key):
    text = DEFAULT_PICKLER.dump_alias(key)
    back = DEFAULT_PICKLER.load_alias(text)
    assert back == key
    assert type(back) is type(key)
    if isinstance(key, str) and not key.startswith("\x10"):
        assert text == key


def test_equal_aliases_are_equal_text_however_they_were_built():
    one, other = "ab", bytes([97, 98]).decode()
    for first, second in [((one, one), (one, other)), ([one, one], [one, other])]:
        assert DEFAULT_PICKLER.dump_alias(first) == DEFAULT_PICKLER.dump_alias(second)
    assert len({DEFAULT_PICKLER.dump_alias(key) for key in (1, 1.0, True, "1", b"1")}) == 5


@pytest.mark.parametrize("text", ["\x10", "\x10x", "\x10=(", "\x10=a.b", "\x10p!", "\x10pAAAA"])
def test_text_of_others_that_only_looks_like_ours_stays_text(text):
    assert DEFAULT_PICKLER.load_alias(text) == text
