"""Which thread frames are turned into bytes and back in, and what that loads."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import httpx
import polars as pl
import pytest

from storekit.codecs import CodecRegistry
from storekit.codecs.tables import TableContent
from storekit.qcache import AsyncQClient, QClient


class Threads:
    """A codec that notes where it is called. Tables are numbers of cells."""

    name = "threads"
    content_type = accept = "text/csv"

    def __init__(self) -> None:
        self.seen: list[threading.Thread] = []

    def encode(self, table: Cells, /) -> TableContent:
        self.seen.append(threading.current_thread())
        return TableContent(b"a\n1\n", "text/csv")

    def decode(self, content: bytes | memoryview, content_type: str, /) -> Cells:
        self.seen.append(threading.current_thread())
        return Cells(1)


class Cells:
    def __init__(self, rows: int) -> None:
        self.shape = (rows, 10)


def node_with(size: int) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"X-QCache-unsliced-length": "1", "Content-Type": "text/csv"}
        status = 200 if request.method == "GET" else 201
        return httpx.Response(status, content=b"x" * size, headers=headers)

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(
    ("table", "elsewhere"),
    [
        (Cells(1), True),  # frames are, whatever their size: that may be in one of their cells
        ([{"a": 1}], False),
        ([{"a": 1}] * 100_000, True),
        ([{"a": ["x"] * 100_000}], True),
        ([{"a": "x" * 1_000_000}], True),
        ("a", False),
        ("a" * 1_000_000, True),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_tables_that_take_long_are_encoded_beside_the_event_loop(
    table: object, elsewhere: bool
) -> None:
    codec = Threads()
    async with AsyncQClient(["http://node"], transport=node_with(0)) as client:
        await client.post("key", table, codec=codec)
    assert [thread is not threading.current_thread() for thread in codec.seen] == [elsewhere]


@pytest.mark.parametrize(("size", "elsewhere"), [(10, False), (2**20, True)])
async def test_large_results_are_decoded_beside_the_event_loop(size: int, elsewhere: bool) -> None:
    codec = Threads()
    async with AsyncQClient(["http://node"], transport=node_with(size)) as client:
        await client.get("key", {}, codec=codec)
    assert [thread is not threading.current_thread() for thread in codec.seen] == [elsewhere]


async def test_tables_of_a_size_unknown_are_encoded_beside_the_event_loop() -> None:
    codec = Threads()
    async with AsyncQClient(["http://node"], transport=node_with(0)) as client:
        await client.post("key", object(), codec=codec)
        await client.post("key", [{"a": 1}], codec=codec)
    assert [thread is threading.current_thread() for thread in codec.seen] == [False, True]


def test_the_sync_client_encodes_and_decodes_where_it_is_called() -> None:
    codec = Threads()
    with QClient(["http://node"], transport=node_with(2**20)) as client:
        client.post("key", Cells(100_000), codec=codec)
        client.get("key", {}, codec=codec)
    assert codec.seen == [threading.current_thread()] * 2


@pytest.mark.parametrize(
    ("call", "loaded"),
    [
        ("client.post('key', 'a')", []),
        ("client.post('key', [{'a': 1}], 'application/json')", []),
        ("client.get('key', {})", []),
        ("import polars; client.post('key', polars.DataFrame({'a': [1]}))", ["polars"]),
    ],
)
def test_only_the_library_of_the_frame_is_loaded(call: str, loaded: list[str]) -> None:
    code = (
        "import sys, httpx; from storekit.qcache import QClient;"
        "headers = {'X-QCache-unsliced-length': '0', 'Content-Type': 'text/csv'};"
        "answer = lambda r: httpx.Response(201 if r.content else 200, headers=headers);"
        "client = QClient(['http://node'], transport=httpx.MockTransport(answer));"
        f"{call};"
        "print(sorted({'polars', 'pandas', 'pyarrow', 'msgspec'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"{loaded}\n"


LOADER = """
import asyncio, sys, threading
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        frame = sys._getframe(1)
        while frame and frame.f_code.co_name != "_find_and_load":  # else it is only looked for
            frame = frame.f_back
        if frame and name in ("polars", "pandas", "pyarrow", "sqlglot"):
            seen.add((name, threading.current_thread() is threading.main_thread()))

seen = set()
sys.meta_path.insert(0, Watch())
"""

ASKING = """
import httpx
from storekit.qcache import AsyncQClient

def answer(request):
    headers = {"X-QCache-unsliced-length": "1", "Content-Type": "application/json"}
    return httpx.Response(200, content=b'[{"a":1}]', headers=headers)

async def main():
    transport = httpx.MockTransport(answer)
    async with AsyncQClient(["http://node"], transport=transport) as client:
        CALL
        CALL

asyncio.run(main())
"""

KEEPING = """
from storekit.qdb import AsyncClient

async def main():
    async with AsyncClient("embedded:", codec="raw") as client:
        await client.put("a", CONTENT)
        CALL
        CALL

asyncio.run(main())
"""


def loaded_by(program: str) -> str:
    """Return which packages a program loads, and whether in the thread of its event loop."""
    command = [sys.executable, "-c", f"{LOADER}\n{program}\nprint(sorted(seen))"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("call", "package"),
    [
        ("await client.get('key', {}, codec='polars')", "polars"),
        ("await client.get('key', {}, codec='pandas')", "pandas"),
        ("await client.sql('select a from t')", "sqlglot"),
        ("await client.export('key', {}, 'FILE.parquet')", "pyarrow"),
    ],
)
def test_packages_are_loaded_beside_the_event_loop(call: str, package: str, tmp_path: Path) -> None:
    call = call.replace("FILE", str(tmp_path / "out"))
    seen = loaded_by(ASKING.replace("CALL", call))
    assert f"('{package}', False)" in seen
    assert "True" not in seen


@pytest.mark.parametrize("codec", ["polars", "zstd"])
def test_codecs_of_values_are_loaded_beside_the_event_loop(codec: str) -> None:
    """Frames within what is packed, too."""
    name = "polars+zstd" if codec == "zstd" else codec
    content = CodecRegistry.default().get(name).encode(pl.DataFrame({"a": [1]}))
    program = KEEPING.replace("CONTENT", repr(content))
    seen = loaded_by(program.replace("CALL", f"await client.get('a', codec={name!r})"))
    assert "('polars', False)" in seen
    assert "('pyarrow', False)" in seen
    assert "True" not in seen
