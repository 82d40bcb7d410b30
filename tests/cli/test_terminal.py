"""Commands in a terminal of 80 columns, as somebody has them who types them."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pytest
from rich.cells import cell_len

from storekit.cli import exits
from storekit.qdb import Client, RawClient

WAIT = 30.0


class Terminal:
    """A process in a pseudo-terminal: what is typed, and what there is to see."""

    def __init__(self, *arguments, **environment):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "storekit", *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
            env={**os.environ, "TERM": "xterm", "PAGER": "cat", **environment},
        )
        os.close(slave)
        self.shown = ""

    def until(self, text):
        """Read until a text is there."""
        end = time.monotonic() + WAIT
        while text not in self.shown:
            assert self.read(end - time.monotonic()), f"{text!r} did not come in {self.shown!r}"

    def read(self, seconds=WAIT):
        ready, _, _ = select.select([self.master], [], [], max(0, seconds))
        try:
            piece = os.read(self.master, 1 << 16) if ready else b""
        except OSError:  # the process has gone
            piece = b""
        self.shown += piece.decode(errors="replace").replace("\r\n", "\n")
        return piece

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """Read until the process ends; return its exit code."""
        try:
            while self.read():
                pass
            return self.process.wait(WAIT)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.master)


@pytest.fixture
def terminal(store):
    def start(*arguments, **environment):
        return Terminal(*arguments, **environment)

    return start


HOSTILE = "a\x1b[2J\x07b\u202ec\rd"


def test_text_from_stores_steers_no_terminal(terminal, store):
    with Client(store) as client:
        client.put(f"key {HOSTILE}", HOSTILE)
        client.attach_tag(f"key {HOSTILE}", f"tag {HOSTILE}")
        client.put("nested", {HOSTILE: [HOSTILE]})
    for arguments in (
        ["get", f"key {HOSTILE}"],
        ["get", "nested"],
        ["ls"],
        ["stat", f"key {HOSTILE}"],
        ["get", f"not there {HOSTILE}"],
    ):
        shell = terminal(*arguments)
        shell.end()
        assert "2J" in shell.shown
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", shell.shown), repr(shell.shown)


def test_what_is_no_text_is_not_for_a_terminal(terminal, store):
    with RawClient(store) as client:
        client.put("a", b"\xff\x00\x1b")
    shell = terminal("get", "a")
    assert shell.end() == exits.USAGE
    assert shell.shown.startswith("storekit: error: content of 3 B that is not text")
    assert shell.shown.count("\n") == 1


def test_a_long_list_goes_through_the_pager(terminal, store, tmp_path):
    with RawClient(store) as client:
        client.update_many({f"key{number:03}": b"" for number in range(300)})
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "paged"\nexec cat\n')
    pager.chmod(0o755)
    shell = terminal("ls", PAGER=str(pager))
    assert shell.end() == 0
    assert shell.shown.split() == ["paged", *(f"key{number:03}" for number in range(300))]
    plain = terminal("ls", "--no-pager", PAGER=str(pager))
    plain.end()
    assert "paged" not in plain.shown


def test_whoever_leaves_the_pager_ends_the_command(terminal, store, tmp_path):
    with RawClient(store) as client:
        client.update_many({f"key{number:05}" * 20: b"" for number in range(2000)})
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nhead -n 1\n")
    pager.chmod(0o755)
    shell = terminal("ls", PAGER=str(pager))
    assert shell.end() == 0
    assert "Traceback" not in shell.shown
    assert shell.shown.count("\n") == 1


def test_a_bar_shows_speed_and_the_time_that_is_left(terminal, tmp_path):
    (tmp_path / "big").write_bytes(bytes(30_000_000))
    shell = terminal("upload", tmp_path / "big", "named", "--slice-size", "1MB")
    assert shell.end() == 0
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shell.shown))
    drawn = [line for line in lines if "MiB" in line and "/s" in line]
    assert drawn
    assert all(cell_len(line) <= 80 for line in lines)
    assert re.search(r"named.*28\.6/28\.6 MiB.*/s", drawn[-1]), drawn[-1]
    assert "named: 28.6 MiB stored" in lines


def test_ctrl_c_at_an_upload_is_one_line_and_leaves_no_document(terminal, store, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    shell = terminal("upload", tmp_path / "pipe", "named", "--slice-size", "64KiB")
    with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
        pipe.write(bytes(300_000))
        shell.until("named")
        shell.type("\x03")
        assert shell.end() == exits.INTERRUPTED
    assert "--resume` continues it" in shell.shown.splitlines()[-1]
    assert "Traceback" not in shell.shown
    with RawClient(store) as client:
        assert [*client.documents()] == []


def test_what_removes_many_asks_before(terminal, store):
    with RawClient(store) as client:
        client.update_many({"a1": b"", "a2": b"", "b": b""})
        shell = terminal("rm", "--prefix", "a")
        shell.until("Remove 2 entries that begin with 'a'? [y/N]: ")
        shell.type("n\n")
        assert shell.end() == exits.INTERRUPTED
        assert client.prefix_count("a") == 2
        shell = terminal("rm", "--prefix", "a")
        shell.until("[y/N]: ")
        shell.type("y\n")
        assert shell.end() == 0
        assert client.prefix_count("a") == 0


def test_top_is_live_until_ctrl_c(terminal):
    shell = terminal("top", "--interval", "0.1")
    shell.until("operations/s")
    shell.type("\x03")
    assert shell.end() == 0
    assert "\x1b[?1049h" in shell.shown, "it leaves alone what was on the screen"
    assert "\x1b[?1049l" in shell.shown


def test_a_table_fits_the_terminal(terminal, served, run):
    import json

    rows = [{f"column{number}": f"{HOSTILE} text {number}" for number in range(30)}]
    run("post", "wide", "-", "--store", served, stdin=json.dumps(rows).encode())
    shell = terminal("query", "wide", "--store", served)
    assert shell.end() == 0
    assert all(cell_len(line) <= 80 for line in shell.shown.splitlines())
    assert "more" in shell.shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", shell.shown)


def test_help_fits_the_terminal(terminal):
    shell = terminal("--help")
    assert shell.end() == 0
    assert all(len(line) <= 80 for line in shell.shown.splitlines())
