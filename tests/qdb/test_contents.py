"""Which values are so large that they are better encoded in a thread."""

import array

import numpy
import pandas
import polars
import pyarrow
import pytest

from storekit.codecs import Json, Pickle, Raw, Zstd
from storekit.qdb.codec import LARGE, STORED, is_large, takes_long

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


class Deceiver:
    nbytes = 2**40

    def __len__(self):
        raise AssertionError("nobody asked for this")


@pytest.mark.parametrize("value", [None, [0] * LARGE, {"a": "x" * LARGE}, Deceiver()])
def test_the_sizes_of_other_objects_are_not_guessed(value):
    assert is_large(value) is False


def test_a_mere_copy_takes_no_thread():
    assert not takes_long(STORED)
    assert not takes_long(Raw())
    assert all(takes_long(codec) for codec in (Json(), Pickle(), Zstd(Raw())))
