"""Codecs of QCache's tables, without a server."""

import datetime
import decimal
import json
import sys

import numpy
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.codecs import CodecError
from storekit.codecs.tables import (
    ArrowTable,
    Csv,
    PandasTable,
    PolarsTable,
    Rows,
    TableContent,
    TableRegistry,
)

FRAMES = {
    "polars": (PolarsTable, polars.DataFrame),
    "pandas": (PandasTable, pandas.DataFrame),
    "arrow": (ArrowTable, pyarrow.table),
}
every = pytest.mark.parametrize(("codec_class", "make"), FRAMES.values(), ids=FRAMES)

LARGEST = sys.float_info.max
MOMENT = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))


def columns_in(content):
    lines = [line.replace('"', "").split(",") for line in content.content.decode().splitlines()]
    return {name: [line[at] for line in lines[1:]] for at, name in enumerate(lines[0])}


@every
def test_column_types_are_those_of_the_frame(codec_class, make):
    content = codec_class().encode(
        make(
            {
                "text": ["007", "5"],
                "int": [1, 2],
                "float": [1.0, 2.5],
                "bool": [True, False],
                "date": [datetime.date(2020, 1, 31), None],
                "time": [datetime.time(1, 2), datetime.time(3, 4)],
                "decimal": [decimal.Decimal("1.50"), None],
            }
        )
    )
    assert content.content_type == "text/csv"
    assert content.types == {
        "text": "string", "float": "float", "date": "string", "time": "string", "decimal": "float",
    }  # fmt: skip
    columns = columns_in(content)
    assert columns["text"] == ["007", "5"]
    assert columns["int"] == ["1", "2"]
    assert [float(cell) for cell in columns["float"]] == [1.0, 2.5]
    assert [cell.lower() for cell in columns["bool"]] == ["true", "false"]
    assert columns["date"] == ["2020-01-31", ""]
    assert [cell[:8] for cell in columns["time"]] == ["01:02:00", "03:04:00"]
    assert [float(cell) for cell in columns["decimal"][:1]] == [1.5]


@every
def test_moments_are_iso_8601_in_utc(codec_class, make):
    frame = make({"zoned": [MOMENT, None], "plain": [MOMENT.replace(tzinfo=None), None]})
    content = codec_class().encode(frame)
    columns = columns_in(content)
    assert content.types == {"zoned": "string", "plain": "string"}
    assert datetime.datetime.fromisoformat(columns["zoned"][0]) == MOMENT
    assert columns["zoned"][0].startswith("2020-01-01T10:00:00")
    assert columns["zoned"][0].endswith("+00:00")
    assert columns["plain"][0].startswith("2020-01-01T12:00:00")
    assert columns["zoned"][1] == columns["plain"][1] == ""


def test_categories_are_enums():
    frame = polars.DataFrame(
        {"e": polars.Series(["a", None], dtype=polars.Enum(["a"])),
         "c": polars.Series(["x", "y"], dtype=polars.Categorical)}
    )  # fmt: skip
    assert PolarsTable().encode(frame).types == {"e": "enum", "c": "enum"}
    assert PolarsTable().encode(frame).content == b"e,c\na,x\n,y\n"
    frame = pandas.DataFrame(
        {"c": pandas.Categorical(["a", None]), "n": pandas.Categorical([1, 2])}
    )
    assert PandasTable().encode(frame).types == {"c": "enum"}
    assert PandasTable().encode(frame).content == b"c,n\r\na,1\r\n,2\r\n"
    table = pyarrow.table(
        {"c": pyarrow.array(["a", None]).dictionary_encode(),
         "n": pyarrow.array([1, 2]).dictionary_encode()}
    )  # fmt: skip
    assert ArrowTable().encode(table).types == {"c": "enum"}
    assert ArrowTable().encode(table).content == b'"c","n"\n"a",1\n,2\n'


@every
def test_nulls_are_empty_cells_and_no_line_is_empty(codec_class, make):
    for column in ([1, None, 3], [True, None], [1.5, None], ["a", None], [None, None]):
        content = codec_class().encode(make({"a": column}))
        assert b"" not in content.content.splitlines()
        assert content.content.count(b"\n") == len(column) + 1
        both = codec_class().encode(make({"a": column, "b": [1] * len(column)}))
        assert columns_in(both)["a"][1] == ""


