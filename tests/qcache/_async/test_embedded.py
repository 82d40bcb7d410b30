"""Clients of nodes in this process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from storekit.errors import ClientClosed, OwnerMismatch
from storekit.qcache import (
    AsyncQClient,
    MalformedQueryException,
    NodeStatistics,
    UnexpectedServerResponse,
    UnsupportedContentType,
)
from storekit.qcache.node import AsyncEmbeddedTransport, Node, registry
from storekit.qcache.node import node as node_module
from storekit.qcache.ring import HashRing
from tests.support.concurrency._async import Crew
from tests.support.stub_node import Answer, StubNode, result

TABLE = b"a,b\n1,x\n2,y\n"
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Queries that wait until they are told to go on."""
    go_on = threading.Event()
    real = node_module.run_query

    def run(*args):
        assert go_on.wait(20)
        return real(*args)

    monkeypatch.setattr(node_module, "run_query", run)
    yield go_on
    go_on.set()


async def test_a_client_with_a_node_of_its_own() -> None:
    async with AsyncQClient(["embedded:"]) as client:
        assert await client.get("k", {}) is None
        await client.post("k", TABLE, types={"b": "enum"})
        result = await client.get("k", {"where": ["==", "b", "'y'"]})
        assert result.json() == ROWS[1:]
        assert result.unsliced_result_len == 1
        assert (await client.get("k", {}, post_query=True)).json() == ROWS
        assert (await client.get("k", {}, accept="text/csv")).content == TABLE
        assert (await client.query("l", {}, lambda: TABLE)).json() == ROWS
        assert [page.json() async for page in client.pages("k", {}, 1)] == [ROWS[:1], ROWS[1:]]
        await client.delete("k")
        assert await client.get("k", {}) is None


async def test_each_client_has_its_own() -> None:
    async with AsyncQClient(["embedded:"]) as one, AsyncQClient(["embedded:"]) as other:
        await one.post("k", TABLE)
        assert await other.get("k", {}) is None


async def test_clients_share_a_node_with_a_name(fresh_key: Callable[[], str]) -> None:
    name = f"embedded:{fresh_key()}"
    async with AsyncQClient([name]) as one:
        await one.post("k", TABLE)
        async with AsyncQClient([name]) as other, AsyncQClient([f"{name}x"]) as third:
            assert (await other.get("k", {})).json() == ROWS
            assert await third.get("k", {}) is None
        assert (await one.get("k", {})).json() == ROWS


async def test_a_node_with_a_name_goes_with_its_last_client(fresh_key: Callable[[], str]) -> None:
    name = f"embedded:{fresh_key()}"
    async with AsyncQClient([name]) as one:
        await one.post("k", TABLE)
    gc.collect()
    async with AsyncQClient([name]) as other:
        assert await other.get("k", {}) is None


def test_clients_of_other_threads_share_it_too(fresh_key: Callable[[], str]) -> None:
    from storekit.qcache import QClient

    name = f"embedded:{fresh_key()}"
    seen = []

    def ask() -> None:
        with QClient([name]) as client:
            seen.append(client.get("k", {}).json())

    with QClient([name]) as client:
        client.post("k", TABLE)
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(20)
    assert seen == [ROWS]


async def test_status_and_statistics() -> None:
    async with AsyncQClient(["embedded:"]) as client:
        assert (await client.status())["embedded:"]
        await client.post("k", TABLE)
        await client.get("k", {})
        told = (await client.statistics())["embedded:"].statistics
        assert told["hit_count"] == 1
        assert told["store_count"] == 1
        assert told["dataset_count"] == 1
        assert client.get_statistics() == {"embedded:": NodeStatistics(requests=4)}


@pytest.mark.parametrize("compression", ["gzip", "lz4"])
async def test_compression(compression: str) -> None:
    table = b"a\n" + b"1\n" * 1000
    async with AsyncQClient(["embedded:"], compression=compression) as client:
        await client.post("k", table)
        result = await client.get("k", {}, accept="text/csv")
        assert result.encoding is None, "the content is unpacked"
        assert result.content == table


async def test_refusals_are_the_documented_errors() -> None:
    async with AsyncQClient(["embedded:"]) as client:
        await client.post("k", TABLE)
        with pytest.raises(MalformedQueryException, match="Unknown query clauses: bad"):
            await client.get("k", {"bad": 1})
        with pytest.raises(UnsupportedContentType):
            await client.post("k", TABLE, content_type="text/html")
        with pytest.raises(UnexpectedServerResponse):
            await client.post("k", b"")
        assert (await client.get("k", {})).json() == ROWS


async def test_embedded_nodes_and_others_share_a_ring() -> None:
    with StubNode(lambda request: Answer(result())) as stub:
        nodes = [stub.url, "embedded:"]
        ring = HashRing(nodes)
        keys = {ring.node_for(f"key-{n}"): f"key-{n}" for n in range(100)}
        async with AsyncQClient(nodes) as client:
            await client.post(keys["embedded:"], TABLE)
            assert (await client.get(keys["embedded:"], {})).json() == ROWS
            assert (await client.get(keys[stub.url], {})).json() == []
            assert {name: bool(ok) for name, ok in (await client.status()).items()} == {
                stub.url: True,
                "embedded:": True,
            }


