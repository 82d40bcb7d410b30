"""How snapshots are written: in time, to a full disk, and in processes that are killed."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from storekit.qcache.node.node import Node
from storekit.qcache.node.snapshots import directory as directories
from storekit.qcache.node.snapshots.snapshot import Snapshot
from tests.node.asking import ask_query, body_of, store
from tests.node.keeping import Keeper, keys, saved, total
from tests.node.snapshot_child import CHANGED, TABLES


def test_when_the_time_is_over_the_tables_that_were_used_last_are_there(keeper, caplog):
    node, snapshot = keeper.start()
    for key in "abcd":
        store(node, key, b"a\n1\n")
    write = snapshot._write

    def write_slowly(keyed: Any, until: float) -> Any:
        keeper.clock.wait(0 if keyed[0] in "cd" else 100)
        return write(keyed, until)

    snapshot._write = write_slowly  # type: ignore[method-assign]
    snapshot.write(60)
    assert keys(keeper.read()) == ["c", "d"]
    assert "2 of 4 tables are not in the snapshot" in caplog.text


@contextmanager
def full_disk(size: int):
    """No file may be longer than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room_costs_the_tables_that_have_none(keeper, caplog):
    node, snapshot = keeper.start()
    rows = "".join(f"{random.random()}\n" for _ in range(20_000))
    store(node, "large", f"a\n{rows}".encode())
    store(node, "small", b"a\n1\n")
    with full_disk(50_000):
        snapshot.write(60)
    assert "the table large can't be written to the snapshot" in caplog.text
    assert len(list(keeper.tables.glob("*.table"))) == 1
    assert keys(keeper.read()) == ["small"]


def test_a_disk_without_any_room_leaves_the_former_snapshot(keeper, caplog):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    node, snapshot = keeper.start()
    snapshot.read()
    store(node, "b", b"a\n2\n")
    with full_disk(10):
        snapshot.write(60)
    assert "the snapshot can't be written" in caplog.text
    assert keys(keeper.read()) == ["a"]


class _Crash(BaseException):
    pass


def test_wherever_it_ends_there_is_the_former_snapshot_or_the_new_one(tmp_path, monkeypatch):
    """Each call of the system in turn is the last one that this process makes."""
    old, new, seen = ["b", "d"], ["b", "d", "a", "c"], []
    step = 0
    while True:
        keeper = Keeper(tmp_path / str(step))
        saved(keeper, dict.fromkeys("abcd", b"a\n1\n"))
        node, snapshot = keeper.start()
        snapshot.read()
        for key in "ac":
            store(node, key, b"a\n2\n")
        with monkeypatch.context() as patched:
            crashed = crash_after(step, patched)
            with suppress(_Crash):
                snapshot.write(60)
        if not crashed():
            break
        with suppress(OSError):  # the crash came after that
            snapshot._directory.close()
        node = keeper.read()
        seen.append(keys(node))
        assert keys(node) in (old, new), step
        for key in keys(node):
            assert body_of(ask_query(node, key, {})) == [{"a": 2 if key in "ac" else 1}]
        step += 1
    assert step > 10
    assert seen == sorted(seen, key=len)  # the former one up to some step, then the new one
    assert seen[0] == old
    assert seen[-1] == new


def crash_after(steps: int, patched: pytest.MonkeyPatch) -> Callable[[], bool]:
    done = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal done
            done += 1
            if done > steps:
                raise _Crash
            return function(*args, **options)

        return call

    for name in ("open", "fsync", "replace", "unlink", "close"):
        patched.setattr(directories.os, name, counted(getattr(os, name)))
    return lambda: done > steps


# Processes


