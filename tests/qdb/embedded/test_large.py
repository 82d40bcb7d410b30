"""Large contents of the embedded engine, which are in files beside the store."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, large_contents
from storekit.qdb.embedded.large_contents import LARGE_CONTENT, LargeContents
from storekit.qdb.engine import NEVER, PRESERVE, BatchOperation, OperationKind
from storekit.qdb.errors import AliasNotFound, ErrorCode, QuasardbException
from tests.qdb.embedded.large import LARGE, LATER, beside, files, named


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def session(path: Path) -> Iterator[EmbeddedSession]:
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        yield session


@pytest.fixture
def other(path: Path, session: EmbeddedSession) -> Iterator[EmbeddedSession]:
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as other:
        yield other


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 1)


def test_only_large_contents_are_kept_apart(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("small", LARGE[1:], NEVER)
    assert beside(path) == []
    session.blob_put("large", LATER, NEVER)
    assert files(path) == ["1"]
    assert session.blob_get("large") == LATER
    assert session.get_metadata("large").size == len(LATER)
    assert session.finding.totals() == (2, len(LARGE[1:]) + len(LATER))


@pytest.mark.parametrize("durable", [False, True])
def test_contents_are_there_for_the_next_session(path: Path, durable: bool) -> None:
    with closing(EmbeddedEngine(f"embedded:{path}", durable=durable).connect()) as first:
        first.blob_put("a", LARGE, NEVER)
        first.string_put("b", "x" * LARGE_CONTENT, NEVER)
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as second:
        assert second.blob_get("a") == LARGE
        assert second.string_get("b") == "x" * LARGE_CONTENT


CHANGES: dict[str, Callable[[EmbeddedSession], object]] = {
    "removed": lambda session: session.remove("a"),
    "updated": lambda session: session.blob_update("a", b"1", NEVER),
    "updated by another large one": lambda session: session.blob_update("a", LATER, NEVER),
    "taken": lambda session: session.blob_get_and_remove("a"),
    "exchanged": lambda session: session.blob_get_and_update("a", b"1", NEVER),
    "swapped": lambda session: session.blob_compare_and_swap("a", b"1", LARGE, PRESERVE),
    "removed if it matches": lambda session: session.blob_remove_if("a", LARGE),
    "purged": lambda session: session.purge_all(10),
    "removed in a batch": lambda session: session.run_batch(
        [BatchOperation(OperationKind.BLOB_REMOVE, "a")]
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_files_go_with_the_contents(session: EmbeddedSession, path: Path, change: str) -> None:
    session.blob_put("a", LARGE, NEVER)
    CHANGES[change](session)
    session.close()
    assert files(path) == named(path)


def test_expired_contents_go_too(path: Path) -> None:
    now = 1_700_000_000_000
    with closing(EmbeddedEngine(f"embedded:{path}", clock=lambda: now).connect()) as session:
        session.blob_put("a", LARGE, now + 1)
        now += 2
        session.entries.sweep()
        assert files(path) == named(path) == []


@pytest.mark.usefixtures("all_large")
@pytest.mark.parametrize("run", [EmbeddedSession.run_batch, EmbeddedSession.run_transaction])
def test_contents_replaced_in_batches_do_not_pile_up(
    session: EmbeddedSession,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[EmbeddedSession, list[BatchOperation]], object],
) -> None:
    monkeypatch.setattr(large_contents, "_DELETED_AT_ONCE", 2)
    writes = [BatchOperation(OperationKind.BLOB_UPDATE, f"{number}", b"1") for number in range(10)]
    for _ in range(20):
        run(session, writes)
    assert len(files(path)) < 50


@pytest.mark.usefixtures("all_large")
def test_purge_frees_the_space(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("a", b"1", NEVER)
    session.purge_all(10)
    assert files(path) == []


def test_replaced_contents_go_before_there_are_many(session: EmbeddedSession, path: Path) -> None:
    for _ in range(40):
        session.blob_update("a", LARGE, NEVER)
    assert len(files(path)) < 8


@pytest.mark.usefixtures("all_large")
def test_content_that_was_small_when_it_was_stored_is_swapped(
    session: EmbeddedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.blob_put("a", b"large", NEVER)
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 100)
    assert session.blob_compare_and_swap("a", b"2", b"large", NEVER) is None
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 1)
    assert session.blob_compare_and_swap("a", b"3", b"2", NEVER) is None
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 100)
    session.blob_remove_if("a", b"3")


@pytest.mark.usefixtures("all_large")
def test_reader_keeps_what_it_has_begun_to_read(
    session: EmbeddedSession, other: EmbeddedSession, path: Path
) -> None:
    session.blob_put("a", b"before", NEVER)
    entries = session.entries
    with session.connection.transaction("BEGIN"):
        row = entries.live("a", None, entries.now_ns())
        other.blob_update("a", b"after", NEVER)
        other.entries.tidy()
        assert entries.content(row) == b"before"
    other.entries.tidy()
    assert session.blob_get("a") == b"after"
    assert files(path) == named(path)


@pytest.mark.usefixtures("all_large")
def test_reader_keeps_its_content_while_somebody_else_is_at_a_checkpoint(
    session: EmbeddedSession, other: EmbeddedSession, path: Path
) -> None:
    session.blob_put("a", b"before", NEVER)
    ended = threading.Event()
    entries = session.entries

    def checkpoint() -> None:
        with closing(sqlite3.connect(path, timeout=60)) as database:
            while not ended.is_set():
                database.execute("PRAGMA wal_checkpoint(FULL)")  # waits for the reader

    thread = threading.Thread(target=checkpoint)
    try:
        with session.connection.transaction("BEGIN"):
            row = entries.live("a", None, entries.now_ns())
            other.blob_update("a", b"after", NEVER)
            thread.start()
            while other.connection.one("PRAGMA wal_checkpoint(PASSIVE)") != (1, -1, -1):
                pass
            other.entries.tidy()
            assert entries.content(row) == b"before"
    finally:
        ended.set()
        thread.join()
    other.entries.tidy()
    assert files(path) == named(path)


@pytest.mark.usefixtures("all_large")
@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.remove("a"),
        lambda session: session.blob_update("a", b"after", NEVER),
        lambda session: session.blob_get_and_remove("a"),
    ],
)
def test_content_that_goes_while_it_is_read_is_read_to_its_end(
    session: EmbeddedSession,
    other: EmbeddedSession,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[EmbeddedSession], object],
) -> None:
    session.blob_put("a", b"before", NEVER)
    read = LargeContents.read

    def read_late(contents: LargeContents, *arguments: object) -> memoryview:
        if contents is session.large:
            change(other)
            other.entries.tidy()
        return read(contents, *arguments)

    monkeypatch.setattr(LargeContents, "read", read_late)
    assert session.blob_get("a") == b"before"


@pytest.mark.usefixtures("all_large")
def test_scan_gives_what_was_there_when_it_began(
    session: EmbeddedSession, other: EmbeddedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for alias in "abc":
        session.blob_put(alias, b"before", NEVER)
    changes = iter([lambda: other.remove("b"), lambda: other.blob_update("c", b"after", NEVER)])
    read = LargeContents.read

    def read_late(contents: LargeContents, entry: int) -> bytes:
        if contents is session.large:
            next(changes, lambda: None)()
            other.entries.tidy()
        return read(contents, entry)

    monkeypatch.setattr(LargeContents, "read", read_late)
    found, _ = session.scan(None, 10)
    assert found == [("a", b"before"), ("b", b"before"), ("c", b"before")]
    assert session.scan(None, 10)[0] == [("a", b"before"), ("c", b"after")]


@pytest.mark.usefixtures("all_large")
def test_searches_look_into_large_contents(session: EmbeddedSession) -> None:
    session.blob_put("b", b"needle", NEVER)
    session.blob_put("a", b"a needle", NEVER)
    session.blob_put("c", b"hay", NEVER)
    session.string_put("s", "needle", NEVER)
    assert session.blob_scan(b"needle", 10) == ["a", "b"]
    assert session.blob_scan(b"needle", 1) == ["a"]
    assert session.blob_scan_regex("^n", 10) == ["b"]


@pytest.mark.usefixtures("all_large")
def test_search_finds_a_content_once_that_becomes_large_meanwhile(
    session: EmbeddedSession, other: EmbeddedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.blob_put("large", b"needle", NEVER)
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 100)
    session.blob_put("a", b"needle", NEVER)
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 1)
    search = session.finding._large_containing

    def search_late(*arguments: object) -> list[str]:
        other.blob_update("a", b"needles", NEVER)
        return search(*arguments)

    monkeypatch.setattr(session.finding, "_large_containing", search_late)
    assert session.blob_scan(b"needle", 10) == ["a", "large"]


def test_lack_of_memory_for_a_content_is_told_of(
    session: EmbeddedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: int) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    session.blob_put("a", LARGE, NEVER)
    monkeypatch.setattr(large_contents.mmap, "mmap", fail)
    with pytest.raises(QuasardbException) as caught:
        session.blob_get("a")
    assert caught.value.error_code == ErrorCode.NO_MEMORY_LOCAL


@pytest.mark.usefixtures("all_large")
def test_readers_of_a_content_that_others_change_see_whole_ones(path: Path) -> None:
    engine = EmbeddedEngine(f"embedded:{path}", timeout=60)
    writer = engine.connect()
    writer.blob_put("a", b"0" * 50, NEVER)
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        session = engine.connect()
        while not done.is_set():
            try:
                content = session.blob_get("a")
            except QuasardbException as error:
                wrong.append(error)
            else:
                if len(set(content)) != 1 or len(content) != 50:
                    wrong.append(content)
        session.close()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(150):
        writer.blob_update("a", str(number % 10).encode() * 50, NEVER)
    done.set()
    for reader in readers:
        reader.join()
    writer.close()
    assert wrong == []
    assert files(path) == named(path)


ALIASES = st.sampled_from("ab")
VALUES = st.binary(max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("update"), ALIASES, VALUES),
    st.tuples(st.just("swap"), ALIASES, VALUES, VALUES),
    st.tuples(st.just("remove_if"), ALIASES, VALUES),
    st.tuples(st.just("take"), ALIASES),
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEPS, max_size=20))
def test_large_and_small_contents_behave_alike(tmp_path: Path, steps: list[tuple]) -> None:
    place = tmp_path / os.urandom(8).hex()
    place.mkdir()
    path = place / "store"
    model: dict[str, bytes] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_contents, "LARGE_CONTENT", 2)
        session = EmbeddedEngine(f"embedded:{path}").connect()
        session.blob_put("x", b"large", NEVER)
        for name, alias, *values in steps:
            there = model.get(alias)
            if name == "update":
                session.blob_update(alias, values[0], NEVER)
                model[alias] = values[0]
            elif there is None:
                with pytest.raises(AliasNotFound):
                    session.blob_get_and_remove(alias)
            elif name == "swap":
                found = session.blob_compare_and_swap(alias, *values, NEVER)
                assert found == (None if there == values[1] else there)
                model[alias] = values[0] if there == values[1] else there
            elif name == "take":
                assert session.blob_get_and_remove(alias) == model.pop(alias)
            elif there == values[0]:
                session.blob_remove_if(alias, values[0])
                del model[alias]
            else:
                with pytest.raises(QuasardbException):
                    session.blob_remove_if(alias, values[0])
        assert dict(session.scan(None, 10)[0]) == {**model, "x": b"large"}
        session.close()
    assert files(path) == named(path)
