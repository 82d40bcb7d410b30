"""Plain pickles that cannot run code."""

import collections
import contextlib
import copyreg
import datetime
import decimal
import enum
import fractions
import io
import ipaddress
import os
import pathlib
import pickle
import pickletools
import struct
import uuid
import zoneinfo

import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storekit.codecs import ClassNotAllowed, CodecError, Pickle, UnreadableValue
from storekit.codecs.unpickling import CAREFUL, FAST, names_nothing

PICKLE = Pickle()


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
    back = PICKLE.decode(pickle.dumps(value, protocol))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("value", STANDARD, ids=repr)
def test_what_is_written_is_a_plain_pickle_that_every_client_reads(value):
    written = PICKLE.encode(value)
    assert pickle.loads(written) == value
    assert written[:2] == b"\x80\x05"
    assert PICKLE.decode(memoryview(written)) == value


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
    assert PICKLE.decode(content) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_other_classes_are_let_in_by_name_only(protocol):
    written = pickle.dumps(Point([1]), protocol)
    with pytest.raises(ClassNotAllowed) as caught:
        PICKLE.decode(written)
    assert 'allow=["tests.codecs.test_pickle.Point"]' in str(caught.value)
    for allow in ([Point], [caught.value.name]):
        assert Pickle(allow).decode(written) == Point([1])
    assert Pickle([Color]).decode(pickle.dumps(Color.RED, protocol)) is Color.RED
    assert Pickle(trust=True).decode(written) == Point([1])


def test_what_can_be_allowed():
    for wrong in (Point, "a.b", 5, [5]):
        with pytest.raises(TypeError):
            Pickle(wrong)
    with pytest.raises(TypeError, match="can't be pickled"):
        PICKLE.encode(lambda: None)
    with pytest.raises(ValueError):
        Pickle(protocol=99)


@pytest.mark.parametrize("key", FAST)
def test_what_the_fast_unpickler_hands_out_cannot_be_changed(key):
    with pytest.raises((TypeError, pickle.UnpicklingError)):
        FAST[key].changed = 1


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


@pytest.mark.parametrize("protocol", [b"", b"\x80\x02", b"\x80\x05"])
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_are_refused(content, protocol):
    with pytest.raises(UnreadableValue):
        PICKLE.decode(protocol + content.removeprefix(b"\x80\x04"))
    assert not hasattr(uuid.UUID, "hacked")
    assert not hasattr(fractions.Fraction, "hacked")
    assert uuid.SafeUUID.safe.value == 0


def test_registered_extensions_do_not_pass_by():
    copyreg.add_extension("os", "system", 250)
    try:
        pickle.loads(b"\x82\xfa.")  # the fast unpickler remembers it from here on
        with pytest.raises(UnreadableValue):
            PICKLE.decode(b"\x82\xfa.")
    finally:
        copyreg.remove_extension("os", "system", 250)


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
NAMES = [f"c{module}\n{name}\n".encode() for module, name in [*FAST, *CAREFUL]]
PIECES = [
    *OPCODES, *NAMES, b"cos\nsystem\n", b"cbuiltins\neval\n", b"S'touched'\n", b"I0\n", b"(", b"t",
    b"R", b"b", b"}", b")", b"\x81", b"\x86", b"\x85", b"\x8c\x02os", b"\x8c\x06system", b"\x93",
]  # fmt: skip


def _without_bombs(pieces):
    # A length or an index in a pickle may ask for any amount of memory, which is not the point.
    bombs = (b"r", b"j", b"\x8d", b"\x8e", b"\x96", b"B", b"X", b"T", b"\x8b", b"\x87")
    return b"".join(piece for piece in pieces if piece not in bombs) + b"."


class _Naming(pickle.Unpickler):
    names = False

    def find_class(self, module, name):
        self.names = True
        return dict


@given(st.sampled_from(range(6)), st.lists(st.sampled_from(PIECES), max_size=14))
@example(2, [b"cos\nsystem\n"])
@example(2, [b"(", b"ios\nsystem\n"])
@example(4, [b"\x8c\x02os", b"\x8c\x06system", b"\x93"])
@settings(max_examples=400, deadline=None)
def test_what_is_said_to_name_nothing_does_not(protocol, pieces):
    content = b"\x80" + bytes([protocol]) + _without_bombs(pieces)
    unpickler = _Naming(io.BytesIO(content))
    with contextlib.suppress(Exception):
        unpickler.load()
    assert not (unpickler.names and names_nothing(content))