@every
def test_nan_is_null(codec_class, make):
    content = codec_class().encode(make({"a": [float("nan"), float("inf"), -0.5], "b": [1, 2, 3]}))
    assert columns_in(content)["a"] == ["", "inf", "-0.5"]


@every
@pytest.mark.parametrize("name", ["a;b", "a=b", "", " a", "a ", "ä", "a\nb", "a\0"])
def test_names_that_qcache_cannot_have_are_refused(codec_class, make, name):
    with pytest.raises(ValueError, match=r"column '.*': QCache takes names"):
        codec_class().encode(make({"good": [1], name: [1]}))


@every
@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([2**63], "64 bits"),
        ([1, None, 2**53 + 1], "beyond 2"),
        ([None, -(2**53) - 1], "beyond 2"),
        ([1.0, LARGEST], "largest float"),
        ([-LARGEST, 1.0], "largest float"),
        (["a\0b"], "NUL"),
    ],
)
def test_values_that_qcache_would_change_are_refused(codec_class, make, column, said):
    frame = _exact(make, column)
    with pytest.raises(ValueError, match=f"column 'a'.*{said}"):
        codec_class().encode(frame)


def _exact(make, column):
    """Make a frame without a detour by way of floats, which pandas takes."""
    is_integer = all(isinstance(value, int | None) for value in column)
    if make is pandas.DataFrame and is_integer:
        kind = "UInt64" if column == [2**63] else "Int64"
        return pandas.DataFrame({"a": pandas.array(column, dtype=kind)})
    if make is pyarrow.table and column == [2**63]:
        return pyarrow.table({"a": pyarrow.array(column, pyarrow.uint64())})
    return make({"a": column})


@every
def test_large_integers_without_nulls_are_kept(codec_class, make):
    content = codec_class().encode(make({"a": [2**63 - 1, -(2**63)], "b": [1, 2]}))
    assert columns_in(content)["a"] == [str(2**63 - 1), str(-(2**63))]


@every
@pytest.mark.parametrize(
    "column",
    [[[1]], [{"a": 1}], [b"x"], [datetime.timedelta(1)]],
    ids=["list", "dict", "bytes", "duration"],
)
def test_columns_that_qcache_has_no_type_for_are_refused(codec_class, make, column):
    with pytest.raises(TypeError, match=r"column 'a': QCache has no type for"):
        codec_class().encode(make({"a": column}))


@every
def test_only_frames_of_the_library_are_taken(codec_class, make):
    for wrong in (None, "a,b\n", [{"a": 1}], [1]):
        with pytest.raises(TypeError, match=f"the codec {codec_class().name} takes "):
            codec_class().encode(wrong)
    with pytest.raises(ValueError, match="without columns"):
        codec_class().encode(make({}))


def test_a_lazy_frame_is_to_be_collected():
    with pytest.raises(TypeError, match="LazyFrame; collect"):
        PolarsTable().encode(polars.LazyFrame({"a": [1]}))


