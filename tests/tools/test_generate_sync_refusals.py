"""Sources, names and leftovers that the generator of the sync trees refuses."""

import ast
import re
import sys

import pytest

from tests.tools.generating import CORE, CORE_SYNC, TREES
from tools import generate_sync


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
