"""The engine over the vendor's own library, as far as that needs no server."""

from __future__ import annotations

import contextlib
import gc
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from storekit.errors import ClientClosed, OwnerMismatch
from storekit.qdb.capi import CapiEngine, connecting
from storekit.qdb.capi.handle import VIEW_SIZE, Handle
from storekit.qdb.capi.library import Library
from storekit.qdb.capi.session import CapiSession
from storekit.qdb.engine import BatchOperation, OperationKind, SessionOptions
from storekit.qdb.errors import ConnectionFailed, ErrorCode, QuasardbException, StoreTimeout
from tests.qdb.libraries import MAX_CONNECT, join_connects, refusal

SECRET = "SVw8cDlZEI4OYfZ1Zm6BTJZ1GzQGAqGVFtTvhoSwhHfE="


@pytest.fixture
def session(unconnected: CapiSession) -> CapiSession:
    return unconnected


# Connecting


def engine_of(library: Library, port: int, timeout: float, monkeypatch) -> CapiEngine:
    engine = CapiEngine(f"qdb://127.0.0.1:{port}", SessionOptions(timeout=timeout))
    monkeypatch.setattr(engine, "_library", library)
    return engine


def test_refused_connection(counted: Library, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    engine = engine_of(counted, port, 5, monkeypatch)
    started = time.monotonic()
    with pytest.raises(ConnectionFailed, match=f"connect at qdb://127.0.0.1:{port}") as caught:
        engine.connect()
    assert time.monotonic() - started < 2
    assert caught.value.error_code == ErrorCode.CONNECTION_REFUSED
    assert counted.lib.count("qdb_open") == counted.lib.count("qdb_close") == 1


def test_silent_peer(counted: Library, silent_port: int, monkeypatch):
    engine = engine_of(counted, silent_port, 1, monkeypatch)
    started = time.monotonic()
    with pytest.raises(StoreTimeout):
        engine.connect()
    assert 0.9 < time.monotonic() - started < 2.5
    assert counted.lib.count("qdb_open") == counted.lib.count("qdb_close") == 1
    assert connecting.abandoned() == 0


def test_deadline_below_a_second(counted: Library, silent_port: int, monkeypatch):
    engine = engine_of(counted, silent_port, 0.1, monkeypatch)
    started = time.monotonic()
    with pytest.raises(StoreTimeout, match=r"No connection within 0\.1 s"):
        engine.connect()
    assert 0.05 < time.monotonic() - started < 0.8
    assert counted.lib.count("qdb_close") == 0  # not under the call that is still running
    join_connects()
    assert counted.lib.count("qdb_close") == 1


def test_connect_within_less_than_the_timeout(counted: Library, silent_port: int, monkeypatch):
    engine = engine_of(counted, silent_port, 1, monkeypatch)
    with pytest.raises(StoreTimeout, match=r"No connection within 0\.1 s"):
        engine.connect(0.1)
    join_connects()
    assert counted.lib.count("qdb_open") == counted.lib.count("qdb_close") == 1


def test_black_hole(counted: Library, black_hole, monkeypatch):
    port, leave = black_hole
    engine = engine_of(counted, port, 0.2, monkeypatch)
    started = time.monotonic()
    with pytest.raises(StoreTimeout):
        engine.connect()
    assert time.monotonic() - started < 1
    assert connecting.abandoned() == 1
    monkeypatch.setattr(connecting, "MAX_ABANDONED", 1)
    with pytest.raises(StoreTimeout, match="still under way"):
        engine.connect()
    assert (counted.lib.count("qdb_open"), counted.lib.count("qdb_close")) == (2, 1)
    leave()
    join_connects()
    assert (counted.lib.count("qdb_open"), counted.lib.count("qdb_close")) == (2, 2)
    assert connecting.abandoned() == 0


def test_process_ends_during_a_connect(vendor_path: Path, black_hole):
    port, _ = black_hole
    code = f"""if True:
        from storekit.qdb.capi import CapiEngine
        from storekit.qdb.engine import SessionOptions
        from storekit.qdb.errors import StoreTimeout
        try:
            CapiEngine("qdb://127.0.0.1:{port}", SessionOptions(timeout=0.1)).connect()
        except StoreTimeout:
            print("gave up")
    """
    done = run_python(code)
    assert done.stdout == "gave up\n"


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


# Handles without a connection


def test_calls_without_a_connection(session: CapiSession):
    unstable = ErrorCode.UNSTABLE_CLUSTER
    assert refusal(lambda: session.blob_get("a")) == ErrorCode.NOT_CONNECTED
    assert refusal(lambda: session.blob_put("a", b"", 0)) == ErrorCode.NOT_CONNECTED
    assert refusal(lambda: session.blob_update("a", bytearray(b"x"), -1)) == ErrorCode.NOT_CONNECTED
    assert refusal(lambda: session.int_add("a", 1)) == ErrorCode.NOT_CONNECTED
    assert refusal(lambda: session.get_metadata("a")) == ErrorCode.NOT_CONNECTED
    assert refusal(lambda: session.remove("a")) == unstable
    assert refusal(lambda: session.prefix_get("a", 2**70)) == unstable
    assert refusal(lambda: session.attach_tags("a", ["b", "c"])) == unstable
    assert refusal(lambda: session.purge_all(0.0001)) == unstable
    assert refusal(lambda: session.node_status("")) == ErrorCode.INVALID_ARGUMENT
    assert refusal(lambda: session.node_stop("a:1", "")) == ErrorCode.INVALID_ARGUMENT
    assert refusal(lambda: session.prefix_get("a", -1)) == ErrorCode.INVALID_ARGUMENT


def test_batch_without_a_connection_tells_the_cause(session: CapiSession):
    operations = [
        BatchOperation(OperationKind.BLOB_GET, "a"),
        BatchOperation(OperationKind.BLOB_PUT, "b", content=b"x"),
    ]
    codes = (ErrorCode.NOT_CONNECTED, ErrorCode.UNSTABLE_CLUSTER)
    assert refusal(lambda: session.run_batch(operations)) in codes
    assert refusal(lambda: session.run_transaction(operations)) in codes


@pytest.mark.parametrize(
    ("alias", "code"),
    [
        ("", ErrorCode.INVALID_ARGUMENT),
        ("a\0b", ErrorCode.INVALID_ARGUMENT),
        ("\ud800", ErrorCode.INVALID_ARGUMENT),
        ("a" * 1025, ErrorCode.ALIAS_TOO_LONG),
        ("ä" * 513, ErrorCode.ALIAS_TOO_LONG),
        ("..a", ErrorCode.RESERVED_ALIAS),
    ],
)
def test_refused_aliases(session: CapiSession, counted: Library, alias: str, code: int):
    before = len(counted.lib.calls)
    assert refusal(lambda: session.blob_put(alias, b"x", 0)) == code
    assert refusal(lambda: session.int_add(alias, 1)) == code
    assert refusal(lambda: session.attach_tag("a", alias)) == code
    assert refusal(lambda: session.attach_tags("a", ["b", alias])) == code
    assert len(counted.lib.calls) == before  # the library was not asked
    if alias != "..a":
        assert refusal(lambda: session.blob_get(alias)) == code
        assert refusal(lambda: session.prefix_get(alias, 1)) == code


def test_longest_alias_and_reserved_ones_can_be_read(session: CapiSession):
    assert refusal(lambda: session.blob_get("a" * 1024)) == ErrorCode.NOT_CONNECTED
    assert refusal(lambda: session.blob_get("..a")) == ErrorCode.NOT_CONNECTED


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_numbers_out_of_range(session: CapiSession, number: int):
    assert refusal(lambda: session.int_put("a", number, 0)) == ErrorCode.INVALID_ARGUMENT
    assert refusal(lambda: session.int_add("a", number)) == ErrorCode.INVALID_ARGUMENT
    assert refusal(lambda: session.blob_put("a", b"", number)) == ErrorCode.INVALID_ARGUMENT
    assert refusal(lambda: session.expires_from_now("a", number)) == ErrorCode.INVALID_ARGUMENT


def test_content_of_wrong_type(session: CapiSession):
    with pytest.raises(TypeError, match="bytes-like, not str"):
        session.blob_put("a", "text", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (BatchOperation(OperationKind.BLOB_GET, ""), ErrorCode.INVALID_ARGUMENT),
        (BatchOperation(OperationKind.BLOB_PUT, "..a", content=b""), ErrorCode.RESERVED_ALIAS),
        (BatchOperation(OperationKind.BLOB_GET, "a" * 1025), ErrorCode.ALIAS_TOO_LONG),
        (
            BatchOperation(OperationKind.BLOB_PUT, "a", content=b"", expiry=-2),
            ErrorCode.INVALID_ARGUMENT,
        ),
        (BatchOperation(OperationKind.BLOB_PUT, "a"), ErrorCode.INVALID_ARGUMENT),
        (BatchOperation(OperationKind.BLOB_CAS, "a", content=b""), ErrorCode.INVALID_ARGUMENT),
        (BatchOperation(OperationKind.INT_ADD, "a", content=2**63), ErrorCode.INVALID_ARGUMENT),
        (BatchOperation(OperationKind.HAS_TAG, "a"), ErrorCode.INVALID_ARGUMENT),
        (BatchOperation(77, "a"), ErrorCode.INVALID_ARGUMENT),  # type: ignore[arg-type]
    ],
)
def test_malformed_operation_has_nothing_sent(
    session: CapiSession, counted: Library, operation: BatchOperation, code: int
):
    before = len(counted.lib.calls)
    others = [
        BatchOperation(OperationKind.BLOB_GET, "a"),
        BatchOperation(OperationKind.BLOB_GET_AND_REMOVE, "b"),
    ]
    outcomes = session.run_batch([others[0], operation, others[1]])
    assert [outcome.error for outcome in outcomes] == [ErrorCode.SKIPPED, code, ErrorCode.SKIPPED]
    failed, index, outcomes = session.run_transaction([others[0], operation])
    assert (failed, index) == (code, 1)
    assert [outcome.error for outcome in outcomes] == [ErrorCode.SKIPPED, code]
    assert len(counted.lib.calls) == before


