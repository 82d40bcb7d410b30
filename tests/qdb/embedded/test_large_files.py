"""The files of large contents: missing, foreign, in the way, of other users."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, schema
from storekit.qdb.embedded.large_contents import LARGE_CONTENT
from storekit.qdb.engine import NEVER, BatchOperation, OperationKind
from storekit.qdb.errors import DataCorruption, NoSpaceLeft, QuasardbException
from tests.qdb.embedded.large import LARGE, LATER, beside, files, named


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def session(path: Path) -> Iterator[EmbeddedSession]:
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        yield session


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
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as other:
        assert other.blob_get("b") == LATER


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
