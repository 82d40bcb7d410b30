"""The engine over a C library that answers: ours, which has the embedded engine inside."""

from __future__ import annotations

import ctypes
import dataclasses
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from storekit.qdb.capi import LibraryUnavailable, connecting
from storekit.qdb.capi.handle import VIEW_SIZE, Handle
from storekit.qdb.capi.library import load_library
from storekit.qdb.capi.session import CapiSession
from storekit.qdb.engine import NEVER, BatchOperation, EntryType, OperationKind, Outcome
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    ErrorCode,
    InvalidArgument,
    OperationDisabled,
    QuasardbException,
    TagAlreadySet,
    TagNotSet,
    UnmatchedContent,
)
from tests.qdb.libraries import Counters, Counting, ports
from tests.qdb.semantics import Clock, Run, sequences
from tools.build_qdb_library import declarations, exported, other_symbols

RECORDED = list(sequences())


@pytest.fixture
def session(door_session: CapiSession) -> CapiSession:
    return door_session


# The library


def test_exports_all_that_clients_link_to(door_path: Path):
    lib = ctypes.CDLL(str(door_path))
    names = exported(declarations()) | {name for name, _ in other_symbols()}
    assert len(names) > 150
    for name in names:
        assert getattr(lib, name)


def test_what_is_not_there_says_so(door_path: Path, session: CapiSession):
    lib = ctypes.CDLL(str(door_path))
    for name in ("qdb_query", "qdb_direct_connect", "qdb_iterator_rbegin", "qdb_get_location"):
        assert getattr(lib, name)(None, None, None) & 0xFFFFFFFF == ErrorCode.NOT_IMPLEMENTED