# What could crash or hang the process


def test_close_happens_once_and_ends_the_session(session: CapiSession, counted: Library):
    for _ in range(3):
        session.close()
    assert session.closed
    assert counted.lib.count("qdb_close") == 1
    for call in (
        lambda: session.blob_get("a"),
        lambda: session.run_batch([BatchOperation(OperationKind.BLOB_GET, "a")]),
        lambda: session.scan(None, 1),
    ):
        with pytest.raises(ClientClosed):
            call()


def test_lost_session_is_closed(counted: Library):
    def lose() -> None:
        session = CapiSession(counted, Handle(counted))
        refusal(lambda: session.blob_get("a"))

    lose()
    gc.collect()
    assert counted.lib.count("qdb_close") == 1


def test_close_during_a_call_waits_for_it(session: CapiSession, handle: Handle, counted: Library):
    with handle:
        closer = threading.Thread(target=session.close)
        closer.start()
        closer.join(MAX_CONNECT)  # close itself does not wait
        assert not closer.is_alive()
        assert counted.lib.count("qdb_close") == 0
    assert counted.lib.count("qdb_close") == 1


def test_second_thread_is_refused(session: CapiSession, handle: Handle):
    errors = []

    def call() -> None:
        try:
            session.blob_get("a")
        except OwnerMismatch as exc:
            errors.append(str(exc))

    with handle:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(MAX_CONNECT)
    assert errors == ["another thread is in a call of this session"]
    assert refusal(lambda: session.blob_get("a")) == ErrorCode.NOT_CONNECTED


