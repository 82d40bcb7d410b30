"""Large contents, when a commit fails, a process is killed, or the power goes."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, large_contents
from storekit.qdb.engine import NEVER, BatchOperation, OperationKind
from storekit.qdb.errors import AliasAlreadyExists, AliasNotFound, ErrorCode, QuasardbException
from tests.qdb.embedded.large import beside, files, named


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def session(path: Path) -> Iterator[EmbeddedSession]:
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        yield session


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 1)


@pytest.mark.usefixtures("all_large")
def test_failed_change_leaves_nothing_behind(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("a", b"1", NEVER)
    with pytest.raises(AliasAlreadyExists):
        session.blob_put("a", b"2", NEVER)
    with pytest.raises(AliasNotFound):
        session.blob_get_and_update("b", b"2", NEVER)
    with pytest.raises(QuasardbException):
        session.blob_remove_if("a", b"2")
    assert session.blob_compare_and_swap("a", b"2", b"other", NEVER) == b"1"
    assert files(path) == named(path) == ["1"]


@pytest.mark.usefixtures("all_large")
def test_transaction_that_fails_changes_nothing(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("a", b"1", NEVER)
    operations = [
        BatchOperation(OperationKind.BLOB_UPDATE, "a", b"2"),
        BatchOperation(OperationKind.BLOB_UPDATE, "b", b"three"),
        BatchOperation(OperationKind.BLOB_GET, "missing"),
    ]
    assert session.run_transaction(operations)[0] == ErrorCode.ALIAS_NOT_FOUND
    assert session.blob_get("a") == b"1"
    with pytest.raises(AliasNotFound):
        session.blob_get("b")
    assert files(path) == ["1"]
    session.blob_update("c", b"4", NEVER)
    session.blob_update("a", b"five", NEVER)
    assert session.blob_get("c") == b"4"
    assert session.blob_get("a") == b"five"
    session.close()
    assert files(path) == named(path) == ["2", "3"]


@pytest.mark.usefixtures("all_large")
@pytest.mark.parametrize("code", [ErrorCode.NO_SPACE_LEFT, ErrorCode.SYSTEM_LOCAL])
def test_commit_that_fails_leaves_only_what_the_log_may_bring_back(
    session: EmbeddedSession, path: Path, monkeypatch: pytest.MonkeyPatch, code: ErrorCode
) -> None:
    cursor = session.connection._cursor

    class Failing:
        def execute(self, sql: str, parameters: tuple[object, ...] = ()) -> object:
            if sql == "COMMIT":
                error = sqlite3.OperationalError("it failed")
                error.sqlite_errorcode = (
                    sqlite3.SQLITE_FULL if code == ErrorCode.NO_SPACE_LEFT else sqlite3.SQLITE_IOERR
                )
                raise error
            return cursor.execute(sql, parameters)

        def __getattr__(self, name: str) -> object:
            return getattr(cursor, name)

    session.blob_put("a", b"1", NEVER)
    with monkeypatch.context() as patch:
        patch.setattr(session.connection, "_cursor", Failing())
        with pytest.raises(QuasardbException):
            session.blob_put("b", b"2", NEVER)
    left = ["1"] if code == ErrorCode.NO_SPACE_LEFT else ["1", "2"]
    assert files(path) == left
    session.blob_put("b", b"2", NEVER)
    session.close()
    assert files(path) == named(path)


@pytest.mark.usefixtures("all_large")
def test_change_that_a_killed_process_left_in_the_log_keeps_its_content(
    session: EmbeddedSession, path: Path, tmp_path: Path
) -> None:
    session.blob_put("a", b"before", NEVER)
    session.connection.one("PRAGMA wal_checkpoint(TRUNCATE)")
    # What is in its log is a whole change, but the others were not told of it.
    killed, others = tmp_path / "killed", tmp_path / "others"
    for place in (killed, others):
        place.mkdir()
        shutil.copy(path, place)
        for directory in beside(path):
            shutil.copytree(directory, place / directory.name)
    with closing(EmbeddedEngine(f"embedded:{killed / path.name}").connect()) as process:
        process.blob_update("a", b"killed", NEVER)
        log = (killed / f"{path.name}-wal").read_bytes()
        (directory,) = beside(killed / path.name)
        (there,) = beside(others / path.name)
        shutil.copy(directory / "2", there / "2")
    with closing(EmbeddedEngine(f"embedded:{others / path.name}").connect()) as process:
        with process.connection.transaction():
            process.blob_update("b", b"others", NEVER)
            crashed = tmp_path / "crashed"
            shutil.copytree(others, crashed)
        (crashed / f"{path.name}-wal").write_bytes(log)
        (crashed / f"{path.name}-shm").unlink()
        assert process.blob_get("a") == b"before"
        assert process.blob_get("b") == b"others"
    assert files(others / path.name) == named(others / path.name) == ["1", "3"]
    with closing(EmbeddedEngine(f"embedded:{crashed / path.name}").connect()) as process:
        assert process.blob_get("a") == b"killed"
        process.blob_put("b", b"later", NEVER)
        assert process.blob_get("b") == b"later"


def without_log(path: Path, to: Path) -> EmbeddedSession:
    """Open a store as a power failure may leave it: the log never got to the disk."""
    shutil.copy(path, to)
    for directory in beside(path):
        shutil.copytree(directory, to.with_name(directory.name.replace(path.name, to.name)))
    return EmbeddedEngine(f"embedded:{to}").connect()


@pytest.mark.usefixtures("all_large")
def test_power_failure_takes_no_content_that_was_durable(
    session: EmbeddedSession, path: Path, tmp_path: Path
) -> None:
    session.blob_put("a", b"before", NEVER)
    session.connection.one("PRAGMA wal_checkpoint(TRUNCATE)")
    session.blob_update("a", b"after", NEVER)
    with closing(without_log(path, tmp_path / "1")) as survivor:
        assert survivor.blob_get("a") == b"before"
        survivor.blob_put("b", b"next", NEVER)
        assert dict(survivor.scan(None, 9)[0]) == {"a": b"before", "b": b"next"}
    session.entries.tidy()
    with closing(without_log(path, tmp_path / "2")) as survivor:
        assert survivor.blob_get("a") == b"after"


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(["a", "b", "-a", "tidy", "checkpoint", "fail"]), max_size=12))
def test_power_failure_at_any_time_leaves_an_earlier_state(
    tmp_path: Path, all_large: None, steps: list[str]
) -> None:
    place = tmp_path / os.urandom(8).hex()
    place.mkdir()
    path = place / "store"
    states: list[dict[str, bytes]] = [{}]
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        session.blob_put("x", b"x", NEVER)
        session.connection.one("PRAGMA wal_checkpoint(TRUNCATE)")
        for number, step in enumerate(steps):
            state = dict(states[-1])
            if step == "tidy":
                session.entries.tidy()
            elif step == "checkpoint":
                session.connection.one("PRAGMA wal_checkpoint(TRUNCATE)")
            elif step == "fail":
                write = BatchOperation(OperationKind.BLOB_UPDATE, "a", b"never")
                session.run_transaction([write, BatchOperation(OperationKind.BLOB_GET, "missing")])
            elif step == "-a":
                if state.pop("a", None):
                    session.remove("a")
            else:
                state[step] = b"%d" % number * 3
                session.blob_update(step, state[step], NEVER)
            states.append(state)
            with closing(without_log(path, place / f"{number}")) as survivor:
                found = dict(survivor.scan(None, 9)[0])
                assert found.pop("x") == b"x"
                assert found in states
                survivor.blob_update("y", b"y", NEVER)
                assert survivor.blob_get("y") == b"y"
        assert dict(session.scan(None, 9)[0]) == {**states[-1], "x": b"x"}
