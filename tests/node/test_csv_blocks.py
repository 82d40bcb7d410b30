"""A table that is read in blocks, by some threads, is the one that its whole text makes."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from storekit.qcache.node import categories as coding
from storekit.qcache.node.categories import is_coded, with_text
from storekit.qcache.node.errors import BadQuery, BadTable
from storekit.qcache.node.reading import csv as csv_reading
from tests.node.csv_tables import (
    REST,
    SIZES,
    USUAL,
    Threads,
    Types,
    cells,
    check,
    cut,
    filled,
    in_blocks,
    outcome,
    sizes,
    texts,
)
from tests.node.queries import ask_as_large, assert_equal
from tests.node.roomy import parse_query, read_csv, run_query
from tests.node.test_query_properties import QUERIES, tables


@given(st.data(), texts(), SIZES)
@settings(max_examples=300, deadline=None)
def test_blocks_make_the_table_that_the_whole_makes(data, given_text, small):
    text, types = given_text
    blocks = data.draw(cut(text))
    with sizes(**small):
        found = check(blocks, types)
        with sizes(reading_WORTH_A_GUESS=0):  # and so does the whole, when read by a guess
            assert outcome(lambda: read_csv(text, types)) == found
    event(f"refused: {found[0] == 'refused'}")


CLEAN = [kind for kind in REST if kind != "blanks"]


@st.composite
def changing(draw) -> tuple[list[bytes], Types]:
    """Blocks that are read as such, each with columns of other kinds than the one before."""
    width = draw(st.integers(1, 3))
    names = [b"a", b"b", b"c"][:width]
    blocks: list[bytes] = [b",".join([*names, b"last"]) + b"\n"]
    for number in range(draw(st.integers(1, 4))):
        height = draw(st.integers(0 if number == 0 else 1, 4))
        table = []
        for _ in names:
            pool = st.sampled_from(cells(draw(st.sampled_from(USUAL) | st.sampled_from(CLEAN))))
            if draw(st.booleans()):
                pool |= st.sampled_from(cells(draw(st.sampled_from(["nothing", *CLEAN]))))
            table.append(draw(st.lists(pool, min_size=height, max_size=height)))
        rows = [b",".join([*row, b"1"]) + b"\n" for row in zip(*table, strict=True)]
        if number == 0:
            blocks[0] += b"".join(rows)
        else:
            blocks.append(b"".join(rows))
    if draw(st.booleans()):
        blocks[-1] = blocks[-1].removesuffix(b"\n")
    declared = st.dictionaries(
        st.sampled_from(["a", "b"]), st.sampled_from(["string", "float", "enum"]), min_size=1
    )
    return blocks, draw(st.just({}) | st.just({}) | declared)


@given(changing(), SIZES)
@settings(max_examples=300, deadline=None)
def test_columns_may_be_of_another_kind_in_each_block(given_blocks, small):
    with sizes(**small):
        check(*given_blocks)


def test_minus_zero_among_whole_numbers_is_one_if_there_are_decimals_elsewhere():
    with sizes(blocks_GUESSED_ROWS=1):
        _, values = check([b"a,k\n1,1\n1.5,1\n", b"-0,1\n,1\n"])
    assert values == "[(1.0, 1), (1.5, 1), (-0.0, 1), (None, 1)]"


def test_a_decimal_behind_a_number_beyond_uint64_does_not_make_floats():
    schema, _ = check([b"a,k\n18446744073709551616,1\n1.5,1\n", b"2.5,1\n"])
    assert schema == [("a", pl.String), ("k", pl.Int64)]


MARKS = [
    b"\xef\xbb\xbf5,6\n",  # byte order
    b"x\x01,2\n",  # of compression, but here it is text
    b"x^,2\n",
    zlib.compress(b"5,6\n7,8\n", 1) + b"\n",
    gzip.compress(b"5,6\n7,8\n", mtime=0) + b"\n",
    b"(\xb5/\xfd,2\n",
]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(
    "before", [b"a,b\n", b"a,b\n\n", b"a,b\r", b"a,b\n1,2\n", b"\xef\xbb\xbfa,b\n"]
)
def test_nothing_in_the_text_is_taken_for_a_mark(before, mark):
    rows = mark.decode(errors="replace").splitlines()
    for blocks in ([before, mark], [before + mark]):
        schema, values = check(blocks)
        if "\ufffd" in rows[0]:
            assert schema == "refused"
            assert "UTF-8" in values
        else:
            assert schema[0] == ("a", pl.String)
            assert values.endswith(f"({rows[0].partition(',')[0]!r}, {rows[0][-1]})]")


@pytest.mark.parametrize("name", ["x\x01", "x^", "x", "\ufeffx^"])
def test_a_header_is_not_taken_for_a_mark(name):
    table = read_csv(f"{name},b\n1,2\n".encode(), {})
    assert table.rows() == [(1, 2)]
    assert table.columns == [name.removeprefix("\ufeff"), "b"]
    check([f"{name},b\n1,2\n".encode(), b"3,4\n"])


# -- what only large tables have ------------------------------------------------------------


def test_short_rows_of_all_blocks_count_together():
    header = b",".join(b"c%d" % number for number in range(100)) + b"\n"
    blocks = [header + b"1,2\n" * 8000, *[b"3,4\n" * 8000] * 3]
    found, message = check(blocks)
    assert found == "refused"
    assert "nearly all cells would be empty" in message
    # As many as fit into one block are a table.
    assert check([header + b"1,2\n" * 4000, b"3,4\n" * 4000])[0] != "refused"


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_block_cannot_ask_for_a_huge_table(blocks, monkeypatch):
    most = 0
    real = csv_reading.pl.read_csv

    def read(text: bytes, **options: Any) -> pl.DataFrame:
        nonlocal most
        most = max(most, text.count(b"\n"))
        return real(text, **options)

    monkeypatch.setattr(csv_reading.pl, "read_csv", read)
    header = b",".join(b"c%d" % number for number in range(1000)) + b"\n"
    short = b"1,2\n" * 2000
    table = filled([header + short] if blocks == 1 else [header + b"1,2\n", short])
    with pytest.raises(BadTable, match="nearly all cells would be empty"):
        table.table()
    assert most <= 2  # lines that were looked at before


@pytest.mark.parametrize("last", [b"1,2", b"1,2\n", b"1,2,"])
@pytest.mark.parametrize("free", range(12, 20))
def test_the_rows_that_are_too_many_are_the_same(last, free):
    with sizes(limits_FREE_CELLS=free, limits_CELLS_A_BYTE=0, reading_WIDE=1):
        found, _ = check([b"a,b,c,d\n1,2,3,4\n", b"5,6,7,8\n1,2\n", last])
    assert (found == "refused") is (free < 16)  # four rows of four columns


def column_of(blocks: list[list[str]]) -> tuple[pl.Series, pl.Series]:
    """Return a column as it is held, and as the whole has it."""
    texts = ["a,b\n" + "".join(f"{cell},1\n" for cell in blocks[0])]
    texts += ["".join(f"{cell},1\n" for cell in cells) for cells in blocks[1:]]
    raw = [text.encode() for text in texts]
    with sizes(coding_LEAST=2):
        held = in_blocks(raw, {})
    assert held["b"].dtype == pl.Int64
    return held["a"], read_csv(b"".join(raw), {})["a"]


SAME = ["x", "y", "x", "", "y"] * 4


@pytest.mark.parametrize(
    "blocks", [[SAME], [SAME, SAME], [SAME, ["x", "new"]], [SAME, ["1", "True", ""]], [SAME, [""]]]
)
def test_text_of_few_values_is_held_as_codes(blocks):
    held, whole = column_of(blocks)
    assert is_coded(held.dtype)
    assert held.to_physical().dtype == pl.UInt8
    assert coding.as_text(held).equals(whole, check_names=True)


MANY = [f"value {number}" for number in range(300)]


@pytest.mark.parametrize(
    "blocks",
    [[SAME, MANY], [SAME, MANY, SAME], [SAME, MANY[:200], MANY[150:], SAME], [SAME, MANY, MANY]],
)
def test_text_of_more_values_than_there_seemed_to_be_is_plain(blocks):
    held, whole = column_of(blocks)
    assert held.dtype == pl.String
    assert held.equals(whole, check_names=True)


@pytest.fixture
def pool() -> Threads:
    return Threads()


# -- tables of several pieces ---------------------------------------------------------------


@st.composite
def in_pieces(draw) -> pl.DataFrame:
    """A table as blocks leave it: each column in as many pieces, some of them empty."""
    once = draw(tables())
    table = pl.concat([once] * draw(st.integers(1, 4))) if once.width else once
    count = draw(st.integers(1, 4))
    cuts = st.lists(st.integers(0, table.height), min_size=count, max_size=count).map(sorted)
    places = draw(cuts)
    apart = not draw(st.integers(0, 3))
    columns = []
    for column in table:
        if apart:
            places = draw(cuts)
        ends = [0, *places, table.height]
        pieces = [column[start:end] for start, end in pairwise(ends)]
        columns.append(pl.concat(pieces, rechunk=False))
    return pl.DataFrame(columns)


@given(in_pieces(), QUERIES)
@settings(max_examples=300, deadline=None)
def test_a_table_of_pieces_answers_as_one_of_one_piece(table, query):
    parsed = parse_query(json.dumps(query))
    for run in (run_query, ask_as_large):
        try:
            expected = run(table.rechunk(), parsed)
        except BadQuery as error:
            with pytest.raises(BadQuery, match=f"^{re.escape(str(error))}$"):
                run(table, parsed)
            continue
        answer = run(table, parsed)
        assert answer.header == expected.header
        assert answer.unsliced_length == expected.unsliced_length
        assert_equal(answer.frame, expected.frame)


@pytest.mark.parametrize(
    ("heights", "least", "kept"),
    [([3, 3], 3, 2), ([5, 1], 3, 2), ([3, 2], 3, 1), ([3, 3, 2], 3, 1), ([6], 3, 1)],
)
@pytest.mark.parametrize("coded", [False, True])
def test_pieces_are_joined_if_they_are_short(heights, least, kept, coded):
    pieces = [pl.DataFrame({"i": range(height), "t": ["x"] * height}) for height in heights]
    table = pl.concat(pieces, rechunk=False)
    with sizes(coding_LEAST_CHUNK=least, coding_LEAST=1 if coded else 100):
        held = coding.compact(table)
    assert set(held.n_chunks("all")) == {kept}
    assert is_coded(held["t"].dtype) is coded
    assert with_text(held).equals(table)


def test_pieces_are_joined_if_columns_have_other_ones():
    one = pl.concat([pl.Series("a", [1, 2]), pl.Series("a", [3, 4])], rechunk=False)
    other = pl.concat([pl.Series("b", [1]), pl.Series("b", [2, 3, 4])], rechunk=False)
    table = pl.DataFrame([one, other, pl.Series("c", [1, 2, 3, 4])])
    with sizes(coding_LEAST_CHUNK=1):
        held = coding.compact(table)
    assert set(held.n_chunks("all")) == {1}
    assert held.equals(table)
