"""Answers are written as the reference server writes them, without its losses."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qcache.node import writing
from storekit.qcache.node.answer import Answer
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.tables import encode_mixed
from tests.node.roomy import read_csv, read_json, to_csv, to_json

INF = float("inf")


@pytest.fixture(params=["short", "long"], autouse=True)
def _length(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short answers are written by Python and long ones by Polars; they look the same."""
    monkeypatch.setattr(writing, "_SHORT", 10**9 if request.param == "short" else -1)


def answer(frame: pl.DataFrame | pl.Series, *header: str) -> Answer:
    frame = frame.to_frame() if isinstance(frame, pl.Series) else frame
    return Answer(frame, header or tuple(frame.columns), frame.height)


def column(values: list[Any], dtype: Any = None, name: str = "x") -> pl.Series:
    return pl.Series(name, values, dtype=dtype)


ENUM = pl.Enum(["å", "b/"])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (column([1, -(2**63)]), '[{"x":1},{"x":-9223372036854775808}]'),
        (column([2**64 - 1], pl.UInt64), '[{"x":18446744073709551615}]'),
        (column([3.0, 0.1, None]), '[{"x":3.0},{"x":0.1},{"x":null}]'),
        (column([INF, -INF, 1.5]), '[{"x":null},{"x":null},{"x":1.5}]'),
        (column([1 / 3, -2 / 3]), '[{"x":0.3333333333},{"x":-0.6666666667}]'),
        (column([1e300, 123456789.123]), '[{"x":1e+300},{"x":123456789.123}]'),
        (column([1e-12]), '[{"x":1e-12}]'),
        (column([True, False, None]), '[{"x":true},{"x":false},{"x":null}]'),
        (column(["a", "", None]), '[{"x":"a"},{"x":""},{"x":null}]'),
        (column(['a/b"\\\n\0']), '[{"x":"a\\/b\\"\\\\\\n\\u0000"}]'),
        (column(["åä", "日本", "😀"]), None),
        (column(["å"]), '[{"x":"\\u00e5"}]'),
        (column(["\\xå\\\\"]), '[{"x":"\\\\x\\u00e5\\\\\\\\"}]'),
        (column(["\\x😀"]), '[{"x":"\\\\x\\ud83d\\ude00"}]'),
        (column(["å", "b/", None], ENUM), '[{"x":"\\u00e5"},{"x":"b\\/"},{"x":null}]'),
        (column([1], name='å/"'), '[{"\\u00e5\\/\\"":1}]'),
        (column([1], name=""), '[{"":1}]'),
        (column([], pl.Int64), "[]"),
        (
            encode_mixed("x", [1, "é/", True, None, 0.1234567890123, INF]),
            '[{"x":1},{"x":"\\u00e9\\/"},{"x":true},{"x":null},{"x":0.123456789},{"x":null}]',
        ),
        (
            encode_mixed("x", [{"p": [1 / 3, None, INF]}]),
            '[{"x":{"p":[0.3333333333,null,null]}}]',
        ),
    ],
)
def test_json(values: pl.Series, text: str | None) -> None:
    written = to_json(answer(values))
    assert written.isascii()
    if text is not None:
        assert written == text.encode()
    else:
        assert [row["x"] for row in json.loads(written)] == values.to_list()


def test_json_has_the_columns_in_order_under_the_names_to_be_shown() -> None:
    frame = pl.DataFrame({"p": [1, 2], "q": [0.5, 1.0]})
    assert to_json(answer(frame, "b", "a")) == b'[{"b":1,"a":0.5},{"b":2,"a":1.0}]'
    assert to_json(answer(pl.DataFrame())) == b"[]"


@pytest.mark.parametrize("size", [1, 20, 50, 10**9])
def test_json_is_the_same_in_whatever_steps_and_pieces(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"x": text, "y": number} for number, text in enumerate(["a", "å\n", "/" * 30, "😀"] * 3)
    ]
    expected = json.dumps(rows, separators=(",", ":")).replace("/", "\\/").encode()
    monkeypatch.setattr(writing, "_PIECE", size)
    monkeypatch.setattr(writing, "_WHOLE", 0)
    assert to_json(answer(pl.DataFrame(rows))) == expected
    monkeypatch.setattr(writing, "_STEP", size)
    assert to_json(answer(pl.DataFrame(rows))) == expected


