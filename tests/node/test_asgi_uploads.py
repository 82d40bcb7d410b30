"""Tables that the ASGI application reads while they come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from storekit.qcache.node import node as node_module
from storekit.qcache.node.budget import Budget
from storekit.qcache.node.http import asgi as asgi_module
from storekit.qcache.node.http.asgi import Application, application
from storekit.qcache.node.http.bodies import Lines
from storekit.qcache.node.node import Node
from storekit.qcache.node.reading.csv_blocks import CsvBlocks
from tests.node.asgi import TABLE, WAIT, body, call, live


@pytest.fixture
async def app() -> AsyncIterator[Application]:
    app = application(Node(size=1_000_000))
    yield app
    await live(app)


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
