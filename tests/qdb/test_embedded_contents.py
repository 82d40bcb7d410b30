"""Large contents of the embedded engine, which are in files beside the database."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, entries, schema
from storekit.qdb.embedded.contents import APART, Contents
from storekit.qdb.engine import NEVER, PRESERVE, Kind, Operation
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    DataCorruption,
    ErrorCode,
    NoSpaceLeft,
    QuasardbException,
)

LARGE = b"x" * APART


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def session(path: Path) -> EmbeddedSession:
    return EmbeddedEngine(f"embedded:{path}").connect()


@pytest.fixture
def all_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "APART", 1)


def files(path: Path) -> list[str]:
    directory = Path(f"{path}-contents")
    return sorted(os.listdir(directory)) if directory.exists() else []


def named(path: Path) -> list[str]:
    database = sqlite3.connect(path)
    rows = database.execute("SELECT content FROM entry WHERE typeof(content) = 'text'").fetchall()
    database.close()
    return sorted(row[0] for row in rows)


def test_only_large_contents_are_kept_apart(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("small", LARGE[1:], NEVER)
    assert files(path) == []
    session.blob_put("large", LARGE, NEVER)
    assert len(files(path)) == 1
    assert session.blob_get("large") == LARGE
    assert session.get_metadata("large").size == len(LARGE)
    session.close()


@pytest.mark.parametrize("durable", [False, True])
def test_contents_are_there_for_the_next_session(path: Path, durable: bool) -> None:
    engine = EmbeddedEngine(f"embedded:{path}", durable=durable)
    first = engine.connect()
    first.blob_put("a", LARGE, NEVER)
    first.close()
    second = EmbeddedEngine(f"embedded:{path}").connect()
    assert second.blob_get("a") == LARGE
    second.close()


CHANGES: dict[str, Callable[[EmbeddedSession], object]] = {
    "removed": lambda session: session.remove("a"),
    "updated": lambda session: session.blob_update("a", b"1", NEVER),
    "updated by another large one": lambda session: session.blob_update("a", LARGE + b"1", NEVER),
    "taken": lambda session: session.blob_get_and_remove("a"),
    "exchanged": lambda session: session.blob_get_and_update("a", b"1", NEVER),
    "swapped": lambda session: session.blob_compare_and_swap("a", b"1", LARGE, PRESERVE),
    "removed if it matches": lambda session: session.blob_remove_if("a", LARGE),
    "purged": lambda session: session.purge_all(10),
    "removed in a batch": lambda session: session.run_batch([Operation(Kind.BLOB_REMOVE, "a")]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_files_go_with_the_contents(session: EmbeddedSession, path: Path, change: str) -> None:
    session.blob_put("a", LARGE, NEVER)
    CHANGES[change](session)
    session.close()
    assert files(path) == named(path)


@pytest.mark.usefixtures("all_apart")
def test_failed_change_leaves_no_file(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("a", b"1", NEVER)
    with pytest.raises(AliasAlreadyExists):
        session.blob_put("a", b"2", NEVER)
    with pytest.raises(AliasNotFound):
        session.blob_get_and_update("b", b"2", NEVER)
    assert session.blob_compare_and_swap("a", b"2", b"other", NEVER) == b"1"
    assert len(files(path)) == 1
    session.close()


@pytest.mark.usefixtures("all_apart")
def test_transaction_that_fails_changes_nothing(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("a", b"1", NEVER)
    operations = [
        Operation(Kind.BLOB_UPDATE, "a", b"2"),
        Operation(Kind.BLOB_UPDATE, "b", b"3"),
        Operation(Kind.BLOB_GET, "missing"),
    ]
    assert session.run_transaction(operations)[0] == ErrorCode.ALIAS_NOT_FOUND
    assert session.blob_get("a") == b"1"
    with pytest.raises(AliasNotFound):
        session.blob_get("b")
    session.close()


def test_what_a_dead_process_left_behind_goes_when_it_is_old(path: Path) -> None:
    session = EmbeddedEngine(f"embedded:{path}").connect()
    session.blob_put("a", LARGE, NEVER)
    session.close()
    directory = Path(f"{path}-contents")
    for name, age in (("1" * 32 + "-5", 7200), ("2" * 32 + "-5", 60), (files(path)[0], 7200)):
        (directory / name).touch()
        moment = (directory / name).stat().st_mtime - age
        os.utime(directory / name, (moment, moment))
    session = EmbeddedEngine(f"embedded:{path}").connect()
    assert session.blob_get("a") == LARGE
    session.close()
    assert set(files(path)) == {*named(path), "2" * 32 + "-5"}


def test_reader_gets_what_took_the_place_of_a_file_that_has_gone(
    session: EmbeddedSession, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.blob_put("a", LARGE, NEVER)
    session.blob_put("b", LARGE, NEVER)
    other = EmbeddedEngine(f"embedded:{path}").connect()
    changes = iter(
        [
            lambda: other.blob_update("a", LARGE + b"1", NEVER),
            lambda: other.blob_update("a", b"small", NEVER),
            lambda: other.remove("b"),
        ]
    )
    read = Contents.read

    def read_late(contents: Contents, name: str) -> bytes:
        if contents is session._entries._contents:
            next(changes)()
            other._entries.tidy()
        return read(contents, name)

    monkeypatch.setattr(Contents, "read", read_late)
    assert session.blob_get("a") == b"small"
    with pytest.raises(AliasNotFound):
        session.blob_get("b")
    other.close()
    session.close()


def test_scan_gives_what_is_there_while_files_go(
    session: EmbeddedSession, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for alias in "abc":
        session.blob_put(alias, LARGE, NEVER)
    other = EmbeddedEngine(f"embedded:{path}").connect()
    changes = iter([lambda: other.remove("a"), lambda: other.blob_update("b", b"1", NEVER)])
    read = Contents.read

    def read_late(contents: Contents, name: str) -> bytes:
        if contents is session._entries._contents:
            next(changes, lambda: None)()
            other._entries.tidy()
        return read(contents, name)

    monkeypatch.setattr(Contents, "read", read_late)
    assert session.scan(None, 10)[0] == [("b", b"1"), ("c", LARGE)]
    other.close()
    session.close()


def test_file_that_is_missing_or_cut_is_told_of(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("a", LARGE, NEVER)
    file = Path(f"{path}-contents") / files(path)[0]
    file.write_bytes(b"")
    with pytest.raises(DataCorruption, match="0 bytes"):
        session.blob_get("a")
    file.unlink()
    for call in (session.blob_get, session.blob_get_and_remove):
        with pytest.raises(DataCorruption, match="is missing: restore"):
            call("a")
    with pytest.raises(DataCorruption, match="is missing: restore"):
        session.scan(None, 10)
    session.close()


def test_full_disk_loses_nothing(
    session: EmbeddedSession, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.blob_put("a", LARGE, NEVER)

    def full(contents: Contents, target: Path, content: object) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Contents, "_write", full)
    with pytest.raises(NoSpaceLeft):
        session.blob_update("a", LARGE + b"1", NEVER)
    assert session.blob_get("a") == LARGE
    assert len(files(path)) == 1
    session.close()


def test_store_of_version_1_is_brought_up_to_date(path: Path) -> None:
    session = EmbeddedEngine(f"embedded:{path}").connect()
    session.blob_put("small", b"1", NEVER)
    session.close()
    database = sqlite3.connect(path)
    for statement in (
        "DROP INDEX entry_apart", "DROP TABLE loose", "DROP TRIGGER content_gone",
        "DROP TRIGGER content_changed", "PRAGMA user_version = 1",
    ):  # fmt: skip
        database.execute(statement)
    database.close()
    session = EmbeddedEngine(f"embedded:{path}").connect()
    session.blob_put("large", LARGE, NEVER)
    session.remove("large")
    session.close()
    assert files(path) == []
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)
    database.close()


@pytest.mark.usefixtures("all_apart")
def test_searches_look_into_files(session: EmbeddedSession) -> None:
    session.blob_put("b", b"needle", NEVER)
    session.blob_put("a", b"a needle", NEVER)
    session.blob_put("c", b"hay", NEVER)
    assert session.blob_scan(b"needle", 10) == ["a", "b"]
    assert session.blob_scan(b"needle", 1) == ["a"]
    assert session.blob_scan(b"-6", 10) == []  # as at the end of the name of a file
    assert session.blob_scan_regex("^n", 10) == ["b"]
    session.close()


@pytest.mark.usefixtures("all_apart")
def test_readers_of_a_content_that_others_change_see_whole_ones(path: Path) -> None:
    engine = EmbeddedEngine(f"embedded:{path}", timeout=60)
    writer = engine.connect()
    writer.blob_put("a", b"0" * 5000, NEVER)
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
                if len(set(content)) != 1 or len(content) != 5000:
                    wrong.append(content)
        session.close()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(150):
        writer.blob_update("a", str(number % 10).encode() * 5000, NEVER)
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
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(STEPS, max_size=20))
def test_contents_apart_and_not_behave_alike(tmp_path: Path, steps: list[tuple]) -> None:
    path = tmp_path / os.urandom(8).hex()
    session = EmbeddedEngine(f"embedded:{path}").connect()
    model: dict[str, bytes] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "APART", 2)
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
    assert dict(session.scan(None, 10)[0]) == model
    session.close()
    assert files(path) == named(path)
