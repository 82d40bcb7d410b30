"""Tables as text, and blocks of them, for the tests of CSV in blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import strategies as st

from storekit.qcache.node import categories as coding
from storekit.qcache.node.categories import with_text
from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.http.bodies import Lines
from storekit.qcache.node.reading import csv as csv_reading
from storekit.qcache.node.reading import csv_blocks, limits
from tests.node.roomy import CsvBlocks, read_csv

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


# -- threads --------------------------------------------------------------------------------

BLOCKS = [b"a,b\n1,x\n2,y\n", b"3,x\n", b"4.5,z\n", b",y\n", b"6,w"]


def filled(blocks: list[bytes] = BLOCKS) -> CsvBlocks:
    table = CsvBlocks({})
    for block in blocks:
        table.add(block)
    return table
