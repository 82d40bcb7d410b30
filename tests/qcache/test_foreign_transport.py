"""Clients over an httpx transport of the caller's, and servers that are not quite QCache."""

from __future__ import annotations

import gzip
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from storekit.errors import ClientClosed
from storekit.options import RetryPolicy
from storekit.qcache import (
    AsyncQClient,
    ClientBusy,
    ConnectionLost,
    MalformedQueryException,
    NodeTimeout,
    NodeUnreachable,
    QClient,
    UnexpectedServerResponse,
    UnsupportedAcceptType,
)

NODE = "http://host1:9401"
AT_ONCE = RetryPolicy(attempts=2, initial_backoff=0)

Handler = Callable[[httpx.Request], httpx.Response]


class Recorder:
    """Answers with what it was given, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok(content: bytes = b"[]", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        200,
        headers={"content-type": "application/json", "x-qcache-unsliced-length": "0", **named},
        content=content,
    )


async def run(handler: Handler, kind: str, method: str, *args: Any, **options: Any) -> Any:
    """Call one method of a client of this kind, over a mock of that kind."""
    if kind == "sync":
        with QClient([NODE], retry=AT_ONCE, transport=httpx.MockTransport(handler)) as client:
            return getattr(client, method)(*args, **options)

    async def handle(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return handler(request)

    transport = httpx.MockTransport(handle if kind == "async" else handler)
    async with AsyncQClient([NODE], retry=AT_ONCE, transport=transport) as client:
        return await getattr(client, method)(*args, **options)


every_kind = pytest.mark.parametrize("kind", ["async", "sync handler", "sync"])


@every_kind
async def test_the_request_is_complete(kind: str) -> None:
    handler = Recorder(ok(b'[{"a":1}]', x_qcache_unsliced_length="1"))
    result = await run(handler, kind, "get", "key", {"select": ["å+ &"]})
    assert result.json() == [{"a": 1}]
    (request,) = handler.requests
    assert request.method == "GET"
    assert request.url.copy_with(query=None) == httpx.URL(f"{NODE}/qcache/dataset/key")
    assert dict(request.url.params) == {"q": '{"select":["\\u00e5+ &"]}'}
    assert request.headers["host"] == "host1:9401"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert "content-length" not in request.headers
    assert set(request.extensions["timeout"]) == {"connect", "read", "write", "pool"}


@every_kind
async def test_an_upload_is_complete(kind: str) -> None:
    handler = Recorder(httpx.Response(201))
    await run(handler, kind, "post", "key", "a\n1\n", types={"a": "string"})
    (request,) = handler.requests
    assert (request.method, str(request.url)) == ("POST", f"{NODE}/qcache/dataset/key")
    assert request.content == b"a\n1\n"
    assert request.headers["content-length"] == "4"
    assert request.headers["content-type"] == "text/csv"
    assert request.headers["x-qcache-types"] == "a=string"
    assert request.extensions["timeout"]["read"] == 20


@every_kind
async def test_a_query_in_a_body_is_complete(kind: str) -> None:
    handler = Recorder(ok())
    await run(handler, kind, "get", "key", {"limit": 1}, post_query=True)
    (request,) = handler.requests
    assert (request.method, str(request.url)) == ("POST", f"{NODE}/qcache/dataset/key/q")
    assert request.content == b'{"limit":1}'
    assert request.headers["content-length"] == "11"


async def test_the_path_of_a_node_comes_before_that_of_qcache() -> None:
    handler = Recorder(ok())
    nodes = ["https://proxy.example/tables"]
    async with AsyncQClient(nodes, transport=httpx.MockTransport(handler)) as client:
        await client.get("key", {})
    assert handler.requests[0].url.path == "/tables/qcache/dataset/key"
    assert handler.requests[0].headers["host"] == "proxy.example"


@every_kind
async def test_packed_answers_of_a_foreign_transport_are_unpacked_once(kind: str) -> None:
    handler = Recorder(ok(gzip.compress(b'[{"a":1}]'), content_encoding="gzip"))
    result = await run(handler, kind, "get", "key", {})
    assert result.json() == [{"a": 1}]
    assert result.encoding is None, "the content is unpacked"


@every_kind
async def test_errors_of_a_foreign_transport_have_our_names(kind: str) -> None:
    for error, expected in [
        (httpx.ConnectError("refused"), NodeUnreachable),
        (httpx.ConnectTimeout("slow"), NodeTimeout),
        (httpx.ReadTimeout("slow"), NodeTimeout),
        (httpx.ReadError("reset"), ConnectionLost),
        (httpx.PoolTimeout("full"), ClientBusy),
    ]:
        with pytest.raises(expected) as caught:
            await run(Recorder(error), kind, "get", "key", {})
        assert caught.value.node == NODE


class Closable(httpx.MockTransport):
    closed = False

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


async def test_a_foreign_transport_is_not_closed() -> None:
    transport = Closable(Recorder(ok()))
    async with AsyncQClient([NODE], transport=transport) as client:
        await client.get("key", {})
    with QClient([NODE], transport=transport) as sync_client:
        sync_client.get("key", {})
    assert not transport.closed


async def test_a_closed_client_uses_no_foreign_transport() -> None:
    handler = Recorder(ok())
    client = AsyncQClient([NODE], transport=httpx.MockTransport(handler))
    await client.aclose()
    with pytest.raises(ClientClosed, match="get 'key': the client is closed"):
        await client.get("key", {})
    assert not handler.requests


class Pieces(httpx.AsyncByteStream, httpx.SyncByteStream):
    def __init__(self) -> None:
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"[", b"]")

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@every_kind
async def test_streamed_answers_are_read_and_closed(kind: str) -> None:
    stream = Pieces()
    headers = {"x-qcache-unsliced-length": "0", "content-type": "application/json"}
    handler = Recorder(httpx.Response(200, headers=headers, stream=stream))
    assert (await run(handler, kind, "get", "key", {})).json() == []
    assert stream.closed


async def test_an_endless_answer_is_cut_off_and_closed() -> None:
    class Endless(Pieces):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 1000

    stream = Endless()
    transport = httpx.MockTransport(Recorder(httpx.Response(200, stream=stream)))
    async with AsyncQClient([NODE], transport=transport, max_content_size=10_000) as client:
        with pytest.raises(UnexpectedServerResponse, match="more than 10000 bytes"):
            await client.get("key", {})
    assert stream.closed


async def test_a_sync_stream_of_an_async_transport_is_refused() -> None:
    class SyncOnly(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"[]"

    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=SyncOnly())

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await handle(request)

    async with AsyncQClient([NODE], transport=Transport()) as client:
        with pytest.raises(TypeError, match="not an AsyncByteStream"):
            await client.get("key", {})


def go_port(request: httpx.Request) -> httpx.Response:
    """Answers as the Go port of QCache does: plain text, 400 for a bad Accept, no delete."""
    if request.method == "DELETE":
        return httpx.Response(405)
    if request.method == "POST" and not request.url.path.endswith("/q"):
        if request.headers.get("content-type") not in ("text/csv", "application/json"):
            return httpx.Response(400, text="Unknown content type\n")
        return httpx.Response(201)
    if request.headers["accept"] not in ("text/csv", "application/json"):
        return httpx.Response(400, text=f"Unknown accept type: {request.headers['accept']}\n")
    if request.url.path.endswith("missing"):
        return httpx.Response(404, text="Dataset 'missing' does not exist\n")
    if "bad" in str(request.url):
        return httpx.Response(400, text="Query error: unknown clause\n")
    return ok()


@every_kind
async def test_the_go_port(kind: str) -> None:
    assert (await run(go_port, kind, "get", "key", {})).json() == []
    assert await run(go_port, kind, "get", "missing", {}) is None
    await run(go_port, kind, "post", "key", "a\n1\n")
    with pytest.raises(MalformedQueryException, match="Query error: unknown clause") as caught:
        await run(go_port, kind, "get", "key", {"bad": 1})
    assert caught.value.text == "Query error: unknown clause"
    with pytest.raises(UnsupportedAcceptType, match=r"accept was 'text/html'"):
        await run(go_port, kind, "get", "key", {}, accept="text/html")
    with pytest.raises(UnexpectedServerResponse, match="the Go port of QCache has no delete"):
        await run(go_port, kind, "delete", "key")
    with pytest.raises(UnexpectedServerResponse, match="Unknown content type"):
        await run(go_port, kind, "post", "key", "a\n1\n", content_type="text/plain")


def test_both_clients_have_the_same_face() -> None:
    def face(client: type) -> dict[str, list[str]]:
        return {
            name.removeprefix("a") if name == "aclose" else name: list(
                inspect.signature(member).parameters
            )
            for name, member in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }

    assert face(AsyncQClient) == face(QClient)
    assert list(inspect.signature(AsyncQClient).parameters) == list(
        inspect.signature(QClient).parameters
    )
