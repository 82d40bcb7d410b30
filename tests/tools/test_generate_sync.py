"""The generator of the sync trees: what it makes, and all that it must refuse."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import generate_sync

TREES = ["src/storekit/core/_async", "src/storekit/qcache/_async", "tests/core/_async"]
CORE = "src/storekit/core/_async"
CORE_SYNC = "src/storekit/core/_sync"
CONFIG = '[tool.ruff]\nline-length = 100\nsrc = ["src", "tools", "."]\ntarget-version = "py311"\n'

# All that the generator knows to translate, in one file.
SOURCE = '''\
"""An AsyncClient for examples.

    async with AsyncClient() as client:
        value = await client.get("key")
        async for entry in client.scan("prefix"):
            print((await entry.load()).size)

>>> await client
>>> keys = [await entry.key() async for entry in aiter(client)]
"""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
)
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import httpx

from storekit.core._async.pool import AsyncPool
from storekit.core.http1 import parse
from storekit.core.seam._async import Event

__all__ = ["AsyncClient", "Entry", "_AsyncThing"]


class AsyncClient(httpx.AsyncBaseTransport):
    """Gets things; made by an `AsyncPool`, an ``async with`` or an AsyncIterator."""

    def __init__(
        self,
        connect: Callable[[str], Awaitable[dict[str, "AsyncClient"]]],
        forget: "Callable[[AsyncClient], Awaitable[list[int]]] | None" = None,
    ) -> None:
        self.connect = connect  # await self.connect(name) makes one, aclose() ends it
        self.event = Event()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        while True:  # noqa: ASYNC110, S311
            await self.event.wait()  # noqa: ASYNC999
        return httpx.Response((await self.send(request)).status, stream=httpx.AsyncByteStream())

    async def scan(self, prefix: str = "é") -> AsyncIterator[str]:
        async with AsyncExitStack() as stack, aclosing(self.entries()) as entries:
            await stack.enter_async_context(self)
            names = [await e.name() async for e in entries if await e.is_valid()]
            late = {k: v async for k, v in self.items()}
            yield f"é {prefix} {await self.count(f'{names!r}')}: AsyncClient" + await late.x()
            raise StopAsyncIteration(b"raw")

    async def aclose(self) -> None:
        """Close it."""
        await (
            self.event
            .wait()
        )


def later(operation: Awaitable[int] | None, second: "Awaitable[str]") -> Iterator[None]: ...
'''

EXPECTED = '''\
# Generated from src/storekit/core/_async/client.py by tools/generate_sync.py; do not edit.

"""A Client for examples.

    with Client() as client:
        value = client.get("key")
        for entry in client.scan("prefix"):
            print(entry.load().size)

>>> client
>>> keys = [entry.key() for entry in iter(client)]
"""

from collections.abc import (
    Callable,
    Iterator,
)
from contextlib import ExitStack, closing, contextmanager

import httpx

from storekit.core._sync.pool import Pool
from storekit.core.http1 import parse
from storekit.core.seam._sync import Event

__all__ = ["Client", "Entry", "_Thing"]


class Client(httpx.BaseTransport):
    """Gets things; made by a `Pool`, a ``with`` or an Iterator."""

    def __init__(
        self,
        connect: Callable[[str], dict[str, "Client"]],
        forget: "Callable[[Client], list[int]] | None" = None,
    ) -> None:
        self.connect = connect  # self.connect(name) makes one, close() ends it
        self.event = Event()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        while True:  # noqa: S311
            self.event.wait()
        return httpx.Response(self.send(request).status, stream=httpx.SyncByteStream())

    def scan(self, prefix: str = "é") -> Iterator[str]:
        with ExitStack() as stack, closing(self.entries()) as entries:
            stack.enter_context(self)
            names = [e.name() for e in entries if e.is_valid()]
            late = {k: v for k, v in self.items()}
            yield f"é {prefix} {self.count(f'{names!r}')}: Client" + late.x()
            raise StopIteration(b"raw")

    def close(self) -> None:
        """Close it."""
        (self.event.wait())


def later(operation: int | None, second: "str") -> Iterator[None]: ...
'''


class Repository:
    """A small repository with all source trees."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys
        self.put("pyproject.toml", CONFIG)
        for source_tree in TREES:
            self.put(f"{source_tree}/__init__.py", "")

    def put_example(self) -> Path:
        # Ruff knows our modules from foreign ones by their files.
        for name in ("core/_async/pool.py", "core/http1.py", "core/seam/_sync.py"):
            self.put(f"src/storekit/{name}", "")
        return self.put(f"{CORE}/client.py", SOURCE)

    def put(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    def run(self, *arguments: str) -> tuple[int, str]:
        status = generate_sync.main(["--root", str(self.root), *arguments])
        out, err = self.capsys.readouterr()
        assert bool(err) == (status != 0)
        return status, out + err

    def fails(self, *arguments: str) -> str:
        """Run, expect an error and no change to any file, and return the messages."""
        before = self.files()
        status, report = self.run(*arguments)
        assert status == 1
        assert self.files() == before
        return report

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file()
        }

    def outputs(self) -> dict[str, bytes]:
        return {name: data for name, data in self.files().items() if "/_sync/" in name}


