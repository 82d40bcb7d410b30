"""CSV becomes the table that the reference server would have made of it."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import time
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading import csv as csv_reading
from storekit.qcache.node.reading.limits import MAX_COLUMNS
from tests.node.roomy import read_csv

INT, FLOAT, UINT, BOOL, TEXT = pl.Int64, pl.Float64, pl.UInt64, pl.Boolean, pl.String


def column(*cells: str, types: dict[str, str] | None = None) -> pl.Series:
    """Read cells as column `b`, beside another one, so that empty cells are no blank lines."""
    body = "a,b\n" + "".join(f"x,{cell}\n" for cell in cells)
    return read_csv(body.encode(), types or {})["b"]


def rows(body: bytes, **types: str) -> list[tuple[Any, ...]]:
    return read_csv(body, types).rows()


@pytest.fixture(params=["cell by cell", "by a guess"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long uploads are read with the types that their first rows have; the outcome is the same."""
    if request.param == "by a guess":
        monkeypatch.setattr(csv_reading, "_WORTH_A_GUESS", 0)
        monkeypatch.setattr(csv_reading, "_SAMPLE_ROWS", 1)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "-2"], INT, [1, -2]),
        (["007", "+5"], INT, [7, 5]),
        ([" 5", "6 ", "\t7\x0b"], INT, [5, 6, 7]),
        (['"5"', '" 6"'], INT, [5, 6]),
        (["1", ""], FLOAT, [1.0, None]),
        (["9007199254740993", ""], FLOAT, [9007199254740992.0, None]),
        (["9223372036854775807", "-9223372036854775808"], INT, [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "1"], UINT, [2**63, 1]),
        (["18446744073709551615"], UINT, [2**64 - 1]),
        (["9223372036854775808", "-1"], TEXT, ["9223372036854775808", "-1"]),
        (["9223372036854775808", ""], TEXT, ["9223372036854775808", None]),
        (["9223372036854775808", "1.5"], FLOAT, [2.0**63, 1.5]),
        (["18446744073709551616", "3"], TEXT, ["18446744073709551616", "3"]),
        (["18446744073709551616", "1.5"], TEXT, ["18446744073709551616", "1.5"]),
        (["1.5", "18446744073709551616"], FLOAT, [1.5, 2.0**64]),
        (["-9223372036854775809", "3"], TEXT, ["-9223372036854775809", "3"]),
        (["9" * 5000, "1"], TEXT, ["9" * 5000, "1"]),
        (["1", "2.5"], FLOAT, [1.0, 2.5]),
        ([".5", "5.", "1e3", "1E-2", "1.e+2", " 3.0 "], FLOAT, [0.5, 5.0, 1e3, 0.01, 100, 3]),
        (["inf", "-inf", "+Inf", "1"], FLOAT, [float("inf"), float("-inf"), float("inf"), 1.0]),
        (["1.5", " inf"], TEXT, ["1.5", " inf"]),
        (["1.5", "Infinity"], TEXT, ["1.5", "Infinity"]),
        (["1.5", "nan"], TEXT, ["1.5", "nan"]),
        (["1.5", "1e400"], TEXT, ["1.5", "1e400"]),
        (["1.7976931348623157e308"], FLOAT, [1.7976931348623157e308]),
        (["0x10"], TEXT, ["0x10"]),
        (["1", "1_000"], TEXT, ["1", "1_000"]),
        (['"1,000"'], TEXT, ["1,000"]),
        (["1", "1e"], TEXT, ["1", "1e"]),
        (["2020-01-01"], TEXT, ["2020-01-01"]),
        (["1", "٣"], TEXT, ["1", "٣"]),
        (["1", " "], TEXT, ["1", " "]),
        (["True", "false", "TRUE"], BOOL, [True, False, True]),
        (["True", ""], BOOL, [True, None]),
        (["true", "fALSE"], BOOL, [True, False]),
        (["1", "", "-0"], FLOAT, [1.0, None, -0.0]),
        (["True", "1"], TEXT, ["True", "1"]),
        (["1", "True"], TEXT, ["1", "True"]),
        (["True", "x"], TEXT, ["True", "x"]),
        ([" True"], TEXT, [" True"]),
        (["", ""], FLOAT, [None, None]),
        (['""', "x"], TEXT, [None, "x"]),
        (["NaN", "null", "N/A"], TEXT, ["NaN", "null", "N/A"]),
        ([" x ", "'y'"], TEXT, [" x ", "'y'"]),
    ],
)
def test_a_column_is_what_all_its_values_are(
    cells: list[str], dtype: pl.DataType, values: list[Any]
) -> None:
    got = column(*cells)
    assert got.dtype == dtype
    assert got.to_list() == values


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize(
    ("body", "names", "values"),
    [
        (b"a,b\n1,2\n", ["a", "b"], [(1, 2)]),
        (b"a,b\r\n1,2\r\n3,4", ["a", "b"], [(1, 2), (3, 4)]),
        (b"a,b\r1,2\r3,4\r", ["a", "b"], [(1, 2), (3, 4)]),
        (b"a,b\n1,2\r\n3,4\r5,6", ["a", "b"], [(1, 2), (3, 4), (5, 6)]),
        (b"\xef\xbb\xbfa,b\n1,2\n", ["a", "b"], [(1, 2)]),
        (b"\n \n\t\na,b\n\n1,2\n   \n3,4\n\n", ["a", "b"], [(1, 2), (3, 4)]),
        (b"a\n\n1\n\n2", ["a"], [(1,), (2,)]),
        (b'a,b\r\n\r\n1,"x"\r\n\r\n2,"y"\r\n', ["a", "b"], [(1, "x"), (2, "y")]),
        (b'a,b\n"x\n\ny",\n\n"z","p\n \nq"\n', ["a", "b"], [("x\n\ny", None), ("z", "p\n \nq")]),
        (b'a\n""\n1\n', ["a"], [(None,), (1.0,)]),
        (b"a,b,c\n1\n2,3\n", ["a", "b", "c"], [(1, None, None), (2, 3.0, None)]),
        (b"a,a,a\n1,2,3\n", ["a", "a.1", "a.2"], [(1, 2, 3)]),
        (b"a,a.1,a\n1,2,3\n", ["a", "a.1", "a.1.1"], [(1, 2, 3)]),
        (b',b,""\n1,2,3\n', ["Unnamed: 0", "b", "Unnamed: 2"], [(1, 2, 3)]),
        (b'"a,b","c\nd", e \n1,2,3\n', ["a,b", "c\nd", " e "], [(1, 2, 3)]),
        ("å\n1\n".encode(), ["å"], [(1,)]),
        (b'a,b\n1,"x,y"\n2,"he said ""hi"""\n', ["a", "b"], [(1, "x,y"), (2, 'he said "hi"')]),
        (b'a,b\n1,"2"x\n', ["a", "b"], [(1, "2x")]),
        (b'a,b\n1,5" pipe\n', ["a", "b"], [(1, '5" pipe')]),
        (b'a,b\n1, "2"\n', ["a", "b"], [(1, ' "2"')]),
        (b'a,b\n"1",""2\n', ["a", "b"], [(1, 2)]),
        (b'a,b\n1,"x\r\ny"\r\n', ["a", "b"], [(1, "x\r\ny")]),
        (b'a,b\n1,"x\ry"\r2,z', ["a", "b"], [(1, "x\ry"), (2, "z")]),
        (b"a,b\n1,", ["a", "b"], [(1, None)]),
        (b"a,b\n1,x\x00y\n", ["a", "b"], [(1, "x\x00y")]),
    ],
)
def test_the_structure_of_the_text(
    body: bytes, names: list[str], values: list[tuple[Any, ...]]
) -> None:
    frame = read_csv(body, {})
    assert frame.columns == names
    assert frame.rows() == values


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"a,b\n1,2,3\n", "more fields"),
        (b"a,b\n1,2\n4,5,6\n", "more fields"),
        (b"a,b\n1,2,", "more fields"),
        (b"a,b\n1,2\n3,4,", "more fields"),
        (b'a,b\n1,"2\n3,4\n', "quote"),
        (b'a,b\n1,"2""\n', "quote"),
        (b'"a\n', "quote"),
        (b"a,b\n1,\xff\n", "UTF-8"),
        (b"a,\xff\n1,2\n", "UTF-8"),
        (b"a,b\n1,2\n" + b"3,4\n" * 100_000 + b"5,6,7\n", "more fields"),
    ],
)
def test_text_that_makes_no_table_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadTable, match=message):
        read_csv(body, {})


