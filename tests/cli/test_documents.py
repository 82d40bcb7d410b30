"""`upload`, `download`, `docs`: files and directories."""

import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager

import pytest

from storekit.cli import exits
from storekit.cli.trees import Tree
from storekit.qdb import Client

SLICE = ("--slice-size", "64KiB")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Commands run in this directory."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def content(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def test_a_file_comes_back_as_it_was(run, store, here):
    (here / "a.bin").write_bytes(content(300_000))
    done = run("upload", "a.bin", *SLICE, "--json")
    assert done.code == 0
    assert (done.json["name"], done.json["size"], done.json["slices"]) == ("a.bin", 300_000, 5)
    assert run("download", "a.bin", "b.bin").text == "a.bin: 293.0 KiB written to b.bin\n"
    assert (here / "b.bin").read_bytes() == content(300_000)
    assert sorted(os.listdir(here)) == ["a.bin", "b.bin"]


def test_documents_travel_through_the_c_library(run, cluster, here):
    make_tree(here / "tree")
    run("upload", "-", "a", *SLICE, stdin=content(300_000))
    assert run("upload", "tree", *SLICE).code == 0
    assert run("download", "a", "-").out == content(300_000)
    assert run("download", "tree/", "again").code == 0
    assert described(here / "again") == described(here / "tree")
    assert [each["name"] for each in run("docs", "--json").json] == ["a", "tree/"]


def test_programs_see_the_same_documents(run, store, here):
    (here / "a").write_bytes(b"content")
    run("upload", "a", "named/so")
    with Client(store) as client:
        target = io.BytesIO()
        client.download("named/so", target)
        assert target.getvalue() == b"content"
        client.upload(io.BytesIO(b"theirs"), "theirs")
    assert run("download", "theirs", "-").out == b"theirs"


def test_documents_travel_through_pipes(run, store):
    assert run("upload", "-", stdin=b"x").code == 2, "it has no name"
    assert run("upload", "-", "piped", stdin=content(100_000)).code == 0
    done = run("download", "piped", "-")
    assert (done.code, done.out) == (0, content(100_000))


def test_what_is_there_is_replaced_only_if_that_was_asked_for(run, store, here):
    (here / "a").write_bytes(b"1")
    run("upload", "a")
    (here / "a").write_bytes(b"22")
    refused = run("upload", "a")
    assert refused.code == 4
    assert "--replace" in refused.err
    assert run("download", "a").code == 4
    assert (here / "a").read_bytes() == b"22"
    assert run("upload", "a", "--replace").code == 0
    (here / "a").write_bytes(b"333")
    assert run("download", "a", "--replace").code == 0
    assert (here / "a").read_bytes() == b"22"


def test_a_file_goes_into_a_directory_that_is_there(run, store, here):
    (here / "a").write_bytes(b"1")
    run("upload", "a", "x/y/named")
    (here / "there").mkdir()
    assert run("download", "x/y/named", "there").code == 0
    assert (here / "there" / "named").read_bytes() == b"1"


def test_documents_are_listed_and_removed(run, store, here):
    for name in ("b", "a2", "a1"):
        run("upload", "-", name, stdin=b"123")
    assert [line.split()[-1] for line in run("docs").lines] == ["a1", "a2", "b"]
    assert [each["name"] for each in run("docs", "a", "--json").json] == ["a1", "a2"]
    assert run("rm", "--document", "a1").code == 0
    assert [line.split()[-1] for line in run("docs").lines] == ["a2", "b"]
    missing = run("download", "a1")
    assert missing.code == 1
    assert run("rm", "--document", "a1").code == 1


def test_names_that_are_no_files_need_a_place(run, store, here):
    with Client(store) as client:
        for name in ("..", "a/.."):
            client.upload(io.BytesIO(b"x"), name)
            assert run("download", name).code == 2
            assert run("download", name, "safe", "--replace").code == 0


