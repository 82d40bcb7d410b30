"""What the engine makes of replies that no library should give."""

import dataclasses

import pytest

from storekit import qdb
from storekit.qdb.capi import connecting
from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import load_library
from storekit.qdb.capi.session import CapiSession
from storekit.qdb.embedded import EmbeddedSession
from storekit.qdb.engine import NEVER, BatchOperation, OperationKind, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException, StoreTimeout
from tests.qdb.libraries import ports


def signed(code):
    return code - 2**32 if code >= 2**31 else code


class Spoiled:
    """A library whose answers go through functions of the test."""

    def __init__(self, lib):
        self._lib = lib
        self.after_batch = lambda done, operations: done
        self.next_codes = []
        self.last_error = None

    def __getattr__(self, name):
        return getattr(self._lib, name)

    def qdb_run_batch(self, pointer, operations, count):
        return self.after_batch(self._lib.qdb_run_batch(pointer, operations, count), operations)

    def qdb_get_last_error(self, pointer, code, message):
        failed = self._lib.qdb_get_last_error(pointer, code, message)
        if self.last_error is not None:
            code[0] = signed(self.last_error)
        return failed

    def qdb_iterator_next(self, iterator):
        spoiled = self.next_codes.pop(0) if self.next_codes else None
        return self._lib.qdb_iterator_next(iterator) if spoiled is None else signed(spoiled)


@pytest.fixture
def lib(door_path):
    return Spoiled(load_library(door_path).lib)


@pytest.fixture
def session(door_path, lib, counters):
    before = counters.outstanding
    library = dataclasses.replace(load_library(door_path), lib=lib)
    handle = Handle(library)
    connecting.connect(library, handle, f"qdb://127.0.0.1:{next(ports)}", 10)
    session = CapiSession(library, handle)
    for alias in ("a", "b"):
        session.blob_put(alias, alias.encode(), NEVER)
    yield session
    session.close()
    assert counters.outstanding == before


def gets(session):
    return session.blob_get_many(["a", "b"])


def batch(session):
    return session.run_batch(
        [BatchOperation(OperationKind.BLOB_GET, "a"), BatchOperation(OperationKind.BLOB_GET, "b")]
    )


def joined(session):
    update = BatchOperation(OperationKind.BLOB_UPDATE, "b", b"b")
    return session.run_joined([BatchOperation(OperationKind.BLOB_GET, "a"), update])


def cut_off(done, operations):
    operations[1].error = signed(ErrorCode.UNINITIALIZED)
    return 0


def half(done, operations):
    operations[1].error = signed(ErrorCode.UNINITIALIZED)
    return 1


def too_few(done, operations):
    return done - 1


def none(done, operations):
    return 0


def too_many(done, operations):
    return done + 1


@pytest.mark.parametrize("ask", [gets, batch, joined])
@pytest.mark.parametrize("spoil", [cut_off, half, too_few, none, too_many])
def test_a_batch_with_incomplete_outcomes_has_failed_as_a_whole(session, lib, ask, spoil):
    lib.after_batch = spoil
    with pytest.raises(QuasardbException, match="outcomes of the batch are incomplete") as caught:
        ask(session)
    assert caught.value.error_code == ErrorCode.INTERNAL_LOCAL


@pytest.mark.parametrize("ask", [gets, batch, joined])
def test_the_cause_of_incomplete_outcomes_is_the_last_error(session, lib, ask):
    lib.after_batch, lib.last_error = cut_off, ErrorCode.TIMEOUT
    with pytest.raises(StoreTimeout):
        ask(session)


@pytest.mark.parametrize("ask", [gets, batch, joined])
def test_incomplete_outcomes_never_look_as_if_nothing_was_sent(session, lib, ask):
    """For then the client would do it all once more."""
    lib.after_batch, lib.last_error = cut_off, ErrorCode.CONNECTION_REFUSED
    with pytest.raises(QuasardbException) as caught:
        ask(session)
    assert caught.value.error_code == ErrorCode.INTERNAL_LOCAL


@pytest.mark.parametrize("counted", [1, 2, 3])
def test_answers_may_count_as_successes_or_not(session, lib, counted):
    lib.after_batch = lambda done, operations: counted
    outcomes = session.run_batch(
        [
            BatchOperation(OperationKind.BLOB_GET, "a"),
            BatchOperation(OperationKind.BLOB_UPDATE, "new", content=b""),
            BatchOperation(OperationKind.BLOB_CAS, "a", content=b"", comparand=b"other"),
            BatchOperation(OperationKind.BLOB_GET, "missing"),
        ]
    )
    assert [outcome.error for outcome in outcomes] == [
        ErrorCode.OK,
        ErrorCode.OK_CREATED,
        ErrorCode.UNMATCHED_CONTENT,
        ErrorCode.ALIAS_NOT_FOUND,
    ]


def test_what_was_found_before_an_error_is_given_out_and_then_the_walk_ends(session, lib):
    for number in range(10):
        session.blob_put(f"{number}", b"", NEVER)
    lib.next_codes = [None] * 4 + [ErrorCode.CONNECTION_RESET]
    first, cursor = session.scan(None, 3)
    rest, cursor = session.scan(cursor, 3)
    assert (len(first), len(rest)) == (3, 2)
    for _ in range(2):
        with pytest.raises(qdb.ConnectionFailed) as caught:
            session.scan(cursor, 3)
        assert caught.value.error_code == ErrorCode.CONNECTION_RESET
    session.scan_close(cursor)


# The library over the embedded engine


def test_the_library_gives_out_views(session, monkeypatch):
    contents = [memoryview(b"small"), memoryview(b"x" * 5000), memoryview(b"")]
    monkeypatch.setattr(
        EmbeddedSession,
        "run_batch",
        lambda self, operations: [Outcome(ErrorCode.OK, content) for content in contents],
    )
    assert session.blob_get_many(["a", "b", "c"]) == contents


@pytest.mark.parametrize("wrong", [RuntimeError("a defect"), [Outcome(0, b"1"), Outcome(0, [])]])
def test_a_defect_of_the_library_fails_all_of_a_batch(session, monkeypatch, capfd, wrong):
    def run_batch(self, operations):
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    monkeypatch.setattr(EmbeddedSession, "run_batch", run_batch)
    for outcome in batch(session):
        assert outcome == Outcome(ErrorCode.INTERNAL_LOCAL)
    with session._handle:
        assert session._handle.last_error()[0] == ErrorCode.INTERNAL_LOCAL
    assert "Traceback" in capfd.readouterr().err
