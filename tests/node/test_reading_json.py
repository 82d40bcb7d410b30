"""JSON becomes the table that the reference server would have made of it."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading import json_text
from storekit.qcache.node.reading.limits import MAX_DEPTH
from storekit.qcache.node.tables import decode_mixed
from tests.node.roomy import read_json, room

INT, FLOAT, UINT, BOOL, TEXT, MIXED = (
    pl.Int64,
    pl.Float64,
    pl.UInt64,
    pl.Boolean,
    pl.String,
    pl.Binary,
)


@pytest.fixture(params=["all rows at once", "row by row"])
def _in_batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are packed batch by batch; what a column is shows only when all have come."""
    if request.param == "row by row":
        monkeypatch.setattr(json_text, "_ROWS_AT_ONCE", 1)


def column(*rows: str) -> pl.Series:
    return read_json(f"[{','.join(rows)}]".encode())["a"]


@pytest.mark.usefixtures("_in_batches")
@pytest.mark.parametrize(
    ("rows", "dtype", "values"),
    [
        (['{"a":1}', '{"a":-2}'], INT, [1, -2]),
        (['{"a":9007199254740993}'], INT, [9007199254740993]),
        (['{"a":1}', '{"a":null}'], FLOAT, [1.0, None]),
        (['{"a":1}', "{}"], FLOAT, [1.0, None]),
        (["{}", '{"a":1}'], FLOAT, [None, 1.0]),
        (['{"a":1}', '{"a":2.5}'], FLOAT, [1.0, 2.5]),
        (['{"a":1.0}'], FLOAT, [1.0]),
        (['{"a":NaN}', '{"a":1}'], FLOAT, [None, 1.0]),
        (['{"a":NaN}'], FLOAT, [None]),
        (['{"a":Infinity}', '{"a":-Infinity}'], FLOAT, [float("inf"), float("-inf")]),
        (['{"a":1e400}'], FLOAT, [float("inf")]),
        (['{"a":9223372036854775808}', '{"a":1}'], UINT, [2**63, 1]),
        (['{"a":1}', '{"a":18446744073709551615}'], UINT, [1, 2**64 - 1]),
        (['{"a":9223372036854775808}', '{"a":null}'], FLOAT, [2.0**63, None]),
        (['{"a":9223372036854775808}', '{"a":0.5}'], FLOAT, [2.0**63, 0.5]),
        (['{"a":true}', '{"a":false}', "{}"], BOOL, [True, False, None]),
        (['{"a":true}', '{"a":NaN}'], BOOL, [True, None]),
        (['{"a":"x"}', '{"a":""}', '{"a":null}'], TEXT, ["x", "", None]),
        (['{"a":NaN}', '{"a":"\\u0000\\ud83d\\ude00"}'], TEXT, [None, "\0😀"]),
        (['{"a":null}', '{"a":null}'], TEXT, [None, None]),
        (['{"a":null}', "{}"], FLOAT, [None, None]),
        (["{}", '{"a":null}'], FLOAT, [None, None]),
        (['{"a":1,"a":2}'], INT, [2]),
        (['{"a":1}', '{"a":true}'], MIXED, [1, True]),
        (['{"a":1}', '{"a":"1"}', "{}"], MIXED, [1, "1", None]),
        (['{"a":"x"}', '{"a":2.5}', '{"a":true}', '{"a":3}'], MIXED, ["x", 2.5, True, 3]),
        (['{"a":"x"}', '{"a":Infinity}', '{"a":NaN}'], MIXED, ["x", float("inf"), None]),
        (['{"a":[1,{"b":null}]}', '{"a":{}}'], MIXED, [[1, {"b": None}], {}]),
        (['{"a":[9223372036854775808]}'], MIXED, [[2**63]]),
        (['{"a":-1}', '{"a":18446744073709551615}'], MIXED, [-1, 2**64 - 1]),
    ],
)
def test_a_column_is_what_all_its_values_are(
    rows: list[str], dtype: pl.DataType, values: list[Any]
) -> None:
    got = column(*rows)
    assert got.dtype == dtype
    found = decode_mixed(got) if dtype == MIXED else got.to_list()
    assert found == values
    assert [*map(type, found)] == [*map(type, values)]


def test_columns_come_in_the_order_of_their_names() -> None:
    frame = read_json('[{"b":1,"a":2},{"å":3,"B":4,"":5}]'.encode())
    assert frame.columns == ["", "B", "a", "b", "å"]


def test_blanks_around_values_do_not_matter() -> None:
    assert read_json(b' \r\n[ {"a" : 1} ,\t{"a":2}\n] ').rows() == [(1,), (2,)]


@pytest.mark.parametrize("body", [b"[]", b"[ ]", b"[{}]", b"[{},{}]"])
def test_rows_without_columns_are_no_rows(body: bytes) -> None:
    assert read_json(body).shape == (0, 0)


