"""Several threads and processes at one store, processes that are killed, and forks."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from unittest.mock import ANY

import pytest

from storekit.qdb import BatchRequest, Operations, RawClient
from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.engine import BatchOperation, OperationKind, SessionOptions
from storekit.qdb.errors import ErrorCode, QuasardbException, ResourceLocked

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-W", "error", "-m", "tests.qdb.embedded.children"]


def start(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, **options)


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return out


def test_counters_of_several_processes_and_threads_add_up(tmp_path: Path) -> None:
    engine = EmbeddedEngine(f"embedded:{tmp_path / 'store'}", timeout=60)
    session = engine.connect()
    session.int_put("sum", 0, 0)
    session.blob_put("swapped", b"0", 0)
    children = [start("add", tmp_path / "store", 150) for _ in range(3)]

    def add() -> None:
        own = engine.connect()
        for _ in range(150):
            own.int_add("sum", 1)
        own.close()

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for child in children:
        finish(child)
    assert session.int_get("sum") == 6 * 150
    assert session.blob_get("swapped") == b"450"
    session.close()


def test_threads_share_a_store_in_memory_without_spurious_errors() -> None:
    engine = EmbeddedEngine("embedded:")
    session = engine.connect()
    session.int_put("sum", 0, 0)
    session.blob_put("pair", b"0", 0)
    problems: list[object] = []

    def work(number: int) -> None:
        own = engine.connect()
        try:
            for count in range(300):
                own.int_add("sum", 1)
                own.blob_update(f"{number}.{count}", b"x" * 100, 0)
                own.blob_get_and_update("pair", b"%d" % count, 0)
                own.run_transaction([BatchOperation(OperationKind.BLOB_UPDATE, "pair", b"?")] * 2)
                assert own.blob_get(f"{number}.{count}") == b"x" * 100
                if count % 50 == 0:
                    assert own.prefix_count(f"{number}.") == count + 1
        except BaseException as error:
            problems.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert session.int_get("sum") == 1200
    session.close()


def test_processes_may_make_the_store_at_the_same_time(tmp_path: Path) -> None:
    children = [start("create", tmp_path / "store", f"child{number}") for number in range(4)]
    for child in children:
        finish(child)
    session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}").connect()
    assert len(session.prefix_get("child", 9)) == 4
    session.close()


@pytest.mark.parametrize("durable", ["", "durable"], ids=["plain", "durable"])
@pytest.mark.parametrize(
    ("threads", "kills"),
    [(4, 15), *(pytest.param(each, 150, marks=pytest.mark.soak) for each in (1, 4))],
)
def test_what_was_acknowledged_survives_kill_9(
    tmp_path: Path, threads: int, kills: int, durable: str
) -> None:
    # the death of a process leaves the cache of the system alone: no need to wait for a disk
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else tmp_path) as directory:
        child = start("kill", f"{directory}/store", kills, threads, durable)
        acknowledged, *verdict = finish(child).split()
    assert verdict == ["ok"]
    assert int(acknowledged) > kills * threads // 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_is_refused_the_sessions_and_may_open_the_store_anew(tmp_path: Path) -> None:
    found = finish(start("fork", tmp_path / "store")).split()
    assert found == ["4", "child", "later", "orphan", "parent"]


def test_a_lock_held_by_another_process_is_an_error_and_nothing_is_lost(tmp_path: Path) -> None:
    engine = EmbeddedEngine(f"embedded:{tmp_path / 'store'}", timeout=0.05)
    session = engine.connect()
    session.blob_put("a", b"1", 0)
    child = start("hold", tmp_path / "store", stdin=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == "locked\n"
    put = BatchOperation(OperationKind.BLOB_PUT, "b", b"2")
    with pytest.raises(ResourceLocked):
        session.blob_put("b", b"2", 0)
    with pytest.raises(ResourceLocked):
        session.blob_get_and_update("a", b"2", 0)
    assert session.run_transaction([put])[:2] == (ErrorCode.CONFLICT, 0)
    outcomes = session.run_batch([put] * 1000)
    assert {outcome.error for outcome in outcomes} == {ErrorCode.RESOURCE_LOCKED}
    assert session.blob_get("a") == b"1"  # readers do not wait
    late = engine.connect()
    assert late.run_batch([BatchOperation(OperationKind.BLOB_GET, "a")])[0].content == b"1"
    late.close()
    child.communicate("")
    session.blob_put("b", b"2", 0)
    assert session.blob_get("b") == b"2"
    session.close()


@pytest.mark.parametrize("timeout", [0.2, 0.6])
def test_wait_for_another_process_ends_when_the_timeout_says(
    tmp_path: Path, timeout: float
) -> None:
    session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}", timeout=timeout).connect()
    session.blob_put("a", b"1", 0)
    writes: list[Callable[[], object]] = [
        lambda: session.blob_update("a", b"2", 0),
        lambda: session.blob_get_and_update("a", b"2", 0),
        lambda: session.attach_tag("a", "b"),
        lambda: session.run_joined([BatchOperation(OperationKind.BLOB_UPDATE, "a", b"2")] * 2),
        lambda: session.purge_all(60),
    ]
    with locked(tmp_path / "store"):
        for write in writes:
            begun = time.monotonic()
            with pytest.raises(ResourceLocked):
                write()
            assert timeout <= time.monotonic() - begun < timeout + 1
    assert session.blob_get("a") == b"1"
    session.close()


@pytest.mark.parametrize("timeout", [60.0, None])
def test_a_shorter_timeout_of_a_view_ends_the_wait(tmp_path: Path, timeout: float | None) -> None:
    with RawClient(f"embedded:{tmp_path / 'store'}", timeout=timeout) as client:
        client.put("a", b"1")
        calls: list[Callable[[RawClient], object]] = [
            lambda view: view.update("a", b"2"),
            lambda view: view.get_remove("a"),
            lambda view: view.int_put("i", 1),
            lambda view: view.unbatched().remove("a"),
            lambda view: view.with_timeout(0.2).run_batch([BatchRequest(Operations.remove, "a")]),
        ]
        with locked(tmp_path / "store"):
            for call in calls:
                begun = time.monotonic()
                with suppress(ResourceLocked):
                    assert call(client.with_timeout(0.2)) == (0, ANY)  # a batch has results
                assert 0.2 <= time.monotonic() - begun < 5
        client.with_timeout(0.2).update("a", b"3")
        assert client.get("a") == b"3"


def test_the_timeout_of_a_view_is_of_its_own_calls_alone(tmp_path: Path) -> None:
    with RawClient(f"embedded:{tmp_path / 'store'}") as client:
        client.put("a", b"1")
        client.with_timeout(0.001).get("a")
        with ThreadPoolExecutor(1) as threads:
            with locked(tmp_path / "store"):
                future = threads.submit(client.update, "a", b"2")  # on the same session
                with pytest.raises(TimeoutError):
                    future.result(0.1)
            future.result(10)


def test_threads_in_memory_are_waited_for_as_long_as_a_view_says() -> None:
    with RawClient("embedded:") as client:
        client.put("a", b"1")
        session = client._calls.engine.connect()
        with ThreadPoolExecutor(1) as threads:
            inside, go = threading.Event(), threading.Event()
            holding = threads.submit(session.connection.call, lambda: (inside.set(), go.wait(20)))
            assert inside.wait(10)
            begun = time.monotonic()
            with pytest.raises(ResourceLocked):
                client.with_timeout(0.2).get("a")
            assert 0.2 <= time.monotonic() - begun < 5
            go.set()
            holding.result()


def test_lock_that_is_let_go_of_in_time_is_taken(tmp_path: Path) -> None:
    session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}", timeout=60).connect()
    with ThreadPoolExecutor(1) as threads:
        with locked(tmp_path / "store"):
            future = threads.submit(session.blob_put, "a", b"1", 0)
            with pytest.raises(TimeoutError):
                future.result(0.1)
        future.result(10)
    assert session.blob_get("a") == b"1"
    session.close()


@pytest.mark.parametrize("options", [{"timeout": 7}, {"options": SessionOptions(timeout=7)}])
def test_timeout_of_a_client_is_that_of_its_store(tmp_path: Path, options: dict) -> None:
    with RawClient(f"embedded:{tmp_path / 'store'}", **options) as client:
        limits = client.node_config("127.0.0.1:2836")["global"]["limiter"]
        assert limits["busy_timeout"] == 7


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX only")
def test_signal_handler_runs_while_another_process_is_waited_for(tmp_path: Path) -> None:
    class TimeLimit(Exception):
        pass

    def ring(*_: object) -> None:
        raise TimeLimit

    session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}", timeout=60).connect()
    session.blob_put("a", b"1", 0)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        with locked(tmp_path / "store"):
            begun = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(TimeLimit):
                session.blob_get_and_update("a", b"2", 0)
            assert time.monotonic() - begun < 10
    finally:
        signal.signal(signal.SIGALRM, before)
    session.blob_put("b", b"1", 0)
    with closing(EmbeddedEngine(f"embedded:{tmp_path / 'store'}").connect()) as other:
        assert other.scan(None, 9)[0] == [("a", b"1"), ("b", b"1")]
    session.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_lack_of_file_descriptors_is_told_of_and_passes(tmp_path: Path) -> None:
    assert finish(start("descriptors", tmp_path / "store")) == "7 told of, 7 done later"


@pytest.mark.parametrize("place", ["embedded:", "embedded:named?mode=memory"])
def test_store_in_memory_can_be_used_in_exit_handlers(place: str) -> None:
    assert finish(start("at_exit", place)) == "content 1"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have somebody else hold the lock of a store."""
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def test_closing_in_one_thread_refuses_in_another(tmp_path: Path) -> None:
    session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}").connect()
    session.close()
    session.close()
    for call in (lambda: session.blob_get("a"), lambda: session.scan(None, 1)):
        with pytest.raises(QuasardbException) as caught:
            call()
        assert caught.value.error_code == ErrorCode.INVALID_HANDLE