def test_a_file_that_is_not_there_is_code_8(run, store, here):
    done = run("upload", "nope")
    assert done.code == exits.LOCAL
    assert done.err == "storekit: error: nope: No such file or directory\n"


# Directories


def make_tree(root):
    """Make a directory with all that is kept, and some of what is not."""
    (root / "empty").mkdir(parents=True)
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / ("long" * 50)).write_bytes(content(70_000))
    (root / "nothing").write_bytes(b"")
    (root / "runs").write_text("#!/bin/sh\n")
    (root / "runs").chmod(0o755)
    (root / "secret").write_text("x")
    (root / "secret").chmod(0o600)
    (root / "shared").write_text("x")
    (root / "shared").chmod(0o664)
    (root / "två\nrader").write_text("name")
    (root / os.fsdecode(b"no utf-8 \xff")).write_text("name")
    (root / "here").symlink_to("deep/er")
    (root / "nowhere").symlink_to("/does/not/exist")
    os.link(root / "secret", root / "another name")
    (root / "closed").mkdir()
    (root / "closed" / "inside").write_text("x")
    (root / "closed" / "inside").chmod(0o444)
    (root / "closed").chmod(0o555)
    os.utime(root / "runs", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root / "empty", ns=(1, 1_000_000_000_000_000_001))
    root.chmod(0o750)


