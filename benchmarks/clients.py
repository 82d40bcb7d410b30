"""The compared clients (ours, qcache-client, and httpx), each making the same query."""

import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import quote, urlsplit

import httpx
import qclient  # type: ignore[import-untyped]

from benchmarks.harness import WARM_UP, Calls, Contender, run_on_loop, time_calls
from storekit.qcache import AsyncQClient, QClient

__all__ = ["KEY", "QUERY", "contenders", "httpx_url", "query_calls"]

KEY = "some_key"
QUERY = {"select": ["key", "value"], "where": ["<", "value", 5]}

_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "storekit"}


def query_calls(url: str, tasks: int) -> Calls:
    """Calls of `AsyncQClient.get`, all on one client."""

    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Callable[[], Awaitable[object]]]]:
        async with AsyncQClient([url]) as client:
            assert await client.get(KEY, QUERY) is not None
            yield [partial(client.get, KEY, QUERY)] * tasks

    return calls()


def _httpx_calls(url: str, tasks: int) -> Calls:
    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Callable[[], Awaitable[object]]]]:
        async with httpx.AsyncClient(headers=_HEADERS, trust_env=False) as client:
            (await client.get(url)).raise_for_status()
            yield [partial(client.get, url)] * tasks

    return calls()


def httpx_url(url: str, key: str = KEY) -> str:
    """The URL of the query, which the other clients build themselves."""
    text = json.dumps(QUERY, separators=(",", ":"))
    return f"{url}/qcache/dataset/{key}?q={quote(text, safe='')}"


def _run_sync(url: str, calls: int) -> float:
    with QClient([url]) as client:
        return time_calls(partial(client.get, KEY, QUERY), calls)


def _run_peer(url: str, calls: int) -> float:
    client = qclient.QClient([url], trust_env=False)
    with client.session:
        return time_calls(partial(client.get, KEY, QUERY), calls)


def _run_bare(url: str, calls: int) -> float:
    parts = urlsplit(httpx_url(url))
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in _HEADERS.items()]
    request = "\r\n".join([*lines, "\r\n"]).encode()
    with socket.create_connection((parts.hostname, parts.port)) as bare:
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def call() -> None:
            bare.sendall(request)
            bare.recv(65536)

        return time_calls(call, calls)


def _work(call: Callable[[], object], left: Iterator[int]) -> None:
    for _ in left:
        call()


def _run_peer_in_threads(url: str, threads: int, calls: int) -> float:
    # A client for each thread: a shared one is no faster, and its pool of ten connections
    # discards further ones after each call, with a warning.
    clients = [qclient.QClient([url], trust_env=False) for _ in range(threads)]
    functions = [partial(client.get, KEY, QUERY) for client in clients]

    def spread(count: int) -> None:
        left = iter(range(count))
        for future in [pool.submit(_work, function, left) for function in functions]:
            future.result()

    try:
        with ThreadPoolExecutor(max_workers=threads) as pool:
            spread(WARM_UP * threads)
            started = time.perf_counter()
            spread(calls)
            return time.perf_counter() - started
    finally:
        for client in clients:
            client.session.close()


def contenders(url: str, tasks: int, loops: list[str]) -> list[Contender]:
    """All contenders of the small query."""
    ours = [
        Contender(f"AsyncQClient, {tasks} tasks, {loop}", partial(_run_async, url, loop, tasks))
        for loop in loops
    ]
    return [
        Contender("bare socket, 1 thread", partial(_run_bare, url)),
        Contender("QClient, 1 thread", partial(_run_sync, url)),
        Contender("qcache-client, 1 thread", partial(_run_peer, url)),
        *ours,
        Contender(f"qcache-client, {tasks} threads", partial(_run_peer_in_threads, url, tasks)),
        Contender(
            f"httpx.AsyncClient, {tasks} tasks, asyncio",
            partial(run_on_loop, "asyncio", partial(_httpx_calls, httpx_url(url)), tasks),
        ),
    ]


def _run_async(url: str, loop: str, tasks: int, calls: int) -> float:
    return run_on_loop(loop, partial(query_calls, url), tasks, calls)
