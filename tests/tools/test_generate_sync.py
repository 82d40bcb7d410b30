"""The generator of the sync trees: what it makes, and what `--check` finds."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.generating import CORE, CORE_SYNC, EXPECTED, SOURCE, TREES, translate
from tools import generate_sync


def test_this_repository_is_in_sync():
    assert generate_sync.main(["--check"]) == 0


# What it makes


def test_example_to_the_byte(repo):
    repo.put_example()
    status, report = repo.run()
    assert status == 0, report
    assert (repo.root / CORE_SYNC / "client.py").read_bytes() == EXPECTED.encode()
    assert repo.run("--check")[0] == 0


def test_lines_stay_where_they_are():
    assert translate(SOURCE).count("\n") == SOURCE.count("\n")


def test_second_run_changes_nothing(repo):
    repo.put_example()
    repo.run()
    before = {path: path.stat().st_mtime_ns for path in repo.root.rglob("*.py")}
    assert repo.run() == (0, f"{len(TREES) + 2} generated files are up to date\n")
    assert {path: path.stat().st_mtime_ns for path in repo.root.rglob("*.py")} == before


def test_line_endings_do_not_matter(repo):
    repo.put_example().write_bytes(SOURCE.replace("\n", "\r\n").encode())
    repo.run()
    assert (repo.root / CORE_SYNC / "client.py").read_bytes() == EXPECTED.encode()


def test_outcome_is_the_same_in_whatever_company(repo):
    text = (
        "import zlib\nimport httpx\n"
        "from storekit.core._async.b import AsyncB\nfrom tests.core._async.helpers import help_me\n"
        "__all__ = ['AsyncB', 'A', 'help_me', 'httpx', 'zlib']\n"
    )
    repo.put(f"{CORE}/a.py", text)
    repo.put(f"{CORE}/b.py", "class AsyncB: ...\n")
    repo.put("tests/core/_async/helpers.py", "def help_me(): ...\n")
    repo.run()
    first = repo.outputs()
    assert (
        b"import httpx\n\nfrom storekit.core._sync.b import B\nfrom tests.core._sync.helpers"
        in (first[f"{CORE_SYNC}/a.py"])
    )
    assert b'__all__ = ["A", "B", "help_me", "httpx", "zlib"]' in first[f"{CORE_SYNC}/a.py"]
    repo.put(f"{CORE}/c.py", "import os\n")
    repo.run()
    again = repo.outputs()
    assert again.pop(f"{CORE_SYNC}/c.py")
    assert again == first


def test_union_of_types_that_became_the_same(repo):
    text = "from collections.abc import Awaitable\n\nx: int | Awaitable[int] | None = None\n"
    repo.put(f"{CORE}/a.py", text)
    repo.run()
    assert (repo.root / CORE_SYNC / "a.py").read_text().endswith("edit.\n\nx: int | None = None\n")


def test_command_line_works_from_anywhere(repo, tmp_path_factory):
    tool = Path(generate_sync.__file__).resolve()
    command = [sys.executable, str(tool), "--root", str(repo.root)]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    checked = subprocess.run([*command, "--check"], cwd=elsewhere, check=False, capture_output=True)
    assert checked.returncode == 1
    assert repo.outputs() == {}
    subprocess.run(command, cwd=elsewhere, check=True, capture_output=True)
    subprocess.run([*command, "--check"], cwd=elsewhere, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = [y async for y in z]", "x = [y for y in z]"),
        ("x = {y async for y in z async for z in w}", "x = {y for y in z for z in w}"),
        ("x = (await y() for y in z)", "x = (y() for y in z)"),
        ("x: 'AsyncPool | None'", "x: 'Pool | None'"),
        ("x: 'list[AsyncPool]'", "x: 'list[Pool]'"),
        ("return(await x)", "return(x)"),
        ("f(await x).y", "f(x).y"),
        ("f((await x.y(1, (2, 3))).z)", "f(x.y(1, (2, 3)).z)"),
        ("(await x.y).z + (await x(')')).z", "x.y.z + (x(')')).z"),
        ("(await x or y).z", "(x or y).z"),
        ("x = _AsyncThing, Asyncish, AsyncX", "x = _Thing, Asyncish, X"),
        ("x: Awaitable[Awaitable[int] | None]", "x: int | None"),
        ("x: Awaitable[\n  int\n]", "x: (\n  int\n)"),
        ("x: typing.Awaitable[int]", "x: typing.Awaitable[int]"),
        ("from typing import Awaitable, Any", "from typing import  Any"),
        ("from typing import Any, Awaitable", "from typing import Any"),
        ("from typing import Any, Awaitable as A", "from typing import Any, Awaitable as A"),
        ("from typing import Awaitable  # why", "# why"),
        ("x = b'aclose' + rB'AsyncPool' + 'aclose'", "x = b'aclose' + rB'AsyncPool' + 'close'"),
        ("f'{await x!r:{await y.z()}} AsyncPool'", "f'{x!r:{y.z()}} Pool'"),
        ("rf'''{(await x.y()).z}\n''' f'{{await}}'", "rf'''{x.y().z}\n''' f'{{await}}'"),
        ("# an `aclose`, an AsyncHTTPPool", "# a `close`, an HTTPPool"),
        ("# see core/_async/pool.py", "# see core/_sync/pool.py"),
        ("x  # noqa: ASYNC100  the loop is short", "x  #  the loop is short"),
        ("'''\n>>> await x\n... await y\n'''", "'''\n>>> x\n... y\n'''"),
        ("# you must await the result", "# you must wait for the result"),
        ("# Awaiting it is fine", "# Waiting for it is fine"),
        ("# nothing to await", "# nothing to wait for"),
        ("# an async client, an asynchronous call", "# a sync client, a synchronous call"),
        (
            "# plain functions, async or sync; async/sync",
            "# plain functions, async or sync; async/sync",
        ),
        ("# not a coroutine function", "# not a function"),
        ("# asyncio and trio are named as they are", "# asyncio and trio are named as they are"),
        (
            "raise TypeError(f'an async {x!r} is awaited')",
            "raise TypeError(f'a sync {x!r} is waited for')",
        ),
        ("x = 'async'", "x = 'async'"),
        ("# call await x(), x = await y, or `await z`", "# call x(), x = y, or `z`"),
        ("import x\\\n._async\nawait \\\n  x", "import x\\\n._sync\n\\\n  x"),
    ],
)
def test_translation(source, expected):
    assert translate(source) == expected


@pytest.mark.parametrize(("old", "new"), sorted(generate_sync.RENAMES.items()))
def test_every_name_of_the_table(old, new):
    text = f"{old} = '{old}'  # {old}"
    assert translate(text) == text.replace(old, new)
    assert generate_sync.LEFTOVER.search(old)
    assert not generate_sync.LEFTOVER.search(new)


# What --check finds


@pytest.mark.parametrize("damage", ["truncate", "half", "append", "newline", "header"])
def test_check_compares_bytes(repo, damage):
    repo.put_example()
    repo.run()
    path = repo.root / CORE_SYNC / "client.py"
    good = path.read_bytes()
    bad, line = {
        "truncate": (b"", 1),
        "half": (good[: len(good) // 2], good[: len(good) // 2].count(b"\n") + 1),
        "append": (good + b"x = 1\n", good.count(b"\n") + 1),
        "newline": (good.replace(b"\n", b"\r\n"), 1),
        "header": (good.partition(b"\n")[2], 1),
    }[damage]
    path.write_bytes(bad)
    report = repo.fails("--check")
    assert f"differs: {CORE_SYNC}/client.py, from line {line}\n" in report
    assert "python tools/generate_sync.py" in report
    assert repo.run()[0] == 0
    assert path.read_bytes() == good


def test_check_finds_missing_and_orphaned_files_of_equal_number(repo):
    repo.put(f"{CORE}/a.py", "x = 1\n")
    repo.put(f"{CORE}/b.py", "x = 1\n")
    repo.run()
    (repo.root / CORE_SYNC / "a.py").rename(repo.root / CORE_SYNC / "c.py")
    repo.put(f"{CORE_SYNC}/data.txt", "not even Python")
    repo.put("tests/core/_sync/b.py", "")
    repo.put(f"{CORE_SYNC}/b.py", "x = 2\n")
    repo.put(f"{CORE_SYNC}/__pycache__/b.pyc", "")
    report = repo.fails("--check").splitlines()
    assert report == [
        f"missing: {CORE_SYNC}/a.py",
        f"orphan: {CORE_SYNC}/c.py",
        f"orphan: {CORE_SYNC}/data.txt",
        "orphan: tests/core/_sync/b.py",
        f"differs: {CORE_SYNC}/b.py, from line 1",
        "To write them, run: python tools/generate_sync.py",
    ]


def test_check_lists_differences_beside_problems(repo):
    repo.put(f"{CORE}/a.py", "import trio\n")
    report = repo.fails("--check")
    assert f"{CORE}/a.py:1: 'trio' is left over" in report
    assert f"missing: {CORE_SYNC}/__init__.py" in report


# Orphans in write mode


def test_stale_output_is_removed(repo):
    source = repo.put(f"{CORE}/old/a.py", "x = 1\n")
    repo.run()
    source.unlink()
    assert f"orphan: {CORE_SYNC}/old/a.py" in repo.fails("--check")
    assert f"removed {CORE_SYNC}/old/a.py" in repo.run()[1]
    assert not (repo.root / CORE_SYNC / "old/a.py").exists()


def test_foreign_file_is_an_error_and_stays(repo):
    repo.put(f"{CORE_SYNC}/mine.py", "# Generated from my own head; do edit.\n")
    assert f"{CORE_SYNC}/mine.py: has no source" in repo.fails()