def test_library_that_did_not_start_is_refused(door_path: Path):
    """As it is where storekit's own code cannot be imported."""
    code = f"""if True:
        import sys
        import storekit.qdb.capi as capi
        sys.modules["tools.qdb_library"] = None
        try:
            capi.CapiEngine("qdb://127.0.0.1:1", library={str(door_path)!r})
        except capi.LibraryUnavailable as exc:
            print(exc)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.endswith("was opened but did not start\n")


def test_file_that_is_no_library(tmp_path: Path):
    path = tmp_path / "libqdb_api.so"
    path.write_text("not a library")
    with pytest.raises(LibraryUnavailable, match="cannot be opened"):
        load_library(path)


def test_program_in_c(door_path: Path, tmp_path: Path):
    """The library starts a Python of its own where there is none."""
    source = tmp_path / "program.c"
    source.write_text("""
        #include <stdio.h>
        #include <stddef.h>
        extern const char *qdb_version(void);
        extern int qdb_open(void **, int), qdb_connect(void *, const char *), qdb_close(void *);
        extern int qdb_blob_put(void *, const char *, const void *, size_t, long long);
        extern int qdb_blob_get(void *, const char *, const void **, size_t *);
        extern void qdb_release(void *, const void *);
        int main(void) {
            void *h; const void *data; size_t n;
            if (!qdb_version() || qdb_open(&h, 0) || qdb_connect(h, "qdb://127.0.0.1:1")) return 1;
            if (qdb_blob_put(h, "a", "from C", 6, 0) || qdb_blob_get(h, "a", &data, &n)) return 2;
            printf("%.*s", (int)n, (const char *)data);
            qdb_release(h, data);
            return qdb_close(h);
        }
    """)
    program = tmp_path / "program"
    where = str(door_path.parent)
    command = ["cc", str(source), "-o", str(program), f"-L{where}", "-lqdb_api"]
    subprocess.run([*command, f"-Wl,-rpath,{where}"], check=True, timeout=60)
    done = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "from C"


@pytest.mark.parametrize("sequence", RECORDED, ids=lambda sequence: sequence["id"])
def test_recorded_sequence(sequence: dict[str, Any], connect, monkeypatch):
    from tools.qdb_library import handles  # of the library, which runs in this process

    clock = Clock()
    monkeypatch.setattr(handles, "clock", clock.now)
    session = connect()
    try:
        Run(session, clock).sequence(sequence)
    finally:
        session.close()


def test_recorded_sequences_are_there(request: pytest.FixtureRequest):
    if not RECORDED:
        pytest.skip("the recorded sequences are not here")


# One operation after the other


def test_blobs(session: CapiSession):
    session.blob_put("a", b"one", NEVER)
    with pytest.raises(AliasAlreadyExists):
        session.blob_put("a", b"two", NEVER)
    assert session.blob_update("a", bytearray(b"two"), NEVER) is False
    assert session.blob_update("b", memoryview(b"x-x-")[::2], NEVER) is True
    assert session.blob_get("b") == b"xx"
    assert session.blob_get_and_update("a", b"three", NEVER) == b"two"
    assert session.blob_compare_and_swap("a", b"four", b"no", NEVER) == b"three"
    assert session.blob_compare_and_swap("a", b"four", b"three", NEVER) is None
    with pytest.raises(UnmatchedContent):
        session.blob_remove_if("a", b"no")
    session.blob_remove_if("a", b"four")
    assert session.blob_get_and_remove("b") == b"xx"
    with pytest.raises(AliasNotFound):
        session.blob_get("b")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, VIEW_SIZE - 1, VIEW_SIZE, VIEW_SIZE + 1])
def test_contents_of_all_sizes(session: CapiSession, size: int):
    content = random.Random(size).randbytes(size)
    session.blob_put("a", content, NEVER)
    assert session.blob_get("a") == content
    assert isinstance(session.blob_get("a"), memoryview) == (size >= VIEW_SIZE)
    assert session.blob_get_and_update("a", b"", NEVER) == content
    assert session.blob_get("a") == b""
    assert session.blob_compare_and_swap("a", content, b"", NEVER) is None
    assert (session.blob_compare_and_swap("a", b"", b"?", NEVER) == content) == (content != b"?")
    (outcome,) = session.run_batch([BatchOperation(OperationKind.BLOB_GET, "a")])
    assert outcome == Outcome(ErrorCode.OK, content)
    assert session.scan(None, 5)[0] == [("a", content)]
    assert session.blob_get_and_remove("a") == content


def test_views_of_a_closed_session(connect, counters: Counters):
    before, handles = counters.outstanding, counters.handles
    session = connect()
    content = random.Random(1).randbytes(VIEW_SIZE)
    session.blob_put("a", content, NEVER)
    views = [session.blob_get("a") for _ in range(3)]
    assert counters.outstanding == before + 3
    session.close()
    assert counters.handles == handles + 1
    assert all(view == content for view in views)
    del views[1:]
    assert counters.outstanding == before + 1
    assert views.pop() == content
    assert (counters.outstanding, counters.handles) == (before, handles)


def test_numbers(session: CapiSession):
    session.int_put("i", -(2**63), NEVER)
    assert session.int_get("i") == -(2**63)
    assert session.int_update("i", 40, NEVER) is False
    assert session.int_add("i", 2) == 42
    session.double_put("d", 0.5, NEVER)
    assert session.double_add("d", 1) == 1.5
    assert session.double_update("e", 1.0, NEVER) is True
    assert session.double_get("e") == 1.0
    with pytest.raises(QuasardbException) as caught:
        session.blob_get("i")
    assert caught.value.error_code == ErrorCode.INCOMPATIBLE_TYPE


def test_expiry_and_metadata(session: CapiSession):
    soon = time.time_ns() // 10**6 + 3_600_000
    session.blob_put("a", b"12345", soon)
    assert session.get_expiry_time("a") == soon
    found = session.get_metadata("a")
    assert (found.type, found.size, found.expiry) == (EntryType.BLOB, 5, soon * 10**6)
    assert abs(found.modified - time.time_ns()) < 60 * 10**9
    session.expires_from_now("a", 60_000)
    assert 0 < session.get_expiry_time("a") < soon
    session.expires_at("a", NEVER)
    assert session.get_expiry_time("a") == NEVER
    assert session.get_type("a") is EntryType.BLOB
    with pytest.raises(InvalidArgument):
        session.expires_at("a", 1000)


def test_finding(session: CapiSession):
    for alias in ("ab", "aa", "ä", "b", "\U0001f600", "\uffff"):
        session.blob_put(alias, alias.encode(), NEVER)
    assert session.prefix_get("a", 2**70) == ["aa", "ab"]
    assert session.prefix_get("a", 1) in (["aa"], ["ab"])
    assert session.prefix_get("nothing", 10) == []
    assert session.suffix_get("b", 10) == ["ab", "b"]
    assert (session.prefix_count("a"), session.suffix_count("x")) == (2, 0)
    assert session.blob_scan(b"b", 10) == ["ab", "b"]
    assert session.blob_scan_regex("^a", 10) == ["aa", "ab"]
    session.purge_all(10)
    assert session.scan(None, 10) == ([], None)


def test_tags(session: CapiSession):
    session.blob_put("a", b"", NEVER)
    session.attach_tag("a", "red")
    with pytest.raises(TagAlreadySet):
        session.attach_tag("a", "red")
    session.attach_tags("a", ["red", "green"])
    session.attach_tags("a", [])
    assert sorted(session.get_tags("a")) == ["green", "red"]
    assert (session.has_tag("a", "red"), session.has_tag("a", "blue")) == (True, False)
    assert session.get_tagged("red") == ["a"]
    assert session.get_tagged("unknown") == []
    assert session.get_tagged_count("green") == 1
    session.detach_tag("a", "red")
    with pytest.raises(TagNotSet):
        session.detach_tag("a", "red")
    session.detach_tags("a", ["green", "red"])
    assert session.get_tags("a") == []
    with pytest.raises(AliasNotFound):
        session.get_tags("b")


def test_nodes(connect):
    session = connect(65535)
    assert session.node_status("127.0.0.1:65535").startswith(b"{")
    assert session.node_config("qdb://127.0.0.1:65535").startswith(b"{")
    assert session.node_topology("127.0.0.1:65535").endswith(b"}")
    with pytest.raises(OperationDisabled):
        session.node_stop("127.0.0.1:65535", "test")
    session.close()


# Iterating


def test_scan_in_chunks(session: CapiSession):
    stored = {f"alias-{i}": bytes([i]) for i in range(200)}
    for alias, content in stored.items():
        session.blob_put(alias, content, NEVER)
    found: list[tuple[str, bytes]] = []
    cursor = None
    while True:
        entries, cursor = session.scan(cursor, 7)
        found += entries
        assert len(entries) <= 7
        if cursor is None:
            break
    assert len(found) == 200
    assert dict(found) == stored


def test_cursors_that_are_not_open(session: CapiSession, connect):
    for i in range(4):
        session.blob_put(f"{i}", b"", NEVER)
    _, cursor = session.scan(None, 1)
    other = connect()
    with pytest.raises(QuasardbException) as caught:
        other.scan(cursor, 1)
    assert caught.value.error_code == ErrorCode.INVALID_ITERATOR
    other.close()
    session.scan_close(cursor)
    session.scan_close(cursor)
    with pytest.raises(QuasardbException) as caught:
        session.scan(cursor, 1)
    assert caught.value.error_code == ErrorCode.INVALID_ITERATOR
    _, ended = session.scan(None, 3)
    assert session.scan(ended, 3)[1] is None
    with pytest.raises(QuasardbException):
        session.scan(ended, 3)


def test_no_iterator_is_touched_after_its_end(door_path: Path):
    """The vendor's library would crash."""
    library = load_library(door_path)
    counted = dataclasses.replace(library, lib=Counting(library.lib))
    handle = Handle(counted)
    connecting.connect(counted, handle, f"qdb://127.0.0.1:{next(ports)}", 10)
    session = CapiSession(counted, handle)
    for i in range(3):
        session.blob_put(f"{i}", b"", NEVER)
    _, ended = session.scan(None, 1)
    session.scan(ended, 5)
    _, closed = session.scan(None, 1)
    session.scan_close(closed)
    _, left = session.scan(None, 1)
    moves = counted.lib.count("qdb_iterator_next")
    for cursor in (ended, closed):
        session.scan_close(cursor)
        with pytest.raises(QuasardbException):
            session.scan(cursor, 1)
    session.close()
    session.scan_close(left)
    assert counted.lib.count("qdb_iterator_next") == moves
    assert counted.lib.count("qdb_iterator_close") == counted.lib.count("qdb_iterator_begin") == 3
    names = [name for name, _ in counted.lib.calls]
    assert names[-2:] == ["qdb_iterator_close", "qdb_close"]