async def test_an_embedded_node_stands_in_for_one_that_is_away() -> None:
    nodes = ["http://127.0.0.1:9", "embedded:"]
    ring = HashRing(nodes)
    key = next(f"key-{n}" for n in range(100) if ring.node_for(f"key-{n}") == nodes[0])
    async with AsyncQClient(nodes) as client:
        assert (await client.query(key, {}, lambda: TABLE)).json() == ROWS


async def test_another_transport_is_for_the_other_nodes() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(404)

    nodes = ["http://host1:9401", "embedded:"]
    async with AsyncQClient(nodes, transport=httpx.MockTransport(answer)) as client:
        for n in range(20):
            assert await client.get(f"key-{n}", {}) is None
    assert set(seen) == {"host1"}
    assert len(seen) < 20


@pytest.mark.parametrize(
    "node", ["embedded:a b", "embedded:a/b", "embedded:a?size=1", "embedded://a", "embedded:å"]
)
def test_a_name_that_no_node_can_have(node: str) -> None:
    with pytest.raises(ValueError, match="embedded:NAME"):
        AsyncQClient([node])


def test_without_polars_the_constructor_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['polars'] = None\n"
        "from storekit.qcache import QClient\n"
        "QClient(['http://host:9401'])\n"
        "try: QClient(['embedded:'])\n"
        "except ModuleNotFoundError as error: print(error)\n"
        "try: from storekit.qcache.node import Node\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'storekit[embedded]'" in done.stdout
    assert "pip install 'storekit[node]'" in done.stdout


async def test_a_closed_client_says_so() -> None:
    async with AsyncQClient(["embedded:"]) as client:
        await client.post("k", TABLE)
    with pytest.raises(ClientClosed):
        await client.get("k", {})


# The transport


async def test_a_node_with_other_limits() -> None:
    node = Node(size=1000, auth=("ann", "secret"))
    transport = AsyncEmbeddedTransport(node)
    async with AsyncQClient(["http://any"], transport=transport, auth=("ann", "secret")) as client:
        await client.post("k", TABLE)
        assert (await client.get("k", {})).json() == ROWS
        with pytest.raises(UnexpectedServerResponse) as caught:
            await client.post("k", b"a\n" + b"1\n" * 1000)
        assert caught.value.status == 413
        assert (await client.get("k", {})).json() == ROWS


async def test_an_httpx_client_can_use_it() -> None:
    async with httpx.AsyncClient(transport=AsyncEmbeddedTransport(Node())) as web:
        url = "http://any/qcache/dataset/k"
        csv = {"content-type": "text/csv", "accept": "application/json"}
        assert (await web.post(url, content=TABLE, headers=csv)).status_code == 201
        answer = await web.get(url, params={"q": "{}"}, headers=csv)
        assert answer.json() == ROWS
        assert answer.headers["content-encoding"] == "gzip"  # httpx asks for it

        async def pieces():
            yield TABLE[:4]
            yield TABLE[4:]

        assert (await web.post(f"{url}2", content=pieces(), headers=csv)).status_code == 201
        named = {**csv, "x-qcache-stand-in-columns": "å='€'".encode()}
        assert (await web.post(f"{url}3", content=b"a\n1\n", headers=named)).status_code == 201
        answer = await web.get(f"{url}3", params={"q": "{}"}, headers=csv)
        assert answer.json() == [{"a": 1, "å": "€"}]
        head = await web.head("http://any/qcache/status")
        assert (head.status_code, head.content) == (405, b"")


async def test_a_transport_that_is_closed_lets_go_of_its_node() -> None:
    node = Node()
    transport = AsyncEmbeddedTransport(node)
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(ClientClosed):
        await transport.handle_async_request(httpx.Request("GET", "http://any/qcache/status"))


def test_a_transport_takes_a_node() -> None:
    with pytest.raises(TypeError, match="node must be a Node"):
        AsyncEmbeddedTransport("embedded:")


async def test_many_calls_at_the_same_time() -> None:
    async with AsyncQClient(["embedded:"]) as client, Crew() as crew:
        await client.post("k", TABLE)
        jobs = [crew.start(lambda: client.get("k", {})) for _ in range(50)]
        for job in jobs:
            assert (await job.result()).json() == ROWS


async def test_a_long_query_keeps_no_other_call_waiting(slow: threading.Event) -> None:
    async with AsyncQClient(["embedded:"]) as client, Crew() as crew:
        await client.post("k", TABLE)
        job = crew.start(lambda: client.get("k", {}))
        await client.post("l", TABLE)
        assert (await client.status())["embedded:"]
        assert not job.ended()
        slow.set()
        assert (await job.result()).json() == ROWS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_has_nodes_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    one = registry.node_at("embedded:shared")
    assert registry.node_at("embedded:shared") is one
    monkeypatch.setattr(registry, "fork_count", lambda: 1)
    assert registry.node_at("embedded:shared") is not one


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_a_node_is_named_holds_up_nobody() -> None:
    code = (
        "import os, signal\n"
        "from storekit.qcache.node import registry\n"
        "with registry._lock:  # as another thread may\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        signal.alarm(10)\n"
        "        registry.node_at('embedded:name')\n"
        "        os._exit(0)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_transport_is_not_for_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = AsyncEmbeddedTransport(Node())
    module = sys.modules[AsyncEmbeddedTransport.__module__]
    monkeypatch.setattr(module, "fork_count", lambda: 1)
    with pytest.raises(OwnerMismatch, match="after the fork"):
        await transport.handle_async_request(httpx.Request("GET", "http://any/qcache/status"))
