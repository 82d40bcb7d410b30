"""Several threads and processes at one store, processes that are killed, and forks."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.engine import Kind, Operation
from storekit.qdb.errors import ErrorCode, QuasardbException, ResourceLocked

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "tests.qdb.embedded_children"]


def start(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, **options)


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=60)
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
                own.run_transaction([Operation(Kind.BLOB_UPDATE, "pair", b"?")] * 2)
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


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    # the death of a process leaves the cache of the system alone: no need to wait for a disk
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else tmp_path) as directory:
        acknowledged, *verdict = finish(start("kill", f"{directory}/store", 250)).split()
    assert verdict == ["ok"]
    assert int(acknowledged) > 200


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
    put = Operation(Kind.BLOB_PUT, "b", b"2")
    with pytest.raises(ResourceLocked):
        session.blob_put("b", b"2", 0)
    with pytest.raises(ResourceLocked):
        session.blob_get_and_update("a", b"2", 0)
    assert session.run_transaction([put])[:2] == (ErrorCode.CONFLICT, 0)
    outcomes = session.run_batch([put] * 1000)
    assert {outcome.error for outcome in outcomes} == {ErrorCode.RESOURCE_LOCKED}
    assert session.blob_get("a") == b"1"  # readers do not wait
    late = engine.connect()
    assert late.run_batch([Operation(Kind.BLOB_GET, "a")])[0].content == b"1"
    late.close()
    child.communicate("")
    session.blob_put("b", b"2", 0)
    assert session.blob_get("b") == b"2"
    session.close()


def test_closing_in_one_thread_refuses_in_another(tmp_path: Path) -> None:
    session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}").connect()
    session.close()
    session.close()
    for call in (lambda: session.blob_get("a"), lambda: session.scan(None, 1)):
        with pytest.raises(QuasardbException) as caught:
            call()
        assert caught.value.error_code == ErrorCode.INVALID_HANDLE