def test_json_cannot_have_a_column_twice() -> None:
    frame = pl.DataFrame({"p": [1], "q": [2]})
    with pytest.raises(BadQuery, match="'a' is selected more than once"):
        to_json(answer(frame, "a", "a"))
    assert to_csv(answer(frame, "a", "a")) == b"a,a\n1,2\n"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (column([1, -(2**63)]), "x,y\n1,9\n-9223372036854775808,9\n"),
        (column([2**64 - 1], pl.UInt64), "x,y\n18446744073709551615,9\n"),
        (column([3.0, 0.1, None]), "x,y\n3.0,9\n0.1,9\n,9\n"),
        (column([INF, -INF]), "x,y\ninf,9\n-inf,9\n"),
        (column([1 / 3, 1234567890123.5]), "x,y\n0.3333333333333333,9\n1234567890123.5,9\n"),
        (column([1e300, 1e20]), "x,y\n1e+300,9\n1e+20,9\n"),
        (column([True, False, None]), "x,y\nTrue,9\nFalse,9\n,9\n"),
        (column(["a", "", None, " b "]), "x,y\na,9\n,9\n,9\n b ,9\n"),
        (column(["a,b", 'q"q', "p\nq", "'"]), 'x,y\n"a,b",9\n"q""q",9\n"p\nq",9\n\',9\n'),
        (column(["å", "b/", None], ENUM), "x,y\nå,9\nb/,9\n,9\n"),
        (column([1], name='å,"'), '"å,""",y\n1,9\n'),
        (column([1], name=""), ",y\n1,9\n"),
        (column([], pl.Int64), "x,y\n"),
        (
            encode_mixed("x", [1, "é,", True, None, 0.5, {"p": [None, 1]}]),
            'x,y\n1,9\n"é,",9\nTrue,9\n,9\n0.5,9\n"{\'p\': [None, 1]}",9\n',
        ),
        (encode_mixed("x", ["\ud800", 1]), "x,y\n?,9\n1,9\n"),
    ],
)
def test_csv(values: pl.Series, text: str) -> None:
    other = pl.Series("y", [9] * len(values), dtype=pl.Int64)
    assert to_csv(answer(pl.DataFrame({values.name: values, "y": other}))) == text.encode()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (column(["a", "", None]), b'x\na\n""\n""\n'),
        (column([1.5, None]), b'x\n1.5\n""\n'),
        (column([True, None]), b'x\nTrue\n""\n'),
        (encode_mixed("x", [1, None]), b'x\n1\n""\n'),
        (column([1], name=""), b'""\n1\n'),
    ],
)
def test_csv_of_a_single_column_has_no_blank_lines(values: pl.Series, text: bytes) -> None:
    assert to_csv(answer(values)) == text


def test_csv_of_a_table_without_columns_is_an_empty_line() -> None:
    assert to_csv(answer(pl.DataFrame())) == b"\n"


# -- properties -----------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
PLAIN_TEXT = st.text(st.sampled_from('ab/\\"\n\r ,å日😀'), max_size=6)
VALUES: list[Callable[[int], st.SearchStrategy[list[Any]]]] = [
    lambda n: st.lists(st.integers(-(2**63), 2**63 - 1), min_size=n, max_size=n),
    lambda n: st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=n, max_size=n),
    lambda n: st.lists(st.one_of(st.none(), st.booleans()), min_size=n, max_size=n),
    lambda n: st.lists(st.one_of(st.none(), TEXT, PLAIN_TEXT), min_size=n, max_size=n),
]
DTYPES = {0: pl.Int64, 1: pl.Float64, 2: pl.Boolean, 3: pl.String}


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    height = draw(st.integers(1, 4))
    kinds = draw(st.lists(st.integers(0, 3), min_size=2, max_size=4))
    return pl.DataFrame(
        {f"c{i}": pl.Series(draw(VALUES[k](height)), dtype=DTYPES[k]) for i, k in enumerate(kinds)}
    )


def same(got: Any, wanted: Any, *, digits: bool = False) -> bool:
    if digits and isinstance(wanted, float):
        if math.isinf(wanted):
            return got is None
        return math.isclose(got, wanted, rel_tol=1e-12, abs_tol=1e-10)
    return bool(got == wanted)


@given(tables())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_json_can_be_read_back(frame: pl.DataFrame) -> None:
    read = read_json(to_json(answer(frame)))
    for name in frame.columns:
        pairs = zip(read[name], frame[name], strict=True)
        assert all(same(got, wanted, digits=True) for got, wanted in pairs)


@given(tables())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_csv_can_be_read_back(frame: pl.DataFrame) -> None:
    written = to_csv(answer(frame))
    texts = {name: "string" for name in frame.columns if frame.schema[name] == pl.String}
    read = read_csv(written, texts)
    for name in frame.columns:
        wanted = [None if value == "" else value for value in frame[name]]
        assert read[name].to_list() == wanted
    rows = list(csv.reader(io.StringIO(written.decode(), newline="")))
    assert rows[0] == frame.columns
    assert len(rows) == frame.height + 1