def test_iterator_that_did_not_begin(session: CapiSession, counted: Library):
    with pytest.raises(QuasardbException):
        session.scan(None, 10)
    assert counted.lib.count("qdb_iterator_next") == 0
    assert refusal(lambda: session.scan(object(), 10)) == ErrorCode.INVALID_ITERATOR
    assert refusal(lambda: session.scan(None, 0)) == ErrorCode.INVALID_ARGUMENT
    session.scan_close(object())
    assert counted.lib.count("qdb_iterator_next") == 0


def test_dangerous_functions_are_not_bound(vendor: Library):
    names = set(dir(vendor.lib))
    assert "qdb_blob_get" in names
    assert not {name for name in names if "coalesce" in name or "_log_" in name}


def test_forked_child_never_touches_the_handle(vendor: Library):
    code = """if True:
        import os, signal, warnings
        warnings.simplefilter("ignore")
        from storekit.errors import OwnerMismatch
        from storekit.qdb.capi.handle import Handle, VIEW_SIZE
        from storekit.qdb.capi.library import load_library
        from storekit.qdb.capi.session import CapiSession
        library = load_library()
        handle = Handle(library)
        session, lost = CapiSession(library, handle), CapiSession(library, Handle(library))
        out = library.ffi.new("const void **")
        with handle as pointer:
            place = library.ffi.cast("void **", out)
            assert library.lib.qdb_alloc_buffer(pointer, VIEW_SIZE, place) == 0
            view = handle.take(out, VIEW_SIZE)
        child = os.fork()
        if child == 0:
            signal.alarm(10)  # ends the child if it hangs
            code = 1
            try:
                session.blob_get("a")
            except OwnerMismatch:
                code = 0
            del lost, view
            session.close()
            session.close()
            os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert handle.views == 1
        session.close()
        assert not session.closed
        del view
        assert session.closed
    """
    run_python(code)