def test_close_ends_open_iterators(connect, counters: Counters):
    handles = counters.handles
    session = connect()
    for i in range(4):
        session.blob_put(f"{i}", b"", NEVER)
    _, cursor = session.scan(None, 1)
    session.close()
    session.scan_close(cursor)
    assert counters.handles == handles


# Batches


def test_batch_of_all_kinds(session: CapiSession):
    session.blob_put("old", b"1", NEVER)
    session.blob_put("gone", b"2", NEVER)
    session.blob_put("match", b"3", NEVER)
    session.int_put("i", 1, NEVER)
    session.double_put("d", 1.0, NEVER)
    session.attach_tag("i", "t")
    outcomes = session.run_batch(
        [
            BatchOperation(OperationKind.BLOB_PUT, "new", content=b"n"),
            BatchOperation(OperationKind.BLOB_REMOVE_IF, "match", comparand=b"3"),
            BatchOperation(OperationKind.BLOB_GET, "nothing"),
            BatchOperation(OperationKind.BLOB_GET_AND_REMOVE, "gone"),
            BatchOperation(OperationKind.BLOB_CAS, "old", content=b"x", comparand=b"no"),
            BatchOperation(OperationKind.BLOB_GET_AND_UPDATE, "old", content=b"4"),
            BatchOperation(OperationKind.BLOB_UPDATE, "created", content=b""),
            BatchOperation(OperationKind.BLOB_REMOVE_IF, "old", comparand=b"no"),
            BatchOperation(OperationKind.INT_ADD, "i", content=2),
            BatchOperation(OperationKind.INT_UPDATE, "j", content=-5),
            BatchOperation(OperationKind.DOUBLE_ADD, "d", content=1.5),
            BatchOperation(OperationKind.DOUBLE_PUT, "f", content=2),
            BatchOperation(OperationKind.HAS_TAG, "i", tag="t"),
            BatchOperation(OperationKind.HAS_TAG, "i", tag="u"),
            BatchOperation(OperationKind.GET_ENTRY_TYPE, "i"),
            BatchOperation(OperationKind.STRING_PUT, "s", content="ä".encode()),
            BatchOperation(OperationKind.STRING_GET, "s"),
            BatchOperation(OperationKind.BLOB_GET_AND_REMOVE, "gone"),
        ]
    )
    assert outcomes == [
        Outcome(ErrorCode.OK),
        Outcome(ErrorCode.OK),
        Outcome(ErrorCode.ALIAS_NOT_FOUND),
        Outcome(ErrorCode.OK, b"2"),
        Outcome(ErrorCode.UNMATCHED_CONTENT, b"1"),
        Outcome(ErrorCode.OK, b"1"),
        Outcome(ErrorCode.OK_CREATED),
        Outcome(ErrorCode.UNMATCHED_CONTENT),
        Outcome(ErrorCode.OK, 3),
        Outcome(ErrorCode.OK_CREATED),
        Outcome(ErrorCode.OK, 2.5),
        Outcome(ErrorCode.OK),
        Outcome(ErrorCode.OK),
        Outcome(ErrorCode.TAG_NOT_SET),
        Outcome(ErrorCode.OK, EntryType.INTEGER),
        Outcome(ErrorCode.OK),
        Outcome(ErrorCode.OK, "ä".encode()),
        Outcome(ErrorCode.ALIAS_NOT_FOUND),
    ]
    assert session.blob_get("old") == b"4"