def test_columns_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two columns have the name 'a'"):
        PandasTable().encode(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(ValueError, match="two columns have the name 'a'"):
        ArrowTable().encode(pyarrow.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(TypeError, match="must be a str, not 0"):
        PandasTable().encode(pandas.DataFrame([[1, 2]]))


def test_an_index_with_names_becomes_columns():
    frame = pandas.DataFrame({"a": [1, 2]}, index=pandas.Index(["x", "y"], name="k"))
    assert PandasTable().encode(frame).content == b"k,a\r\nx,1\r\ny,2\r\n"
    assert PandasTable().encode(frame).types == {"k": "string"}
    assert PandasTable().encode(frame.rename_axis(None)).content == b"a\r\n1\r\n2\r\n"
    levels = pandas.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["k", None])
    assert PandasTable().encode(pandas.DataFrame({"a": [1, 2]}, index=levels)).content == (
        b"k,a\r\nx,1\r\ny,2\r\n"
    )
    with pytest.raises(ValueError, match="two columns have the name 'a'"):
        PandasTable().encode(frame.rename_axis("a"))


def test_columns_of_objects_in_pandas_go_by_what_they_hold():
    frame = pandas.DataFrame(
        {"t": ["a", None], "b": [True, None], "i": [1, None], "f": [1, 2.5],
         "d": [decimal.Decimal(1), None]},
        dtype=object,
    )  # fmt: skip
    content = PandasTable().encode(frame)
    assert content.types == {"t": "string", "f": "float", "d": "float"}
    assert content.content == b"t,b,i,f,d\r\na,True,1,1.0,1.0\r\n,,,2.5,\r\n"
    for mixed in ([1, "a"], [True, "a"], [object(), 1]):
        with pytest.raises(TypeError, match="column 'x'"):
            PandasTable().encode(pandas.DataFrame({"x": pandas.Series(mixed, dtype=object)}))
    with pytest.raises(TypeError, match=r"column 'x': .*period"):
        PandasTable().encode(pandas.DataFrame({"x": pandas.period_range("2020", periods=2)}))


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1)
)
def test_text_is_quoted_so_that_it_comes_back(texts):
    import csv
    import io

    for codec_class, make in FRAMES.values():
        content = codec_class().encode(make({"a": texts, "b": range(len(texts))}))
        rows = list(csv.reader(io.StringIO(content.content.decode(), newline=""), strict=True))
        assert [row[0] for row in rows[1:]] == texts


# Results

JSON_RESULT = b'[{"a":1,"t":"007","n":null},{"a":2,"t":null,"n":1.5}]'
CSV_RESULT = b"a,t,n\n1,x,\n2,,1.5\n"


def as_rows(table):
    if isinstance(table, polars.DataFrame):
        return table.to_dicts()
    if isinstance(table, pyarrow.Table):
        return table.to_pylist()
    return table.astype(object).where(table.notna(), None).to_dict("records")


@pytest.mark.parametrize("without_msgspec", [False, True])
@every
def test_results_become_frames(codec_class, make, without_msgspec, monkeypatch):
    if without_msgspec:
        monkeypatch.setitem(sys.modules, "msgspec", None)
    codec = codec_class()
    assert codec.accept == "application/json"
    back = codec.decode(memoryview(JSON_RESULT), "application/json; charset=utf-8")
    assert as_rows(back) == json.loads(JSON_RESULT)
    back = codec.decode(CSV_RESULT, "text/csv")
    assert as_rows(back) == [{"a": 1, "t": "x", "n": None}, {"a": 2, "t": None, "n": 1.5}]
    assert len(codec.decode(b"[]", "application/json")) == 0


@every
def test_integers_and_floats_in_one_column_become_floats(codec_class, make):
    for rows in ([{"a": 1}, {"a": 2.5}], [{"a": None}, {"a": 1}, {"a": 0.5}]):
        assert as_rows(codec_class().decode(json.dumps(rows).encode(), "application/json")) == rows


def test_mixed_columns_become_text_in_polars_and_stay_in_pandas():
    rows = b'[{"a":1},{"a":"x"}]'
    assert PolarsTable().decode(rows, "application/json")["a"].to_list() == ["1", "x"]
    assert PandasTable().decode(rows, "application/json")["a"].to_list() == [1, "x"]
    with pytest.raises(CodecError, match="can't be read by pyarrow"):
        ArrowTable().decode(rows, "application/json")


BAD = [
    (b"", "application/json"), (b"{}", "application/json"), (b"[1]", "application/json"),
    (b'[{"a":1},{"b":1}]', "application/json"), (b'[{"a":1},{"a":1,"b":2}]', "application/json"),
    (b'[{"a":1},{}]', "application/json"), (b'[{}, {"a":1}]', "application/json"),
    (b"[" * 100_000, "application/json"), (b"[{\"a\":\"\xff\"}]", "application/json"),
    (b"<html>", "text/html"), (b"", ""),
]  # fmt: skip


