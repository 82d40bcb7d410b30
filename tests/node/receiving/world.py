"""A server and its clients, for tests of content that is received past the HTTP parser."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from storekit.qcache.node.http.bodies import RequestBody
from tests.node.asking import gathered
from tests.node.test_connections import Served, answer, served

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if importlib.util.find_spec("uvloop") is not None:
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop

CONTENT = random.Random(7).randbytes(300_000)
LINES = b"".join(b"%d,some text,%d\n" % (n, n * n) for n in range(12_000))

App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


def post(path: str, content: bytes, *headers: str, version: str = "1.1") -> bytes:
    return b"%s%s" % (head(path, len(content), *headers, version=version), content)


def head(path: str, length: int, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode()


@dataclass
class Client:
    """Reads answers one after the other."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:-2])
        content = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), headers, content

    async def told(self) -> list[Any]:
        status, _, content = await self.answer()
        assert status == 200
        told: list[Any] = json.loads(content)
        return told

    async def is_over(self) -> bool:
        with contextlib.suppress(ConnectionError):  # of a server that did not read all
            return await self.reader.read() == b""
        return True

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class World:
    """An event loop with a server on it, and what went wrong there."""

    loop_factory: Callable[[], asyncio.AbstractEventLoop]
    server: ssl.SSLContext | None
    client: ssl.SSLContext | None
    errors: list[dict[str, Any]] = field(default_factory=list)

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: self.errors.append(context))
            runner.run(main())
        assert self.errors == []

    def served(self, app: App) -> contextlib.AbstractAsyncContextManager[Served]:
        return served(app, self.server)

    @contextlib.asynccontextmanager
    async def connected(self, node: Served) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port, ssl=self.client)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def outline(content: bytes) -> list[object]:
    return [len(content), sha1(content, usedforsecurity=False).hexdigest()]


def tell(block: int = 100_000) -> App:
    """Answer with what was asked, however large it is."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        content = await gathered(RequestBody(scope, receive, 20.0), block)
        told = [scope["method"], scope["path"], *outline(content)]
        await answer(send, json.dumps(told).encode())

    return app


def told_of(path: str, content: bytes, method: str = "POST") -> list[object]:
    return [method, path, *outline(content)]