@pytest.fixture
def repo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Repository:
    return Repository(tmp_path, capsys)


def translate(source: str) -> str:
    return generate_sync.translate_source(source)


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


# Sources that are refused


@pytest.mark.parametrize("tree", TREES)
def test_missing_or_empty_tree(repo, tree):
    repo.run()
    (repo.root / tree / "__init__.py").unlink()
    assert f"{tree}: this source tree is missing" in repo.fails()
    (repo.root / tree).rmdir()
    assert f"{tree}: this source tree is missing" in repo.fails()
    assert f"{tree}: this source tree is missing" in repo.fails("--check")


def test_nothing_at_all(repo):
    for tree in TREES:
        (repo.root / tree / "__init__.py").unlink()
    repo.put("src/ugly.py", "import sys\nimport os\nx = ( 1 )\n")
    assert "there are no source trees" in repo.fails()


def test_trees_are_found(repo):
    repo.put("src/storekit/new/room/_async/a.py", "async def f(): ...\n")
    repo.put("src/storekit/other/_async.py", "async def by_hand(): ...\n")
    repo.put("src/storekit/left/_sync/__pycache__/a.pyc", "")
    assert repo.run()[0] == 0
    made = (repo.root / "src/storekit/new/room/_sync/a.py").read_text()
    assert made.endswith("def f(): ...\n")


def test_other_kinds_of_files(repo):
    repo.put(f"{CORE}/__pycache__/a.pyc", "")
    assert repo.run()[0] == 0
    repo.put(f"{CORE}/py.typed", "")
    repo.put("tests/core/_async/sub/data.json", "{}")
    report = repo.fails("--check")
    assert f"{CORE}/py.typed: only Python files" in report
    assert "tests/core/_async/sub/data.json: only Python files" in report


def test_file_names(repo):
    repo.put("tests/core/_async/_async/aread.py", "x = 1\n")
    assert "wrote tests/core/_sync/_sync/read.py" in repo.run()[1]
    repo.put("tests/core/_async/test_async_pool.py", "x = 1\n")
    assert "tests/core/_async/test_async_pool.py: rename the file" in repo.fails()


def test_two_sources_of_one_output(repo):
    repo.put(f"{CORE}/aread.py", "x = 1\n")
    repo.put(f"{CORE}/read.py", "x = 1\n")
    report = repo.fails()
    assert f"{CORE}/read.py: makes the same file as {CORE}/aread.py: {CORE_SYNC}/read.py" in report


@pytest.mark.parametrize(
    "data", [b"x = 1\n\ny = (\n", b"x = '\xff'\n", b"x = 1\x00\n", b"\xef\xbb\xbfx = 1\n"]
)
def test_source_that_does_not_parse(repo, data):
    (repo.root / CORE / "a.py").write_bytes(data)
    line = 3 if b"(" in data else 1
    assert f"{CORE}/a.py:{line}: cannot be parsed" in repo.fails()


