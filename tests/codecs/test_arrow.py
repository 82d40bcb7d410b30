"""Tables as Arrow streams."""

import datetime
import decimal

import pandas
import polars
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from storekit.codecs import Arrow, CodecError, Json, Zstd
from storekit.codecs.arrow_checks import is_compressed

TABLE = pyarrow.table({"a": [1, None], "s": ["x", ""], "l": [[1, 2], None]})

ALL_KINDS = polars.DataFrame(
    {
        "enum": polars.Series(["a", None], dtype=polars.Enum(["a", "b"])),
        "categorical": polars.Series(["x", "y"], dtype=polars.Categorical),
        "date": [datetime.date(2020, 1, 1), None],
        "datetime": [datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)] * 2,
        "time": [datetime.time(1, 2)] * 2,
        "duration": [datetime.timedelta(1)] * 2,
        "decimal": [decimal.Decimal("1.50"), None],
        "list": [[1], []],
        "array": polars.Series([[1, 2]] * 2, dtype=polars.Array(polars.Int64, 2)),
        "struct": [{"a": 1}, {"a": None}],
        "binary": [b"x", None],
        "null": [None, None],
        "text": ["a", ""],
        "bool": [True, None],
    }
)


def test_tables_of_pyarrow_come_back():
    codec = Arrow()
    for table in (TABLE, TABLE.slice(0, 0), pyarrow.concat_tables([TABLE, TABLE])):
        back = codec.decode(codec.encode(table))
        assert back.equals(table)
        assert back.schema == table.schema


def test_a_table_reads_from_the_content_without_a_copy():
    content = Arrow().encode(pyarrow.table({"a": list(range(100_000))}))
    before = pyarrow.total_allocated_bytes()
    table = Arrow().decode(content)
    assert pyarrow.total_allocated_bytes() - before < 10_000
    assert table["a"][99_999].as_py() == 99_999


@pytest.mark.parametrize("kind", ["pyarrow", "polars", "pandas"])
def test_content_may_lie_anywhere_in_memory(kind):
    codec = Arrow(kind)
    content = Arrow().encode(TABLE)
    for shift in range(9):
        back = codec.decode(memoryview(b"x" * shift + content)[shift:])
        assert back.shape == TABLE.shape


@pytest.mark.parametrize("frame", [ALL_KINDS, ALL_KINDS.clear(), polars.DataFrame()], ids=len)
def test_frames_of_polars_come_back(frame):
    back = Arrow("polars").decode(Arrow("polars").encode(frame))
    assert back.schema == frame.schema
    assert back.equals(frame)