def test_small_plain_pickles_are_known_to_name_nothing():
    for protocol in range(2, 6):
        content = pickle.dumps({"name": "Ada", "cities": ["a", "b"], "n": 5}, protocol)
        assert names_nothing(content) is (pickle.HIGHEST_PROTOCOL == 5)
        assert not names_nothing(memoryview(content))
        assert not names_nothing(pickle.dumps("x" * 5000, protocol))
    copyreg.add_extension("os", "system", 250)
    try:
        assert not names_nothing(content)
    finally:
        copyreg.remove_extension("os", "system", 250)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(_without_bombs))
@example(HOSTILE["system"])
@settings(max_examples=400, deadline=None)
def test_no_pickle_runs_code(content):
    before = {kind: dict(vars(kind)) for kind in CAREFUL.values()}
    ran = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "system", ran.append)
        with contextlib.suppress(UnreadableValue):
            PICKLE.decode(content)
    assert ran == []
    assert before == {kind: dict(vars(kind)) for kind in CAREFUL.values()}


@given(st.binary(max_size=60).map(lambda content: content.replace(b"r", b"").replace(b"j", b"")))
@settings(deadline=None)
def test_damaged_content_is_a_clear_error(content):
    with contextlib.suppress(UnreadableValue):
        PICKLE.decode(content)


def test_errors_survive_a_process_border():
    for error in (
        ClassNotAllowed("os", "system"),
        UnreadableValue("no"),
        CodecError("no", codec="x"),
    ):
        error.key = "k"
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back), back.key) == (type(error), str(error), "k")


# Buffers beside the pickle

BUFFERS = Pickle(
    ["numpy.dtype", "numpy._core.numeric._frombuffer", "numpy.core.numeric._frombuffer"],
    buffers=True,
)


def test_large_arrays_are_stored_beside_the_pickle_and_read_without_a_copy():
    value = {"a": numpy.arange(10_000.0), "b": numpy.arange(7_001, dtype="i8"), "c": "text"}
    content = BUFFERS.encode(value)
    back = BUFFERS.decode(content)
    assert back["c"] == "text"
    whole = numpy.frombuffer(content, "u1")
    for name in "ab":
        assert (back[name] == value[name]).all()
        assert numpy.shares_memory(back[name], whole)
        assert not back[name].flags.writeable
    assert len(content) < 17_001 * 8 + 1_000
    assert not BUFFERS.decode(bytearray(content))["a"].flags.writeable


def test_arrays_need_to_be_allowed():
    with pytest.raises(ClassNotAllowed, match="_frombuffer"):
        PICKLE.decode(BUFFERS.encode(numpy.arange(10_000)))


def test_every_pickle_codec_reads_pickles_with_buffers():
    array = numpy.arange(10_000)
    assert (Pickle(trust=True).decode(BUFFERS.encode(array)) == array).all()


@pytest.mark.parametrize("value", [None, {"a": [1]}, bytearray(100), numpy.arange(10)], ids=repr)
def test_without_large_buffers_a_pickle_is_a_plain_one(value):
    content = BUFFERS.encode(value)
    assert content[:2] == b"\x80\x05"
    pickle.loads(content)


def test_buffers_take_protocol_5():
    with pytest.raises(ValueError, match="protocol 5"):
        Pickle(protocol=4, buffers=True)


@pytest.mark.parametrize(
    ("at", "wrong"),
    [(4, struct.pack("<I", 3)), (4, struct.pack("<I", 2**32 - 1)),
     (8, struct.pack("<Q", 2**64 - 1)),
     (8, struct.pack("<Q", 2)), (16, struct.pack("<Q", 5)), (16, struct.pack("<Q", 2**63))],
)  # fmt: skip
def test_buffers_that_do_not_fit_are_a_clear_error(at, wrong):
    content = bytearray(BUFFERS.encode(numpy.arange(10_000)))
    content[at : at + len(wrong)] = wrong
    with pytest.raises(UnreadableValue):
        BUFFERS.decode(bytes(content))
    for end in (4, 10, 30, len(content) - 1):
        with pytest.raises(UnreadableValue):
            BUFFERS.decode(bytes(content[:end]))


@pytest.mark.parametrize("module", ["a\nb", "x" * 1_000_000, "a b", "'"])
def test_message_shows_only_what_may_be_a_name(module):
    content = pickle.PROTO + b"\x04X" + len(module).to_bytes(4, "little") + module.encode()
    content += pickle.SHORT_BINUNICODE + b"\x01y" + pickle.STACK_GLOBAL + pickle.STOP
    with pytest.raises(ClassNotAllowed) as caught:
        Pickle().decode(content)
    assert module not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert caught.value.name == f"{module}.y"


def test_text_of_python_2_is_read_as_utf_8_or_latin_1():
    for stored, value in ((b"ab", "ab"), ("é".encode(), "é"), (b"\xe9", "é")):
        content = pickle.PROTO + b"\x02U" + bytes([len(stored)]) + stored + pickle.STOP
        assert Pickle().decode(content) == value