def described(root):
    """Return all that is to be the same."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in [*names, *files, "."]:
            path = os.path.join(directory, name)
            known = os.lstat(path)
            is_link = stat.S_ISLNK(known.st_mode)
            found[os.path.relpath(path, root)] = (
                stat.filemode(known.st_mode),
                known.st_mtime_ns,
                os.readlink(path) if is_link else None,
                known.st_nlink if stat.S_ISREG(known.st_mode) else None,
            )
    return found


def test_a_directory_comes_back_as_it_was(run, store, here):
    make_tree(here / "tree")
    before = described(here / "tree")
    done = run("upload", "tree")
    assert done.code == 0
    assert done.text.startswith("tree/: ")
    assert run("download", "tree/", "again").code == 0
    diff = subprocess.run(["diff", "-r", "--no-dereference", "tree", "again"], check=False)
    assert diff.returncode == 0
    assert described(here / "again") == before
    assert sorted(os.listdir(here)) == ["again", "tree"]


def test_a_link_to_a_directory_is_that_directory(run, store, here):
    make_tree(here / "tree")
    (here / "link").symlink_to("tree")
    assert run("upload", "link", "--json").json["name"] == "link/"
    assert run("upload", ".", "--json").json["name"] == "here/"
    run("download", "link/", "again")
    assert described(here / "again") == described(here / "tree")


def test_the_document_is_a_tar_archive(run, store, here):
    make_tree(here / "tree")
    run("upload", "tree", "backup")
    piped = run("download", "backup/", "-").out
    with tarfile.open(fileobj=io.BytesIO(piped)) as archive:
        assert archive.getmember("runs").mode == 0o755
        assert archive.getmember("secret").uname == ""
    assert run("docs", "--json").json["size"] == len(piped)


def test_what_is_no_file_is_left_out_and_told(run, store, here):
    (here / "tree").mkdir()
    os.mkfifo(here / "tree" / "pipe")
    (here / "tree" / "file").write_text("x")
    done = run("upload", "tree")
    assert done.code == 0
    assert "pipe is left out" in done.err
    run("download", "tree/", "again")
    assert os.listdir(here / "again") == ["file"]


def test_bits_that_act_for_others_are_not_kept(run, store, here):
    (here / "tree").mkdir()
    (here / "tree" / "program").write_text("x")
    (here / "tree" / "program").chmod(0o4755)
    run("upload", "tree")
    run("download", "tree/", "again")
    assert stat.S_IMODE((here / "again" / "program").stat().st_mode) == 0o755
    with tarfile.open(fileobj=io.BytesIO(run("download", "tree/", "-").out)) as archive:
        assert archive.getmember("program").mode == 0o755


def test_bits_of_a_hostile_archive_that_act_for_others_are_not_restored(run, store, here):
    info, data = member("program", data=b"x")
    info.mode = 0o6777
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as opened:
        opened.addfile(info, io.BytesIO(data))
    with Client(store) as client:
        client.upload(io.BytesIO(archive.getvalue()), "bad/")
    run("download", "bad/", "again")
    assert stat.S_IMODE((here / "again" / "program").stat().st_mode) == 0o777


def test_a_directory_is_not_restored_into_another_one(run, store, here):
    (here / "tree").mkdir()
    (here / "tree" / "a").write_text("x")
    run("upload", "tree")
    refused = run("download", "tree/")
    assert refused.code == 4
    (here / "empty").mkdir()
    assert run("download", "tree/", "empty").code == 0
    assert os.listdir(here / "empty") == ["a"]


def member(name, kind=tarfile.REGTYPE, link="", data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    info.pax_headers = more
    return info, data


HOSTILE = {
    "a name that leads up": [member("../out", data=b"x")],
    "a name from the root": [member("/tmp/out", data=b"x")],
    "a name that leads up from within": [member("d", tarfile.DIRTYPE), member("d/../../out")],
    "a file behind a link": [member("l", tarfile.SYMTYPE, "../"), member("l/out", data=b"x")],
    "a link that is written to": [member("l", tarfile.SYMTYPE, "../out"), member("l", data=b"x")],
    "a hard link to elsewhere": [member("h", tarfile.LNKTYPE, "../outside")],
    "a device": [member("d", tarfile.CHRTYPE)],
    "a pipe": [member("p", tarfile.FIFOTYPE)],
    "a name twice": [member("a", data=b"x"), member("a", data=b"y")],
    "a time that is none": [member("a", data=b"x", mtime="nan")],
    "a sparse file": [member("a", tarfile.GNUTYPE_SPARSE)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_archive_writes_nothing_elsewhere(run, store, here, members):
    (here / "outside").write_text("mine")
    (here / "within").mkdir()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as opened:
        for info, data in members:
            opened.addfile(info, io.BytesIO(data))
    with Client(store) as client:
        client.upload(io.BytesIO(archive.getvalue()), "bad/")
    done = run("download", "bad/", "within/new")
    assert done.code in {exits.DAMAGED, exits.LOCAL}, done.err
    assert sorted(os.listdir(here)) == ["outside", "within"]
    assert not (here / "within" / "new").exists()
    assert (here / "outside").read_text() == "mine"
    assert (here / "outside").stat().st_nlink == 1


def test_a_document_that_is_no_archive_is_code_6(run, store, here):
    with Client(store) as client:
        client.upload(io.BytesIO(b"no tar" * 1000), "bad/")
    done = run("download", "bad/")
    assert done.code == exits.DAMAGED
    assert not (here / "bad").exists()


# What is broken off


@pytest.fixture
def interrupt_at(monkeypatch):
    """Have an upload or download interrupted, as by Ctrl-C, once it has so many bytes."""

    @contextmanager
    def interrupt(bytes_done):
        @contextmanager
        def bar(*_):
            def report(done, _total):
                if done >= bytes_done:
                    raise KeyboardInterrupt

            yield report

        with monkeypatch.context() as patched:
            patched.setattr("storekit.cli.documents.progress_bar", bar)
            yield

    return interrupt


def test_an_upload_that_is_broken_off_is_no_document_and_goes_on(run, store, here, interrupt_at):
    (here / "a").write_bytes(content(300_000))
    with interrupt_at(150_000):
        done = run("upload", "a", *SLICE)
    assert done.code == 130
    assert "`storekit upload a --resume` continues it" in done.err
    assert run("docs").lines == []
    assert run("download", "a", "b").code == exits.DAMAGED
    assert os.listdir(here) == ["a"]
    again = run("upload", "a", *SLICE)
    assert again.code == exits.REFUSED
    assert "--resume" in again.err
    assert run("upload", "a", *SLICE, "--resume").code == 0
    assert run("download", "a", "b").code == 0
    assert (here / "b").read_bytes() == content(300_000)


def test_a_download_that_is_broken_off_is_no_file_and_goes_on(run, store, here, interrupt_at):
    run("upload", "-", "a", *SLICE, stdin=content(300_000))
    with interrupt_at(150_000):
        done = run("download", "a")
    assert done.code == 130
    assert "storekit download a --resume" in done.err
    assert os.listdir(here) == ["a.part"]
    refused = run("download", "a")
    assert refused.code == exits.REFUSED
    assert "a.part" in refused.err
    assert run("download", "a", "--resume").code == 0
    assert os.listdir(here) == ["a"]
    assert (here / "a").read_bytes() == content(300_000)


def test_a_directory_that_is_broken_off_has_no_name(run, store, here, monkeypatch):
    make_tree(here / "tree")
    run("upload", "tree", *SLICE)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("storekit.cli.trees._write", interrupt)
        assert run("download", "tree/", "again").code == 130
    assert sorted(os.listdir(here)) == ["again.storekit.tar", "tree"]
    assert run("download", "tree/", "again").code == exits.REFUSED
    assert run("download", "tree/", "again", "--resume").code == 0
    assert described(here / "again") == described(here / "tree")
    assert sorted(os.listdir(here)) == ["again", "tree"]


def test_an_upload_of_a_directory_goes_on(run, store, here, interrupt_at):
    make_tree(here / "tree")
    with interrupt_at(60_000):
        assert run("upload", "tree", *SLICE).code == 130
    assert run("docs").lines == []
    assert run("upload", "tree", *SLICE, "--resume").code == 0
    assert run("download", "tree/", "again").code == 0
    assert described(here / "again") == described(here / "tree")


def test_a_file_of_the_name_of_a_directory_is_left_alone(run, store, here):
    make_tree(here / "tree")
    run("upload", "tree")
    (here / "again.tar").write_text("mine")
    (here / "again.part").write_text("mine")
    assert run("download", "tree/", "again").code == 0
    assert (here / "again.tar").read_text() == (here / "again.part").read_text() == "mine"


@pytest.mark.parametrize("size", [10, 3000])
def test_a_file_that_changes_while_it_is_read_ends_the_upload(run, store, here, monkeypatch, size):
    (here / "tree").mkdir()
    (here / "tree" / "log").write_bytes(bytes(100))
    real = Tree.of

    def of(path):
        tree = real(path)
        (here / "tree" / "log").write_bytes(bytes(size))
        return tree

    monkeypatch.setattr(Tree, "of", of)
    done = run("upload", "tree")
    assert done.code == exits.LOCAL
    assert "while it was read" in done.err
    assert run("docs").lines == []


def test_no_room_is_code_7_and_leaves_no_file(run, store, here):
    run("upload", "-", "a", *SLICE, stdin=content(300_000))
    limited = f"ulimit -f 100; exec {sys.executable} -m storekit download a"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == exits.NO_ROOM, done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(here) == ["a.part"]
    assert run("download", "a", "--resume").code == 0
    assert (here / "a").read_bytes() == content(300_000)


def test_ctrl_c_ends_a_process_with_one_line(run, store):
    process = subprocess.Popen(
        [sys.executable, "-m", "storekit", "upload", "-", "a", *SLICE],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        process.stdin.write(content(300_000))
        process.stdin.flush()
        until = time.monotonic() + 30
        while not run("ls").lines and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == (
            b"storekit: error: interrupted; `storekit upload - a --resume` continues it\n"
        )
        assert process.wait() == 130
    finally:
        process.kill()
        process.communicate()
    assert run("docs").lines == []
    assert run("upload", "-", "a", *SLICE, "--resume", stdin=content(400_000)).code == 0
    assert run("download", "a", "-").out == content(400_000)