@given(
    dataframes(
        max_cols=4,
        max_size=8,
        allowed_dtypes=[
            polars.Int64, polars.UInt8, polars.Float64, polars.Boolean, polars.String,
            polars.Binary, polars.Date, polars.Time, polars.Duration, polars.Datetime,
            polars.List, polars.Struct, polars.Decimal, polars.Categorical, polars.Enum,
        ],
        excluded_dtypes=None,
    )
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_any_frame_of_polars_comes_back(frame):
    try:
        content = Arrow("polars").encode(frame)
    except TypeError:
        assert any(dtype.is_nested() for dtype in frame.dtypes)  # categories within them
        return
    back = Arrow("polars").decode(content)
    assert back.schema == frame.schema
    assert back.equals(frame)


def test_frames_of_pandas_come_back_with_their_index():
    frame = pandas.DataFrame(
        {
            "a": [1, 2],
            "s": ["x", None],
            "c": pandas.Categorical(["a", "b"]),
            "t": pandas.to_datetime(["2020-01-01", "2021-01-01"]).tz_localize("UTC"),
        },
        index=pandas.Index(["i", "j"], name="key"),
    )
    codec = Arrow("pandas")
    pandas.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    pandas.testing.assert_frame_equal(codec.decode(codec.encode(frame[:0])), frame[:0])


def test_what_one_library_wrote_the_others_read():
    content = Arrow().encode(TABLE)
    assert Arrow("polars").decode(content).to_dict(as_series=False) == TABLE.to_pydict()
    assert list(Arrow("pandas").decode(content)["s"]) == ["x", ""]
    assert Arrow().decode(Arrow("polars").encode(ALL_KINDS)).num_columns == ALL_KINDS.width


def test_arrow_goes_into_wrappers():
    codec = Zstd(Arrow("polars"))
    assert codec.name == "polars+zstd"
    assert codec.decode(codec.encode(ALL_KINDS)).equals(ALL_KINDS)


@pytest.mark.parametrize("kind", ["pyarrow", "polars", "pandas"])
def test_only_tables_of_the_library_are_taken(kind):
    others = {"pyarrow": TABLE, "polars": ALL_KINDS, "pandas": pandas.DataFrame({"a": [1]})}
    del others[kind]
    for wrong in (*others.values(), None, [{"a": 1}], ALL_KINDS.lazy()):
        with pytest.raises(TypeError, match=f"codec .* takes {kind}"):
            Arrow(kind).encode(wrong)
    with pytest.raises(ValueError, match="'pyarrow', 'polars' or 'pandas'"):
        Arrow("numpy")


UNFIT = {
    "views": pyarrow.array(["a"], pyarrow.string_view()),
    "binary views": pyarrow.array([b"a"], pyarrow.binary_view()),
    "list views": pyarrow.array([[1]], pyarrow.list_view(pyarrow.int8())),
    "runs": pyarrow.RunEndEncodedArray.from_arrays([1], [5]),
    "unions": pyarrow.UnionArray.from_dense(
        pyarrow.array([0], "int8"), pyarrow.array([0], "int32"), [pyarrow.array([1])]
    ),
    "categories in lists": pyarrow.ListArray.from_arrays(
        [0, 1], pyarrow.array(["a"]).dictionary_encode()
    ),
    "dictionaries of lists": pyarrow.DictionaryArray.from_arrays([0], [[1]]),
    "views in structs": pyarrow.array([{"a": "x"}], pyarrow.struct({"a": pyarrow.string_view()})),
}


@pytest.mark.parametrize("column", UNFIT.values(), ids=UNFIT)
def test_columns_that_can_stand_for_more_than_their_bytes_are_neither_written_nor_read(column):
    table = pyarrow.table({"good": [1] * len(column), "bad": column})
    with pytest.raises(TypeError, match=r"column 'bad' is .* can't be stored"):
        Arrow().encode(table)
    with pytest.raises(CodecError, match="a column of an unsupported type"):
        Arrow().decode(_stream(table))


def test_names_of_types_are_not_mistaken_for_types():
    table = pyarrow.table({"string_view": pyarrow.array([{"list_view": 1, "union": 2}])})
    assert Arrow().decode(Arrow().encode(table)).equals(table)


def _stream(table, **options):
    sink = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(**options)
    with pyarrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_streams_are_not_read_as_nothing_bounds_them(compression):
    for table in (TABLE, pyarrow.table({"c": pyarrow.array(["ab"] * 9).dictionary_encode()})):
        with pytest.raises(CodecError, match="compressed"):
            Arrow().decode(_stream(table, compression=compression))
        messages = pyarrow.ipc.MessageReader.open_stream(_stream(table))
        assert not any(is_compressed(memoryview(message.metadata)) for message in messages)


NULLS = {
    "nulls": pyarrow.nulls(10**9),
    "nulls in a struct": pyarrow.StructArray.from_arrays([pyarrow.nulls(10**9)], ["a"]),
    "nulls in a list": pyarrow.ListArray.from_arrays([0, 2**31 - 1], pyarrow.nulls(2**31 - 1)),
    "nulls in fixed lists": pyarrow.FixedSizeListArray.from_arrays(pyarrow.nulls(10**9), 10**9),
}


@pytest.mark.parametrize("column", NULLS.values(), ids=NULLS)
@pytest.mark.parametrize("kind", ["pyarrow", "polars", "pandas"])
def test_nulls_without_end_are_not_read(kind, column):
    with pytest.raises(CodecError, match="more values than"):
        Arrow(kind).decode(_stream(pyarrow.table({"a": column})))


def test_a_million_nulls_of_no_type_are_refused_before_they_are_written():
    with pytest.raises(ValueError, match="too many rows in columns of type null"):
        Arrow().encode(pyarrow.table({"a": pyarrow.nulls(10**6)}))
    many = pyarrow.table({"a": pyarrow.nulls(30_000), "m": [{"k": None}] * 30_000})
    assert Arrow().decode(Arrow().encode(many)).equals(many)


def test_a_slice_of_a_large_table_is_written():
    table = pyarrow.table({"l": [[0] * 100] * 10_000}).slice(5, 1)
    assert Arrow().decode(Arrow().encode(table)).equals(table)


def test_maps_and_extension_types_are_counted_by_what_they_hold():
    maps = pyarrow.array([[("a", 1)], []], pyarrow.map_(pyarrow.string(), pyarrow.int8()))
    ids = pyarrow.ExtensionArray.from_storage(
        pyarrow.uuid(), pyarrow.array([b"0" * 16] * 2, pyarrow.binary(16))
    )
    table = pyarrow.table(
        {"m": maps, "u": ids, "f": pyarrow.array([[1], [2]], pyarrow.list_(pyarrow.int8(), 1))}
    )
    assert Arrow().decode(Arrow().encode(table)).equals(table)
    with pytest.raises(CodecError, match="can't be read by polars"):
        Arrow("polars").decode(Arrow().encode(table))


def test_objects_are_not_stored():
    with pytest.raises(TypeError, match="'o' has Python objects"):
        Arrow("polars").encode(polars.DataFrame({"o": [object()]}))
    with pytest.raises((TypeError, ValueError), match="codec pandas can't write"):
        Arrow("pandas").encode(pandas.DataFrame({"o": [object()]}))
    with pytest.raises(ValueError, match="without columns"):
        Arrow("polars").encode(polars.DataFrame(height=3))


def test_polars_sees_no_metadata_of_a_stranger():
    field = pyarrow.field(
        "o",
        pyarrow.binary(8),
        metadata={"ARROW:extension:name": "POLARS_EXTENSION_TYPE", "ARROW:extension:metadata": "1"},
    )
    table = pyarrow.table([pyarrow.array([b"\1" * 8])], schema=pyarrow.schema([field]))
    back = Arrow("polars").decode(_stream(table))
    assert back.schema == {"o": polars.Binary}
    nested = pyarrow.struct([field])
    table = pyarrow.table({"s": pyarrow.array([{"o": b"\1" * 8}], nested)})
    with pytest.raises(CodecError, match="can't be read by polars"):
        Arrow("polars").decode(_stream(table))


def test_a_panic_of_polars_is_a_codec_error(monkeypatch):
    def panic(*args, **options):
        raise polars.exceptions.PanicException("boom")

    monkeypatch.setattr(polars, "from_arrow", panic)
    with pytest.raises(CodecError, match="can't be read by polars"):
        Arrow("polars").decode(Arrow().encode(TABLE))


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_stream_that_is_cut_anywhere_is_a_codec_error(data):
    batches = pyarrow.concat_tables([TABLE, TABLE])
    content = Arrow().encode(batches)
    end = data.draw(st.integers(0, len(content) - 1))
    for broken in (content[:end], content + content[:8], content + b"x"):
        with pytest.raises(CodecError):
            Arrow().decode(broken)


BROKEN = {
    "offsets beyond the text": pyarrow.StringArray.from_buffers(
        2, pyarrow.py_buffer(b"\0\0\0\0\xff\0\0\0\x03\0\0\0"), pyarrow.py_buffer(b"abc")
    ),
    "text that is not UTF-8": pyarrow.StringArray.from_buffers(
        1, pyarrow.py_buffer(b"\0\0\0\0\x03\0\0\0"), pyarrow.py_buffer(b"a\xffc")
    ),
    "an index without a value": pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([5], "int8"), ["a"], safe=False
    ),
}


@pytest.mark.parametrize("kind", ["pyarrow", "polars", "pandas"])
@pytest.mark.parametrize("column", BROKEN.values(), ids=BROKEN)
def test_columns_are_checked_before_they_are_handed_out(kind, column):
    with pytest.raises(CodecError, match="not a valid Arrow stream"):
        Arrow(kind).decode(_stream(pyarrow.table({"a": column})))


def test_a_stream_that_is_cut_between_two_batches_is_a_codec_error():
    content = Arrow().encode(pyarrow.concat_tables([TABLE, TABLE]))
    with pytest.raises(CodecError, match="incomplete"):
        Arrow().decode(content[:-8])
    for other in (b"", b"x" * 100, Json().encode([1]), b"\xff" * 8):
        with pytest.raises(CodecError):
            Arrow().decode(other)
