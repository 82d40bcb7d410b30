"""A client of an ASGI application that sends and takes what a test says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import anyio.lowlevel

from storekit.qcache.node.http.asgi import Application

TABLE = b"a,b\n1,x\n2,y\n"
WAIT = 20.0


def body(content: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


async def call(
    app: Application,
    method: str,
    path: str,
    *messages: dict[str, Any],
    query: bytes = b"",
    headers: Mapping[str, str] | None = None,
    raw: bool = True,
    root: str = "",
) -> tuple[int, dict[str, str], bytes]:
    """The answer to one request. When the messages are used up, the client is silent."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "root_path": root,
    }
    if raw:
        scope["raw_path"] = path.encode()
    coming = list(messages)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not coming:
            await anyio.sleep_forever()
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    with anyio.fail_after(WAIT):
        await app(scope, receive, send)
    if not sent:
        return 0, {}, b""
    start, *pieces = sent
    assert all(piece["more_body"] for piece in pieces[:-1])
    assert not pieces[-1].get("more_body", False)
    named = {name.decode(): value.decode() for name, value in start["headers"]}
    content = b"".join(piece["body"] for piece in pieces)
    if start["status"] != 304 and method != "HEAD":
        assert int(named["content-length"]) == len(content)
    return start["status"], named, content


async def live(app: Application) -> None:
    """Have the application shut down, as a server does."""
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
