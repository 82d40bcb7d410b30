"""The node as an ASGI application, asked the way a server asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import anyio
import anyio.lowlevel
import httpx
import pytest

from storekit.qcache.node import node as node_module
from storekit.qcache.node.budget import Budget
from storekit.qcache.node.http import asgi as asgi_module
from storekit.qcache.node.http.asgi import Application, application
from storekit.qcache.node.http.bodies import Lines
from storekit.qcache.node.node import Node
from storekit.qcache.node.reading.csv_blocks import CsvBlocks

TABLE = b"a,b\n1,x\n2,y\n"
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
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


@pytest.fixture
async def app() -> AsyncIterator[Application]:
    app = application(Node(size=1_000_000))
    yield app
    await live(app)


async def test_tables_and_queries(app):
    status, _, _ = await call(app, "POST", "/qcache/dataset/k", body(TABLE))
    assert status == 201
    status, headers, content = await call(app, "GET", "/qcache/dataset/k", query=b"q={}")
    assert status == 200
    assert json.loads(content) == ROWS
    assert headers["x-qcache-unsliced-length"] == "2"
    status, _, content = await call(app, "POST", "/qcache/dataset/k/q", body(b'{"limit":1}'))
    assert json.loads(content) == ROWS[:1]
    assert (await call(app, "DELETE", "/qcache/dataset/k"))[0] == 200


async def test_httpx_can_call_it(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://node/qcache") as web:
        web.headers["accept"] = "application/json"
        answer = await web.post("/dataset/k", content=TABLE, headers={"content-type": "text/csv"})
        assert answer.status_code == 201
        answer = await web.get("/dataset/k", params={"q": "{}"})
        assert answer.json() == ROWS


async def test_the_path_is_taken_as_it_was_sent(app):
    await call(app, "POST", "/qcache/dataset/k", body(TABLE))
    assert (await call(app, "GET", "/qcache/dataset/%6B", query=b"q={}"))[0] == 404
    assert (await call(app, "GET", "/qcache/dataset/k", query=b"q={}", raw=False))[0] == 200
    assert (await call(app, "GET", "/qcache/dataset/k å", query=b"q={}", raw=False))[0] == 404


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("root", ["/tables", "/tables/", "/t å"])
async def test_a_framework_may_mount_it_below_a_path(app, root, raw):
    path = f"{root.rstrip('/')}/qcache/status"
    sent = quote(path) if raw else path
    assert (await call(app, "GET", sent, root=root, raw=raw))[0] == 200
    assert (await call(app, "GET", "/qcache/status", root=root, raw=raw))[0] == 200
    assert (await call(app, "GET", "/elsewhere/qcache/status", root=root, raw=raw))[0] == 404


async def test_headers_about_columns_are_utf_8(app):
    headers = {"x-qcache-stand-in-columns": "å='€'", "x-qcache-types": "ö=string"}
    table = body("ö\n1\n".encode())
    assert (await call(app, "POST", "/qcache/dataset/k", table, headers=headers))[0] == 201
    _, _, content = await call(app, "GET", "/qcache/dataset/k", query=b"q={}")
    assert json.loads(content) == [{"ö": "1", "å": "€"}]


async def test_a_body_in_pieces(app):
    pieces = [body(bytes([byte]), more=True) for byte in TABLE]
    status, _, _ = await call(app, "POST", "/qcache/dataset/k", *pieces, body(b""))
    assert status == 201
    _, _, content = await call(app, "GET", "/qcache/dataset/k", query=b"q={}")
    assert json.loads(content) == ROWS


async def test_a_large_answer_comes_in_pieces(app):
    table = b"t\n" + b"row with some text in it\n" * 30_000
    assert (await call(app, "POST", "/qcache/dataset/k", body(table)))[0] == 201
    headers = {"accept": "text/csv"}
    _, _, content = await call(app, "GET", "/qcache/dataset/k", query=b"q={}", headers=headers)
    assert content == table


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("path", "most"), [("/qcache/dataset/k", 1_000_000), ("/qcache/dataset/k/q", 100)]
)
async def test_too_large_a_body_is_refused(app, monkeypatch, announced, path, most):
    monkeypatch.setattr(node_module, "MOST_QUERY_BYTES", 100)
    pieces = [body(bytes(most // 2), more=True)] * 3
    headers = {"content-length": str(3 * (most // 2))} if announced else {}
    status, named, content = await call(app, "POST", path, *pieces, body(b""), headers=headers)
    assert status == 413
    assert named["connection"] == "close"
    assert str(most) in json.loads(content)["error"]
    # What was taken is given back.
    for _ in range(100):
        await call(app, "POST", path, *pieces, body(b""), headers=headers)
    assert (await call(app, "POST", "/qcache/dataset/k", body(TABLE)))[0] == 201


async def test_who_waits_to_be_asked_for_the_body_is_refused_at_once(app):
    headers = {"content-length": "2000000", "expect": "100-continue"}
    assert (await call(app, "POST", "/qcache/dataset/k", headers=headers))[0] == 413


async def test_who_waits_to_be_asked_for_the_body_and_is_not_is_told_that_this_is_the_end(app):
    headers = {"content-length": "20", "expect": "100-continue"}
    status, named, _ = await call(app, "POST", "/nowhere", headers=headers)
    assert (status, named["connection"]) == (404, "close")
    status, named, _ = await call(app, "POST", "/nowhere", headers={"content-length": "20"})
    assert status == 404
    assert "connection" not in named


async def test_too_much_content_on_its_way_is_refused_until_there_is_room(monkeypatch):
    monkeypatch.setattr(asgi_module, "_LEAST_ROOM", 1)
    app = application(Node(size=100))
    entered, go_on = anyio.Event(), anyio.Event()
    answers = []

    async def receive() -> dict[str, Any]:
        if not entered.is_set():
            entered.set()
            return body(b"n\n" + b"1\n" * 40, more=True)
        await go_on.wait()
        return body(b"")

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/qcache/dataset/k",
        "headers": [],
    }
    async with anyio.create_task_group() as group:
        group.start_soon(app, scope, receive, send)
        await entered.wait()
        await anyio.wait_all_tasks_blocked()
        status, named, _ = await call(app, "POST", "/qcache/dataset/l", body(b"n\n" + b"1\n" * 40))
        assert status == 503
        assert named["retry-after"] == "1"
        go_on.set()
    assert answers[0]["status"] == 201
    assert (await call(app, "POST", "/qcache/dataset/l", body(b"n\n" + b"1\n" * 40)))[0] == 201
    await live(app)


async def test_a_client_that_falls_silent_is_answered(app):
    app = application(Node(), body_timeout=0.01)
    status, named, _ = await call(app, "POST", "/qcache/dataset/k", body(b"a\n", more=True))
    assert status == 408
    assert named["connection"] == "close"
    status, _, _ = await call(app, "POST", "/qcache/dataset/k")
    assert status == 408


async def test_a_client_that_drips_is_answered(monkeypatch):
    now = iter(range(0, 10_000_000, 3))
    monkeypatch.setattr(asgi_module, "monotonic", lambda: float(next(now)))
    app = application(Node(), body_timeout=30.0)
    drops = [body(b"a", more=True)] * 1000
    assert (await call(app, "POST", "/qcache/dataset/k", *drops))[0] == 408


async def test_a_client_that_leaves_is_not_answered(app):
    gone = {"type": "http.disconnect"}
    sent = await call(app, "POST", "/qcache/dataset/k", body(TABLE, more=True), gone)
    assert sent == (0, {}, b"")
    assert (await call(app, "GET", "/qcache/dataset/k", query=b"q={}"))[0] == 404


LARGE = b"t\n" + b"row with some text in it\n" * 30_000


def large_query() -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/qcache/dataset/k",
        "query_string": b"q={}",
        "headers": [],
    }


async def no_body() -> dict[str, Any]:
    raise AssertionError("there is no body to read")


async def test_large_answers_on_their_way_are_bounded(monkeypatch):
    monkeypatch.setattr(asgi_module, "_LEAST_ROOM", 1)
    app = application(Node(size=1_000_000))
    await call(app, "POST", "/qcache/dataset/k", body(LARGE))
    stuck, go_on = anyio.Event(), anyio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            stuck.set()
            await go_on.wait()

    query = b"q={}"
    async with anyio.create_task_group() as group:
        group.start_soon(app, large_query(), no_body, send)
        await stuck.wait()
        status, named, _ = await call(app, "GET", "/qcache/dataset/k", query=query)
        assert (status, named["retry-after"]) == (503, "1")
        few = b"q=%7B%22limit%22:1%7D"
        assert (await call(app, "GET", "/qcache/dataset/k", query=few))[0] == 200
        go_on.set()
    assert (await call(app, "GET", "/qcache/dataset/k", query=query))[0] == 200
    await live(app)


async def test_a_client_that_takes_its_answer_in_drops_is_given_up(monkeypatch):
    app = application(Node(), send_timeout=30.0)
    await call(app, "POST", "/qcache/dataset/k", body(LARGE))
    now = iter(range(0, 10_000_000, 200))
    monkeypatch.setattr(asgi_module, "monotonic", lambda: float(next(now)))
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(large_query(), no_body, send)
    assert sent[-1]["more_body"]
    await live(app)


@pytest.mark.parametrize("taken", ["nothing", "the head"])
async def test_a_client_that_takes_no_answer_is_given_up(taken):
    app = application(Node(), send_timeout=0.01)
    assert (await call(app, "POST", "/qcache/dataset/k", body(LARGE)))[0] == 201
    pieces = 0

    async def send(message: Any) -> None:
        nonlocal pieces
        pieces += message["type"] == "http.response.body"
        if pieces or taken == "nothing":
            await anyio.sleep_forever()

    with anyio.fail_after(WAIT):
        await app(large_query(), no_body, send)
    assert pieces == (taken == "the head")
    await live(app)


@pytest.fixture
def slow(monkeypatch):
    """Queries that wait until they are told to go on."""
    go_on = threading.Event()
    real = node_module.run_query

    def run(*args):
        assert go_on.wait(WAIT)
        return real(*args)

    monkeypatch.setattr(node_module, "run_query", run)
    yield go_on
    go_on.set()


async def test_a_long_query_keeps_nothing_else_from_being_answered(app, slow):
    await call(app, "POST", "/qcache/dataset/k", body(TABLE))
    answers = []

    async def query() -> None:
        answers.append(await call(app, "GET", "/qcache/dataset/k", query=b"q={}"))

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(query)
        await anyio.wait_all_tasks_blocked()
        assert (await call(app, "GET", "/qcache/status"))[0] == 200
        assert (await call(app, "GET", "/qcache/statistics"))[0] == 200
        assert (await call(app, "GET", "/nowhere"))[0] == 404
        assert answers == []
        slow.set()
    assert [status for status, _, _ in answers] == [200] * 6


async def test_only_so_many_requests_wait(slow):
    app = application(Node(), threads=1, max_waiting=2)
    await call(app, "POST", "/qcache/dataset/k", body(TABLE))
    answers = []

    async def query() -> None:
        status, _, _ = await call(app, "GET", "/qcache/dataset/k", query=b"q={}")
        answers.append(status)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(query)
        with anyio.fail_after(WAIT):
            while len(answers) < 3:
                await anyio.lowlevel.checkpoint()
        assert answers == [503] * 3
        slow.set()
    assert sorted(answers) == [200, 200, 503, 503, 503]
    await live(app)


async def test_without_a_password_no_body_is_read():
    app = application(Node(auth=("ann", "secret")))
    headers = {"content-length": "10"}
    status, _, _ = await call(app, "POST", "/qcache/dataset/k", headers=headers)
    assert status == 401


async def test_there_are_no_websockets(app):
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close"}]


async def test_one_application_may_live_twice(app):
    await call(app, "POST", "/qcache/dataset/k", body(TABLE))
    await live(app)
    assert (await call(app, "GET", "/qcache/dataset/k", query=b"q={}"))[0] == 200


# Tables that are read while they come

EARLY = b"t,n\n" + b"".join(b"row with some text,%d\n" % n for n in range(1000))


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> list[CsvBlocks]:
    """All tables that were read early, as they are from few bytes on, and in small blocks."""
    made: list[CsvBlocks] = []

    class Noted(CsvBlocks):
        def __init__(self, types: Mapping[str, str], budget: Budget) -> None:
            super().__init__(types, budget)
            self.is_closed = False
            made.append(self)

        def close(self) -> None:
            super().close()
            self.is_closed = True

    monkeypatch.setattr(asgi_module, "_READ_EARLY", 1_000)
    monkeypatch.setattr(asgi_module, "Lines", partial(Lines, block=3_000))
    monkeypatch.setattr(node_module, "CsvBlocks", Noted)
    return made


@pytest.mark.parametrize("announced", [len(EARLY), len(EARLY) + 1000, len(EARLY) // 2])
@pytest.mark.parametrize("size", [7, 3_000, 1_000_000])
async def test_a_table_that_is_read_while_it_comes_is_no_other(app, early, announced, size):
    pieces = [body(EARLY[i : i + size], more=True) for i in range(0, len(EARLY), size)]
    headers = {"content-length": str(announced)}
    status, _, _ = await call(app, "POST", "/qcache/dataset/k", *pieces, body(b""), headers=headers)
    assert status == 201
    csv = {"accept": "text/csv"}
    _, _, content = await call(app, "GET", "/qcache/dataset/k", query=b"q={}", headers=csv)
    assert content == EARLY
    assert len(early) == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/qcache/dataset/k", {"content-length": "999"}),
        ("/qcache/dataset/k", {}),
        ("/qcache/dataset/k", {"content-length": "5000", "content-type": "application/json"}),
        ("/qcache/dataset/k", {"content-length": "5000", "content-encoding": "gzip"}),
        ("/qcache/dataset/k/q", {"content-length": "5000"}),
    ],
)
async def test_what_is_no_large_table_is_not_read_while_it_comes(app, early, path, headers):
    assert (await call(app, "POST", path, body(b"x"), headers=headers))[0] != 500
    assert early == []


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"type": "http.disconnect"}], 0),
        ([body(bytes(1_000_000), more=True), body(b"")], 413),
        ([], 408),
    ],
)
async def test_a_table_that_does_not_come_is_given_up(app, early, messages, status):
    app._body_timeout = 0.01 if status == 408 else WAIT
    headers = {"content-length": "5000"}
    sent = body(EARLY, more=True), *messages
    assert (await call(app, "POST", "/qcache/dataset/k", *sent, headers=headers))[0] == status
    assert [table.is_closed for table in early] == [True]
    assert app._room == app._most
    assert (await call(app, "GET", "/qcache/dataset/k", query=b"q={}"))[0] == 404


async def test_a_table_that_nobody_has_time_for_is_given_up(early, slow):
    app = application(Node(), threads=1, max_waiting=1)
    await call(app, "POST", "/qcache/dataset/k", body(TABLE))
    async with anyio.create_task_group() as group:
        group.start_soon(partial(call, app, "GET", "/qcache/dataset/k", query=b"q={}"))
        await anyio.wait_all_tasks_blocked()
        headers = {"content-length": str(len(EARLY))}
        status, _, _ = await call(app, "POST", "/qcache/dataset/l", body(EARLY), headers=headers)
        assert status == 503
        assert [table.is_closed for table in early] == [True]
        slow.set()
    await live(app)


# Who asks, and how content is packed for the way


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip,chunked", "chunked, gzip", "deflate"])
async def test_content_that_is_packed_for_the_way_is_not_taken_for_a_table(app, coding):
    headers = {"transfer-encoding": coding, "content-type": "text/csv"}
    status, headers, content = await call(
        app, "POST", "/qcache/dataset/k", body(TABLE), headers=headers
    )
    assert status == 501
    assert headers["connection"] == "close"
    assert "Transfer-Encoding must be chunked" in json.loads(content)["error"]
    assert (await call(app, "GET", "/qcache/dataset/k", query=b"q={}"))[0] == 404


async def test_chunked_is_written_in_any_case(app):
    headers = {"transfer-encoding": "Chunked"}
    assert (await call(app, "POST", "/qcache/dataset/k", body(TABLE), headers=headers))[0] == 201


async def test_who_asks_is_looked_at_before_anything_else():
    app = application(Node(auth=("ann", "s3cret")))
    foreign = {"host": "rebound.example"}
    for method, path in [("GET", "/nowhere"), ("POST", "/qcache/dataset/k"), ("PUT", "/")]:
        assert (await call(app, method, path, headers=foreign))[0] == 421  # nor is content read
    cross_site = {"host": "localhost", "sec-fetch-site": "cross-site"}
    assert (await call(app, "POST", "/qcache/dataset/k", headers=cross_site))[0] == 403
    assert (await call(app, "GET", "/qcache/statistics", headers=cross_site))[0] == 403
    assert (await call(app, "GET", "/qcache/status", headers=cross_site))[0] == 401
    await live(app)


async def test_hosts_and_origins_are_arguments_of_the_application():
    app = application(Node(), allow_hosts=["tables.example"], allow_origins=["https://app.example"])
    headers = {"host": "tables.example", "origin": "https://app.example"}
    status, told, _ = await call(app, "POST", "/qcache/dataset/k", body(TABLE), headers=headers)
    assert status == 201
    assert told["access-control-allow-origin"] == "https://app.example"
    asks = {**headers, "access-control-request-method": "DELETE"}
    status, told, _ = await call(app, "OPTIONS", "/qcache/dataset/k", headers=asks)
    assert status == 204
    assert told["access-control-allow-origin"] == "https://app.example"
    await live(app)
    with pytest.raises(ValueError, match="a host is a name"):
        application(Node(), allow_hosts=["http://tables.example"])
