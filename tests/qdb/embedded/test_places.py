"""Where an embedded store is, and files that are wrong."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from storekit.qdb.embedded import EmbeddedEngine, Location, parse_location
from storekit.qdb.engine import NEVER, BatchOperation, OperationKind
from storekit.qdb.errors import (
    DataCorruption,
    ErrorCode,
    InvalidArgument,
    NoSpaceLeft,
    OperationDisabled,
)
from tests.qdb.embedded.codes import code_of


class TestPlaces:
    def test_parsing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert parse_location("embedded:") == Location()
        assert parse_location("embedded:jobs?mode=memory") == Location(name="jobs")
        assert parse_location("embedded:a/b.db") == Location(path=str(tmp_path / "a/b.db"))
        assert parse_location("embedded:/x?durable=true") == Location(path="/x", durable=True)
        assert parse_location("embedded::memory:") == Location(path=str(tmp_path / ":memory:"))
        assert str(parse_location("embedded:jobs?mode=memory")) == "embedded:jobs?mode=memory"

    @pytest.mark.parametrize(
        "text", ["", "qdb://127.0.0.1:2836", "embedded", "embedded:a?mode=ram", "embedded:a\0b"]
    )
    def test_what_is_no_location(self, text: str) -> None:
        assert code_of(parse_location, text) == ErrorCode.INVALID_ARGUMENT

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("what?.db", "what?.db"),
            ("what?", "what"),
            ("what??", "what?"),
            ("a&b=c.db", "a&b=c.db"),
            ("a?b=c.db?", "a?b=c.db"),
            ("a?durable=true?", "a?durable=true"),
            ("a?b&c", "a?b&c"),
            ("a?b?durable=false", "a?b"),
        ],
    )
    def test_a_path_may_have_question_marks(self, tmp_path: Path, text: str, name: str) -> None:
        location = parse_location(f"embedded:{tmp_path / text}")
        assert location == Location(path=str(tmp_path / name))
        assert parse_location(str(location)) == location

    @pytest.mark.parametrize("text", ["a?b=c.db", "a?durable", "a?durable=maybe", "a?mode"])
    def test_what_looks_like_options_and_is_none_is_told_how_to_be_a_path(self, text: str) -> None:
        with pytest.raises(InvalidArgument, match=r"write one more at the end: 'embedded:PATH\?'"):
            parse_location(f"embedded:{text}")

    @pytest.mark.parametrize("options", ["durable=true&durable=false", "mode=memory&mode=memory"])
    def test_an_option_that_is_given_twice_is_refused(self, options: str) -> None:
        with pytest.raises(InvalidArgument, match="twice"):
            parse_location(f"embedded:a?{options}")

    @pytest.mark.parametrize("place", ["embedded:", "embedded:name?mode=memory"])
    def test_a_store_in_memory_cannot_be_durable(self, place: str) -> None:
        mark = "&" if "?" in place else "?"
        assert code_of(EmbeddedEngine, f"{place}{mark}durable=true") == ErrorCode.INVALID_ARGUMENT
        with pytest.raises(InvalidArgument, match="can't be durable"):
            EmbeddedEngine(place, durable=True)
        with pytest.raises(InvalidArgument, match="can't be durable"):
            EmbeddedEngine(Location(durable=True))

    def test_only_a_store_in_memory_never_blocks(self, tmp_path: Path) -> None:
        assert EmbeddedEngine("embedded:").immediate
        assert EmbeddedEngine("embedded:name?mode=memory").immediate
        assert not EmbeddedEngine(f"embedded:{tmp_path / 'store'}").immediate

    def test_a_private_store_belongs_to_its_engine(self) -> None:
        engine, other = EmbeddedEngine("embedded:"), EmbeddedEngine("embedded:")
        one, two, three = engine.connect(), engine.connect(), other.connect()
        one.blob_put("a", b"1", NEVER)
        one.close()
        assert two.blob_get("a") == b"1"
        assert code_of(three.blob_get, "a") == ErrorCode.ALIAS_NOT_FOUND
        two.close()
        three.close()

    def test_a_name_is_shared_for_as_long_as_somebody_has_it(self) -> None:
        first = EmbeddedEngine("embedded:shared?mode=memory").connect()
        second = EmbeddedEngine("embedded:shared?mode=memory").connect()
        first.blob_put("a", b"1", NEVER)
        assert second.blob_get("a") == b"1"
        first.close()
        second.close()
        del first, second
        gc.collect()
        third = EmbeddedEngine("embedded:shared?mode=memory").connect()
        assert code_of(third.blob_get, "a") == ErrorCode.ALIAS_NOT_FOUND
        third.close()

    @pytest.mark.parametrize("name", ["store", "wh?t %41#.db", ":memory:", "ünï", "file:x"])
    def test_a_file_keeps_what_it_has(self, tmp_path: Path, name: str) -> None:
        engine = EmbeddedEngine(Location(path=str(tmp_path / name)))
        session = engine.connect()
        session.blob_put("a", b"1", NEVER)
        session.close()
        assert (tmp_path / name).exists()
        again = engine.connect()
        assert again.blob_get("a") == b"1"
        again.close()

    def test_threads_may_make_the_file_at_the_same_time(self, tmp_path: Path) -> None:
        problems: list[BaseException] = []
        for number in range(10):
            engine = EmbeddedEngine(f"embedded:{tmp_path / str(number)}")
            barrier = threading.Barrier(6)

            def make(engine: EmbeddedEngine = engine, barrier: threading.Barrier = barrier):
                barrier.wait()
                try:
                    session = engine.connect()
                    session.blob_update("a", b"1", NEVER)
                    session.close()
                except BaseException as error:
                    problems.append(error)

            threads = [threading.Thread(target=make) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert problems == []

    def test_durable_waits_for_the_disk(self, tmp_path: Path) -> None:
        for durable, expected in ((False, 1), (True, 2)):
            engine = EmbeddedEngine(f"embedded:{tmp_path / 'store'}", durable=durable)
            session = engine.connect()
            row = session.connection.one("PRAGMA synchronous")
            mode = session.connection.one("PRAGMA journal_mode")
            assert (row, mode) == ((expected,), ("wal",))
            session.close()


class TestFilesThatAreWrong:
    def refused(self, path: Path) -> ErrorCode:
        before = path.read_bytes() if path.is_file() else None
        code = code_of(EmbeddedEngine(f"embedded:{path}").connect)
        assert before is None or path.read_bytes() == before
        return code

    def test_another_applications(self, tmp_path: Path) -> None:
        path = tmp_path / "other.db"
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE entry (id)")
        db.close()
        assert self.refused(path) == ErrorCode.OPERATION_NOT_PERMITTED

    def test_a_newer_schema(self, tmp_path: Path) -> None:
        path = tmp_path / "store"
        EmbeddedEngine(f"embedded:{path}").connect().close()
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.execute("PRAGMA journal_mode = DELETE")
        db.close()
        assert self.refused(path) == ErrorCode.OPERATION_NOT_PERMITTED
        with pytest.raises(OperationDisabled, match="newer storekit: it has version 99"):
            EmbeddedEngine(f"embedded:{path}").connect()

    def test_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "letter"
        path.write_text("Dear Sir or Madam, " * 400)
        assert self.refused(path) == ErrorCode.DATA_CORRUPTION

    def test_an_empty_file_becomes_a_store(self, tmp_path: Path) -> None:
        path = tmp_path / "empty"
        path.touch()
        session = EmbeddedEngine(f"embedded:{path}").connect()
        session.blob_put("a", b"1", NEVER)
        session.close()

    def test_a_directory_and_a_missing_one(self, tmp_path: Path) -> None:
        assert self.refused(tmp_path) == ErrorCode.OPERATION_NOT_PERMITTED
        assert self.refused(tmp_path / "no" / "store") == ErrorCode.OPERATION_NOT_PERMITTED

    def test_damage(self, tmp_path: Path) -> None:
        path = tmp_path / "store"
        session = EmbeddedEngine(f"embedded:{path}").connect()
        for number in range(500):
            session.blob_put(f"{number}", b"." * 500, NEVER)
        session.close()
        content = bytearray(path.read_bytes())
        content[8192:] = os.urandom(len(content) - 8192)
        path.write_bytes(content)
        with pytest.raises(DataCorruption):
            session = EmbeddedEngine(f"embedded:{path}").connect()
            try:
                for number in range(500):
                    session.blob_get(f"{number}")
            finally:
                session.close()

    def test_a_full_disk_loses_nothing(self, tmp_path: Path) -> None:
        session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}").connect()
        session.blob_put("a", b"1", NEVER)
        session.connection.one("PRAGMA max_page_count = 40")
        large = b"." * 100_000
        with pytest.raises(NoSpaceLeft):
            for number in range(10):
                session.blob_put(f"b{number}", large, NEVER)
        with pytest.raises(NoSpaceLeft):
            session.blob_get_and_update("a", large * 2, NEVER)
        outcomes = session.run_batch(
            [
                BatchOperation(OperationKind.BLOB_UPDATE, "a", b"2"),
                BatchOperation(OperationKind.BLOB_PUT, "c", large),
                BatchOperation(OperationKind.BLOB_GET, "a"),
            ]
        )
        errors = [outcome.error for outcome in outcomes]
        assert errors == [ErrorCode.OK, ErrorCode.NO_SPACE_LEFT, ErrorCode.OK]
        assert session.run_transaction(
            [
                BatchOperation(OperationKind.BLOB_UPDATE, "a", b"3"),
                BatchOperation(OperationKind.BLOB_PUT, "c", large),
            ]
        )[:2] == (ErrorCode.NO_SPACE_LEFT, 1)
        assert session.blob_get("a") == b"2"
        session.connection.one("PRAGMA max_page_count = 4000")
        session.blob_put("c", large, NEVER)
        session.close()

    @pytest.mark.skipif(not hasattr(os, "setuid"), reason="POSIX only")
    def test_what_cannot_be_written(self, tmp_path: Path) -> None:
        path, kept = tmp_path / "store", tmp_path / "open" / "store"
        kept.parent.mkdir()
        for each in (path, kept):
            session = EmbeddedEngine(f"embedded:{each}").connect()
            session.blob_put("a", b"1", NEVER)
            session.close()
            each.chmod(0o444)
        kept.parent.chmod(0o777)
        tmp_path.chmod(0o555)
        for directory in [tmp_path, *tmp_path.parents][:4]:  # of pytest, and of a worker of xdist
            directory.chmod(directory.stat().st_mode | 0o055)
        program = """
import os, sys
from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.errors import OperationDisabled
if os.getuid() == 0:
    os.setuid(65534)
for name in sys.argv[1:]:
    try:
        session = EmbeddedEngine(name).connect()
        print(session.blob_get("a").decode())
        session.blob_put("b", b"2", 0)
    except OperationDisabled as error:
        print("refused")
"""
        try:
            out = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    program,
                    f"embedded:{path}",
                    f"embedded:{tmp_path}/new",
                    f"embedded:{kept}",
                ],
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            tmp_path.chmod(0o755)
        assert out.stdout.split() == ["refused", "refused", "1", "refused"], out.stderr


def test_a_session_that_is_collected_during_a_call_of_its_store_closes() -> None:
    engine = EmbeddedEngine("embedded:")
    session, other = engine.connect(), engine.connect()
    session.connection.call(other.close)
    assert code_of(other.blob_get, "a") == ErrorCode.INVALID_HANDLE
    session.blob_put("a", b"1", 0)
    session.close()