@pytest.mark.parametrize("body", [b"a,b", b"a,b\n", b"a,b\r\n\r\n", b"a,b,\n"])
def test_a_header_alone_is_an_empty_table_of_text(body: bytes) -> None:
    frame = read_csv(body, {})
    assert frame.height == 0
    assert set(frame.dtypes) == {TEXT}


def test_declared_text_is_kept_as_written() -> None:
    got = column("007", "", '"1.50"', types={"b": "string"})
    assert got.dtype == TEXT
    assert got.to_list() == ["007", None, "1.50"]


def test_a_declared_enum_has_its_values_in_byte_order() -> None:
    got = column("b", "", "å", "10", "b", types={"b": "enum"})
    assert isinstance(got.dtype, pl.Enum)
    assert got.dtype.categories.to_list() == ["10", "b", "å"]
    assert got.to_list() == ["b", None, "å", "10", "b"]


def test_declared_floats_are_floats_even_if_they_are_whole() -> None:
    assert column("1", "", " 2 ", "inf", types={"b": "float"}).to_list() == [
        1,
        None,
        2,
        float("inf"),
    ]
    assert column("18446744073709551616", types={"b": "float"}).to_list() == [2.0**64]
    assert column("True", "false", "", types={"b": "float"}).to_list() == [1.0, 0.0, None]
    assert column(types={"b": "float"}).dtype == FLOAT


@pytest.mark.parametrize("text", ["x", "nan", "1e400", "1_0"])
def test_text_in_a_column_declared_as_float_is_refused(text: str) -> None:
    with pytest.raises(BadTable, match="'b' is declared as float"):
        column("1", text, types={"b": "float"})


