"""What is left of a call that was cancelled: nothing, at whatever stage it was."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest

from storekit.core._async.stream import AsyncSocketStream
from storekit.core._async.transport import AsyncHTTPTransport
from storekit.options import PoolLimits
from tests.support.stub_server import (
    EagerSocket,
    Peer,
    StubServer,
    echo,
    reply,
    silent,
    swallowing_port,
)

PATIENCE = 20
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def fetch(
    transport: AsyncHTTPTransport, url: str, method: str = "GET", content: bytes | None = None
) -> bytes:
    # There is no time limit: only the cancellation can end a call that hangs.
    response = await transport.handle_async_request(httpx.Request(method, url, content=content))
    return await response.aread()


async def cancel_when(
    reached: Callable[[], Awaitable[None]], call: Callable[[], Awaitable[object]]
) -> None:
    """Start a call, cancel it at a certain stage, and see it end with nothing else."""
    outcome = []

    async def run() -> None:
        try:
            outcome.append(await call())
        except BaseException as error:
            outcome.append(error)
            raise

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await reached()
            group.cancel_scope.cancel()
    assert len(outcome) == 1
    assert isinstance(outcome[0], anyio.get_cancelled_exc_class())


def assert_accounts_for_all(transport: AsyncHTTPTransport, *, idle: int) -> None:
    for pool in transport.statistics().values():
        assert (pool.leased, pool.connecting, pool.waiting) == (0, 0, 0)
        assert pool.size == pool.idle == idle


def held(server: StubServer, count: int = 1) -> Callable[[], Awaitable[None]]:
    return partial(anyio.to_thread.run_sync, server.wait_reached, count)


async def ended(server: StubServer, count: int = 1) -> None:
    await anyio.to_thread.run_sync(server.wait_ended, count)


@pytest.fixture
async def transport():
    # One place: what a cancelled call does not give back is missed by the next.
    async with AsyncHTTPTransport(limits=PoolLimits(max_size=1)) as transport:
        yield transport


async def assert_next_call_is_served(transport: AsyncHTTPTransport, server: StubServer) -> None:
    with anyio.fail_after(PATIENCE):
        assert await fetch(transport, f"{server.url}next") == b"/next "
    assert_accounts_for_all(transport, idle=1)


async def test_during_the_look_up(transport, monkeypatch):
    looking_up = anyio.Event()

    async def look_up(host: str, port: int, until: float | None) -> None:
        looking_up.set()
        await anyio.sleep_forever()

    with StubServer(echo) as server:
        with monkeypatch.context() as patch:
            patch.setattr("storekit.core._async.stream.look_up", look_up)
            url = f"http://localhost:{server.port}/"
            await cancel_when(looking_up.wait, partial(fetch, transport, url))
        assert_accounts_for_all(transport, idle=0)
        with anyio.fail_after(PATIENCE):
            assert await fetch(transport, url) == b"/ "


async def test_while_it_connects(transport, monkeypatch):
    with swallowing_port() as port, StubServer(echo) as server:
        sockets: list[socket.socket] = []
        made = socket.socket

        def make(*args: int) -> socket.socket:
            sockets.append(made(*args))
            return sockets[-1]

        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", make)
            await cancel_when(
                anyio.wait_all_tasks_blocked,
                partial(fetch, transport, f"http://127.0.0.1:{port}/"),
            )
        (sock,) = sockets
        assert sock.fileno() == -1
        assert_accounts_for_all(transport, idle=0)
        with anyio.fail_after(PATIENCE):
            assert await fetch(transport, server.url) == b"/ "


async def test_during_the_handshake(transport):
    def script(peer: Peer) -> None:
        peer.read(5)
        peer.hold_open()

    with StubServer(script) as server:
        url = f"https://{server.authority}/"
        await cancel_when(held(server), partial(fetch, transport, url))
        assert_accounts_for_all(transport, idle=0)
        await ended(server)


async def test_while_it_sends(transport):
    body = b"x" * (32 << 20)
    taken: list[int] = []

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.hold()
        taken.append(peer.read_to_end())

    with StubServer(script, echo) as server:
        call = partial(fetch, transport, server.url, "PUT", body)
        await cancel_when(held(server), call)
        assert_accounts_for_all(transport, idle=0)
        server.release()
        await ended(server)
        assert taken[0] < len(body)
        await assert_next_call_is_served(transport, server)


async def test_while_a_stream_has_nothing_to_send(transport):
    started = anyio.Event()

    class Body(httpx.AsyncByteStream):
        closed = False

        async def __aiter__(self):
            try:
                yield b"x"
                started.set()
                await anyio.sleep_forever()
            finally:
                self.closed = True

    def script(peer: Peer) -> None:
        peer.read_to_end()

    body = Body()
    with StubServer(script, echo) as server:
        request = httpx.Request(
            "PUT", server.url, headers={"Transfer-Encoding": "chunked"}, stream=body
        )
        await cancel_when(started.wait, partial(transport.handle_async_request, request))
        assert body.closed
        assert_accounts_for_all(transport, idle=0)
        await ended(server)
        await assert_next_call_is_served(transport, server)


async def test_while_it_waits_for_the_reply(transport):
    with StubServer(silent, echo) as server:
        await cancel_when(held(server), partial(fetch, transport, f"{server.url}former"))
        assert_accounts_for_all(transport, idle=0)
        await ended(server)
        await assert_next_call_is_served(transport, server)


async def test_a_late_reply_is_nobodys(transport):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.hold()
        peer.send(reply(b"for the former"))
        peer.read_to_end()

    with StubServer(script, echo) as server:
        await cancel_when(held(server), partial(fetch, transport, f"{server.url}former"))
        server.release()
        await assert_next_call_is_served(transport, server)
        await ended(server)
    assert server.connections == 2


async def test_on_a_connection_that_served_before(transport):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(reply(b"first"))
        silent(peer)

    with StubServer(script, echo) as server:
        assert await fetch(transport, server.url) == b"first"
        await cancel_when(held(server), partial(fetch, transport, server.url))
        assert_accounts_for_all(transport, idle=0)
        await ended(server)
        await assert_next_call_is_served(transport, server)
    # A cancelled call must not pass for one that a closed connection cut short.
    assert [request.target for request in server.requests] == ["/", "/", "/next"]


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst",
        b"HTTP/1.1 200 OK\r\n\r\nfirst",
        CHUNKED + b"5\r\nfirst",
        CHUNKED + b"5\r\nfirst\r\n0\r\n",
    ],
    ids=["head", "before content", "content", "no length", "chunk", "trailers"],
)
async def test_while_it_reads(transport, beginning):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(beginning)
        peer.hold_open()

    with StubServer(script, echo) as server:
        await cancel_when(held(server), partial(fetch, transport, server.url))
        assert_accounts_for_all(transport, idle=0)
        await ended(server)
        await assert_next_call_is_served(transport, server)


async def test_between_two_pieces_of_a_reply(transport):
    read_one = anyio.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(CHUNKED + b"5\r\nfirst\r\n")
        peer.hold_open()

    async def call() -> None:
        response = await transport.handle_async_request(httpx.Request("GET", server.url))
        try:
            async for piece in response.stream:
                assert piece == b"first"
                read_one.set()
                await anyio.sleep_forever()
        finally:
            await response.aclose()

    with StubServer(script, echo) as server:
        await cancel_when(read_one.wait, call)
        assert_accounts_for_all(transport, idle=0)
        await ended(server)
        await assert_next_call_is_served(transport, server)


async def test_while_it_waits_for_a_connection(transport):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.hold()
        peer.send(reply(b"served"))
        echo(peer)

    results = []

    async def leading() -> None:
        results.append(await fetch(transport, server.url))

    async def is_waiting() -> None:
        while next(iter(transport.statistics().values())).waiting != 1:
            await anyio.lowlevel.checkpoint()

    with StubServer(script) as server, anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(leading)
            await held(server)()
            await cancel_when(is_waiting, partial(fetch, transport, f"{server.url}late"))
            server.release()
        assert results == [b"served"]
        await assert_next_call_is_served(transport, server)
    assert [request.target for request in server.requests] == ["/", "/next"]


async def test_while_no_call_on_the_socket_has_to_wait():
    with EagerSocket() as sock, anyio.CancelScope() as scope:
        stream = AsyncSocketStream(sock)
        scope.cancel()
        for _ in range(1000):
            await stream.receive(None, None)
    assert scope.cancelled_caught


async def test_over_tls_while_it_waits_for_the_reply(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    with StubServer(silent, echo, tls=context) as server:
        async with AsyncHTTPTransport(
            verify=certificates.ca, limits=PoolLimits(max_size=1)
        ) as transport:
            await cancel_when(held(server), partial(fetch, transport, server.url))
            assert_accounts_for_all(transport, idle=0)
            await ended(server)
            await assert_next_call_is_served(transport, server)


@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
async def test_at_any_switch_of_tasks(kept):
    """Cancel after 0, 1, 2 ... switches: each former reply stays with its own connection."""
    body = b"x" * 200_000

    def script(peer: Peer) -> None:
        with contextlib.suppress(ValueError):  # a chunk that the client did not finish
            echo(peer)

    with StubServer(script) as server:
        async with AsyncHTTPTransport(limits=PoolLimits(max_size=2)) as transport:
            for steps in range(40):
                if kept:
                    await fetch(transport, server.url)
                async with anyio.create_task_group() as group:
                    for name in "a", "b":
                        url = f"{server.url}former/{steps}/{name}"
                        group.start_soon(fetch, transport, url, "PUT", body)
                    for _ in range(steps):
                        await anyio.lowlevel.checkpoint()
                    group.cancel_scope.cancel()
                for pool in transport.statistics().values():
                    assert (pool.leased, pool.connecting, pool.waiting) == (0, 0, 0)
                    assert pool.size == pool.idle
                with anyio.fail_after(PATIENCE):
                    content = await fetch(transport, f"{server.url}{steps}", "PUT", body)
                assert content == b"/%d " % steps + body
