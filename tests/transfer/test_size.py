"""Many entries and large documents: the same on both sides, in little memory, at a good speed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storekit.qdb.capi.library import ENVIRONMENT

ROOT = Path(__file__).parents[2]
MOST_MEMORY = 150_000_000  # bytes of a process, of which it has 40 million to begin with


@pytest.fixture
def step(tmp_path, door_path):
    """Run a step in a process of its own; return what it took."""
    environment = {
        **os.environ,
        ENVIRONMENT: str(door_path),
        "STOREKIT_QDB_LIBRARY_DATA": str(tmp_path),
        # glibc else keeps freed blocks of the size of a slice: 10 to 40 MB, other ones each time.
        "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
    }

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "tests.transfer.measuring", *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def place(tmp_path, name, kind):
    number = sum(name.encode())
    return f"embedded:{tmp_path / name}" if kind == "embedded" else f"qdb://127.0.0.1:{number}"


WAYS = [("embedded", "embedded"), ("embedded", "library"), ("library", "embedded")]
ways = pytest.mark.parametrize(("here", "there"), WAYS)


def copied(step, tmp_path, here, there, entries, megabytes, *, rounds=1, only=False):
    """Copy a store; return its speed in relation to that of plain writes, and the memory it took.

    With `only`, that is the speed without the comparison at the end, which reads all again.
    """
    source = place(tmp_path, "source", here)
    step("fill", source, entries, megabytes)
    ratios, peaks = [], []
    for number in range(rounds):
        plain = place(tmp_path, f"plain {number}", there)
        target = place(tmp_path, f"target {number}", there)
        written = step("write", plain, entries, megabytes)["seconds"]
        took = step("copy-only" if only else "copy", source, target)
        ratios.append(written / took["seconds"])
        peaks.append(took["peak"])
    step("compare", source, target)
    sys.stdout.write(
        f"{here} to {there}, {'not ' if only else ''}verified: {entries} entries and {megabytes} "
        f"MB, speed of writes times {', '.join(f'{each:.2f}' for each in ratios)}, memory "
        f"{max(peaks) / 1e6:.0f} MB, written in {written:.1f} s\n"
    )
    return max(ratios), max(peaks)


@pytest.mark.slow
@ways
def test_a_copy_takes_little_memory(step, tmp_path, here, there):
    _, peak = copied(step, tmp_path, here, there, 20_000, 50)
    assert peak < MOST_MEMORY


@pytest.mark.slow
def test_a_dump_takes_little_memory(step, tmp_path):
    source, target = (place(tmp_path, name, "embedded") for name in ("source", "target"))
    step("fill", source, 20_000, 50)
    for took in (step("dump", source, tmp_path / "x"), step("restore", tmp_path / "x", target)):
        assert took["peak"] < MOST_MEMORY
    step("compare", source, target)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("entries", "megabytes", "only"), [(1_000_000, 0, False), (0, 2048, False), (0, 2048, True)]
)
def test_large_embedded_stores(step, tmp_path, entries, megabytes, only):
    """To read 2 GB on both sides again takes as long as to write them, and is told apart."""
    ratio, peak = copied(step, tmp_path, "embedded", "embedded", entries, megabytes, only=only)
    assert peak < MOST_MEMORY
    if entries or only:
        assert ratio > 0.5


@pytest.mark.soak
@pytest.mark.parametrize(("entries", "megabytes"), [(100_000, 0), (0, 200)])
@pytest.mark.parametrize(("here", "there"), WAYS[1:])
def test_large_stores_over_the_library(step, tmp_path, here, there, entries, megabytes):
    _, peak = copied(step, tmp_path, here, there, entries, megabytes)
    assert peak < MOST_MEMORY


@pytest.mark.soak
@pytest.mark.parametrize(("entries", "megabytes"), [(100_000, 0), (0, 200)])
def test_the_speed_over_the_library(step, tmp_path, entries, megabytes):
    """To read all again takes as long as to write it; so the comparison is not part of this."""
    ways = {"rounds": 3, "only": True}
    ratio, _ = copied(step, tmp_path, "embedded", "library", entries, megabytes, **ways)
    assert ratio > 0.5


@pytest.mark.soak
@pytest.mark.parametrize(("entries", "megabytes"), [(1_000_000, 0), (0, 2048)])
def test_large_dumps(step, tmp_path, entries, megabytes):
    source, target = (place(tmp_path, name, "embedded") for name in ("source", "target"))
    step("fill", source, entries, megabytes)
    steps = step("dump", source, tmp_path / "x"), step("restore", tmp_path / "x", target)
    sys.stdout.write(f"{[(took['seconds'], took['peak']) for took in steps]}\n")
    assert all(took["peak"] < MOST_MEMORY for took in steps)
    step("compare", source, target)
