"""The embedded engine: places, files that are wrong, limits, and what the corpus does not say."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, Location, parse_location
from storekit.qdb.embedded.checks import MAX_CONTENT, above
from storekit.qdb.engine import (
    NEVER,
    PRESERVE,
    BatchOperation,
    Engine,
    EntryType,
    OperationKind,
    Session,
)
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    AliasTooLong,
    DataCorruption,
    EntryTooLarge,
    ErrorCode,
    IncompatibleType,
    InvalidArgument,
    NoSpaceLeft,
    OperationDisabled,
    OutOfRange,
    QuasardbException,
    ReservedAlias,
    UnmatchedContent,
)
from tests.qdb.semantics import Clock

NODE = "127.0.0.1:2836"


@pytest.fixture(params=["memory", "file"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "embedded:" if request.param == "memory" else f"embedded:{tmp_path / 'store'}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(location: str, clock: Clock) -> Iterator[EmbeddedSession]:
    engine = EmbeddedEngine(location, clock=clock.now)
    made = engine.connect()
    yield made
    made.close()


def code_of(call, *arguments) -> ErrorCode:
    with pytest.raises(QuasardbException) as caught:
        call(*arguments)
    return ErrorCode(caught.value.error_code)


def test_it_is_an_engine() -> None:
    engine: Engine = EmbeddedEngine("embedded:")
    session: Session = EmbeddedEngine("embedded:").connect()
    session.close()
    assert engine.version()
    assert "SQLite" in engine.build()
    assert engine.describe()["location"] == "embedded:"


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


class TestAliases:
    HOSTILE = (
        "'; DROP TABLE entry; --",
        "%_*?[a-z]",
        "\U0010ffff" * 256,
        "\x01\x7f\x80",
        " ",
        "a\u0301",
        "á",
        "\ufeff",
        ".",
        "\ud7ff\ue000",
    )

    def test_hostile_ones(self, session: EmbeddedSession) -> None:
        for number, alias in enumerate(self.HOSTILE):
            session.blob_put(alias, b"%d" % number, NEVER)
        for number, alias in enumerate(self.HOSTILE):
            assert session.blob_get(alias) == b"%d" % number
            assert session.prefix_get(alias, 9)[0] == alias
            assert alias in session.suffix_get(alias, 9)
        assert {alias for alias, _ in session.scan(None, 99)[0]} == set(self.HOSTILE)

    @pytest.mark.parametrize(
        ("alias", "kind"),
        [
            ("", InvalidArgument),
            ("a\0b", InvalidArgument),
            ("\ud800", InvalidArgument),
            ("é" * 513, AliasTooLong),
            ("..x", ReservedAlias),
        ],
    )
    def test_what_is_no_alias(
        self, session: EmbeddedSession, alias: str, kind: type[QuasardbException]
    ) -> None:
        session.blob_put("ok", b"", NEVER)
        calls = [
            lambda: session.blob_put(alias, b"", NEVER),
            lambda: session.int_get(alias),
            lambda: session.remove(alias),
            lambda: session.expires_at(alias, NEVER),
            lambda: session.get_type(alias),
            lambda: session.attach_tag("ok", alias),
            lambda: session.attach_tags("ok", ["fine", alias]),
            lambda: session.get_tagged(alias),
        ]
        for call in calls:
            with pytest.raises(kind):
                call()
        if kind is ReservedAlias:
            kind = AliasNotFound
            assert session.prefix_get(alias, 1) == []
        with pytest.raises(kind):
            session.blob_get(alias)
        assert session.scan(None, 9)[0] == [("ok", b"")]
        assert session.get_tags("ok") == []

    def test_above(self) -> None:
        assert above("a") == "b"
        assert above("a\U0010ffff") == "b"
        assert above("\ud7ff") == "\ue000"
        assert above("\U0010ffff") is None

    def test_limits_keep_the_first(self, session: EmbeddedSession) -> None:
        for alias in ("pc", "pa", "pb", "q"):
            session.blob_put(alias, b"", NEVER)
        assert session.prefix_get("p", 2) == ["pa", "pb"]
        assert session.prefix_count("p") == 3
        assert session.prefix_get("p", 1 << 80) == ["pa", "pb", "pc"]

    def test_a_prefix_is_found_by_the_index(self, session: EmbeddedSession) -> None:
        plans = session.connection.all(
            "EXPLAIN QUERY PLAN SELECT alias FROM entry WHERE alias >= ? AND alias < ? "
            "AND (expiry = 0 OR expiry > ?) ORDER BY alias LIMIT ?",
            ("a", "b", 0, 1),
        )
        assert [plan[3] for plan in plans] == [
            "SEARCH entry USING INDEX entry_alias (alias>? AND alias<?)"
        ]


class TestValues:
    def test_any_buffer(self, session: EmbeddedSession) -> None:
        every_other = memoryview(b"a.b.c.")[::2]
        numbers = memoryview(bytes(8)).cast("i")
        empty = memoryview(bytearray())
        for given in (b"x", bytearray(b"x"), every_other, numbers, empty, b""):
            session.blob_update("a", given, NEVER)
            assert session.blob_get("a") == bytes(given)
            assert session.blob_compare_and_swap("a", b"y", given, NEVER) is None
            session.blob_update("a", given, NEVER)
            session.blob_remove_if("a", given)

    def test_large_ones_come_back_and_leave_nothing_behind(self, session: EmbeddedSession) -> None:
        large = os.urandom(1 << 20) * 20
        session.blob_put("a", large, NEVER)
        assert session.blob_get("a") == large
        assert session.blob_compare_and_swap("a", large, large[1:], NEVER) == large
        assert session.blob_compare_and_swap("a", large[1:], large, NEVER) is None
        assert session.get_metadata("a").size == len(large) - 1
        assert session.scan(None, 5)[0][0][1] == large[1:]
        session.blob_remove_if("a", large[1:])

    def test_statements_do_not_hold_on_to_large_contents(self, tmp_path: Path) -> None:
        status = Path("/proc/self/statm")
        if not status.exists():
            pytest.skip("needs /proc")
        session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}").connect()
        large = bytes(40 << 20)  # from 32 MB up, malloc gives back what is freed

        def kept() -> int:
            session.blob_update("a", b"", NEVER)
            return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        before = kept()
        session.remove("a")
        calls = [
            lambda: session.blob_put("a", large, NEVER),
            lambda: session.blob_update("a", large, NEVER),
            lambda: session.blob_update("a", large, PRESERVE),
            lambda: session.blob_compare_and_swap("a", b"", large, NEVER),
            lambda: session.blob_compare_and_swap("a", b"", large, PRESERVE),
            lambda: session.blob_remove_if("a", large),
            lambda: session.blob_scan(large, 1),
        ]
        for number, call in enumerate(calls):
            with suppress(UnmatchedContent):
                call()
            assert kept() - before < 30 << 20, number
        session.close()

    def test_too_large(self, session: EmbeddedSession) -> None:
        session.blob_put("a", b"1", NEVER)
        large = bytes(MAX_CONTENT + 1)
        for call in (
            lambda: session.blob_put("b", large, NEVER),
            lambda: session.blob_update("a", large, NEVER),
            lambda: session.blob_compare_and_swap("a", large, b"1", NEVER),
        ):
            with pytest.raises(EntryTooLarge):
                call()
        outcomes = session.run_batch(
            [
                BatchOperation(OperationKind.BLOB_UPDATE, "a", large),
                BatchOperation(OperationKind.BLOB_PUT, "b", b"2"),
            ]
        )
        assert [outcome.error for outcome in outcomes] == [ErrorCode.ENTRY_TOO_LARGE, ErrorCode.OK]
        assert session.blob_get("a") == b"1"

    def test_integers(self, session: EmbeddedSession) -> None:
        low, high = -(1 << 63), (1 << 63) - 1
        session.int_put("i", high - 1, NEVER)
        assert session.int_add("i", 1) == high
        for addend, code in ((1, ErrorCode.OVERFLOW), (high, ErrorCode.OVERFLOW)):
            assert code_of(session.int_add, "i", addend) == code
        assert session.int_update("i", low, NEVER) is False
        assert code_of(session.int_add, "i", -1) == ErrorCode.UNDERFLOW
        assert session.int_add("i", high) == -1
        with pytest.raises(InvalidArgument):
            session.int_put("j", high + 1, NEVER)
        with pytest.raises(InvalidArgument):
            session.int_add("i", low - 1)
        with pytest.raises(TypeError):
            session.int_put("j", 1.5, NEVER)
        batch = session.run_batch(
            [
                BatchOperation(OperationKind.INT_ADD, "i", low),
                BatchOperation(OperationKind.INT_GET, "i"),
            ]
        )
        assert batch[0].error == ErrorCode.UNDERFLOW
        assert batch[1].content == -1
        assert session.get_metadata("i").size == 8

    def test_doubles(self, session: EmbeddedSession) -> None:
        nan, inf = float("nan"), float("inf")
        session.double_put("d", 3, NEVER)
        assert repr(session.double_get("d")) == "3.0"
        assert session.double_add("d", inf) == inf
        assert str(session.double_add("d", -inf)) == "nan"
        assert str(session.double_get("d")) == "nan"
        assert str(session.double_add("d", 1.0)) == "nan"
        session.double_update("d", -0.0, NEVER)
        assert str(session.double_get("d")) == "-0.0"
        outcomes = session.run_batch(
            [
                BatchOperation(OperationKind.DOUBLE_UPDATE, "d", nan),
                BatchOperation(OperationKind.DOUBLE_GET, "d"),
            ]
        )
        assert str(outcomes[1].content) == "nan"

    def test_strings_and_timestamps(self, session: EmbeddedSession) -> None:
        session.string_put("s", "é\0x", NEVER)
        assert session.string_get("s") == "é\0x"
        assert session.string_compare_and_swap("s", "n", "no", NEVER) == "é\0x"
        assert session.string_get_and_update("s", "n", NEVER) == "é\0x"
        assert session.string_scan("n", 5) == session.string_scan_regex("^n$", 5) == ["s"]
        assert session.blob_scan(b"n", 5) == []
        assert session.get_type("s") is EntryType.STRING
        with pytest.raises(IncompatibleType):
            session.blob_get("s")
        with pytest.raises(InvalidArgument):
            session.string_update("s", "\ud800", NEVER)
        assert session.string_get_and_remove("s") == "n"
        session.timestamp_put("t", -(1 << 62) * 10**9, NEVER)
        assert session.timestamp_add("t", 7) == 7 - (1 << 62) * 10**9
        assert session.timestamp_get("t") == 7 - (1 << 62) * 10**9
        with pytest.raises(OutOfRange):
            session.timestamp_add("t", -(1 << 63) * 10**9)


class TestExpiry:
    def test_it_is_exact(self, session: EmbeddedSession, clock: Clock) -> None:
        session.blob_put("a", b"1", clock.now() + 10)
        session.attach_tag("a", "t")
        session.blob_put("b", b"1", NEVER)
        clock.sleep(9)
        assert session.blob_get("a") == b"1"
        assert session.get_tagged("t") == ["a"]
        clock.sleep(1)
        for call in (
            session.blob_get,
            session.remove,
            session.get_expiry_time,
            session.get_type,
            session.get_metadata,
            session.get_tags,
            session.blob_get_and_remove,
        ):
            with pytest.raises(AliasNotFound):
                call("a")
        with pytest.raises(AliasNotFound):
            session.expires_at("a", NEVER)  # does not bring it back
        assert session.prefix_get("a", 9) == session.suffix_get("a", 9) == []
        assert session.prefix_count("a") == session.suffix_count("a") == 0
        assert session.blob_scan(b"1", 9) == session.blob_scan_regex("1", 9) == ["b"]
        assert session.scan(None, 9)[0] == [("b", b"1")]
        assert session.get_tagged("t") == []
        assert session.get_tagged_count("t") == 0
        assert json.loads(session.node_status(NODE))["operations"]["get"]["failures"] == 1

    @pytest.mark.parametrize("again", ["put", "update", "int"])
    def test_an_expired_entry_is_made_anew(
        self, session: EmbeddedSession, clock: Clock, again: str
    ) -> None:
        session.blob_put("a", b"1", clock.now() + 10)
        session.attach_tag("a", "t")
        clock.sleep(10)
        if again == "put":
            session.blob_put("a", b"2", NEVER)
        elif again == "update":
            assert session.blob_update("a", b"2", PRESERVE) is True
        else:
            session.int_put("a", 2, NEVER)
        assert session.get_expiry_time("a") == 0
        assert session.get_tags("a") == []
        assert session.get_tagged("t") == []

    def test_edges(self, session: EmbeddedSession, clock: Clock) -> None:
        session.blob_put("a", b"1", NEVER)
        for call in (
            lambda: session.expires_at("a", clock.now() - 300_001),
            lambda: session.expires_from_now("a", -300_001),
            lambda: session.expires_at("a", 1 << 63),
            lambda: session.expires_from_now("a", (1 << 63) - 1),
            lambda: session.blob_update("a", b"", -2),
            lambda: session.blob_compare_and_swap("a", b"", b"1", 5),
        ):
            with pytest.raises(InvalidArgument):
                call()
        session.expires_at("a", PRESERVE)
        assert session.get_expiry_time("a") == 0
        with pytest.raises(AliasNotFound):
            session.expires_at("b", PRESERVE)
        session.expires_from_now("a", 0)
        with pytest.raises(AliasNotFound):
            session.blob_get("a")
        session.blob_put("a", b"1", clock.now() - 300_000)
        session.blob_put("a", b"1", NEVER)
        with pytest.raises(AliasAlreadyExists):
            session.blob_put("a", b"1", clock.now() - 1000)

    def test_it_does_not_become_never_near_the_epoch(
        self, session: EmbeddedSession, clock: Clock
    ) -> None:
        clock.milliseconds = 100
        for milliseconds in (-100, -101, -102):
            session.blob_update("a", b"1", NEVER)
            session.expires_from_now("a", milliseconds)
            with pytest.raises(AliasNotFound):
                session.blob_get("a")

    def test_writers_sweep(self, session: EmbeddedSession, clock: Clock) -> None:
        for number in range(2000):
            session.blob_put(f"old{number}", b"." * 100, clock.now() + 10)
            session.attach_tags(f"old{number}", ["t"] if number % 100 == 0 else [])
        clock.sleep(10)
        for number in range(3000):
            session.blob_update("new", b"%d" % number, clock.now() + 10)
            clock.sleep(1)
        row = session.connection.one("SELECT count(*), (SELECT count(*) FROM tagging) FROM entry")
        assert row[0] < 40
        assert row[1] == 0


class TestTags:
    def test_all_or_none(self, session: EmbeddedSession) -> None:
        session.blob_put("a", b"1", NEVER)
        session.blob_put("b", b"1", NEVER)
        for wrong in ("b", "a"):
            with pytest.raises(IncompatibleType):
                session.attach_tags("a", ["t", wrong])
        assert session.get_tags("a") == []
        with pytest.raises(AliasNotFound):
            session.get_type("t")
        session.attach_tags("a", ["u", "t", "t"])
        assert session.get_tags("a") == ["t", "u"]
        session.detach_tags("a", ["t", "never"])
        assert session.get_tags("a") == ["u"]
        for call in (session.get_tagged, session.get_tagged_count):
            with pytest.raises(IncompatibleType):
                call("b")
        for missing in (session.attach_tag, session.detach_tag, session.has_tag):
            with pytest.raises(AliasNotFound):
                missing("nothing", "t")
        with pytest.raises(IncompatibleType):
            session.attach_tag("u", "u")

    def test_removal_of_either_side(self, session: EmbeddedSession) -> None:
        for alias in ("a", "b"):
            session.blob_put(alias, b"1", NEVER)
            session.attach_tag(alias, "t")
        session.remove("a")
        session.blob_put("a", b"1", NEVER)
        assert session.get_tags("a") == []
        assert session.get_tagged("t") == ["b"]
        session.remove("t")
        assert session.get_tags("b") == []
        assert session.connection.one("SELECT count(*) FROM tagging") == (0,)
        session.attach_tag("b", "t")
        session.blob_update("b", b"2", NEVER)
        assert session.get_tagged("t") == ["b"]
        session.purge_all(1)
        assert session.get_tagged("t") == []


class TestBatches:
    def test_many_go_in_parts(self, session: EmbeddedSession) -> None:
        puts = [
            BatchOperation(OperationKind.BLOB_PUT, f"{number % 900}", b"x")
            for number in range(1000)
        ]
        outcomes = session.run_batch(puts)
        assert sum(outcome.ok for outcome in outcomes) == 900
        assert {outcome.error for outcome in outcomes[900:]} == {ErrorCode.ALIAS_ALREADY_EXISTS}

    def test_each_kind(self, session: EmbeddedSession) -> None:
        session.blob_put("a", b"1", NEVER)
        session.attach_tag("a", "t")
        operations = [
            BatchOperation(OperationKind.GET_ENTRY_TYPE, "t"),
            BatchOperation(OperationKind.BLOB_GET_AND_REMOVE, "a"),
            BatchOperation(OperationKind.BLOB_REMOVE_IF, "a", comparand=b"1"),
            BatchOperation(OperationKind.STRING_PUT, "s", "é".encode()),
            BatchOperation(OperationKind.STRING_GET, "s"),
            BatchOperation(OperationKind.BLOB_REMOVE, "s"),
            BatchOperation(OperationKind.STRING_REMOVE, "s"),
            BatchOperation(OperationKind.BLOB_CAS, "s", b"", b""),
        ]
        outcomes = session.run_batch(operations)
        assert [(outcome.error, outcome.content) for outcome in outcomes] == [
            (ErrorCode.OK, EntryType.TAG),
            (ErrorCode.OK, b"1"),
            (ErrorCode.ALIAS_NOT_FOUND, None),
            (ErrorCode.OK, None),
            (ErrorCode.OK, "é".encode()),
            (ErrorCode.INCOMPATIBLE_TYPE, None),
            (ErrorCode.OK, None),
            (ErrorCode.ALIAS_NOT_FOUND, None),
        ]

    @pytest.mark.parametrize(
        "malformed",
        [
            BatchOperation(OperationKind.BLOB_PUT, "x", None),
            BatchOperation(OperationKind.BLOB_PUT, "x", 5),
            BatchOperation(OperationKind.BLOB_CAS, "x", b"1"),
            BatchOperation(OperationKind.INT_PUT, "x", 1 << 63),
            BatchOperation(OperationKind.INT_PUT, "x", b"1"),
            BatchOperation(OperationKind.STRING_PUT, "x", b"\xff"),
            BatchOperation(OperationKind.BLOB_UPDATE, "x", b"", expiry=5),
            BatchOperation(OperationKind.HAS_TAG, "x"),
            BatchOperation(99, "x"),
        ],
    )
    def test_a_malformed_one_spoils_it(
        self, session: EmbeddedSession, malformed: BatchOperation
    ) -> None:
        good = BatchOperation(OperationKind.BLOB_PUT, "good", b"1")
        errors = [outcome.error for outcome in session.run_batch([good, malformed])]
        assert errors == [ErrorCode.SKIPPED, ErrorCode.INVALID_ARGUMENT]
        assert session.run_transaction([good, malformed])[:2] == (ErrorCode.INVALID_ARGUMENT, 1)
        assert session.prefix_get("good", 1) == []

    def test_a_transaction_is_undone(self, session: EmbeddedSession) -> None:
        session.blob_put("a", b"1", NEVER)
        session.attach_tag("a", "t")
        code, index, outcomes = session.run_transaction(
            [
                BatchOperation(OperationKind.BLOB_UPDATE, "a", b"2"),
                BatchOperation(OperationKind.BLOB_REMOVE, "a"),
                BatchOperation(OperationKind.INT_PUT, "a", 5),
                BatchOperation(OperationKind.BLOB_CAS, "a", b"3", b"4"),
                BatchOperation(OperationKind.BLOB_PUT, "b", b"5"),
            ]
        )
        assert (code, index) == (ErrorCode.INCOMPATIBLE_TYPE, 3)
        assert outcomes[3].error == code
        assert {outcome.error for outcome in outcomes[:3] + outcomes[4:]} == {ErrorCode.SKIPPED}
        assert session.blob_get("a") == b"1"
        assert session.get_tagged("t") == ["a"]
        assert session.run_transaction([]) == (ErrorCode.OK, 0, [])


class TestNode:
    def test_figures_are_real(self, session: EmbeddedSession, location: str) -> None:
        session.blob_put("a", b"12345", NEVER)
        session.int_put("i", 1, NEVER)
        session.blob_get("a")
        with pytest.raises(AliasNotFound):
            session.blob_get("b")
        status = json.loads(session.node_status(f"qdb://{NODE}"))
        kept = "resident" if location == "embedded:" else "persisted"
        assert status["entries"][kept] == {"count": 2, "size": 13}
        assert status["operations"]["get"]["count"] == 2
        assert status["operations"]["get"]["failures"] == 1
        assert status["operations"]["get"]["out_bytes"] == 5
        assert status["operations"]["put"]["in_bytes"] == 13
        assert status["overall"]["count"] == 4
        assert status["network"]["listening_endpoint"] == NODE
        config = json.loads(session.node_config("localhost:2836"))
        assert config["local"]["depot"]["transient"] is (location == "embedded:")
        topology = json.loads(session.node_topology(NODE))
        assert topology["center"]["endpoint"] == NODE
        assert topology["center"]["reference"] == status["node_id"]

    def test_other_nodes_and_stopping(self, session: EmbeddedSession) -> None:
        for wrong in ("", "host", "host:0", "a:1,b:2", "a:x", "qdb://", "a:70000"):
            assert code_of(session.node_status, wrong) == ErrorCode.INVALID_ARGUMENT
        assert code_of(session.node_config, "10.0.0.1:2836") == ErrorCode.CONNECTION_REFUSED
        assert code_of(session.node_stop, NODE, "") == ErrorCode.INVALID_ARGUMENT
        assert code_of(session.node_stop, NODE, "why") == ErrorCode.OPERATION_DISABLED
        assert code_of(session.purge_all, 0) == ErrorCode.INVALID_ARGUMENT


def test_a_session_that_is_collected_during_a_call_of_its_store_closes() -> None:
    engine = EmbeddedEngine("embedded:")
    session, other = engine.connect(), engine.connect()
    session.connection.call(other.close)
    assert code_of(other.blob_get, "a") == ErrorCode.INVALID_HANDLE
    session.blob_put("a", b"1", 0)
    session.close()
