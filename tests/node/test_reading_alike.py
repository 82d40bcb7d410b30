"""One table, however its rows come: few or many, at once, in blocks, in pieces, as CSV or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storekit.qcache.node.http.bodies import Lines
from storekit.qcache.node.http.requests import Request
from storekit.qcache.node.node import Node
from storekit.qcache.node.reading import csv as csv_reading
from storekit.qcache.node.reading import csv_blocks

from .asking import ask

PATH = b"/qcache/dataset/k"
LEAST = -(2**63)
MOST = 2**63 - 1
MOST_UNSIGNED = 2**64 - 1

EDGES = [
    sign + digits + rest
    for sign in ("", "-", "+", "00", "-0")
    for digits in map(str, (MOST, -LEAST, -LEAST + 1, MOST_UNSIGNED, MOST_UNSIGNED + 1, 10**19))
    for rest in ("", ".5", "e0", "0")
]
WHOLE = st.integers(-(10**19), 2 * 10**19).map(str) | st.integers(-9, 9).map(str)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(
    ["1.5", "-.5", "2.", "1e3", "-0.0", "1E-400", "1e400", "inf", "-inf", "Infinity", "nan"]
)
BOOLS = st.sampled_from(["true", "True", "FALSE", "false", "False"])
WORDS = st.text("abx ", min_size=1, max_size=3) | st.sampled_from(["007", "0x1", "1_0", "None"])
PADDED = st.sampled_from([" 5", "6 ", " 1.5 ", "\t2", " true", " -9223372036854775808"])
KINDS = [WHOLE, FLOATS, BOOLS, WORDS, PADDED, st.sampled_from(EDGES), st.just("")]


@st.composite
def columns(draw: st.DrawFn) -> list[str]:
    """The cells of one column, of one kind or two in any order."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2, unique_by=id))
    cells = st.lists(st.one_of(kinds), min_size=1, max_size=8)
    return draw(cells)


TYPES = st.sampled_from(["", "string", "enum", "float"])


