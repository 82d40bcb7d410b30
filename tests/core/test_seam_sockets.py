"""Sockets and host names, as the async side of the seam has them, on each event loop."""

import asyncio
import contextlib
import gc
import socket
import threading
import weakref

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from storekit.core.seam._async import Event, checkpoint, monotonic
from storekit.core.seam.sockets._async import SocketReader, look_up, wait_readable, wait_writable
from tests.core.loops import both_backends


@pytest.fixture
def pair():
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


def stuff(sock: socket.socket) -> None:
    """Send until the socket takes no more."""
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(65536))


def drain(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.recv(65536):
            pass


def is_watched(sock: socket.socket) -> bool:
    """Whether an asyncio loop still has a callback for the socket, which this removes."""
    loop = anyio.lowlevel.current_token().native_token
    if not isinstance(loop, asyncio.AbstractEventLoop):
        return False
    return loop.remove_reader(sock.fileno()) or loop.remove_writer(sock.fileno())


@pytest.mark.parametrize("limit", [None, 60])
async def test_a_socket_is_readable_when_data_comes(pair, limit):
    left, right = pair
    woken = []

    async def read() -> None:
        await wait_readable(left, None if limit is None else monotonic() + limit)
        woken.append(left.recv(10))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        right.send(b"data")
    assert woken == [b"data"]
    assert not is_watched(left)


async def test_a_socket_is_readable_at_the_end_of_its_data(pair):
    left, right = pair
    right.close()
    await wait_readable(left, None)
    assert left.recv(10) == b""


@pytest.mark.parametrize("limit", [None, 60])
async def test_a_socket_is_writable_when_the_other_end_reads(pair, limit):
    left, right = pair
    stuff(left)
    woken = []

    async def write() -> None:
        await wait_writable(left, None if limit is None else monotonic() + limit)
        woken.append(left.send(b"data"))

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        drain(right)
    assert woken == [4]
    assert not is_watched(left)


@pytest.mark.parametrize("seconds", [-1, 0, 0.01])
@pytest.mark.parametrize("wait", [wait_readable, wait_writable])
async def test_waiting_for_a_socket_ends_when_the_time_is_up(pair, wait, seconds):
    left, right = pair
    stuff(left)
    limit = monotonic() + seconds
    with pytest.raises(TimeoutError):
        await wait(left, limit)
    assert monotonic() >= limit - 0.002  # uvloop counts in milliseconds
    assert not is_watched(left)
    drain(right)
    right.send(b"data")
    await wait(left, monotonic() + 60)


@pytest.mark.parametrize("limit", [None, 60])
@pytest.mark.parametrize("wait", [wait_readable, wait_writable])
async def test_a_cancelled_wait_leaves_the_socket_unwatched(pair, wait, limit):
    left, right = pair
    stuff(left)
    async with anyio.create_task_group() as group:
        group.start_soon(wait, left, None if limit is None else monotonic() + limit)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert not is_watched(left)
    drain(right)
    right.send(b"data")
    await wait(left, monotonic() + 60)


async def test_after_a_cancelled_wait_the_descriptor_can_belong_to_another_socket(pair):
    left, _ = pair
    descriptor = left.fileno()
    async with anyio.create_task_group() as group:
        group.start_soon(wait_readable, left, None)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    left.close()
    new_left, new_right = socket.socketpair()
    with new_left, new_right:
        assert descriptor in (new_left.fileno(), new_right.fileno())
        for sock in new_left, new_right:
            sock.setblocking(False)
            with pytest.raises(TimeoutError):
                await wait_readable(sock, monotonic())
        new_right.send(b"data")
        await wait_readable(new_left, monotonic() + 60)


@pytest.mark.parametrize("wait", [wait_readable, wait_writable])
def test_a_wait_that_ended_leaves_no_timer(pair, wait):
    left, right = pair
    right.send(b"data")

    async def main() -> None:
        await wait(left, monotonic() + 3600)
        timers = asyncio.get_running_loop()._scheduled
        assert all(timer.cancelled() for timer in timers)

    anyio.run(main, backend="asyncio")


# Host names.


@pytest.mark.parametrize("limit", [None, 60])
async def test_a_look_up_returns_addresses_for_streams(limit):
    answers = await look_up("localhost", 4321, None if limit is None else monotonic() + limit)
    assert answers
    for _, kind, _, _, address in answers:
        assert kind == socket.SOCK_STREAM
        assert address[1] == 4321


async def test_a_name_that_does_not_exist_is_an_error_of_the_system():
    with pytest.raises(OSError):
        await look_up("no-such-host.invalid", 1, monotonic() + 60)


@both_backends
def test_a_resolver_that_hangs_is_left_behind(backend, monkeypatch):
    asked, answered = threading.Event(), threading.Event()

    def hang(host, port, family=0, type=0, proto=0, flags=0) -> list:  # noqa: A002
        if flags & socket.AI_NUMERICHOST:  # trio asks this first, and it takes no time
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        asked.set()
        answered.wait(60)
        return []

    async def main() -> None:
        try:
            with pytest.raises(TimeoutError):
                await look_up("localhost", 1, monotonic() + 0.05)
            assert asked.is_set()
        finally:
            answered.set()

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    anyio.run(main, backend=backend)


async def test_a_call_without_a_limit_outlasts_the_limit_of_the_call_before(pair):
    left, right = pair
    reader = SocketReader(left)
    right.send(b"first")
    assert await reader.receive(10, monotonic() + 0.05) == b"first"
    received = []

    async def receive() -> None:
        received.append(await reader.receive(10, None))

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        assert not await Event().wait(0.15)  # well past the first limit
        right.send(b"second")
    reader.stop()
    assert received == [b"second"]


async def test_a_loop_does_not_keep_a_reader_alive(pair):
    left, right = pair
    reader = SocketReader(left)
    right.send(b"data")
    await reader.receive(10, monotonic() + 60)
    alive = weakref.ref(reader)
    del reader
    gc.collect()
    assert alive() is None
    with pytest.raises(TimeoutError):  # nor is anything left in the way of another
        await SocketReader(left).receive(10, monotonic())


async def test_what_arrives_while_nobody_asks_stays_in_the_kernel(pair):
    left, right = pair
    reader = SocketReader(left)
    right.send(b"asked")
    await reader.receive(10, monotonic() + 60)
    right.send(b"unasked")
    for _ in range(5):
        await checkpoint()
    assert left.recv(10) == b"unasked"
    reader.stop()


class BlindLoop(asyncio.SelectorEventLoop):
    """Watches no sockets for others, like the default loop of Windows."""

    def add_reader(self, *args) -> None:
        raise NotImplementedError


def test_a_loop_that_cannot_watch_sockets_receives_all_the_same(pair):
    left, right = pair

    async def main() -> bytes:
        right.send(b"data")
        return await SocketReader(left).receive(10, monotonic() + 10)

    received = anyio.run(main, backend="asyncio", backend_options={"loop_factory": BlindLoop})
    assert received == b"data"