def test_tokens_that_are_not_where_they_should_be(repo, monkeypatch):
    tokens = [*generate_sync.tokenize.generate_tokens(iter(["x = 1\n"]).__next__)]
    monkeypatch.setattr(generate_sync.tokenize, "generate_tokens", lambda _: tokens)
    repo.put(f"{CORE}/a.py", "\n")
    assert f"{CORE}/a.py:1: cannot be parsed: 'x' is misplaced" in repo.fails()


def test_every_problem_of_every_file_is_listed(repo):
    repo.put(f"{CORE}/a.py", "import anyio\n\nx = anyio.Event()  # asynchronous\n")
    repo.put("tests/core/_async/b.py", "y = (\n")
    repo.put("tests/core/_async/c.txt", "")
    report = repo.fails().splitlines()
    assert [line.split(": ")[0] for line in report] == [
        "tests/core/_async/c.txt",
        f"{CORE}/a.py:1",
        f"{CORE}/a.py:3",
        "tests/core/_async/b.py:1",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "import asyncio",
        "import trio.lowlevel",
        "uvloop_policy = 1",
        "x = 'Trio'",
        "my_async_thing = 1",
        "class TestAsyncPool: ...",
        "x = '''Asynchronous'''",
        "x = 'asyncpg'",
        "x = b'aclose'",
        "x = _aclose",
        "x = aclose_all",
        "x = 'ACLOSE'",
        "x = 'async'",
        "x = f'{aclose_all} of them'",
        "x: 'Coroutine[None, None, int]'",
        "x = __aenter__x",
        "x: AsyncGenerator[int, str]",
        "x: 'AsyncGenerator[int, str]'",
        "x: AsyncGenerator",
        "x: Coroutine[None, None, int]",
        "x: typing.Awaitable[int]",
        "x: Awaitable[int,]",
        "x = isinstance(y, Awaitable)",
        "from typing import Awaitable as A",
    ],
)
def test_leftovers(repo, line):
    repo.put(f"{CORE}/a.py", f"x = 1\n{line}\n")
    report = repo.fails()
    assert f"{CORE}/a.py:2: " in report
    assert "is left over; " in report


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("x: AsyncGenerator[int, str]", "only ever write AsyncGenerator[X, None]"),
        ("x: Coroutine[None, None, int]", "annotate with Awaitable[X]"),
        ("x: Awaitable", "only ever write Awaitable[X]"),
    ],
)
def test_advice(repo, line, advice):
    repo.put(f"{CORE}/a.py", line)
    assert advice in repo.fails()


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("x: AsyncGenerator[int, None]", "x: Generator[int, None, None]"),
        ("x: AsyncGenerator[dict[str, int], None]", "x: Generator[dict[str, int], None, None]"),
        ("x: 'AsyncGenerator[list[int], None]'", 'x: "Generator[list[int], None, None]"'),
        ("x: AsyncGenerator[Awaitable[int], None]", "x: Generator[int, None, None]"),
        (
            "from collections.abc import AsyncGenerator, Mapping",
            "from collections.abc import Generator, Mapping",
        ),
    ],
)
def test_generators(repo, source, output):
    repo.put(f"{CORE}/a.py", f"{source}\n")
    assert repo.run()[0] == 0
    assert output in (repo.root / CORE_SYNC / "a.py").read_text()