def test_a_restart_is_not_an_empty_cache(serving, tmp_path):
    option = f"--snapshot={tmp_path / 'snapshot'}"
    server = serving(option)
    with httpx.Client(trust_env=False) as web:
        url = f"{server.url}/qcache/dataset/k"
        web.post(url, content=b"a,b\n1,x\n", headers={"x-qcache-types": "b=enum"})
        assert server.end() == (0, "", "")
        server = serving(option, "--log-level=info")
        url = f"{server.url}/qcache/dataset/k"
        assert web.get(f"{url}?q={{}}", headers={"accept": "text/csv"}).text == "a,b\n1,x\n"
        assert 'outcome="restored"} 1' in web.get(f"{server.url}/metrics").text
    assert "1 tables were written" in server.end()[2]


LATE = """
import pathlib, time
from storekit.qcache.node.snapshots import snapshot
read_table = snapshot.read_table
def read_late(*arguments):
    while not pathlib.Path({!r}).exists():
        time.sleep(0.01)
    return read_table(*arguments)
snapshot.read_table = read_late
"""


def test_while_tables_are_read_it_serves_and_says_that_it_starts(serving, tmp_path):
    option = f"--snapshot={tmp_path / 'snapshot'}"
    server = serving(option)
    with httpx.Client(trust_env=False) as web:
        for key in "abc":
            web.post(f"{server.url}/qcache/dataset/{key}", content=b"a\n1\n")
        assert server.end()[0] == 0
        port = server.port
        late = LATE.format(str(tmp_path / "go"))
        server = serving(option, f"--port={port}", before=late, silent=True)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 20
        while True:
            try:
                answer = web.get(f"{url}/health")
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
        assert (answer.status_code, answer.text) == (503, "starting")
        assert web.get(f"{url}/qcache/status").text == "OK"
        assert web.get(f"{url}/qcache/dataset/a?q={{}}").status_code == 404
        assert web.post(f"{url}/qcache/dataset/a", content=b"a\n2\n").status_code == 201
        (tmp_path / "go").touch()
        assert server.process.stdout.readline() == f"QCache node ready: {url}\n"
        assert web.get(f"{url}/health").text == "ready"
        assert web.get(f"{url}/qcache/dataset/a?q={{}}").json() == [{"a": 2}]
        assert web.get(f"{url}/qcache/dataset/b?q={{}}").json() == [{"a": 1}]
    assert server.end()[0] == 0


def kill_while_writing(place: Path, version: int, delay: float) -> bool:
    """Have a process write a snapshot, and kill it after some seconds; whether it was done."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.node.snapshot_child", str(place), str(version)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "writing\n"
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate(timeout=30)
    return "written" in rest


def check_kills(place: Path, kills: int) -> dict[str, int]:
    """Kill again and again; each time there is the former snapshot or the new one, and all true."""
    newest = dict.fromkeys(range(TABLES), 1)
    kill_while_writing(place, 1, 0.5)
    outcomes = {"former": 0, "new": 0}
    for version in range(2, kills + 2):
        kill_while_writing(place, version, random.uniform(0, 0.04))
        newest.update(dict.fromkeys(CHANGED, version))
        node = Node()
        snapshot = Snapshot(node, str(place))
        snapshot.read()
        snapshot._directory.close()
        found = {int(key[1:]) for key in keys(node)}
        unchanged = set(range(TABLES)) - set(CHANGED)
        assert found in (unchanged, set(range(TABLES))), version
        assert total(node, "snapshot_refused") == 0
        for number in found:
            wanted = {"number": number, "version": newest[number]}
            assert body_of(ask_query(node, f"k{number}", {})) == [wanted] * 2000
        outcomes["former" if found == unchanged else "new"] += 1
    return outcomes


@pytest.mark.slow
def test_killed_while_it_writes_there_is_the_former_snapshot_or_the_new_one(tmp_path):
    assert sum(check_kills(tmp_path, 8).values()) == 8


@pytest.mark.soak
def test_killed_many_times_while_it_writes(tmp_path):
    outcomes = check_kills(tmp_path, 300)
    assert min(outcomes.values()) > 20, outcomes  # the moments are those that matter
