"""Plain pickles that cannot run code."""

import collections
import contextlib
import copyreg
import datetime
import decimal
import enum
import fractions
import ipaddress
import os
import pathlib
import pickle
import pickletools
import uuid
import zoneinfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storekit.qdb.pickling import (
    _CAREFUL,
    _FAST,
    DEFAULT_PICKLER,
    ClassNotAllowed,
    UnreadableValue,
    ValuePickler,
)


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Point and self.x == other.x

    __hash__ = None


class Color(enum.Enum):
    RED = 1


STANDARD = [
    None, True, 5, 2**100, 1.5, "tëxt", b"\x00\xff", bytearray(b"a"), 1 + 2j, (1, (2,)), [1, [2]],
    {"a": {1: None}}, {1, 2}, frozenset({1}), range(1, 9, 2),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.date(2020, 1, 1),
    datetime.time(1, 2), datetime.timedelta(1),
    datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=7),
    collections.OrderedDict(a=1), collections.deque([1], 3), collections.Counter("aab"),
    collections.defaultdict(list, a=[1]), ipaddress.ip_address("::1"),
    ipaddress.ip_network("10.0.0.0/8"), pathlib.PurePosixPath("/a"),
]  # fmt: skip


@pytest.mark.parametrize("value", STANDARD, ids=repr)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_standard_values_are_read_from_every_protocol(value, protocol):
    back = DEFAULT_PICKLER.load(pickle.dumps(value, protocol))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("value", STANDARD, ids=repr)
def test_what_is_written_is_a_plain_pickle_that_every_client_reads(value):
    written = DEFAULT_PICKLER.dump(value)
    assert pickle.loads(written) == value
    assert written[:2] == b"\x80\x02"
    assert DEFAULT_PICKLER.load(memoryview(written)) == value


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"S'text'\np0\n.", "text"),
        (b"U\x05t\xc3\xabxtq\x00.", "tëxt"),
        (b"U\x02\xff\x00q\x00.", "ÿ\x00"),
        (b"(dp0\nS'a'\np1\nI1\nsS'b'\np2\nL5L\ns.", {"a": 1, "b": 5}),
        (b"(lp0\nV\\u00e9\np1\naI01\naN a.".replace(b"N a", b"Na"), ["é", True, None]),
        (
            b"cdatetime\ndatetime\n(S'\\x07\\xe4\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00'\ntR.",
            datetime.datetime(2020, 1, 1),  # noqa: DTZ001 - as it was written
        ),
        (b"c__builtin__\nset\np0\n((lp1\nI1\natp2\nRp3\n.", {1}),
    ],
)
def test_what_python_2_wrote_is_read(content, value):
    assert DEFAULT_PICKLER.load(content) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_other_classes_are_let_in_by_name_only(protocol):
    written = pickle.dumps(Point([1]), protocol)
    with pytest.raises(ClassNotAllowed) as caught:
        DEFAULT_PICKLER.load(written)
    assert 'allow=["tests.qdb.test_pickling.Point"]' in str(caught.value)
    for allow in ([Point], [caught.value.name]):
        assert ValuePickler(allow).load(written) == Point([1])
    assert ValuePickler([Color]).load(pickle.dumps(Color.RED, protocol)) is Color.RED
    assert ValuePickler(trust_pickle=True).load(written) == Point([1])


def test_what_can_be_allowed():
    for wrong in (Point, "a.b", 5, [5]):
        with pytest.raises(TypeError):
            ValuePickler(wrong)
    with pytest.raises(TypeError, match="can't be pickled"):
        DEFAULT_PICKLER.dump(lambda: None)
    with pytest.raises(ValueError):
        ValuePickler(protocol=99)


@pytest.mark.parametrize("key", _FAST)
def test_what_the_fast_unpickler_hands_out_cannot_be_changed(key):
    with pytest.raises((TypeError, pickle.UnpicklingError)):
        _FAST[key].changed = 1


def _code(*parts):
    return b"".join(parts) + b"."


HOSTILE = {
    "system": b"cos\nsystem\n(S'exit 3'\ntR.",
    "posix": b"cposix\nsystem\n(S'exit 3'\ntR.",
    "eval": b"cbuiltins\neval\n(S'HIT.append(1)'\ntR.",
    "eval of python 2": b"c__builtin__\neval\n(S'1'\ntR.",
    "dotted": b"\x80\x04\x8c\x08datetime\x8c\x08sys.exit\x93)R.",
    "getattr": b"cbuiltins\ngetattr\n(cdatetime\ndatetime\nS'__class__'\ntR.",
    "import": b"cbuiltins\n__import__\n(S'os'\ntR.",
    "instance": b"(S'exit 3'\nios\nsystem\n.",
    "codec": b"c_codecs\nencode\n(S'a'\nS'zlib'\ntR.",
    "a class": b"cuuid\nUUID\nN}S'hacked'\nI1\ns\x86b.",
    "a class of ours": b"cfractions\nFraction\nN}S'hacked'\nI1\ns\x86b.",
    "an enumeration": b"cuuid\nSafeUUID\nI0\n\x85R}S'_value_'\nI9\nsb.",
    "a sealed function": b"c_codecs\nencode\nN}S'_function'\nI1\ns\x86b.",
    "a persistent id": b"Pid\n.",
    "an extension": b"\x82\x01.",
    "reconstructor": b"ccopyreg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_are_refused(content):
    with pytest.raises(UnreadableValue):
        DEFAULT_PICKLER.load(content)
    assert not hasattr(uuid.UUID, "hacked")
    assert not hasattr(fractions.Fraction, "hacked")
    assert uuid.SafeUUID.safe.value == 0


def test_registered_extensions_do_not_pass_by():
    copyreg.add_extension("os", "system", 250)
    try:
        pickle.loads(b"\x82\xfa.")  # the fast unpickler remembers it from here on
        with pytest.raises(UnreadableValue):
            DEFAULT_PICKLER.load(b"\x82\xfa.")
    finally:
        copyreg.remove_extension("os", "system", 250)


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
NAMES = [f"c{module}\n{name}\n".encode() for module, name in [*_FAST, *_CAREFUL]]
PIECES = [
    *OPCODES, *NAMES, b"cos\nsystem\n", b"cbuiltins\neval\n", b"S'touched'\n", b"I0\n", b"(", b"t",
    b"R", b"b", b"}", b")", b"\x81", b"\x86", b"\x85", b"\x8c\x02os", b"\x8c\x06system", b"\x93",
]  # fmt: skip


def _without_bombs(pieces):
    # A length or an index in a pickle may ask for any amount of memory, which is not the point.
    bombs = (b"r", b"j", b"\x8d", b"\x8e", b"\x96", b"B", b"X", b"T", b"\x8b", b"\x87")
    return b"".join(piece for piece in pieces if piece not in bombs) + b"."


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(_without_bombs))
@example(HOSTILE["system"])
@settings(max_examples=400, deadline=None)
def test_no_pickle_runs_code(content):
    before = {kind: dict(vars(kind)) for kind in _CAREFUL.values()}
    ran = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "system", ran.append)
        with contextlib.suppress(UnreadableValue):
            DEFAULT_PICKLER.load(content)
    assert ran == []
    assert before == {kind: dict(vars(kind)) for kind in _CAREFUL.values()}


@given(st.binary(max_size=60).map(lambda content: content.replace(b"r", b"").replace(b"j", b"")))
@settings(deadline=None)
def test_damaged_content_is_a_clear_error(content):
    with contextlib.suppress(UnreadableValue):
        DEFAULT_PICKLER.load(content)


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
