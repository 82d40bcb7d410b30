"""Tables that outlive a node: what comes back, what never does, and what is refused."""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qcache.node.node import Node
from storekit.qcache.node.snapshots import directory as directories
from storekit.qcache.node.snapshots.manifest import decode_manifest, encode_manifest
from storekit.qcache.node.snapshots.snapshot import Snapshot
from storekit.qcache.node.snapshots.table_file import write_table
from tests.node.asking import ask, ask_query, body_of, store
from tests.node.serving import fail
from tests.node.snapshot_child import CHANGED, TABLES

CSV = {"content-type": "text/csv"}
JSON = {"content-type": "application/json"}
NUMBERS = itertools.count()


class Clock:
    """Two clocks that a test moves: the time that passes, and the time of day."""

    def __init__(self) -> None:
        self.passed = 1000.0
        self.day = 1_700_000_000.0

    def wait(self, seconds: float) -> None:
        self.passed += seconds
        self.day += seconds

    def restart(self) -> None:
        self.passed = 5.0  # the machine was started anew


class Keeper:
    """Nodes one after another, whose tables are in one directory."""

    def __init__(self, place: Path, **options: Any) -> None:
        self.place = place
        self.options = options
        self.clock = Clock()

    def start(self, **options: Any) -> tuple[Node, Snapshot]:
        node = Node(**{**self.options, **options}, clock=lambda: self.clock.passed)
        return node, self.snapshot(node)

    def snapshot(self, node: Node) -> Snapshot:
        clock = self.clock
        return Snapshot(node, str(self.place), clock=lambda: clock.passed, wall=lambda: clock.day)

    @property
    def tables(self) -> Path:
        return self.place / "tables"

    def manifest(self) -> list[Any]:
        return decode_manifest((self.tables / "manifest").read_bytes())

    def rewrite(self, **changes: Any) -> None:
        """Change what the manifest says of its first table, with a checksum that is right."""
        first, *rest = self.manifest()
        written, _ = encode_manifest([replace(first, **changes), *rest])
        (self.tables / "manifest").write_bytes(written)

    def read(self, **options: Any) -> Node:
        """A new node with what is there, which then goes without a trace."""
        node, snapshot = self.start(**options)
        snapshot.read()
        snapshot._directory.close()
        return node


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path / "snapshot")


def saved(keeper: Keeper, tables: dict[str, bytes], **options: Any) -> None:
    node, snapshot = keeper.start(**options)
    for key, table in tables.items():
        store(node, key, table)
    snapshot.write(60)


def keys(node: Node) -> list[str]:
    return [key for key, _ in node.tables.datasets_by_use()]


def total(node: Node, event: str) -> int:
    return node.tables.totals().counts.get(event, 0)


# What comes back

CELLS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1)
CELLS |= st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
VALUES = (
    CELLS | st.lists(CELLS, max_size=2) | st.dictionaries(st.text(max_size=3), CELLS, max_size=2)
)
COLUMNS = (
    st.lists(CELLS, min_size=3, max_size=3)
    | st.lists(st.integers(-5, 5) | st.none(), min_size=3, max_size=3)
    | st.lists(st.booleans() | st.none(), min_size=3, max_size=3)
    | st.lists(st.text(max_size=3) | st.none(), min_size=3, max_size=3)
    | st.lists(st.floats(allow_nan=False) | st.none(), min_size=3, max_size=3)
    | st.lists(st.integers(2**63, 2**64 - 1), min_size=3, max_size=3)
    | st.lists(VALUES, min_size=3, max_size=3)
)


