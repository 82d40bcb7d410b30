"""Real processes that are killed, interrupted, or run out of room in the middle of a transfer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from storekit.cli import main
from storekit.qdb import AliasNotFound, Client, RawClient
from storekit.transfer import DumpDamaged, TransferUnfinished, check_dump, copy
from tests.transfer._sync.filling import DOCUMENT, contents, fill

ROOT = Path(__file__).parents[2]
MARKER = "storekit/transfer"
ENDS = [signal.SIGKILL, signal.SIGINT]
names = pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)


@pytest.fixture
def source(tmp_path):
    """The URL of a store in a file, with something of everything, and more than a page of it."""
    url = f"embedded:{tmp_path / 'source'}"
    with RawClient(url) as client:
        fill(client, small=3000)
    return url


@pytest.fixture
def target(tmp_path):
    return f"embedded:{tmp_path / 'target'}"


@contextmanager
def stopped(entries, *arguments, **environment):
    """Run the command, until it has read so many entries, or ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.transfer.children", str(entries), *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        said = process.stdout.readline()
        yield process, said
    finally:
        process.kill()
        process.communicate()


def end_by(process, end):
    process.send_signal(end)
    code = process.wait(timeout=60)
    assert code == (130 if end == signal.SIGINT else -end)
    return process.stderr.read().decode()


def all_of(url):
    with RawClient(url) as client:
        return contents(client)


@names
def test_a_copy_goes_on_where_it_was_ended(source, target, end, capfd):
    with stopped(1000, "copy", source, target) as (process, said):
        assert int(said) >= 1000
        message = end_by(process, end)
    if end == signal.SIGINT:
        assert message == (
            f"storekit: error: interrupted; `storekit copy {source} {target} --resume` "
            "continues it\n"
        )
    there = all_of(target)
    assert MARKER in there
    assert 900 < len(there) < 3000
    with Client(source) as here, Client(target) as half, Client("embedded:") as other:
        assert [*half.documents()] == []
        with pytest.raises(TransferUnfinished):
            copy(here, half)
        with pytest.raises(TransferUnfinished):
            copy(half, other)
    assert main(["copy", source, target]) == 4
    assert main(["copy", source, target, "--resume"]) == 0
    assert all_of(target) == all_of(source)


@names
def test_a_dump_goes_on_where_it_was_ended(source, target, tmp_path, end, capfd):
    path = tmp_path / "x.dump"
    with stopped(1000, "dump", path, "--store", source) as (process, _):
        message = end_by(process, end)
    if end == signal.SIGINT:
        assert message.endswith("--resume` continues it\n")
    assert not path.exists()
    part = tmp_path / "x.dump.part"
    size = part.stat().st_size
    with pytest.raises(DumpDamaged, match="cut short"):
        check_dump(part)
    assert main(["restore", str(part), "--store", target]) == 6
    assert main(["dump", str(path), "--store", source, "--resume"]) == 0
    assert not part.exists()
    assert path.stat().st_size > size
    assert main(["restore", str(path), "--store", target]) == 0
    assert all_of(target) == all_of(source)


@names
def test_a_restore_goes_on_where_it_was_ended(source, target, tmp_path, end, capfd):
    path = tmp_path / "x.dump"
    assert main(["dump", str(path), "--store", source]) == 0
    with stopped(1000, "restore", path, "--store", target) as (process, _):
        end_by(process, end)
    assert MARKER in all_of(target)
    with Client(target) as client:
        assert [*client.documents()] == []
    assert main(["restore", str(path), "--store", target]) == 4
    assert main(["restore", str(path), "--store", target, "--resume"]) == 0
    assert all_of(target) == all_of(source)


def test_a_document_that_is_being_copied_does_not_look_whole(tmp_path, target):
    source = f"embedded:{tmp_path / 'source'}"
    with RawClient(source) as client:
        client.upload(_Noise(40), "a document", slice_size=1 << 20)
    with stopped(12, "copy", source, target) as (process, _):
        end_by(process, signal.SIGKILL)
    with Client(target) as client, pytest.raises(AliasNotFound):
        client.document_info("a document")
    assert main(["copy", source, target, "--resume"]) == 0
    with Client(target) as client:
        assert client.document_info("a document").size == 40 << 20


class _Noise:
    """A file of so many MiB."""

    def __init__(self, count):
        self._left = count << 20

    def read(self, size=-1):
        taken = min(size, self._left)
        self._left -= taken
        return os.urandom(taken)


def test_a_file_that_may_not_grow_is_removed(source, tmp_path):
    path = tmp_path / "x.dump"
    arguments = ("dump", path, "--store", source, "--compression", "none")
    with stopped(10**9, *arguments, STOREKIT_TEST_FILE_SIZE="200000") as (process, _):
        assert process.wait(timeout=60) == 7
        message = process.stderr.read().decode()
    assert "File too large" in message
    assert "removed" not in message or "x.dump.part" in message
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("x.dump")]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_dump_on_a_disk_that_is_full_is_removed(source, small_disk, capfd):
    path = small_disk / "x.dump"
    assert main(["dump", str(path), "--store", source, "--compression", "none"]) == 7
    assert "No space left" in capfd.readouterr().err
    assert [*small_disk.iterdir()] == []
    assert len(DOCUMENT) > 1 << 20


@pytest.mark.soak
@pytest.mark.parametrize("command", ["copy", "dump", "restore"])
def test_whenever_a_process_is_killed_what_it_did_can_be_resumed(source, tmp_path, command, capfd):
    whole = tmp_path / "whole"
    assert main(["dump", str(whole), "--store", source]) == 0
    expected = all_of(source)
    for seconds in range(12):
        target, path = f"embedded:{tmp_path / f'target {seconds}'}", tmp_path / f"x {seconds}"
        arguments = {
            "copy": ["copy", source, target],
            "dump": ["dump", str(path), "--store", source],
            "restore": ["restore", str(whole), "--store", target],
        }[command]
        with stopped(10**9, *arguments, STOREKIT_TEST_KILL=str(seconds / 20)) as (process, _):
            code = process.wait(timeout=60)
        assert code in (0, -signal.SIGKILL)
        if command == "dump":
            assert path.exists() == (code == 0)
            if code:
                assert main([*arguments, "--resume"]) == 0
            assert main(["restore", str(path), "--store", target]) == 0
        elif code:
            assert main([*arguments, "--resume"]) == 0
        assert all_of(target) == expected
