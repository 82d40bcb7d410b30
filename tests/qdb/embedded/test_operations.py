"""Expiry, tags, batches and the node of an embedded store."""

from __future__ import annotations

import json

import pytest

from storekit.qdb.embedded import EmbeddedSession
from storekit.qdb.engine import NEVER, PRESERVE, BatchOperation, EntryType, OperationKind
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    ErrorCode,
    IncompatibleType,
    InvalidArgument,
)
from tests.qdb.embedded.codes import code_of
from tests.qdb.semantics import Clock

NODE = "127.0.0.1:2836"


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