def csv_of(cells: Sequence[str]) -> bytes:
    return ("n,a\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))).encode()


def answers(node: Node, status: int) -> tuple[int, bytes, bytes]:
    """What tells one table from another: its values with their types, in JSON and CSV."""
    if status != 201:
        return status, b"", b""
    as_json, as_csv = (
        ask(node, "GET", PATH, query="q={}", headers={"accept": accept}).body
        for accept in ("application/json", "text/csv")
    )
    return status, as_json, as_csv


def at_once(content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    node = Node()
    return answers(node, ask(node, "POST", PATH, headers=headers, body=content).status)


def in_blocks(
    content: bytes, headers: Mapping[str, str], block: int, pieces: Sequence[int]
) -> tuple[int, bytes, bytes]:
    """As a server reads it that is sent pieces of these sizes."""
    node = Node()
    request = Request("POST", PATH, headers=headers)
    table = node.table_to_come(request)
    assert table is not None
    lines, start, sizes = Lines(table.add, block), 0, cycle(pieces)
    while start < len(content):
        piece = content[start : start + next(sizes)]
        lines.add(piece)
        table.read()
        start += len(piece)
    lines.finish()
    return answers(node, node.handle(replace(request, table=table)).status)


@contextmanager
def guessing(rows: int) -> Iterator[None]:
    """Have types guessed from so many rows, as only large tables have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_reading, "_WORTH_A_GUESS", 0)
        patch.setattr(csv_reading, "_SAMPLE_ROWS", rows)
        patch.setattr(csv_blocks, "_GUESSED_ROWS", rows)
        patch.setattr(csv_blocks, "_SAMPLE", 8 * rows)
        yield


@given(
    columns(),
    TYPES,
    st.integers(1, 4),
    st.integers(8, 60),
    st.lists(st.integers(1, 40), min_size=1),
)
@example([str(LEAST) + ".5"], "", 1, 8, [8])
@example([str(LEAST) + ".5", "-1.5"], "", 1, 8, [8])
@example(["25000000000000000000.75", "1.5", "3.25"], "", 2, 20, [100])
@example(["1.5", "25000000000000000000.75"], "", 1, 20, [100])
@example(["1", "25000000000000000000.75", "1.5"], "", 1, 20, [100])
@example(["25000000000000000000e1", "1.5"], "", 1, 20, [100])
@example([str(MOST_UNSIGNED), "", "1"], "", 1, 20, [100])
@settings(max_examples=250, deadline=None)
def test_types_hang_on_neither_length_nor_pieces(cells, kind, guessed, block, pieces):
    headers = {"x-qcache-types": f"a={kind}"} if kind else {}
    content = csv_of(cells)
    expected = at_once(content, headers)
    with guessing(guessed):
        assert at_once(content, headers) == expected
        assert in_blocks(content, headers, block, pieces) == expected


@given(columns(), st.integers(2, 5))
@settings(max_examples=100, deadline=None)
def test_rows_that_come_again_are_read_as_before(cells, times):
    once = json.loads(at_once(csv_of(cells), {})[1])
    more = json.loads(at_once(csv_of(cells * times), {})[1])
    assert [repr(row["a"]) for row in more] == [repr(row["a"]) for row in once] * times


@pytest.mark.parametrize("first", ["25000000000000000000.75", str(LEAST) + ".5", "1.5", "7", "x"])
def test_a_table_that_is_large_indeed_is_read_as_a_small_one(first):
    cells = [first, "1.5", "3.25"]
    small = json.loads(at_once(csv_of(cells), {})[1])
    times = 30_000  # as many rows as are guessed from, and a block of its own, by some way
    large = csv_of(cells * times)
    assert len(large) > 3 * csv_reading._WORTH_A_GUESS
    whole = at_once(large, {})
    rows = json.loads(whole[1])
    assert [row["a"] for row in rows[:3]] == [row["a"] for row in small]
    assert in_blocks(large, {}, 2**18, [2**16]) == whole


JSON_VALUES = [
    st.integers(LEAST, MOST),
    st.integers(0, MOST_UNSIGNED),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.booleans(),
    st.text("abx", min_size=1, max_size=3),
]


@st.composite
def values(draw: st.DrawFn) -> list[object]:
    """Values of one type, or numbers, of which some may be null."""
    one = draw(st.sampled_from([*JSON_VALUES, JSON_VALUES[0] | JSON_VALUES[2]]))
    if one is not JSON_VALUES[1]:  # above int64, null makes text of CSV, and floats of JSON
        one |= draw(st.sampled_from([one, st.none()]))
    return draw(st.lists(one, min_size=1, max_size=8))


@given(values())
@example([LEAST, MOST])
@example([MOST_UNSIGNED, 0])
@example([LEAST, None])
@example([1, 1.5])
@settings(max_examples=150, deadline=None)
def test_csv_and_json_of_the_same_values_are_the_same_table(given_values):
    cells = ["" if value is None else str(value) for value in given_values]
    rows = [{"a": value, "n": n} for n, value in enumerate(given_values)]
    header = {"content-type": "application/json"}
    of_json = json.loads(at_once(json.dumps(rows).encode(), header)[1])
    of_csv = json.loads(at_once(csv_of(cells), {})[1])
    if all(value is None for value in given_values):
        return  # in JSON, that is no number
    assert [repr(row["a"]) for row in of_csv] == [repr(row["a"]) for row in of_json]


@pytest.mark.parametrize("number", [LEAST, LEAST + 1, -1, 0, MOST, MOST + 1, MOST_UNSIGNED])
def test_whole_numbers_keep_sign_and_value_to_the_edges_of_64_bits(number):
    expected = [{"a": number}]
    header = {"content-type": "application/json"}
    assert json.loads(at_once(f'[{{"a":{number}}}]'.encode(), header)[1]) == expected
    assert json.loads(at_once(f"a\n{number}\n".encode(), {})[1]) == expected
    if number <= MOST:
        stand_in = {"x-qcache-stand-in-columns": f"a={number}"}
        assert json.loads(at_once(b"b\n1\n", stand_in)[1]) == [{"b": 1, **expected[0]}]


@pytest.mark.parametrize("number", [LEAST - 1, MOST_UNSIGNED + 1, 10**30, -(10**30)])
def test_beyond_them_they_are_refused_or_text_as_in_qcache(number):
    header = {"content-type": "application/json"}
    assert at_once(f'[{{"a":{number}}}]'.encode(), header)[0] == 400
    assert at_once(f'[{{"a":[{number}]}}]'.encode(), header)[0] == 400
    assert at_once(b"b\n1\n", {"x-qcache-stand-in-columns": f"a={number}"})[0] == 400
    assert json.loads(at_once(f"a\n{number}\n".encode(), {})[1]) == [{"a": str(number)}]
