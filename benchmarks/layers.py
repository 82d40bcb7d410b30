"""Our own layers against those of anyio: the socket stream, and waiting on asyncio.

For information, without targets. Comments in the source quote these figures.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from unittest import mock
from urllib.parse import urlsplit

import anyio

from benchmarks.clients import httpx_url, query_calls
from benchmarks.harness import Calls, Comparison, Contender, Row, run_on_loop
from storekit.core._async.stream import AsyncSocketStream
from storekit.core.seam.sockets._async import SocketReader

__all__ = ["compare", "contenders"]

_TASKS = (1, 32)

Call = Callable[[], Awaitable[object]]


def contenders(url: str, loops: list[str]) -> list[Contender]:
    """Round trips over streams, and queries with either way of waiting."""
    streams = [
        Contender(
            f"{name}, {_count(tasks)}, {loop}",
            partial(run_on_loop, loop, partial(_stream_calls, connect, url), tasks),
        )
        for loop in loops
        for tasks in _TASKS
        for name, connect in _STREAMS.items()
    ]
    waits = [
        Contender(f"{name}, {_count(tasks)}, asyncio", partial(run, url, tasks))
        for tasks in _TASKS
        for name, run in _WAITS.items()
    ]
    return streams + waits


def compare(rows: dict[str, Row], loops: list[str]) -> list[Comparison]:
    """How many times faster our layers are, by loop and tasks."""
    found = []
    for group, chosen in ((_STREAMS, loops), (_WAITS, ["asyncio"])):
        ours, *others = group
        for loop in chosen:
            for tasks in _TASKS:
                where = f"{_count(tasks)}, {loop}"
                found += [
                    Comparison.times_faster(rows, f"{ours}, {where}", f"{other}, {where}")
                    for other in others
                ]
    return found


def _count(tasks: int) -> str:
    return f"{tasks} task{'s' if tasks > 1 else ''}"


def _stream_calls(
    connect: Callable[[AsyncExitStack, str, int, bytes], Awaitable[Call]], url: str, tasks: int
) -> Calls:
    parts = urlsplit(httpx_url(url))
    request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nhost: {parts.netloc}\r\n\r\n".encode()

    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Call]]:
        async with AsyncExitStack() as stack:
            host, port = str(parts.hostname), int(parts.port or 80)
            yield [await connect(stack, host, port, request) for _ in range(tasks)]

    return calls()


async def _connect_ours(stack: AsyncExitStack, host: str, port: int, request: bytes) -> Call:
    connection = await AsyncSocketStream.connect(host, port, None, None)
    stack.callback(connection.close)

    async def call() -> bytes:
        deadline = time.monotonic() + 300
        await connection.send(request, 2, deadline)
        return await connection.receive(2, deadline)

    return call


async def _connect_anyio(stack: AsyncExitStack, host: str, port: int, request: bytes) -> Call:
    connection = await stack.enter_async_context(await anyio.connect_tcp(host, port))

    async def call() -> bytes:
        await connection.send(request)
        return await connection.receive()

    return call


async def _connect_anyio_timed(stack: AsyncExitStack, host: str, port: int, request: bytes) -> Call:
    connection = await stack.enter_async_context(await anyio.connect_tcp(host, port))

    async def call() -> bytes:
        with anyio.fail_after(2):
            await connection.send(request)
        with anyio.fail_after(2):
            return await connection.receive()

    return call


@contextmanager
def _anyio_wait() -> Iterator[None]:
    async def receive(reader: SocketReader, size: int, until: float | None) -> bytes:
        assert until is not None
        with anyio.move_on_after(until - time.monotonic()):
            await anyio.wait_readable(reader._sock)
        return reader._sock.recv(size)

    with mock.patch.object(SocketReader, "receive", receive):
        yield


def _query(url: str, tasks: int, calls: int) -> float:
    return run_on_loop("asyncio", partial(query_calls, url), tasks, calls)


def _query_with_anyio_wait(url: str, tasks: int, calls: int) -> float:
    with _anyio_wait():
        return _query(url, tasks, calls)


_STREAMS = {
    "stream, ours": _connect_ours,
    "stream, anyio without timeouts": _connect_anyio,
    "stream, anyio with fail_after": _connect_anyio_timed,
}
_WAITS = {
    "query, our wait": _query,
    "query, anyio's wait and scope": _query_with_anyio_wait,
}