@given(st.dictionaries(st.text(max_size=4), COLUMNS, max_size=4), st.integers(0, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_json_table_comes_back_as_it_was(tmp_path, columns, rows):
    keeper = Keeper(tmp_path / str(next(NUMBERS)))
    table = [{name: values[row] for name, values in columns.items()} for row in range(rows)]
    node, snapshot = keeper.start()
    sent = json.dumps(table).encode()
    if ask(node, "POST", "/qcache/dataset/k", headers=JSON, body=sent).status != 201:
        return  # no table, for a reason of its own
    snapshot.write(60)
    check_same(node, keeper.read())


TYPES = st.sampled_from(["a=string", "a=enum", "a=float;b=enum", "b=string;a=enum", ""])
FIELDS = st.sampled_from(["", "1", "-7", "2.5", "0x1", "true", "x", "é", "18446744073709551615"])
LINES = st.lists(st.tuples(FIELDS, FIELDS), max_size=6)


@given(LINES, TYPES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_csv_table_comes_back_with_its_types(tmp_path, lines, types):
    keeper = Keeper(tmp_path / str(next(NUMBERS)))
    node, snapshot = keeper.start()
    sent = "\n".join(["a,b", *map(",".join, lines), ""]).encode()
    headers = {**CSV, **({"x-qcache-types": types} if types else {})}
    if ask(node, "POST", "/qcache/dataset/k", headers=headers, body=sent).status != 201:
        return
    snapshot.write(60)
    check_same(node, keeper.read())


def check_same(node: Node, other: Node) -> None:
    (key, before), (_, after) = (*node.tables.datasets_by_use(), *other.tables.datasets_by_use())
    assert before.frame.schema == after.frame.schema
    assert before.frame.equals(after.frame)
    assert before.charge == after.charge
    for kind in ("application/json", "text/csv"):
        answers = [
            ask(each, "GET", f"/qcache/dataset/{key}", query=b"q={}", headers={"accept": kind})
            for each in (node, other)
        ]
        assert answers[0] == answers[1]


def test_text_of_few_values_is_codes_again(keeper):
    rows = "".join(f"{number},{number % 3}x\n" for number in range(20_000))
    saved(keeper, {"k": f"a,b\n{rows}".encode()})
    ((_, dataset),) = keeper.read().tables.datasets_by_use()
    assert isinstance(dataset.frame["b"].dtype, pl.Categorical)
    assert dataset.frame.n_chunks() == 1


def test_the_order_of_use_comes_back(keeper):
    node, snapshot = keeper.start()
    for key in "abcd":
        store(node, key, b"a\n1\n")
    ask_query(node, "b", {})
    snapshot.write(60)
    node, snapshot = keeper.start()
    snapshot.read()
    assert keys(node) == ["a", "c", "d", "b"]
    ask_query(node, "a", {})
    snapshot.write(60)
    assert keys(keeper.read()) == ["c", "d", "b", "a"]


def test_ages_go_on_while_no_node_runs(keeper):
    keeper.options = {"age": 100}
    node, snapshot = keeper.start()
    store(node, "old", b"a\n1\n")
    keeper.clock.wait(60)
    store(node, "new", b"a\n1\n")
    snapshot.write(60)
    stored = {table.key: table.stored_at for table in keeper.manifest()}
    assert stored == {"old": 1_700_000_000.0, "new": 1_700_000_060.0}
    keeper.clock.restart()
    keeper.clock.wait(30)
    node, snapshot = keeper.start()
    snapshot.read()
    assert keys(node) == ["old", "new"]
    snapshot.write(60)
    assert {table.key: table.stored_at for table in keeper.manifest()} == stored  # to the last bit
    keeper.clock.wait(11)
    node = keeper.read()
    assert keys(node) == ["new"]
    assert total(node, "snapshot_expired") == 1
    assert total(node, "snapshot_restored") == 1
    keeper.clock.wait(60)
    assert ask_query(node, "new", {}).status == 404


def test_a_clock_that_was_set_back_makes_no_table_younger_than_new(keeper):
    keeper.options = {"age": 100}
    saved(keeper, {"k": b"a\n1\n"})
    keeper.clock.day -= 1e6
    node = keeper.read()
    keeper.clock.wait(101)
    assert ask_query(node, "k", {}).status == 404


def test_a_smaller_node_takes_the_tables_that_were_used_last(keeper):
    table = b"a\n" + b"1\n" * 1000
    saved(keeper, dict.fromkeys("abcd", table))
    charge = keeper.read().tables.datasets_by_use()[0][1].charge
    node = keeper.read(size=2 * charge + 10)
    assert keys(node) == ["c", "d"]
    assert total(node, "snapshot_no_room") == 2
    assert node.tables.totals().charged <= node.size


def test_one_table_may_take_more_than_the_size_as_when_it_was_uploaded(keeper):
    saved(keeper, {"k": b"a\n" + b"1\n" * 1000}, size=2100)
    node = keeper.read(size=2100)
    assert keys(node) == ["k"]
    assert node.tables.totals().charged > 2100


def test_what_did_not_change_is_not_written_again(keeper):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    before = {table.key: table.file for table in keeper.manifest()}
    node, snapshot = keeper.start()
    snapshot.read()
    store(node, "b", b"a\n2\n")
    snapshot.write(60)
    after = {table.key: table.file for table in keeper.manifest()}
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]
    assert {path.name for path in keeper.tables.glob("*.table")} == set(after.values())


# What never comes back


@pytest.mark.parametrize("when", ["before it is read", "after it was read"])
def test_after_a_crash_nothing_is_older_than_what_was_answered_for(keeper, when):
    saved(keeper, dict.fromkeys("abc", b"a\n1\n"))
    node, snapshot = keeper.start()
    if when == "after it was read":
        snapshot.read()
    store(node, "a", b"a\n2\n")
    ask(node, "DELETE", "/qcache/dataset/b")
    snapshot._directory.close()  # and no word more of this node
    node = keeper.read()
    assert keys(node) == ["c"]
    assert total(node, "snapshot_refused") == 0


def test_tables_that_change_while_they_are_read_are_left_alone(keeper, monkeypatch):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    node, snapshot = keeper.start()
    load = snapshot._load

    def load_late(table: Any) -> pl.DataFrame:
        frame = load(table)
        if table.key == "a":
            store(node, "a", b"a\n2\n")
        else:
            ask(node, "DELETE", f"/qcache/dataset/{table.key}")
        return frame

    monkeypatch.setattr(snapshot, "_load", load_late)
    snapshot.read()
    assert keys(node) == ["a"]
    assert body_of(ask_query(node, "a", {})) == [{"a": 2}]


def test_tables_that_were_not_read_yet_stay_in_the_snapshot(keeper):
    saved(keeper, dict.fromkeys("abc", b"a\n1\n"))
    node, snapshot = keeper.start()
    snapshot.stop_reading()
    snapshot.read()
    store(node, "d", b"a\n1\n")
    ask(node, "DELETE", "/qcache/dataset/b")
    snapshot.write(60)
    assert keys(keeper.read()) == ["a", "c", "d"]


def test_if_the_machine_went_down_there_is_no_snapshot(keeper, monkeypatch, caplog):
    saved(keeper, {"k": b"a\n1\n"})
    _, snapshot = keeper.start()
    snapshot._directory.close()
    monkeypatch.setattr(directories, "_boot", lambda: "another")
    assert keys(keeper.read()) == []
    assert "the machine went down" in caplog.text
    assert list(keeper.tables.glob("*.table")) == []
    assert keys(keeper.read()) == []


def test_if_the_machine_went_down_after_the_end_of_the_node_it_is_there(keeper, monkeypatch):
    saved(keeper, {"k": b"a\n1\n"})
    monkeypatch.setattr(directories, "_boot", lambda: "another")
    assert keys(keeper.read()) == ["k"]


# What is refused


def flipped(path: Path, place: int) -> None:
    changed = bytearray(path.read_bytes())
    changed[place] ^= 0x55
    path.write_bytes(changed)


def test_a_damaged_table_is_refused_and_the_others_come(keeper, caplog):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    path = keeper.tables / keeper.manifest()[0].file  # that of b, which was used last
    whole = path.read_bytes()
    for place in range(0, len(whole), 37):
        flipped(path, place)
        node = keeper.read()
        assert keys(node) == ["a"]
        assert total(node, "snapshot_refused") == 1
        path.write_bytes(whole)
    for damaged in (b"", whole[:-1], whole + b"x", b"x" * len(whole)):
        path.write_bytes(damaged)
        assert keys(keeper.read()) == ["a"]
    assert "the table b of the snapshot is refused: its checksum is wrong" in caplog.text
    path.write_bytes(whole)
    assert keys(keeper.read()) == ["a", "b"]


def test_a_damaged_manifest_is_refused_and_the_node_starts(keeper, caplog):
    saved(keeper, {"a": b"a\n1\n"})
    path = keeper.tables / "manifest"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        flipped(path, place)
        assert keys(keeper.read()) == []
        path.write_bytes(whole)
    foreign = (b"", b"{}", b"[]\n[]", b"\xff\xfe", b"[" * 100_000, whole[:-20], b"null\nnull\n")
    for text in foreign:
        path.write_bytes(text)
        assert keys(keeper.read()) == []
    assert caplog.text.count("is refused") >= len(foreign)
    path.write_bytes(whole)
    assert keys(keeper.read()) == ["a"]  # nothing that it names was removed meanwhile


@pytest.mark.parametrize(
    "change",
    [
        {"key": "../a"},
        {"key": "é"},
        {"key": 5},
        {"file": "../../etc/passwd"},
        {"file": "manifest"},
        {"sha256": "x"},
        {"bytes": -1},
        {"bytes": 2**70},
        {"rows": True},
        {"rows": 1.5},
        {"columns": None},
        {"stored_at": float("nan")},
        {"stored_at": "now"},
        {"enums": (1,)},
    ],
)
def test_a_manifest_with_a_right_checksum_may_not_say_anything(keeper, change):
    saved(keeper, {"a": b"a\n1\n"})
    keeper.rewrite(**change)
    assert keys(keeper.read()) == []


@pytest.mark.parametrize(
    "change", [{"rows": 2}, {"columns": 3}, {"enums": ("a",)}, {"rows": 2**62}, {"columns": 10**6}]
)
def test_a_table_must_be_what_the_manifest_says(keeper, change):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    keeper.rewrite(**change)
    assert keys(keeper.read()) == ["a"]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"a": [1, None]}),
        pl.DataFrame({"a": [float("nan")]}),
        pl.DataFrame({"a": [b"{"]}),
        pl.DataFrame({"a": [b"[" * 100_000]}),
        pl.DataFrame({"a": [[1]]}),
        pl.DataFrame({"a": [1]}, schema={"a": pl.Int32}),
        pl.DataFrame({"a": [None]}),
    ],
)
def test_a_table_with_what_no_node_stores_is_refused(keeper, frame):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    path = keeper.tables / keeper.manifest()[0].file
    with path.open("wb") as file:
        size, digest = write_table(frame, file)
    keeper.rewrite(bytes=size, sha256=digest, rows=frame.height, columns=frame.width)
    node = keeper.read()
    assert keys(node) == ["a"]
    assert total(node, "snapshot_refused") == 1


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_what_is_no_file_is_refused(keeper, kind, tmp_path):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    path = keeper.tables / keeper.manifest()[0].file
    path.rename(tmp_path / "elsewhere")
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert keys(keeper.read()) == ["a"]