def test_batch_that_the_cluster_refuses(session: CapiSession):
    """Only it knows its clock: the time of expiry is too far in the past."""
    session.blob_put("a", b"1", NEVER)
    outcomes = session.run_batch(
        [
            BatchOperation(OperationKind.BLOB_GET_AND_REMOVE, "a"),
            BatchOperation(OperationKind.BLOB_PUT, "b", content=b"", expiry=1000),
            BatchOperation(OperationKind.BLOB_GET, "a"),
        ]
    )
    assert [outcome.error for outcome in outcomes] == [
        ErrorCode.SKIPPED,
        ErrorCode.INVALID_ARGUMENT,
        ErrorCode.SKIPPED,
    ]
    assert session.blob_get("a") == b"1"


def test_empty_batches(session: CapiSession):
    assert session.run_batch([]) == []
    assert session.run_transaction([])[::2] == (ErrorCode.OK, [])


def test_transactions(session: CapiSession):
    big = random.Random(2).randbytes(VIEW_SIZE)
    code, _, outcomes = session.run_transaction(
        [
            BatchOperation(OperationKind.BLOB_PUT, "a", content=big),
            BatchOperation(OperationKind.BLOB_GET, "a"),
        ]
    )
    assert (code, outcomes) == (0, [Outcome(ErrorCode.OK), Outcome(ErrorCode.OK, big)])
    code, index, outcomes = session.run_transaction(
        [
            BatchOperation(OperationKind.BLOB_UPDATE, "a", content=b"2"),
            BatchOperation(OperationKind.BLOB_GET, "nothing"),
        ]
    )
    assert (code, index) == (ErrorCode.ALIAS_NOT_FOUND, 1)
    assert [outcome.error for outcome in outcomes] == [ErrorCode.SKIPPED, code]
    assert session.blob_get("a") == big
    code, index, _ = session.run_transaction(
        [BatchOperation(OperationKind.BLOB_GET_AND_REMOVE, "a")]
    )
    assert (code, index) == (ErrorCode.NOT_IMPLEMENTED, 0)


# Stores


def test_store_for_each_address(connect):
    first, same, other = connect(60001), connect(60001), connect(60002)
    first.blob_put("a", b"1", NEVER)
    assert same.blob_get("a") == b"1"
    with pytest.raises(AliasNotFound):
        other.blob_get("a")
    for session in (first, same, other):
        session.close()


def test_stores_on_disk(connect, door_path: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("STOREKIT_QDB_LIBRARY_DATA", str(tmp_path))
    code = f"""if True:
        from storekit.qdb.capi import CapiEngine
        session = CapiEngine("qdb://127.0.0.1:60003", library={str(door_path)!r}).connect()
        session.blob_put("a", b"kept", 0)
        session.close()
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    session = connect(60003)
    assert session.blob_get("a") == b"kept"
    session.close()


def test_sessions_in_threads(connect, counters: Counters):
    before, handles = counters.outstanding, counters.handles
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            session = connect(60004)
            large = bytes([number]) * VIEW_SIZE
            for i in range(50):
                session.blob_update(f"{number}-{i}", large if i % 10 == 0 else b"x", NEVER)
                assert session.blob_get(f"{number}-{i}")[:1] in (b"x", large[:1])
            session.close()
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert (counters.outstanding, counters.handles) == (before, handles)