def test_words_that_only_look_like_leftovers(repo):
    repo.put(f"{CORE}/a.py", "x = 'patriotic canyion areading synced Asia a sync'\n")
    assert repo.run()[0] == 0


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("async def f(): ...", "AsyncFunctionDef"),
        ("async def f():\n await x", "Await"),
        ("async def f():\n async for x in y: ...", "AsyncFor"),
        ("async def f():\n async with x: ...", "AsyncWith"),
        ("async def f():\n [x async for x in y]", "an async comprehension"),
        ("async def f():\n f'{await x}'", "Await"),
    ],
)
def test_async_nodes_are_found_without_looking_at_words(monkeypatch, code, found):
    monkeypatch.setattr(generate_sync, "LEFTOVER", re.compile("(?!)"))
    line = code.count("\n") + 1
    assert f"a.py:{line}: {found} is left over" in generate_sync.find_remains(code, "a.py")


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\nreturn x\n",
        "if x:\n    from typing import Awaitable\ny = 1\n",
        "x = 1\nf(aclose=1, close=2)\n",
    ],
)
def test_output_that_does_not_compile(repo, source):
    repo.put(f"{CORE}/a.py", source)
    assert re.search(rf"{CORE}/a.py:[23]: the output does not compile", repo.fails())


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n def __iter__(self): ...\n async def __aiter__(self): ...",
        "class A:\n async def aclose(self): ...\n @property\n def close(self): ...",
        "class A:\n aclose: int = 1\n close: int = 2",
        "class A:\n if x:\n  def aclose(self): ...\n def close(self): ...",
        "class AsyncPool: ...\nclass Pool: ...",
        "def f():\n def aread(): ...\n def read(): ...",
        "def f(aread):\n read = aread",
        "from x import Pool\nclass AsyncPool: ...",
        "from x import Pool\nfrom y import AsyncPool",
        "with aread as anext, read as next: ...",
    ],
)
def test_names_that_become_one(repo, source):
    ast.parse(source)
    repo.put(f"{CORE}/a.py", source)
    assert "become the same name" in repo.fails()


@pytest.mark.parametrize(
    "source",
    [
        "from contextlib import asynccontextmanager, contextmanager\n",
        "class A:\n def close(self): ...\nclass B:\n async def aclose(self): ...\n",
        "class A:\n @property\n def x(self): ...\n @x.setter\n def x(self, y): ...\n",
        "@overload\ndef f(): ...\n@overload\ndef f(x): ...\ndef f(x=1): ...\n",
        "try:\n import lz4\nexcept ImportError:\n lz4 = None\n",
        "def close(): ...\nx = lambda aclose: 1\n",
    ],
)
def test_names_that_may_be_the_same(repo, source):
    repo.put(f"{CORE}/a.py", source)
    status, report = repo.run()
    assert status == 0, report


# Ruff


@pytest.mark.parametrize("options", [[], ["--check"]])
@pytest.mark.parametrize("step", ["check", "format"])
def test_failure_of_ruff(repo, monkeypatch, step, options):
    repo.run()
    script = f"import sys; sys.exit('out of ink' if sys.argv[1] == {step!r} else 0)"
    monkeypatch.setattr(generate_sync, "RUFF", (sys.executable, "-c", script))
    assert f"ruff {step} exited with 1: out of ink" in repo.fails(*options)


def test_ruff_is_missing(repo, monkeypatch):
    monkeypatch.setattr(generate_sync, "RUFF", (sys.executable, "-m", "no_such_ruff"))
    assert "No module named no_such_ruff" in repo.fails("--check")
    monkeypatch.setattr(generate_sync, "RUFF", ("no-such-program",))
    assert "ruff could not be run" in repo.fails("--check")


def test_ruff_loses_the_text(repo, monkeypatch):
    script = (
        "import sys, pathlib\n"
        "for name in sys.argv[sys.argv.index('--') + 1:]: pathlib.Path(name).write_text('')\n"
    )
    monkeypatch.setattr(generate_sync, "RUFF", (sys.executable, "-c", script))
    assert f"{CORE_SYNC}/__init__.py:1: the header is not the first line" in repo.fails()


@pytest.mark.parametrize("config", [None, "[tool.ruff", "[tool.ruff]\nno-such-option = 1\n"])
def test_configuration_is_missing_or_broken(repo, config):
    path = repo.root / "pyproject.toml"
    path.unlink() if config is None else path.write_text(config)
    assert "ruff" in repo.fails()


def test_what_ruff_cannot_put_right(repo):
    # It does not move what has comments beside it, unless told that this is safe.
    repo.put(f"{CORE}/a.py", '__all__ = [\n    # one\n    "b",\n    # two\n    "a",\n]\n')
    report = repo.fails()
    assert "ruff check exited with 1" in report
    assert f"{CORE_SYNC}/a.py:3:11: RUF022" in report