def test_a_type_for_a_column_that_is_not_there_is_ignored() -> None:
    assert column("1", types={"other": "string"}).to_list() == [1]


@pytest.mark.parametrize("odd", ["x", "2.5", "", "nan", "99999999999999999999"])
@pytest.mark.parametrize("usual", ["1", "1.5", "True", "y"])
def test_what_comes_late_in_a_long_upload_counts_as_much(usual: str, odd: str) -> None:
    short = column(usual, odd)
    long = column(*[usual] * 150_000, odd)
    assert long.dtype == short.dtype
    assert long.to_list()[-2:] == short.to_list()


def test_a_small_body_cannot_ask_for_a_huge_table() -> None:
    wide = b",".join(b"c%d" % number for number in range(10_000)) + b"\n"
    with pytest.raises(BadTable, match="nearly all cells would be empty"):
        read_csv(wide + b"1\n" * 50_000, {})
    with pytest.raises(BadTable, match="columns"):
        read_csv(b"," * MAX_COLUMNS + b"\n1\n", {})


@pytest.mark.parametrize(
    "body",
    [
        b"a\n" + b'"' * 1_000_001,
        b"a\n" + b'"",' * 300_000,
        b"a\n" + b'x"' * 500_000,
        b"a\n" + b" " * 1_000_000 + b"x",
        b" " * 1_000_000,
        b"a\n" + (b" " * 1000 + b"x\n") * 1000 + b"\n\n",
        b"a,a" * 5000 + b"\n",
        b"\r" * 500_000 + b"a\r1\r",
    ],
)
def test_hostile_text_takes_no_more_time_than_its_length(body: bytes) -> None:
    start = time.process_time()
    with contextlib.suppress(BadTable):
        read_csv(body, {})
    assert time.process_time() - start < 10


# -- properties -----------------------------------------------------------------------------


@given(st.text(alphabet='ab1,,,"\n\n\r \t.5é\x00-', max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_table_or_refused(text: str) -> None:
    try:
        frame = read_csv(text.encode(), {})
    except BadTable:
        return
    assert frame.width >= 1


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_table_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadTable):
        read_csv(body, {})


CELL = st.text(alphabet='ab ,"\n\réx', max_size=6)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=6), st.sampled_from(["\n", "\r\n"])
)
@settings(max_examples=200, deadline=None)
def test_what_the_csv_module_writes_is_read_back(table: list[list[str]], end: str) -> None:
    text = io.StringIO()
    # Before Python 3.13 the module leaves a lone CR without quotes.
    plain = not any("\r" in cell for row in table for cell in row)
    quoting = csv.QUOTE_MINIMAL if plain else csv.QUOTE_ALL
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerow(["p", "q", "r"])
    writer.writerows(table)
    types = dict.fromkeys("pqr", "string")
    read = read_csv(text.getvalue().encode(), types).rows()
    assert read == [tuple(cell or None for cell in row) for row in table]


NUMBER = st.from_regex(r"\A ?[+-]?[0-9]{0,21}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,2})? ?\Z")
ODDITY = st.sampled_from(["", "inf", "-Inf", "nan", "True", "false", "x", "9223372036854775808"])


def expected_kind(cells: Sequence[str]) -> type[pl.DataType]:
    """Say what a column is, value by value; for whole numbers within int64."""
    present = [cell for cell in cells if cell]
    number = r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*|[+-]?[iI][nN][fF]"
    if not present:
        return FLOAT
    if all(re.fullmatch(r"\s*[+-]?[0-9]+\s*", cell) for cell in present):
        return INT if len(present) == len(cells) else FLOAT
    if all(re.fullmatch(number, cell) for cell in present):
        return FLOAT
    if all(cell.lower() in ("true", "false") for cell in present):
        return BOOL
    return TEXT


@given(st.lists(st.one_of(NUMBER, NUMBER, ODDITY), min_size=1, max_size=5))
@settings(max_examples=400, deadline=None)
def test_numbers_of_any_spelling_are_told_from_text(cells: list[str]) -> None:
    digits = [re.match(r"[ +-]*0*([0-9]*)", cell) for cell in cells]
    if any(match and len(match[1]) > 18 for match in digits):
        column(*cells)  # has rules of its own
        return
    got = column(*cells)
    assert got.dtype == expected_kind(cells)
    if got.dtype == FLOAT:
        assert got.to_list() == [float(cell) if cell else None for cell in cells]
    elif got.dtype == INT:
        assert got.to_list() == [int(cell) for cell in cells]
    elif got.dtype == TEXT:
        assert got.to_list() == [cell or None for cell in cells]


def test_nulls_in_the_sample_do_not_hide_a_number_beyond_int64(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_reading, "_WORTH_A_GUESS", 0)
    monkeypatch.setattr(csv_reading, "_SAMPLE_ROWS", 2)
    assert column("1", "", "9223372036854775808").dtype == TEXT
    assert column("1.5", "", "9223372036854775808").to_list() == [1.5, None, 2.0**63]