@every
@pytest.mark.parametrize(("content", "content_type"), BAD)
def test_what_is_no_result_is_a_codec_error(codec_class, make, content, content_type):
    with pytest.raises(CodecError, match=rf"\(codec {codec_class().name}\)"):
        codec_class().decode(content, content_type)


@every
def test_broken_csv_is_a_codec_error(codec_class, make):
    for content in (b"", b"a,b\n1,2,3\n4\n5,6,7,8\n", b"\xff\xfe\0"):
        with pytest.raises(CodecError):
            codec_class().decode(content, "text/csv")


# Text and rows


def test_csv_stays_as_it_is():
    for content in ("a\nä\n", b"a\n\xc3\xa4\n", bytearray(b"a\n\xc3\xa4\n")):
        assert Csv().encode(content) == TableContent(b"a\n\xc3\xa4\n", "text/csv", {})
    assert Csv().decode(memoryview(b"a\n\xc3\xa4\n"), "text/csv; charset=utf-8") == "a\nä\n"
    with pytest.raises(TypeError, match="csv takes str or bytes"):
        Csv().encode([{"a": 1}])
    for content, kind, said in [
        (b"\xff", "text/csv", "not UTF-8"),
        (b"[]", "application/json", "is JSON, not CSV"),
        (b"x", "text/html", "'text/html'"),
    ]:
        with pytest.raises(CodecError, match=said):
            Csv().decode(content, kind)


def test_rows_are_json():
    rows = [{"a": 1, "b": None}, {"a": "x", "b": {"c": [1]}}]
    content = Rows().encode(rows)
    assert content.content_type == "application/json"
    assert content.types == {}
    assert json.loads(content.content) == rows
    assert Rows().decode(content.content, "application/json") == rows
    assert Rows().decode(b"a,b\n1,\n", "text/csv") == [{"a": "1", "b": ""}]


def test_rows_that_json_cannot_express_are_refused():
    for wrong in ({"a": 1}, [1], "text", None):
        with pytest.raises(TypeError, match="list of dicts"):
            Rows().encode(wrong)
    with pytest.raises(TypeError, match="column 'b' can't be written as JSON"):
        Rows().encode([{"a": 1, "b": MOMENT}])


@pytest.mark.parametrize(
    ("content", "content_type"),
    [*BAD[:3], *BAD[7:], (b'a\n"x', "text/csv"), (b"a\n\xff\n", "text/csv"),
     (b"a\n1,2\n", "text/csv")],
)  # fmt: skip
def test_what_are_no_rows_is_a_codec_error(content, content_type):
    with pytest.raises(CodecError, match=r"\(codec rows\)"):
        Rows().decode(content, content_type)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("a\n", "csv"), (b"a\n", "csv"), (bytearray(b"a"), "csv"), (memoryview(b"a"), "csv"),
        ([{"a": 1}], "rows"), ((), "rows"), (polars.DataFrame(), "polars"),
        (polars.LazyFrame(), "polars"), (pandas.DataFrame(), "pandas"),
        (pyarrow.table({}), "arrow"), (type("Sub", (pandas.DataFrame,), {})(), "pandas"),
    ],
)  # fmt: skip
def test_the_codec_of_a_table_is_found_by_its_type(table, name):
    assert TableRegistry.default().of(table).name == name
    with pytest.raises(TypeError, match="a table must be"):
        TableRegistry().of(table)


def test_what_is_no_table_has_no_codec():
    for wrong in (None, 5, {"a": 1}, object(), polars.Series([1])):
        with pytest.raises(TypeError, match=f"not {type(wrong).__name__}"):
            TableRegistry.default().of(wrong)


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_infinite_float_of_few_bits_is_not_the_largest(kind):
    column = numpy.array([1.5, numpy.inf, numpy.nan], kind)
    assert PandasTable().encode(pandas.DataFrame({"a": column, "b": [1, 2, 3]})).types == {
        "a": "float"
    }
    if kind == "float32":
        frame = polars.DataFrame({"a": column, "b": [1, 2, 3]})
        assert PolarsTable().encode(frame).types == {"a": "float"}