# Buffers


def allocate(handle: Handle, library: Library, size: int, count: int = 1) -> list[Any]:
    out = library.ffi.new("const void **")
    taken = []
    with handle as pointer:
        for i in range(count):
            place = library.ffi.cast("void **", out)
            assert library.lib.qdb_alloc_buffer(pointer, size, place) == 0
            library.ffi.memmove(place[0], bytes([i % 256]) * size, size)
            taken.append(handle.take(out, size))
            assert out[0] == library.ffi.NULL
    return taken


def test_small_content_is_copied_and_released(handle: Handle, counted: Library):
    (content,) = allocate(handle, counted, 100)
    assert content == bytes(100)
    assert isinstance(content, bytes)
    assert counted.lib.count("qdb_release") == 1


def test_large_content_is_released_with_its_last_view(handle: Handle, counted: Library):
    (view,) = allocate(handle, counted, VIEW_SIZE)
    assert isinstance(view, memoryview)
    assert view.readonly
    part = view[10:20]
    del view
    assert counted.lib.count("qdb_release") == 0
    assert part == bytes(10)
    del part
    assert counted.lib.count("qdb_release") == 1
    assert handle.views == 0


def test_views_outlive_close(handle: Handle, counted: Library):
    first, second = allocate(handle, counted, VIEW_SIZE, 2)
    handle.close()
    assert bytes(second[-2:]) == b"\1\1"
    del first
    assert (counted.lib.count("qdb_release"), counted.lib.count("qdb_close")) == (1, 0)
    with pytest.raises(ClientClosed):
        handle.__enter__()
    del second
    assert (counted.lib.count("qdb_release"), counted.lib.count("qdb_close")) == (2, 1)
    names = [name for name, _ in counted.lib.calls]
    assert names[-1] == "qdb_close"


def test_view_that_dies_during_a_call_is_released_after_it(handle: Handle, counted: Library):
    (view,) = allocate(handle, counted, VIEW_SIZE)
    with handle:
        del view
        assert counted.lib.count("qdb_release") == 0
    assert counted.lib.count("qdb_release") == 1


def test_call_waits_for_a_view_that_dies_in_another_thread(counted: Library):
    handle = Handle(counted)
    views = allocate(handle, counted, VIEW_SIZE)
    releasing, gate = threading.Event(), threading.Event()
    release = counted.lib.qdb_release

    def slow_release(*arguments: Any) -> None:
        releasing.set()
        assert gate.wait(MAX_CONNECT)
        release(*arguments)

    counted.lib.qdb_release = slow_release
    entered = []

    def call() -> None:
        with handle:
            entered.append(counted.lib.count("qdb_release"))

    threads = [threading.Thread(target=views.clear), threading.Thread(target=call)]
    threads[0].start()
    assert releasing.wait(MAX_CONNECT)
    threads[1].start()
    threads[1].join(0.05)
    assert not entered
    gate.set()
    for thread in threads:
        thread.join(MAX_CONNECT)
    assert entered == [1]
    handle.close()


def test_release_is_on_the_handle_that_allocated(counted: Library):
    handles = [Handle(counted) for _ in range(4)]
    views = [allocate(handle, counted, VIEW_SIZE)[0] for handle in handles]
    owners = {int(counted.ffi.cast("uintptr_t", handle._pointer)) for handle in handles}
    while views:
        del views[0]
    released = [
        int(counted.ffi.cast("uintptr_t", arguments[0]))
        for name, arguments in counted.lib.calls
        if name == "qdb_release"
    ]
    assert set(released) == owners
    assert len(released) == 4
    for handle in handles:
        handle.close()
    assert counted.lib.count("qdb_close") == 4


def test_threads_that_race_to_end_it(counted: Library):
    """Views die, and the handle is closed, in many threads at once."""
    for _ in range(20):
        handle = Handle(counted)
        views = allocate(handle, counted, VIEW_SIZE, 16)
        barrier = threading.Barrier(5)

        def drop(handle: Handle = handle, views: list[Any] = views, barrier=barrier) -> None:
            barrier.wait()
            with contextlib.suppress(IndexError):
                while True:
                    views.pop()
                    handle.close()

        threads = [threading.Thread(target=drop) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert handle.closed
    assert counted.lib.count("qdb_release") == 20 * 16
    assert counted.lib.count("qdb_close") == 20


def test_last_error_is_released(session: CapiSession, counted: Library):
    refusal(lambda: session.blob_get("a"))
    assert counted.lib.count("qdb_get_last_error") == counted.lib.count("qdb_release") == 1