def test_files_of_others_are_left_alone(keeper):
    saved(keeper, {"a": b"a\n1\n"})
    (keeper.tables / "notes.txt").write_text("mine")
    (keeper.tables / f"{'0' * 32}.table").write_bytes(b"of a node that was killed")
    saved(keeper, {"a": b"a\n1\n"})
    assert (keeper.tables / "notes.txt").read_text() == "mine"
    assert len(list(keeper.tables.glob("*.table"))) == 1


def test_one_node_has_a_directory_and_no_other(keeper):
    _, snapshot = keeper.start()
    with pytest.raises(ValueError, match="is in use by another node"):
        keeper.start()
    snapshot.write(60)
    keeper.read()


def test_a_directory_that_others_can_write_to_is_refused(keeper):
    saved(keeper, {"a": b"a\n1\n"})
    keeper.tables.chmod(0o770)
    with pytest.raises(ValueError, match="others can write to"):
        keeper.start()
    keeper.place.chmod(0o777)  # as Kubernetes makes them: what is below is the node's own
    keeper.tables.chmod(0o700)
    assert keys(keeper.read()) == ["a"]


def test_a_directory_that_cannot_be_had_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert "--snapshot" in fail("serve", f"--snapshot={tmp_path / 'file'}")
    (tmp_path / "tables").symlink_to(tmp_path)
    assert "--snapshot" in fail("serve", f"--snapshot={tmp_path}")
    assert "0 to 3600 seconds" in fail("serve", "--snapshot-timeout=-1")


# Writing


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
