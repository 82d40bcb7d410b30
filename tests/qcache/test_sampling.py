"""Pages of one result have the column types that the whole has."""

import json

import polars
import pyarrow
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storekit.codecs.tables import ArrowTable, PandasTable, PolarsTable
from storekit.errors import CodecError
from storekit.qcache.sampling import TableSample, header_end

JSON, CSV = "application/json", "text/csv"

scalars = st.one_of(
    st.none(),
    st.booleans(),
    # Beyond, Arrow refuses them beside decimals, and a page may have the ones without the others.
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("ab1.-", max_size=4),
)
columns = st.lists(
    st.one_of(
        st.lists(scalars, min_size=8, max_size=8),
        *(st.lists(kind | st.none(), min_size=8, max_size=8) for kind in
          (st.booleans(), st.integers(-5, 5), st.floats(-1, 1), st.text("ab", max_size=2))),
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


def cut(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def decoded(codec, content, content_type):
    try:
        return codec.decode(content, content_type)
    except CodecError:
        return None


def check(codec, contents, whole, content_type):
    """Each page has the types of the whole, and together they are the whole."""
    right = decoded(codec, whole, content_type)
    sample = TableSample()
    for content in contents:
        sample.add(content, content_type)
    if right is None:
        with pytest.raises(CodecError):
            sample.decode(codec, contents[0], content_type)
        return
    pages = [sample.decode(codec, content, content_type) for content in contents]
    if isinstance(right, polars.DataFrame):
        assert all(page.schema == right.schema for page in pages)
        assert polars.concat(pages).equals(right)
    elif isinstance(right, pyarrow.Table):
        assert all(page.schema == right.schema for page in pages)
        assert pyarrow.concat_tables(pages).equals(right)
    else:
        assert all(page.dtypes.equals(right.dtypes) for page in pages)
        assert all(list(page.index) == list(range(len(page))) for page in pages)


@pytest.mark.parametrize("codec", [PolarsTable(), PandasTable(), ArrowTable()])
@given(columns=columns, size=st.integers(1, 8))
@example(columns=[[None] * 4 + ["x"] * 4], size=4)
@example(columns=[[1] * 4 + [1.5] * 4], size=4)
@example(columns=[[1] * 4 + ["x"] * 4], size=4)
@example(columns=[["x"] * 4 + [1] * 4], size=4)
@example(columns=[[None] * 8], size=4)
@example(columns=[[1] * 7 + [None]], size=4)
@settings(deadline=None, max_examples=60)
def test_pages_of_json_have_the_types_of_the_whole(codec, columns, size):
    rows = [dict(zip("abc", values, strict=False)) for values in zip(*columns, strict=True)]
    contents = [json.dumps(page, separators=(",", ":")).encode() for page in cut(rows, size)]
    check(codec, contents, json.dumps(rows).encode(), JSON)


@pytest.mark.parametrize("codec", [PolarsTable(), PandasTable(), ArrowTable()])
@pytest.mark.parametrize(
    "cells",
    [
        ["", "", "x", "y"],
        ["1", "2", "1.5", "2.5"],
        ["1", "2", "x", "y"],
        ["1", "2", "", ""],
        ["True", "False", "", "x"],
        ["2026-01-02", "2026-01-03", "2026-01-04T05:06:07", "no date"],
        ["1", "2", "3", "9223372036854775808"],
        ['"a\nb"', '"say ""x"""', "", "7"],
    ],
)
def test_pages_of_csv_have_the_types_of_the_whole(codec, cells):
    lines = [f"{cell},{number}\n" for number, cell in enumerate(cells)]
    header = '"a\nb",n\n'
    contents = [(header + "".join(page)).encode() for page in cut(lines, 2)]
    check(codec, contents, (header + "".join(lines)).encode(), CSV)


@given(st.lists(st.text('a"\n,', max_size=5), min_size=1, max_size=4))
def test_the_header_ends_where_a_line_outside_quotes_does(names):
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n"
    assert header_end((quoted + '1,"\n"\n').encode()) == len(quoted)
