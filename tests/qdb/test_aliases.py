"""Aliases as text: what is written comes back, and nothing else is read as an object."""

import base64
import datetime
import decimal
import enum
import fractions
import pickle
import re
import time
import tracemalloc
from typing import NamedTuple

import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storekit.codecs import Pickle
from storekit.qdb import tz
from storekit.qdb.aliases import ESCAPE, dump_alias, load_alias


def without_address(value):
    """Return the repr of a value, which is to be the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


class Color(str, enum.Enum):  # noqa: UP042 - what people have
    RED = "red"


class Level(enum.IntEnum):
    LOW = 5


class Secret(str):
    __slots__ = ()

    def __str__(self):
        return "***"


class Blob(bytes):
    def __repr__(self):
        return "a blob"


class Unread:
    """A class that nobody has allowed."""


class Pair(NamedTuple):
    a: int
    b: str


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OFFSETS = st.integers(-86_399, 86_399).map(lambda n: datetime.timezone(datetime.timedelta(0, n)))
OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary()
    | TEXT | st.uuids() | st.dates() | st.datetimes(timezones=st.none() | OFFSETS | st.just(tz))
    | st.times(timezones=st.none() | OFFSETS) | st.timedeltas() | st.decimals(allow_nan=False)
    | st.fractions() | st.complex_numbers(allow_nan=False),
    lambda objects: st.lists(objects, max_size=3).map(tuple),
    max_leaves=5,
)  # fmt: skip


@given(OBJECTS)
@example(("it's", 'a "quote"', 'it\'s "both"', "\\", "\n\r\t\0\x7f\x1f", "\u200b\xa0é"))
@example((b"'", b'"', b"'\"", b"\\\xff"))
@example((0.0, -0.0, 1e300, 1e-7, float("inf"), -float("inf"), -0j))
@settings(deadline=None)
def test_every_alias_comes_back(value):
    text = dump_alias(value)
    back = load_alias(text) if len(text) <= 1024 else value
    assert back == value
    assert type(back) is type(value)
    assert dump_alias(back) == text
    if isinstance(value, str) and not value.startswith(ESCAPE):
        assert text == value


def test_none_of_these_is_another():
    values = [
        1, 1.0, True, "1", b"1", "True", (1,), "(1,)", None, "None", decimal.Decimal(1), 1 + 0j,
        fractions.Fraction(1), datetime.date(1, 1, 1), datetime.datetime(1, 1, 1), "\x10=1",  # noqa: DTZ001
        datetime.time(1), datetime.timedelta(1), ("1",), (b"1",), ((1,),), (), ("", ""),
        float("nan"), float("inf"), 0.0, -0.0, decimal.Decimal("1.0"),
    ]  # fmt: skip
    assert len({dump_alias(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (Color.RED, "red"), (Secret("\x10a"), "\x10a"), (Level.LOW, 5), (Blob(b"a"), b"a"),
        ((Color.RED, Level.LOW), ("red", 5)), (Pair(1, "a"), (1, "a")), (numpy.int64(5), 5),
        (numpy.float64(1.5), 1.5), (numpy.str_("a"), "a"),
        (datetime.time(1, tzinfo=tz), datetime.time(1, tzinfo=datetime.UTC)),
    ],
    ids=without_address,
)  # fmt: skip
def test_what_is_of_another_class_goes_by_its_value(value, same):
    assert dump_alias(value) == dump_alias(same)


@pytest.mark.parametrize(
    "value",
    [[1], {1}, {}, object(), Color, dump_alias, (1, [2]), numpy.arange(2)],
    ids=without_address,
)
def test_other_objects_are_aliases_only_for_who_asks_for_pickles(value):
    with pytest.raises(TypeError, match=r"an alias is text, a number.*pickle_aliases=True"):
        dump_alias(value)


def test_pickled_aliases_come_back_if_they_are_asked_for():
    codec = Pickle([Color])
    for value in ([1], {1}, {"a": (1,)}, [Color.RED]):
        text = dump_alias(value, codec)
        assert load_alias(text, codec) == value
        assert load_alias(text) == text
    with pytest.raises(TypeError, match="read back"):
        dump_alias([Level.LOW, Unread()], codec)
    one, other = "ab", bytes([97, 98]).decode()
    assert dump_alias([one, one], codec) == dump_alias([one, other], codec)
    assert dump_alias((1, "a"), codec) == dump_alias((1, "a"))


def _nested(depth):
    value = ()
    for _ in range(depth):
        value = (value,)
    return value


def test_tuples_are_nested_no_deeper_than_can_be_read():
    assert load_alias(dump_alias(_nested(31))) == _nested(31)
    with pytest.raises(ValueError, match="32"):
        dump_alias(_nested(32))
    assert load_alias(f"{ESCAPE}={_nested(32)}") == f"{ESCAPE}={_nested(32)}"


BOMB = b")q\x000" + b"".join(b"h%ch%c\x86q%c0" % (i, i, i + 1) for i in range(60)) + b"}h\x3cNs."
OTHERS = [
    "", "x", "=", "=(", "=()()", "={[]}", "={}", "=a.b", "=[1]", "='text'", "=1_000", "=01", "=+1",
    "= 1", "=1 ", "=(1)", "=(1,2)", "=(1 ,)", "=0x10", "=1e5", "=1E+16", "=.5", "=1j", "=r'a'",
    '="a"', "=b'a\\x41'", "=b'\xff'", "=B'a'", "=('a' 'b')", "=('\\u0041',)", "=('\\101',)",
    "=True ",    "=None,", "=lambda: 1", "=__import__('os')", "=UUID('1')",
    "=UUID('{" + "0" * 32 + "}')",
    "=UUID('AAAAAAAA-0000-0000-0000-000000000000')", "=date('20260131')", "=date('2026-W01-1')",
    "=datetime('2026-01-31')", "=time('25:00')", "=timedelta('1')", "=timedelta('1,-1,0')",
    "=timedelta('9999999999,0,0')", "=Fraction('1e999999999')", "=Fraction('2/4')",
    "=Fraction('1/0')", "=Decimal('1e5')", "=Decimal('x')", "=Decimal('1E+99999999999999999999')",
    "=complex('1')", "=eval('1')", "=" + "9" * 1000 + "e+9", "=" + "(" * 1000, "=-", "=-nan",
    "=" + "-" * 1000 + "1", "p", "p!", "pAAAA", "p" + base64.urlsafe_b64encode(b"N.").decode(),
    "p" + base64.urlsafe_b64encode(b"\x80\x02" + BOMB).decode(),
    "p" + base64.urlsafe_b64encode(b"\x80\x02Nr\x00\x00\x00\x01.").decode(), "=" + "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", OTHERS)
def test_what_nobody_wrote_for_an_object_is_the_text_it_is(text):
    assert load_alias(ESCAPE + text) == ESCAPE + text
    assert dump_alias(ESCAPE + text) == ESCAPE + text


def test_a_pickle_that_is_not_as_ours_stays_text():
    codec = Pickle()
    for content in (pickle.dumps([1], 4), b"N.", pickle.dumps("a", 2), b"\x80\x02Nr\0\0\0\0."):
        text = f"{ESCAPE}p{base64.urlsafe_b64encode(content).decode()}"
        assert load_alias(text, codec) == text


PIECES = [
    "=", "(", ")", ", ", ",", "'", '"', "b'", "\\", "\\x", "1", "-", ".", "e+", "None", "True",
    "inf", "nan", "UUID('", "date('", "datetime('", "time('", "Decimal('", "Fraction('",
    "complex('", "timedelta('", "')", "2026-01-31", "T01:02", "1/3", "1e9", "p", "gAI=",
    ESCAPE, "a", "é", "\n",
]  # fmt: skip
ANY = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text() | TEXT


@given(ANY)
@settings(max_examples=1000, deadline=None)
def test_any_text_after_the_escape_character_is_ours_or_stays_text(text):
    text = ESCAPE + text
    back = load_alias(text)
    if len(text) <= 1024:
        assert dump_alias(back) == text  # and so it is found by what is listed
    else:
        assert back == text


@pytest.mark.parametrize(
    "piece",
    ["(", "(1, ", "'", "\\", "-", "9-", "((),", "b'", "1e+", "UUID('", "'a' ", "\x10", "(),"],
)
def test_no_text_takes_long_or_much_memory(piece):
    texts = [f"{ESCAPE}={(piece * 1024)[:size]}" for size in (100, 1000, 1022, 2**20)]
    tracemalloc.start()
    began = time.perf_counter()
    for text in texts:
        assert load_alias(text) == text
    assert time.perf_counter() - began < 2
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
