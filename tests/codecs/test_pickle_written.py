"""What is pickled can be read back: what decoding would refuse is not written."""

import collections
import contextlib
import copyreg
import dataclasses
import datetime
import enum
import functools
import operator
import pickle
import re
import uuid
import zoneinfo
from typing import NamedTuple

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.codecs import Pickle
from storekit.codecs.plain import carries_state
from storekit.qdb import tz

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def without_address(value):
    """Return the repr of a value, which is to be the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


@dataclasses.dataclass
class Job:
    number: int


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a

    def __eq__(self, other):
        return type(other) is Slotted and other.a == self.a

    __hash__ = None


class Size(enum.Enum):
    SMALL = 1


class Pair(NamedTuple):
    a: int
    b: int


class Sole:
    def __reduce__(self):
        return "SOLE"


SOLE = Sole()


def wrap(value):
    """Return a value inside each kind of container that a pickle has."""
    return [
        value, [value], (value,), {"a": value}, {"a": [({"b": value},)]},
        collections.OrderedDict(a=value), collections.deque([value]),
        datetime.datetime(2020, 1, 1, tzinfo=value) if isinstance(value, datetime.tzinfo) else 0,
    ]  # fmt: skip


OWN = [
    Job(1), Job, Slotted(1), Size.SMALL, Pair(1, 2), SOLE, ValueError("no"), wrap, len,
    functools.partial(int, "5"), re.compile("a"), numpy.arange(3), numpy.int64(5), Ellipsis,
    collections.UserDict(), type(None), NotImplemented, list[int],
]  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    OWN,
    ids=without_address,
)
def test_what_decoding_would_refuse_is_not_written_at_any_depth(value, protocol):
    for wrapped in wrap(value)[:-1]:
        with pytest.raises(TypeError, match=r"allow=|method or attribute|can't be pickled"):
            Pickle(protocol=protocol).encode(wrapped)


@pytest.mark.parametrize(
    "value",
    OWN,
    ids=without_address,
)
def test_whoever_trusts_pickles_may_write_anything(value):
    assert Pickle(trust=True, protocol=2).encode([value]) == pickle.dumps([value], 2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [Job(1), Job, Size.SMALL, Pair(1, 2), wrap, SOLE, collections.UserDict(a=1)],
    ids=without_address,
)
def test_the_message_has_the_line_to_add(value, protocol):
    with pytest.raises(TypeError) as caught:
        Pickle(protocol=protocol).encode([value])
    (name,) = re.findall(r'allow=\["(.*)"\]', str(caught.value))
    codec = Pickle([name], protocol=protocol)
    assert codec.decode(codec.encode([value])) == [value]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [Job(1).__eq__, [].append, str.upper, dict.fromkeys, operator.itemgetter(1)],
    ids=without_address,
)
def test_methods_and_attributes_are_not_written(value, protocol):
    with pytest.raises(TypeError):
        Pickle([Job], protocol=protocol).encode(value)


def test_what_an_old_protocol_has_no_name_for_is_not_written():
    codec = Pickle([FileNotFoundError, OSError], protocol=2)
    with pytest.raises(TypeError, match=r"can't name builtins\.FileNotFoundError"):
        codec.encode(FileNotFoundError)
    assert codec.decode(codec.encode(OSError)) is OSError


def test_what_has_an_extension_code_is_not_written():
    copyreg.add_extension(Job.__module__, "Job", 251)
    try:
        with pytest.raises(TypeError, match="extension code"):
            Pickle([Job]).encode(Job(1))
    finally:
        copyreg.remove_extension(Job.__module__, "Job", 251)


def test_arrays_beside_the_pickle_are_checked_as_well():
    with pytest.raises(TypeError, match="allow="):
        Pickle(buffers=True).encode({"a": numpy.arange(10_000)})


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "zone",
    [tz, datetime.UTC, zoneinfo.ZoneInfo("Europe/Paris")],
    ids=without_address,
)
def test_moments_in_any_time_zone_are_read_back(zone, protocol):
    codec = Pickle(protocol=protocol)
    for value in (
        datetime.datetime(2013, 7, 22, 1, 2, 3, tzinfo=zone),
        datetime.time(1, 2, 3, tzinfo=zone),
    ):
        content = codec.encode({"until": value})
        assert codec.decode(content) == {"until": value}
        assert b"storekit" not in content
        assert pickle.loads(content) == {"until": value}


@pytest.mark.parametrize("module", ["qdb", "quasardb", "quasardb.qdb"])
@pytest.mark.parametrize(
    "allow",
    [{}, {"allow": ["qdb.TimeZone"]}, {"allow": ["a.B"]}, {"trust": True}],
    ids=["", "itself", "another", "trust"],
)
def test_the_time_zone_of_the_1x_client_is_utc(module, allow):
    state = b"S'\\x07\\xdd\\x07\\x16\\x01\\x02\\x03\\x00\\x00\\x00'\n"
    moment = datetime.datetime(2013, 7, 22, 1, 2, 3, tzinfo=datetime.UTC)
    name = f"c{module}\nTimeZone\n".encode()
    for zone in (name + b"(tR", name + b")R", name + b")\x81"):
        for head in (b"", b"\x80\x02"):
            content = head + b"cdatetime\ndatetime\n(" + state + zone + b"tR."
            back = Pickle(**allow).decode(content)
            assert (back, back.utcoffset()) == (moment, datetime.timedelta(0))


# Subclasses of plain types


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "another text"


class Color(Text, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 5


class Blob(bytes):
    def __bytes__(self):
        return b"other bytes"


class Degrees(float):
    pass


class Tagged(str):  # noqa: SLOT000 - it is to have attributes
    """A text that carries more."""


PLAIN = [
    (Text("a"), "a"),
    (Color.RED, "red"),
    (Level.LOW, 5),
    (Blob(b"b"), b"b"),
    (Degrees(2), 2.0),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "plain"),
    PLAIN,
    ids=without_address,
)
def test_subclasses_of_plain_types_go_by_their_value(value, plain, protocol):
    codec = Pickle(protocol=protocol)
    assert codec.encode(value) == codec.encode(plain)  # for what compares bytes
    back = codec.decode(codec.encode({"a": [value]}))["a"][0]
    assert back == plain
    assert type(back) is type(plain)


def test_a_subclass_that_is_allowed_or_carries_more_is_not_made_plain():
    allowed = Pickle([Color])
    assert allowed.decode(allowed.encode([Color.RED])) == [Color.RED]
    assert type(allowed.decode(allowed.encode(Color.RED))) is Color
    tagged = Tagged("a")
    assert Pickle().encode(tagged) == Pickle().encode("a")
    tagged.more = 1
    assert carries_state(tagged)
    for value in (tagged, [tagged]):
        with pytest.raises(TypeError, match="allow="):
            Pickle().encode(value)


PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.datetimes(timezones=st.just(tz) | st.just(datetime.UTC)) | st.times()
    | st.dates() | st.timedeltas() | st.uuids() | st.decimals(allow_nan=False) | st.fractions()
    | st.complex_numbers(allow_nan=False) | st.ip_addresses(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    | st.tuples(inner, inner) | st.frozensets(st.text(), max_size=3) | st.sets(st.integers())
    | st.lists(inner, max_size=3).map(collections.deque),
    max_leaves=8,
)  # fmt: skip


@given(PLAIN_VALUES, st.sampled_from(PROTOCOLS))
@settings(deadline=None)
def test_every_standard_value_is_written_and_comes_back(value, protocol):
    codec = Pickle(protocol=protocol)
    assert codec.decode(codec.encode(value)) == value


MIXED = st.recursive(
    st.sampled_from([*OWN, *(value for value, _ in PLAIN), 1, "a", uuid.UUID(int=7), tz]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    | st.tuples(inner, inner),
    max_leaves=6,
)  # fmt: skip


@given(MIXED, st.sampled_from(PROTOCOLS), st.lists(st.sampled_from([Job, Slotted, Size, Pair])))
@settings(deadline=None, max_examples=300)
def test_whatever_is_written_is_read(value, protocol, allow):
    codec = Pickle(allow, protocol=protocol)
    content = None
    with contextlib.suppress(TypeError):
        content = codec.encode(value)
    if content is not None:
        codec.decode(content)


def test_a_pickler_that_failed_or_was_large_leaves_nothing_behind():
    codec = Pickle(protocol=2)
    shared = ["a"]
    first = codec.encode([shared, shared])
    with pytest.raises(TypeError):
        codec.encode([shared, Job(1)])
    codec.encode(["x" * 10_000, shared])
    assert codec.encode([shared, shared]) == first == pickle.dumps([shared, shared], 2)
    again = pickle.loads(pickle.dumps(codec))
    assert again.encode([shared, shared]) == first


# Text of Python 2


def _short(content):
    return b"U" + bytes([len(content)]) + content


NOT_ASCII = "Zoë".encode()
WHEN = datetime.time(1, 2, 3, 0xC3AB)  # whose fields are UTF-8 by chance


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    ("pickled", "value"),
    [
        (b"(" + _short(NOT_ASCII) + _short(b"\xff") + b"t", ("Zoë", "ÿ")),
        (b"(" + _short(b"Zo\xc3\xab\xff") + _short(NOT_ASCII) + b"t", ("ZoÃ«ÿ", "Zoë")),
        (b"(T\x04\0\0\0" + NOT_ASCII[:4] + b"S'\\xff'\nt", ("Zoë", "ÿ")),
        (
            b"(cdatetime\ntime\n" + _short(b"\x01\x02\x03\x00\xc3\xab") + b"\x85R"
            + _short(NOT_ASCII) + b"t",
            (WHEN, "Zoë"),
        ),
        (
            b"(cdatetime\ndate\n" + _short(b"\x07\xdf\x01\x02") + b"\x85R"
            + _short(NOT_ASCII) + b"t",
            (datetime.date(2015, 1, 2), "Zoë"),
        ),
        (
            b"(cdatetime\ndatetime\n" + _short(b"\x07\xdf\x01\x02\x00\x00\x00\x00\xc3\xab")
            + b"\x85R" + _short(NOT_ASCII) + b"t",
            (datetime.datetime(2015, 1, 2, microsecond=0xC3AB), "Zoë"),  # noqa: DTZ001 - as written
        ),
    ],
    ids=["bytes", "half of it", "other opcodes", "time", "date", "datetime"],
)  # fmt: skip
def test_each_string_of_python_2_is_text_or_bytes_by_itself(pickled, value, trust):
    for protocol in (b"", b"\x80\x01", b"\x80\x02"):
        assert Pickle(trust=trust).decode(protocol + pickled + b".") == value


@given(st.lists(st.binary(max_size=12)))
def test_no_string_of_python_2_changes_another(strings):
    content = b"\x80\x02(" + b"".join(map(_short, strings)) + b"t."
    alone = tuple(Pickle().decode(b"\x80\x02" + _short(each) + b".") for each in strings)
    assert Pickle().decode(content) == alone


@given(st.times() | st.dates() | st.datetimes())
def test_dates_and_times_of_python_2_come_back(value):
    name = type(value).__name__
    _, (fields, *_) = value.__reduce__()
    content = f"(cdatetime\n{name}\n".encode() + _short(fields) + b"\x85R"
    assert Pickle().decode(b"\x80\x02" + content + _short(NOT_ASCII) + b"t.") == (value, "Zoë")
