"""A table that is read in blocks, by some threads, is the one that its whole text makes."""

from __future__ import annotations

import gzip
import json
import re
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from storekit.qcache.node import categories as coding
from storekit.qcache.node.categories import is_coded, with_text
from storekit.qcache.node.errors import BadQuery, BadTable
from storekit.qcache.node.http.bodies import Lines
from storekit.qcache.node.reading import csv as csv_reading
from storekit.qcache.node.reading import csv_blocks, limits
from tests.node.queries import ask_as_large, assert_equal
from tests.node.roomy import CsvBlocks, parse_query, read_csv, run_query
from tests.node.test_query_properties import QUERIES, tables

TIMEOUT = 30
"""Seconds after which a thread that waits is taken to wait for ever."""

Types = dict[str, str]


class Threads:
    """Threads that need not end for the tests to end: one that waits for ever is a failure."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(function(*args))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future


def in_blocks(blocks: list[bytes], types: Types) -> pl.DataFrame:
    table = CsvBlocks(types)
    for block in blocks:
        table.add(block)
    return Threads().submit(table.table).result(TIMEOUT)


def outcome(read: Callable[[], pl.DataFrame]) -> tuple[Any, Any]:
    """Return the schema and the cells of a table, or why there is none."""
    try:
        frame = with_text(read())
    except BadTable as error:
        return "refused", str(error)
    # The text of the values tells minus zero from zero.
    return list(frame.schema.items()), repr(frame.rows())


def check(blocks: list[bytes], types: Types | None = None) -> Any:
    """Check that blocks and the whole have the same outcome, and return what the blocks make."""
    found = outcome(lambda: in_blocks(blocks, types or {}))
    assert found == outcome(lambda: read_csv(b"".join(blocks), types or {}))
    return found


# -- what is read ---------------------------------------------------------------------------

KINDS = {
    "whole": ["0", "1", "-2", "35", "900"],
    "odd whole": ["-0", "+5", "007", " 5 ", "\t6", "-007", "+0"],
    "huge": [
        str(2**53 + 1),
        str(2**63 - 1),
        str(-(2**63)),
        str(2**63),
        str(2**64 - 1),
        str(-(2**63) - 1),
        str(2**64),
        "9" * 25,
        "0" * 25 + "7",
    ],
    "decimal": ["1.5", "-0.25", "0.1", "-0.0", "1e5", "2.5e-3", "12345.678901234567"],
    "odd decimal": ["1.", ".5", "+1.5", " 2.5 ", "1E-2", "1.e+2", "1e400", "-0e0", "+.5"],
    "no number": ["inf", "-Inf", "nan", "NaN", "infinity", "-INFINITY", "+inf", " inf"],
    "bool": ["True", "false", "TRUE", "fALSE"],
    "nothing": [""],
    "blanks": [" ", "\t", "  \t"],
    "text": ["x", "y", "é", "٣", "0x10", "1_000", "1e", "-", "+", ".", " True", "\ufeff3", "x\x01"],
    "marks": ["\ufeff", "x^", "x\x01", "\x00", "a\x00b", "\ufeff5", "1\x00", "\x1a", "\x0b7"],
    "quoted": ['"x"', '"5"', '""', '"a\nb"', 'x"y', '"', '"a""b"', '"5" ', '"x,y"'],
    "bytes": [b"\xff", b"\x1f\x8b", b"x\x9c", b"5\xc3", b"(\xb5/\xfd"],
    "lone CR": ["\r", "1\r", "a\rb"],
}
USUAL = ["whole", "decimal", "bool", "text"]
REST = [kind for kind in KINDS if kind not in ("quoted", "bytes", "lone CR")]
NAMES = ["a", "b", "a", "", "é", "x\x01", "a.1", "x^", '"q"', '"q\nr"', "\ufeff", " ", b"\xff"]


def cells(kind: str) -> list[bytes]:
    return [cell.encode() if isinstance(cell, str) else cell for cell in KINDS[kind]]


@st.composite
def columns(draw, rows: int) -> list[bytes]:
    """A column whose kind changes on its way."""
    found: list[bytes] = []
    while len(found) < rows:
        kind = draw(st.sampled_from(USUAL) | st.sampled_from(REST))
        pool = st.sampled_from(cells(kind))
        oddity = draw(st.sampled_from([None, None, None, "nothing", *REST]))
        if oddity is not None:
            pool |= st.sampled_from(cells(oddity))
        most = draw(st.integers(1, rows))
        found += draw(st.lists(pool, min_size=1, max_size=most))
    return found[:rows]


@st.composite
def texts(draw) -> tuple[bytes, Types]:
    """A text that is a table, or nearly one, and what its columns are declared to be."""
    width, height = draw(st.integers(1, 4)), draw(st.integers(0, 10))
    plain = st.just([b"a", b"b", b"c", b"d"][:width])
    odd = st.lists(st.sampled_from(NAMES), min_size=width, max_size=width).map(
        lambda names: [name.encode() if isinstance(name, str) else name for name in names]
    )
    names = draw(plain | plain | odd)
    table = [draw(columns(height)) for _ in names]
    rows = [list(row) for row in zip(*table, strict=True)]
    for change in draw(st.lists(st.sampled_from(["short", "long", "blank", "cell"]), max_size=2)):
        place = draw(st.integers(0, height))
        if change == "blank":
            rows.insert(place, [draw(st.sampled_from([b"", b" ", b"\t "]))])
        elif place < height and change == "short":
            rows[place] = rows[place][: draw(st.integers(1, width))]
        elif place < height and change == "long":
            rows[place] = [*rows[place], *draw(st.sampled_from([[b""], [b"1"], [b"", b"x"]]))]
        elif place < height:
            odd_kind = draw(st.sampled_from(["quoted", "bytes", "lone CR", "marks"]))
            rows[place][0] = draw(st.sampled_from(cells(odd_kind)))
    end = draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"]))
    lines = [b",".join(names), *map(b",".join, rows)]
    text = end.join(lines) + draw(st.sampled_from([b"", end, end, b",", end + end, b"\r\n"]))
    if not draw(st.integers(0, 9)):
        text = draw(st.sampled_from([b"\xef\xbb\xbf", b"\n", b" \r\n", b"\xef\xbb\xbf\n"])) + text
    declared = st.dictionaries(
        st.sampled_from(["a", "b", "a.1", "nope"]),
        st.sampled_from(["string", "float", "enum"]),
        max_size=2,
    )
    return text, draw(st.just({}) | declared)


@st.composite
def cut(draw, text: bytes) -> list[bytes]:
    """The text in blocks of whole lines, or seldom of others."""
    if draw(st.booleans()):
        blocks: list[bytes] = []
        lines = Lines(blocks.append, draw(st.integers(4, 60)))
        step = draw(st.integers(1, 30))
        for start in range(0, len(text), step):
            lines.add(text[start : start + step])
        lines.finish()
        return blocks
    ends = [place + 1 for place, byte in enumerate(text) if byte == 10]
    if not draw(st.integers(0, 19)):
        ends = list(range(len(text)))
    wanted = draw(st.sets(st.sampled_from(ends))) if ends else set()
    places = [0, *sorted(wanted), len(text)]
    return [text[start:end] for start, end in pairwise(places) if start < end]


@contextmanager
def sizes(**changes: int) -> Iterator[None]:
    """Make a small table take the ways of a large one."""
    modules = {"coding": coding, "blocks": csv_blocks, "reading": csv_reading, "limits": limits}
    with pytest.MonkeyPatch.context() as patch:
        for name, size in changes.items():
            module, _, constant = name.partition("_")
            patch.setattr(modules[module], f"_{constant}", size)
        yield


SIZES = st.fixed_dictionaries(
    {
        "blocks_SAMPLE": st.sampled_from([1, 20, 2**20]),
        "blocks_GUESSED_ROWS": st.sampled_from([1, 2, 500]),
        "reading_SAMPLE_ROWS": st.sampled_from([1, 2, 1000]),
        "coding_LEAST": st.sampled_from([1, 2, 10_000]),
        "coding_SAMPLE": st.sampled_from([1, 2, 10_000]),
    },
    optional={
        "limits_FREE_CELLS": st.integers(0, 30),
        "limits_CELLS_A_BYTE": st.just(0),
        "reading_WIDE": st.just(1),
    },
)


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


# -- threads --------------------------------------------------------------------------------

BLOCKS = [b"a,b\n1,x\n2,y\n", b"3,x\n", b"4.5,z\n", b",y\n", b"6,w"]


class Gate:
    """Holds up readers once the columns are planned, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, holds: Callable[[], bool]) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.arrived = threading.Semaphore(0)
        self.opened = threading.Event()
        self._holds = holds
        self._real = csv_blocks.typed_cells
        monkeypatch.setattr(csv_blocks, "typed_cells", self)

    def __call__(self, *args: Any) -> pl.DataFrame:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.arrived.release()
        try:
            if self._holds():
                assert self.opened.wait(TIMEOUT)
            return self._real(*args)
        finally:
            with self.lock:
                self.inside -= 1

    def await_readers(self, count: int) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=TIMEOUT)


