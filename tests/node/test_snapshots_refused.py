"""Snapshots that a node refuses: damaged, of others, or in a directory that is not safe."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from storekit.qcache.node.snapshots.table_file import write_table
from tests.node.keeping import keys, saved, total
from tests.node.serving import fail


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
