"""A small repository for the generator of the sync trees."""

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


def translate(source: str) -> str:
    return generate_sync.translate_source(source)
