"""Threads that read the blocks of a table side by side."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading import csv_blocks
from tests.node.csv_tables import (
    BLOCKS,
    SIZES,
    TIMEOUT,
    Threads,
    check,
    cut,
    filled,
    outcome,
    sizes,
    texts,
)
from tests.node.roomy import CsvBlocks, read_csv


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
