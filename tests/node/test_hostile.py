"""A served node and what nobody should send: it is answered within bounds, and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import lz4.block
import pytest
import uvicorn
from uvicorn.server import ServerState

from storekit.qcache import QClient, QClientException
from storekit.qcache.node.http import connections
from storekit.qcache.node.http.connections import BoundedConnection
from tests.support.served import *  # noqa: F403
from tools.qcache_server import QCacheServer

SIZE = 20_000_000
TABLE = b"a,b\n1,x\n2,y\n"
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
SOON = 20.0  # seconds in which everything here must be answered
CSV = {"content-type": "text/csv"}


@pytest.fixture(scope="module")
def server(served_executable: Path) -> Iterator[QCacheServer]:
    with QCacheServer(served_executable, size=SIZE) as server:
        yield server


@pytest.fixture
def web(server: QCacheServer) -> Iterator[httpx.Client]:
    """A client; the node is as good afterwards as it was before."""
    with httpx.Client(base_url=f"{server.url}/qcache", trust_env=False, timeout=SOON) as web:
        web.headers["accept"] = "application/json"
        assert web.post("/dataset/k", content=TABLE, headers=CSV).status_code == 201
        yield web
    with QClient([server.url], connect_timeout=SOON, read_timeout=SOON) as client:
        assert client.get("k", {}).json() == ROWS
    assert peak_memory(server) < 700 * 2**20


def peak_memory(server: QCacheServer) -> int:
    status = Path(f"/proc/{server.pid}/status")
    if not status.exists():
        return 0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def raw(server: QCacheServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=SOON)


def rest_of(sock: socket.socket) -> bytes:
    """What comes until the other side closes; a reset counts as that."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            got += piece
    return got


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
@pytest.mark.parametrize("path", ["/dataset/k", "/dataset/k/q"])
def test_bombs(web, encoding, path):
    content = b"a" * 2**30
    bomb = gzip.compress(content) if encoding == "gzip" else lz4.block.compress(content)
    assert len(bomb) < SIZE
    headers = {**CSV, "content-encoding": encoding}
    answer = web.post(path, content=bomb, headers=headers)
    assert answer.status_code == 413
    assert "error" in answer.json()


@pytest.mark.parametrize("depth", [1_000, 100_000, 3_000_000])
def test_deep_nesting(web, depth):
    deep = b"[" * depth + b"]" * depth
    headers = {"content-type": "application/json"}
    answer = web.post("/dataset/deep", content=b'[{"a":' + deep + b"}]", headers=headers)
    assert answer.status_code in (201, 400)
    answer = web.post("/dataset/k/q", content=b'{"where":' + deep + b"}")
    assert answer.status_code == 400
    operators = b'["!",' * depth + b'["isnull","a"]' + b"]" * depth
    answer = web.post("/dataset/k/q", content=b'{"where":' + operators + b"}")
    assert answer.status_code in (200, 400, 413)
    sub_queries = b'{"from":' * depth + b"{}" + b"}" * depth
    answer = web.post("/dataset/k/q", content=sub_queries)
    assert answer.status_code in (200, 400, 413)


@pytest.mark.parametrize("number", [b"9" * 5_000, b"-" + b"9" * 400_000, b"1e999999999", b"NaN"])
def test_numbers_without_end(web, number):
    headers = {"content-type": "application/json"}
    answer = web.post("/dataset/n", content=b'[{"a":' + number + b"}]", headers=headers)
    assert answer.status_code in (201, 400)
    answer = web.post("/dataset/n", content=b"a\n" + number + b"\n", headers=CSV)
    assert answer.status_code in (201, 400)
    for clause in (b'{"where":["==","a",%s]}', b'{"limit":%s}', b'{"where":["in","a",[%s]]}'):
        answer = web.post("/dataset/k/q", content=clause % number)
        assert answer.status_code in (200, 400)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "((a*)*)*b", "a{1000}{1000}"])
def test_patterns_without_end(web, pattern):
    table = b"s\n" + b"a" * 40 + b"\n"
    assert web.post("/dataset/s", content=table, headers=CSV).status_code == 201
    started = time.monotonic()
    query = json.dumps({"where": ["like", "s", f"'{pattern}'"]})
    answer = web.post("/dataset/s/q", content=query)
    assert answer.status_code in (200, 400)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "start",
    [
        b"GET /qcache/status HTTP/1.1\r\nX: ",
        b"GET /qcache/status HTTP/1.1\r\nX",
        b"GET /qcache/dataset/k?q=",
        b"POST /qcache/dataset/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ",
        b"POST /qcache/dataset/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
    ],
    ids=["value", "name", "target", "trailer", "extension"],
)
def test_what_has_no_end_is_cut_off(server, web, start):
    with raw(server) as sock:
        sock.sendall(start)
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                sock.sendall(b"x" * 65536)
            pytest.fail("64 MB were taken")
        rest_of(sock)


