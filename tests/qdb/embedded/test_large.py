"""Large contents of the embedded engine, which are in files beside the store."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, large_contents, schema
from storekit.qdb.embedded.large_contents import LARGE_CONTENT, LargeContents
from storekit.qdb.engine import NEVER, PRESERVE, BatchOperation, OperationKind
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    DataCorruption,
    ErrorCode,
    NoSpaceLeft,
    QuasardbException,
)

LARGE = bytes(range(256)) * (LARGE_CONTENT // 256)
LATER = LARGE[::-1] + b"1"


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


def beside(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}-large-*"))


def files(path: Path) -> list[str]:
    return sorted(name for directory in beside(path) for name in os.listdir(directory))


def named(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM dropped").fetchone() == (0,)
        return sorted(str(row[0]) for row in database.execute("SELECT file FROM large"))


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


def test_missing_files_are_told_of_and_the_rest_goes_on(
    session: EmbeddedSession, path: Path
) -> None:
    session.blob_put("a", LARGE, NEVER)
    session.blob_put("small", b"1", NEVER)
    (directory,) = beside(path)
    away = directory.rename(path.with_name("away"))
    for call in (session.blob_get, session.blob_get_and_remove):
        with pytest.raises(
            DataCorruption, match=f"missing: restore the directory '{directory.name}"
        ):
            call("a")
    with pytest.raises(DataCorruption, match="missing: restore"):
        session.blob_put("b", LARGE, NEVER)
    assert session.blob_get("small") == b"1"
    away.rename(directory)
    session.blob_put("b", LATER, NEVER)
    assert session.blob_get("a") == LARGE
    assert session.blob_get("b") == LATER


@pytest.mark.parametrize("content", [b"", LARGE[1:], LARGE + b"1"])
def test_files_of_another_size_are_told_of(
    session: EmbeddedSession, path: Path, content: bytes
) -> None:
    session.blob_put("a", LARGE, NEVER)
    (directory,) = beside(path)
    (directory / "1").write_bytes(content)
    with pytest.raises(DataCorruption, match=f"had {len(LARGE)} bytes.* has {len(content)}:"):
        session.blob_get("a")
    session.remove("a")


def test_files_of_another_store_are_not_touched(path: Path) -> None:
    for _ in range(2):
        with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
            session.blob_put("a", LARGE, NEVER)
        path.unlink()
    assert files(path) == ["1", "1"]


def test_earlier_state_of_the_store_goes_on_with_later_files(path: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        session.blob_put("a", LARGE, NEVER)
        session.blob_put("b", LARGE, NEVER)
        session.connection.one("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(path, earlier)
        session.blob_put("c", LATER, NEVER)
        session.remove("b")
    shutil.copy(earlier, path)
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        assert session.blob_get("a") == LARGE
        with pytest.raises(DataCorruption, match="missing: restore"):
            session.blob_get("b")
        session.blob_update("b", LATER + b"2", NEVER)
        assert session.blob_get("b") == LATER + b"2"
        assert session.blob_get("a") == LARGE


@pytest.mark.skipif(not hasattr(os, "chown"), reason="there are no such permissions")
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_files_are_as_private_as_the_store(session: EmbeddedSession, path: Path, mode: int) -> None:
    path.chmod(mode)
    session.blob_put("a", LARGE, NEVER)
    (directory,) = beside(path)
    assert (directory / "1").stat().st_mode & 0o777 == mode
    assert directory.stat().st_mode & 0o777 == {0o600: 0o700, 0o664: 0o775}[mode]


def test_store_behind_a_link_has_its_files_beside_it(session: EmbeddedSession, path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    session.blob_put("a", LARGE, NEVER)
    with closing(EmbeddedEngine(f"embedded:{link}").connect()) as linked:
        assert linked.blob_get("a") == LARGE
        linked.blob_put("b", LARGE, NEVER)
    assert session.blob_get("b") == LARGE


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoSpaceLeft),
        (errno.EDQUOT, NoSpaceLeft),
        (errno.EACCES, QuasardbException),
        (errno.EIO, QuasardbException),
    ],
)
def test_file_that_cannot_be_written_loses_nothing(
    session: EmbeddedSession,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[QuasardbException],
) -> None:
    session.blob_put("a", LARGE, NEVER)

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        for call in (session.blob_update, session.blob_put):
            with pytest.raises(kind) as caught:
                call("a" if call == session.blob_update else "b", LATER, NEVER)
            assert isinstance(caught.value.__cause__, OSError)
        assert files(path) == ["1"]
    assert session.blob_get("a") == LARGE
    session.blob_put("b", LATER, NEVER)
    assert session.blob_get("b") == LATER
    assert files(path) == named(path) == ["1", "2"]


def test_file_that_cannot_be_written_is_the_failure_of_its_operation_alone(
    session: EmbeddedSession, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    puts = [
        BatchOperation(OperationKind.BLOB_PUT, "a", b"1"),
        BatchOperation(OperationKind.BLOB_PUT, "b", LARGE),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        outcomes = session.run_batch(puts)
    assert [outcome.ok for outcome in outcomes] == [True, False]
    assert session.blob_get("a") == b"1"
    assert files(path) == []


def test_content_is_written_whole_however_little_the_system_takes_at_a_time(
    session: EmbeddedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, left: write(file, left[: LARGE_CONTENT // 3]))
    session.blob_put("a", LARGE, NEVER)
    assert session.blob_get("a") == LARGE


def test_what_is_in_the_way_is_passed_by(session: EmbeddedSession, path: Path) -> None:
    session.blob_put("a", LARGE, NEVER)
    (directory,) = beside(path)
    (directory / "2").mkdir()
    session.blob_put("b", LATER, NEVER)
    session.remove("a")
    session.close()
    assert files(path) == ["2", "3"]
    assert EmbeddedEngine(f"embedded:{path}").connect().blob_get("b") == LATER


def test_directory_that_somebody_did_not_get_ready_is_used(
    session: EmbeddedSession, path: Path
) -> None:
    assert session.large is not None
    session.large.directory.mkdir(mode=0o700)
    path.chmod(0o664)
    session.blob_put("a", LARGE, NEVER)
    if hasattr(os, "chown"):
        assert session.large.directory.stat().st_mode & 0o777 == 0o775


@pytest.mark.skipif(not hasattr(os, "chown"), reason="there are no such permissions")
def test_files_of_another_user_of_the_group_are_for_the_group(
    session: EmbeddedSession, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []

    def chown(target: object, user: int, group: int) -> None:
        if user != -1:
            raise PermissionError
        groups.append(group)

    monkeypatch.setattr(os, "chown", chown)
    session.blob_put("a", LARGE, NEVER)
    assert groups == [path.stat().st_gid] * 2


def test_store_of_version_1_is_brought_up_to_date(path: Path) -> None:
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        session.blob_put("small", b"1", NEVER)
    with closing(sqlite3.connect(path)) as database:
        for statement in (
            "DROP TABLE store", "DROP TABLE large", "DROP TABLE dropped",
            "DROP TRIGGER large_changed", "DROP TRIGGER large_gone", "PRAGMA user_version = 1",
        ):  # fmt: skip
            database.execute(statement)
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        assert session.blob_get("small") == b"1"
        session.blob_put("large", LARGE, NEVER)
        session.remove("large")
    assert files(path) == []
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)


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
