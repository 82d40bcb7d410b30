"""The node as an ASGI application, asked the way a server asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import anyio
import anyio.lowlevel
import httpx
import pytest

from storekit.qcache.node import node as node_module
from storekit.qcache.node.http import asgi as asgi_module
from storekit.qcache.node.http.asgi import Application, application
from storekit.qcache.node.node import Node
from tests.node.asgi import TABLE, WAIT, body, call, live

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


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