def test_too_many_headers(server, web):
    with raw(server) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"GET /qcache/status HTTP/1.1\r\n")
            sock.sendall(b"".join(b"X-%d: 1\r\n" % n for n in range(20_000)) + b"\r\n")
        answer = rest_of(sock)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


def test_a_head_of_almost_64_kib_is_fine(web):
    assert web.get("/status", headers={"X": "x" * 60_000}).text == "OK"
    answer = web.get("/status", headers={"X": "x" * 66_000})
    assert answer.status_code == 431


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"\0" * 1000,
        b"GET\r\n\r\n",
        b"GET /qcache/status HTTP/9.9\r\n\r\n",
        b"POST /qcache/dataset/k HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /qcache/dataset/k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        (
            b"POST /qcache/dataset/k HTTP/1.1\r\nContent-Length: 9\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"POST /qcache/dataset/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http(server, web, nonsense):
    with raw(server) as sock:
        sock.sendall(nonsense)
        sock.shutdown(socket.SHUT_WR)
        answer = rest_of(sock)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_content_that_is_announced_too_large(server, web):
    with raw(server) as sock:
        sock.sendall(
            b"POST /qcache/dataset/k HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 99999999999999999999999\r\n\r\n"
        )
        sock.shutdown(socket.SHUT_WR)
        answer = rest_of(sock)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    answer = web.post("/dataset/k", content=bytes(SIZE + 1), headers=CSV)
    assert answer.status_code == 413
    answer = web.post("/dataset/k", content=iter([bytes(2**20)] * 30), headers=CSV)
    assert answer.status_code == 413


def test_a_thousand_idle_connections(server, web):
    with contextlib.ExitStack() as sockets:
        for n in range(1000):
            sock = sockets.enter_context(raw(server))
            if n % 3 == 1:
                sock.sendall(b"GET /qcache/sta")
            elif n % 3 == 2:
                sock.sendall(b"POST /qcache/dataset/k HTTP/1.1\r\nContent-Length: 10\r\n\r\na")
        assert web.get("/status").text == "OK"
        answer = web.get("/dataset/k", params={"q": "{}"}, headers={"accept": "application/json"})
        assert answer.json() == ROWS


def test_a_thousand_connections_are_served_in_turn(server, web):
    request = b"GET /qcache/dataset/k?q=%7B%7D HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as sockets:
        socks = [sockets.enter_context(raw(server)) for _ in range(1000)]
        for sock in socks:
            sock.sendall(request)
        for sock in socks:
            answer = b""
            while not answer.endswith(b"]"):
                piece = sock.recv(65536)
                assert piece, answer
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_clients_that_leave_in_the_middle(server, web):
    for start in (b"", b"GET", b"POST /qcache/dataset/k HTTP/1.1\r\nContent-Length: 99\r\n\r\nabc"):
        for _ in range(50):
            with raw(server) as sock:
                sock.sendall(start)


def test_answers_that_nobody_takes(server, web):
    table = b"t\n" + b"a row of this table and not the last\n" * 200_000
    assert web.post("/dataset/large", content=table, headers=CSV).status_code == 201
    request = b"GET /qcache/dataset/large?q=%7B%7D HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as sockets:
        for _ in range(8):
            sockets.enter_context(raw(server)).sendall(request)
        assert web.get("/status").text == "OK"


def test_many_at_the_same_time_who_mean_no_good(server, web):
    def bother() -> None:
        with (
            contextlib.suppress(QClientException),
            QClient([server.url], connect_timeout=SOON, read_timeout=SOON) as client,
        ):
            for _ in range(10):
                with contextlib.suppress(QClientException):
                    client.get("k", {"where": ["like", "b", "'((((('"]})
                with contextlib.suppress(QClientException):
                    client.post("bad", b'a\n"')

    threads = [threading.Thread(target=bother) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


# Heads that never end


@pytest.mark.parametrize(
    ("after", "start"),
    [
        (b"", b""),
        (b"", b"GET /qcache/status HTTP/1.1\r\nX: "),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /qcache/status HTTP/1.1\r\nX: "),
    ],
)
def test_a_head_that_is_not_complete_in_time_ends_its_connection(monkeypatch, after, start):
    monkeypatch.setattr(connections, "_HEAD_TIMEOUT", 0.05)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def main() -> bytes:
        config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            lambda: BoundedConnection(config, state, {}), "127.0.0.1", 0
        )
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answer = b""
            if after:
                writer.write(after)
                answer = await reader.readuntil(b"\r\n\r\n")
            writer.write(start)
            async with asyncio.timeout(SOON):
                answer += await reader.read()
            writer.close()
            return answer

    answer = asyncio.run(main())
    assert answer.count(b"HTTP/1.1") == bool(after)