def test_sparse_floats_are_floats():
    column = pandas.arrays.SparseArray([1.5, 0.0])
    assert PandasTable().encode(pandas.DataFrame({"a": column})).types == {"a": "float"}
    with pytest.raises(ValueError, match="largest float"):
        PandasTable().encode(pandas.DataFrame({"a": pandas.arrays.SparseArray([LARGEST, 0.0])}))


def test_dates_of_arrow_in_pandas_are_text():
    days = pandas.Series(
        [datetime.date(2020, 1, 31), None], dtype=pandas.ArrowDtype(pyarrow.date32())
    )
    encoded = PandasTable().encode(pandas.DataFrame({"a": days, "b": [1, 2]}))
    assert encoded.content == b"a,b\r\n2020-01-31,1\r\n,2\r\n"
    assert encoded.types == {"a": "string"}


def test_views_of_text_are_text():
    column = pyarrow.array(["x", None], pyarrow.string_view())
    encoded = ArrowTable().encode(pyarrow.table({"a": column, "b": [1, 2]}))
    assert encoded.types == {"a": "string"}
    assert ArrowTable().decode(encoded.content, "text/csv")["a"].to_pylist() == ["x", None]
    with pytest.raises(ValueError, match="NUL"):
        ArrowTable().encode(pyarrow.table({"a": pyarrow.array(["a\0b"], pyarrow.string_view())}))


def test_rows_that_are_nested_too_deeply_are_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="deeply"):
        Rows().encode([{"a": value}])


@pytest.mark.parametrize(
    "dtype", ["Int8", "UInt64", "Float64", "boolean", "string", "int64[pyarrow]"]
)
def test_categories_of_nullable_types_keep_what_is_missing(dtype):
    values = {"boolean": [True, None, False], "string": ["a", None, "b"]}.get(dtype, [1, None, 2])
    column = pandas.Series(values, dtype=dtype).astype("category")
    content = PandasTable().encode(pandas.DataFrame({"b": [1, 2, 3], "c": column}))
    cells = columns_in(content)["c"]
    assert cells[1] == ""
    assert "" not in (cells[0], cells[2])


@pytest.mark.parametrize("values", [[0, 10], [pandas.Period("2026-01"), None], [b"x", None]])
def test_categories_without_a_form_name_their_column(values):
    column = pandas.cut([1, 2], values) if values == [0, 10] else pandas.Categorical(values)
    with pytest.raises((TypeError, ValueError), match="'grade'"):
        PandasTable().encode(pandas.DataFrame({"grade": column}))


SURROGATE = "bad \ud800"


@pytest.mark.parametrize(
    "column",
    [
        pandas.Series(["fine", SURROGATE], dtype=object),
        pandas.Categorical(pandas.Series(["fine", SURROGATE], dtype=object)),
    ],
)
def test_text_that_is_none_names_its_column_in_pandas(column):
    with pytest.raises(ValueError, match="column 'remark' has a text with a lone surrogate"):
        PandasTable().encode(pandas.DataFrame({"n": [1, 2], "remark": column}))


def test_text_that_is_none_names_its_column_in_rows():
    with pytest.raises(ValueError, match="column 'remark' has a text with a lone surrogate"):
        Rows().encode([{"n": 1, "remark": "fine"}, {"n": 2, "remark": {"deep": [SURROGATE]}}])
    fine = [{"smile": "\U0001f600", "escape": r"\ud800"}]
    assert Rows().decode(Rows().encode(fine).content, "application/json") == fine


def test_text_that_is_none_names_its_column_in_arrow():
    buffers = [None, pyarrow.py_buffer(b"\0\0\0\0\2\0\0\0"), pyarrow.py_buffer(b"\xed\xa0")]
    broken = pyarrow.Array.from_buffers(pyarrow.string(), 1, buffers)
    with pytest.raises(ValueError, match="column 'remark'"):
        ArrowTable().encode(pyarrow.table({"remark": broken}))


def test_text_that_is_none_says_its_line_in_csv():
    with pytest.raises(ValueError, match=r"lone surrogate .* in line 3"):
        Csv().encode("a\n1\n\udc00\n")
