"""The embedded engine: places, files that are wrong, limits, and what the corpus does not say."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession
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
    AliasNotFound,
    AliasTooLong,
    EntryTooLarge,
    ErrorCode,
    IncompatibleType,
    InvalidArgument,
    OutOfRange,
    QuasardbException,
    ReservedAlias,
    UnmatchedContent,
)
from tests.qdb.embedded.codes import code_of


def test_it_is_an_engine() -> None:
    engine: Engine = EmbeddedEngine("embedded:")
    session: Session = EmbeddedEngine("embedded:").connect()
    session.close()
    assert engine.version()
    assert "SQLite" in engine.build()
    assert engine.describe()["location"] == "embedded:"


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
