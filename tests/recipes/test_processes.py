"""Locks and memos of several processes, some of which are killed."""

import os
import random
import signal
import subprocess
import sys

import pytest

TURNS = """
import fcntl, os, sys
from storekit.qdb import Client
from storekit.recipes import lock

store, directory, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
alone = os.open(directory + "/alone", os.O_CREAT | os.O_RDWR)
tokens = os.open(directory + "/tokens", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
with Client(store) as client:
    print("ready", flush=True)
    for _ in range(count):
        with lock(client, "the lock", ttl=1.5) as held:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails if there is another holder
            os.write(tokens, b"%d\\n" % held.token)
            fcntl.flock(alone, fcntl.LOCK_UN)
"""


@pytest.mark.parametrize(
    ("count", "kills"),
    [
        pytest.param(15, 2, id="few"),
        pytest.param(2_500, 20, id="many", marks=pytest.mark.soak),
    ],
)
def test_no_two_processes_have_a_lock_and_those_that_are_killed_leave_it(tmp_path, count, kills):
    def start():
        command = [sys.executable, "-c", TURNS, f"embedded:{tmp_path}/store", tmp_path, str(count)]
        return _start(command)

    _run(start, kills)
    tokens = [int(line) for line in (tmp_path / "tokens").read_text().split()]
    assert tokens == sorted(set(tokens))
    assert len(tokens) >= 4 * count


VALUES = """
import os, sys, time
from storekit.qdb import Client
from storekit.recipes import memoize

store, directory, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
computed = os.open(directory + "/computed", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
with Client(store) as client:

    @memoize(client, ttl=0.5)
    def value_of(key):
        os.write(computed, b".")
        return {"key": key, "squares": [key * number for number in range(1000)], "at": time.time()}

    print("ready", flush=True)
    for number in range(count):
        key = number % 5
        value = value_of(key)
        assert value["squares"] == [key * each for each in range(1000)] and value["key"] == key
        assert time.time() - value["at"] < 5, "it was over long ago"
"""


@pytest.mark.parametrize(
    ("count", "kills"),
    [
        pytest.param(300, 2, id="few"),
        pytest.param(20_000, 20, id="many", marks=pytest.mark.soak),
    ],
)
def test_memos_of_processes_that_are_killed_harm_nobody(tmp_path, count, kills):
    def start():
        command = [sys.executable, "-c", VALUES, f"embedded:{tmp_path}/store", tmp_path, str(count)]
        return _start(command)

    _run(start, kills)
    computed = len((tmp_path / "computed").read_bytes())
    assert 5 <= computed < 4 * count / 2  # it is kept


def _start(command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _run(start, kills):
    """Run four processes to their end; kill some on the way, for each of which another starts."""
    processes = [start() for _ in range(4)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.communicate()
        for _ in range(kills):
            victim = random.randrange(4)
            os.kill(processes[victim].pid, signal.SIGKILL)
            processes[victim].communicate()
            processes[victim] = start()
            assert processes[victim].stdout.readline() == "ready\n"
        # Not `communicate`, which does not know what `readline` has read ahead.
        errors = [process.stderr.read() for process in processes]
        assert [process.wait() for process in processes] == [0] * 4, errors
    finally:
        for process in processes:
            process.kill()
            process.communicate()
