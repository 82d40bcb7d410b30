"""Which values take long to encode: by their parts and texts, wherever they are."""

import array
import dataclasses
import datetime
import time
from collections import OrderedDict, UserDict, defaultdict, deque
from typing import NamedTuple

import numpy
import pandas
import polars
import pyarrow
import pytest

from storekit.codecs import Framed, Json, Pickle, Raw, Zstd
from storekit.codecs.sizes import LARGE, is_large, unpacks

SIZED = [
    bytes,
    bytearray,
    lambda size: "x" * size,
    lambda size: memoryview(array.array("q", bytes(size))),
    lambda size: numpy.zeros(size // 8),
    lambda size: pyarrow.table({"a": numpy.zeros(size // 8)}),
    lambda size: polars.DataFrame({"a": numpy.zeros(size // 8)}),
    lambda size: pandas.DataFrame({"a": numpy.zeros(size // 8)}),
]


@pytest.mark.parametrize("make", SIZED)
def test_text_bytes_and_tables_tell_their_size(make):
    assert is_large(make(LARGE)) is True
    assert is_large(make(LARGE // 2)) is False


@dataclasses.dataclass
class Plain:
    rows: object


@dataclasses.dataclass(slots=True)
class Slotted:
    rows: object


class Pair(NamedTuple):
    left: object
    rows: object


WRAPPERS = [
    lambda value: [value],
    lambda value: (1, value),
    lambda value: {"rows": value},
    lambda value: {"deep": [{"deeper": (value,)}]},
    lambda value: OrderedDict(rows=value),
    lambda value: defaultdict(list, rows=value),
    lambda value: deque([value]),
    lambda value: Pair(1, value),
    Plain,
    Slotted,
    lambda value: UserDict(rows=value),
]
LARGE_ONES = [
    [{"n": n, "t": "text"} for n in range(3000)],
    {str(n): n for n in range(5000)},
    {(n, "x" * 100) for n in range(2000)},
    "x" * LARGE,
    ["x" * 1000] * 400,
    numpy.zeros(LARGE // 8),
    polars.DataFrame({"a": numpy.zeros(LARGE // 8)}),
    1 << (8 * LARGE),
]
SMALL_ONES = [
    None, 5, 1.5, "text", b"bytes", {}, [], {"a": [1, 2, {"b": "c"}]}, datetime.date(2026, 1, 1),
    Plain([1]), Slotted("x"), int, len, [0] * 1000, "x" * (LARGE // 2),
]  # fmt: skip


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("value", LARGE_ONES, ids=lambda value: type(value).__name__)
def test_a_size_inside_a_value_counts(wrap, value):
    assert is_large(wrap(value)) is True


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("value", SMALL_ONES, ids=lambda value: type(value).__name__)
def test_small_values_are_small_wherever_they_are(wrap, value):
    assert is_large(wrap(value)) is False


class Deceiver:
    nbytes = 2**40

    def __len__(self):
        raise AssertionError("nobody asked for this")

    def __getattr__(self, name):
        raise LookupError(name)


def test_objects_that_do_not_like_to_be_looked_at_are_left_alone():
    assert is_large([Deceiver()]) is False


def test_circles_come_to_an_end():
    circle = []
    circle.append(circle)
    assert is_large(circle) is True


def test_looking_takes_no_time_however_large_a_value_is():
    value = {"rows": [{"n": n} for n in range(200_000)]}
    began = time.thread_time()
    assert is_large(value)
    assert time.thread_time() - began < 0.02


def test_codecs_say_whether_they_unpack():
    packing = Zstd(Raw())
    assert unpacks(packing)
    assert unpacks(Framed(Raw(), packing))
    assert not any(unpacks(codec) for codec in (Raw(), Json(), Pickle(), Framed(Raw())))