def test_many_batches_make_one_table() -> None:
    rows = [{"n": i, "t": f"x{i}", "f": i / 2} for i in range(5000)]
    frame = read_json(json.dumps(rows).encode())
    assert frame.rows(named=True) == rows
    assert frame.schema == {"f": FLOAT, "n": INT, "t": TEXT}


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "null",
        "{}",
        '{"a":[1]}',
        '"x"',
        "[1]",
        "[[1]]",
        "[null]",
        '[{"a":1},2]',
        '[{"a":1}',
        '[{"a":1},',
        '[{"a":1},]',
        "[,]",
        '[{"a":1}{"a":2}]',
        '[{"a":1}] x',
        "[{'a':1}]",
        '[{"a":01}]',
        '[{"a":"tab\t"}]',
        '\ufeff[{"a":1}]',
        '[{"a":18446744073709551616}]',
        '[{"a":18446744073709551616},{"a":1.5}]',
        '[{"a":18446744073709551616},{"a":null}]',
        '[{"a":18446744073709551616},{"a":"x"}]',
        '[{"a":[{"b":18446744073709551616}]}]',
        '[{"a":-9223372036854775809}]',
        '[{"a":' + "9" * 5000 + "}]",
        '[{"a":"\\ud800"}]',
        '[{"\\ud800":1}]',
    ],
)
def test_what_is_no_list_of_objects_is_refused(body: str) -> None:
    with pytest.raises(BadTable):
        read_json(body.encode())


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(BadTable, match="UTF-8"):
        read_json(b'[{"a":"\xff"}]')


def nested(levels: int) -> bytes:
    return b'[{"a":' + b"[" * levels + b"]" * levels + b"}]"


def test_values_nest_as_deep_as_the_limit() -> None:
    assert read_json(nested(MAX_DEPTH)).height == 1


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1000, 200_000])
def test_deeper_nesting_is_refused(levels: int) -> None:
    with pytest.raises(BadTable, match="deeper"):
        read_json(nested(levels))
    with pytest.raises(BadTable):
        read_json(b"[" * levels)


def test_a_small_body_cannot_ask_for_a_huge_table() -> None:
    start = time.process_time()
    body = ",".join(f'{{"c{i}":1}}' for i in range(19_000))
    with pytest.raises(BadTable, match="nearly all cells would be empty"):
        read_json(f"[{body}]".encode())
    assert time.process_time() - start < 10


@given(st.text(alphabet='[]{}",:ab1 .e-\\nul', max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_table_or_refused(text: str) -> None:
    with contextlib.suppress(BadTable):
        read_json(text.encode())


VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.lists(st.integers(0, 9), max_size=2),
)


@given(st.lists(st.fixed_dictionaries({}, optional={"p": VALUE, "q": VALUE}), max_size=5))
@settings(max_examples=300, deadline=None)
def test_values_come_back_as_they_were(rows: list[dict[str, Any]]) -> None:
    frame = read_json(json.dumps(rows).encode())
    for name in frame.columns:
        got = frame[name]
        values = decode_mixed(got) if got.dtype == MIXED else got.to_list()
        wanted = [row.get(name) for row in rows]
        if got.dtype == FLOAT:
            wanted = [None if value is None else float(value) for value in wanted]
        assert values == wanted
        assert list(map(type, values)) == list(map(type, wanted))


_SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=30)
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
_ROWS = st.lists(st.dictionaries(st.sampled_from("abå"), _VALUES), max_size=6)


@settings(deadline=None)
@given(_ROWS, st.booleans(), st.sampled_from([None, 1]), st.integers(6, 40))
def test_rows_are_the_same_whatever_is_read_at_once(rows, ascii_only, indent, window):
    text = json.dumps(rows, ensure_ascii=ascii_only, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_WINDOW", window)
        found = [row for part in json_text.rows_of_json(text, room()) for row in part]
    assert found == rows


@pytest.mark.parametrize(
    "text",
    ['[{"a":"\\x"}]', '[{"a":"x}]', '[{"a":1 "b":2}]', '[{"a"}]', '[{"a":[1}]', "[{} {}]", "[{},"],
)
@pytest.mark.parametrize("window", [6, 2**18])
def test_what_is_no_json_is_refused_whatever_is_read_at_once(monkeypatch, text, window):
    monkeypatch.setattr(json_text, "_WINDOW", window)
    with pytest.raises(BadTable, match="well-formed"):
        list(json_text.rows_of_json(text, room()))


def test_a_long_list_in_a_row_is_refused_and_a_long_text_is_not():
    long = 2 * 2**20
    assert column(json.dumps({"a": "\u00e9\n" * long}))[0] == "\u00e9\n" * long
    with pytest.raises(BadTable, match="more than 1048576 characters"):
        column(json.dumps({"a": [[]] * long}))