class Noting(threading.Condition):
    """Tells that somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_for.set()
        return super().wait(timeout)


@pytest.fixture
def pool() -> Threads:
    return Threads()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch, lambda: True)
    yield gate
    gate.opened.set()  # or a test that fails would never end


def filled(blocks: list[bytes] = BLOCKS) -> CsvBlocks:
    table = CsvBlocks({})
    for block in blocks:
        table.add(block)
    return table


def test_blocks_are_let_go_of_where_the_text_is_read_as_a_whole():
    blocks = [b"a,b\n" + b"1,x\n" * 9, b'2,"y"\n' * 9]
    held = [sys.getrefcount(block) for block in blocks]
    table = filled(blocks)
    assert outcome(table.table) == outcome(lambda: read_csv(b"".join(blocks), {}))
    assert table.size == len(b"".join(blocks))
    assert [sys.getrefcount(block) for block in blocks] == held


def test_one_more_reader_is_wanted_while_there_is_work_and_there_are_fewer_than_two(pool, gate):
    table = CsvBlocks({})
    assert table.add(BLOCKS[0])
    readers = [pool.submit(table.read)]
    gate.await_readers(1)
    assert table.add(BLOCKS[1])
    readers.append(pool.submit(table.read))
    gate.await_readers(1)
    assert not table.add(BLOCKS[2])
    assert not table.add(BLOCKS[3])
    gate.opened.set()
    for reader in readers:
        reader.result(TIMEOUT)
    assert table.add(BLOCKS[4])
    assert outcome(table.table) == outcome(lambda: read_csv(b"".join(BLOCKS), {}))


def test_no_reader_is_wanted_until_the_first_block_tells_what_the_columns_are(pool, monkeypatch):
    begun, opened = threading.Event(), threading.Event()
    real = csv_blocks.header_of

    def header_of(block: bytes) -> tuple[list[str], int]:
        begun.set()
        assert opened.wait(TIMEOUT)
        return real(block)

    monkeypatch.setattr(csv_blocks, "header_of", header_of)
    table = CsvBlocks({})
    table.add(BLOCKS[0])
    reader = pool.submit(table.read)
    assert begun.wait(TIMEOUT)
    assert not table.add(BLOCKS[1])
    table.read()  # there is nothing that it could read: it returns
    opened.set()
    reader.result(TIMEOUT)
    assert table.table().height == 3


def test_no_reader_is_wanted_for_what_is_to_be_read_as_a_whole():
    table = CsvBlocks({})
    assert table.add(b"a,b\n1,")
    assert not table.add(b"2\n")
    assert not table.add(b"3,4\n")
    table.read()
    assert table.table().rows() == [(1, 2), (3, 4)]
    table = CsvBlocks({})
    assert table.add(b'a,b\n1,"x"\n')
    table.read()
    assert not table.add(b"2,y\n")
    assert table.table().rows() == [(1, "x"), (2, "y")]


def test_two_read_at_a_time_and_no_more(pool, gate):
    table = filled()
    table._changed = condition = Noting()
    first = pool.submit(table.read)
    gate.await_readers(1)
    others = [pool.submit(table.read) for _ in range(4)]
    gate.await_readers(1)
    # All but one of the others see that there are enough.
    returned = threading.Semaphore(0)
    for other in others:
        other.add_done_callback(lambda _: returned.release())
    for _ in range(3):
        assert returned.acquire(timeout=TIMEOUT)
    whole = pool.submit(table.table)
    assert condition.waited_for.wait(TIMEOUT)
    assert not whole.done()
    gate.opened.set()
    assert whole.result(TIMEOUT).rows() == read_csv(b"".join(BLOCKS), {}).rows()
    for reader in (first, *others):
        reader.result(TIMEOUT)
    assert gate.most == 2


def test_two_read_side_by_side(pool, monkeypatch):
    both = threading.Barrier(2, timeout=TIMEOUT)
    real = csv_blocks.plain_rows

    def plain_rows(block: bytes, start: int) -> Any:
        if block in BLOCKS[1:3]:
            both.wait()  # neither goes on without the other
        return real(block, start)

    table = filled(BLOCKS[:1])
    table.read()
    for block in BLOCKS[1:]:
        table.add(block)
    monkeypatch.setattr(csv_blocks, "plain_rows", plain_rows)
    readers = [pool.submit(table.read) for _ in range(2)]
    for reader in readers:
        reader.result(TIMEOUT)
    monkeypatch.undo()
    assert outcome(table.table) == outcome(lambda: read_csv(b"".join(BLOCKS), {}))


@given(st.data(), texts(), SIZES)
@settings(max_examples=100, deadline=None)
def test_threads_make_the_table_that_the_whole_makes(data, given_text, small):
    text, types = given_text
    blocks = data.draw(cut(text))
    with sizes(**small):
        threads, table = Threads(), CsvBlocks(types)
        readers = [threads.submit(table.read) for block in blocks if table.add(block)]
        ends = [threads.submit(outcome, table.table) for _ in range(2)]  # who asks waits for all
        expected = outcome(lambda: read_csv(text, types))
        for end in ends:
            assert end.result(TIMEOUT) == expected
        for reader in readers:
            reader.result(TIMEOUT)


class Panic(BaseException):
    """What Polars raises where it is broken is no `Exception`."""


def failing(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    """Make the reading of a block fail as nobody expects."""
    real = csv_blocks.typed_cells

    def typed_cells(rows: Any, dtypes: Any) -> pl.DataFrame:
        if rows.text == BLOCKS[number]:
            raise error
        return real(rows, dtypes)

    monkeypatch.setattr(csv_blocks, "typed_cells", typed_cells)


ERRORS = [RuntimeError("no"), MemoryError(), pl.exceptions.ComputeError("no"), Panic()]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_reader_that_fails_leaves_it_to_who_wants_the_table(number, error, pool, monkeypatch):
    failing(monkeypatch, number, error)
    table = filled()
    reader = pool.submit(table.read)
    with pytest.raises(type(error)):
        reader.result(TIMEOUT)
    assert not table.add(b"")
    read = pool.submit(outcome, table.table)
    assert read.result(TIMEOUT) == outcome(lambda: read_csv(b"".join(BLOCKS), {}))


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_who_wants_the_table_is_told_of_its_own_failure(error, pool, monkeypatch):
    failing(monkeypatch, 1, error)
    read = pool.submit(filled().table)
    with pytest.raises(type(error)):
        read.result(TIMEOUT)


def test_who_waits_for_a_reader_that_fails_has_the_table_all_the_same(pool, monkeypatch):
    fails = threading.Event()
    gate = Gate(monkeypatch, lambda: not fails.is_set())
    table = filled(BLOCKS[:1])
    table._changed = condition = Noting()
    reader = pool.submit(table.read)
    gate.await_readers(1)
    whole = pool.submit(table.table)
    assert condition.waited_for.wait(TIMEOUT)

    def fail(*_: Any) -> pl.DataFrame:
        raise RuntimeError("no")

    gate._real = fail
    gate.opened.set()
    with pytest.raises(RuntimeError):
        reader.result(TIMEOUT)
    assert whole.result(TIMEOUT).rows() == [(1, "x"), (2, "y")]


def test_closing_ends_all_that_read(pool, gate):
    table = filled()
    table._changed = condition = Noting()
    first = pool.submit(table.read)
    gate.await_readers(1)
    second = pool.submit(table.read)
    gate.await_readers(1)
    whole = pool.submit(table.table)
    assert condition.waited_for.wait(TIMEOUT)
    table.close()
    assert table.size == 0
    gate.opened.set()
    first.result(TIMEOUT)
    second.result(TIMEOUT)
    with pytest.raises(BadTable):
        whole.result(TIMEOUT)
    assert gate.arrived.acquire(blocking=False) is False  # no other block was read
    assert not table._parts  # nor is kept what was
    assert not table.add(b"a,b\n1,2\n")
    table.close()


def test_nothing_is_no_table():
    assert check([])[0] == "refused"
    assert check([b""])[0] == "refused"


def test_the_size_is_that_of_what_came():
    assert filled().size == len(b"".join(BLOCKS))


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
