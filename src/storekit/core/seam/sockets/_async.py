"""The async side of sockets: waiting until they are ready, and receiving."""

import asyncio
import math
import socket
import ssl
import threading
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from storekit.core.seam._async import call_blocking, monotonic

__all__ = [
    "AddressInfo",
    "SocketReader",
    "look_up",
    "wait_either",
    "wait_readable",
    "wait_writable",
]

AddressInfo = tuple[int, int, int, str, Any]

_NOT_YET = (BlockingIOError, ssl.SSLWantReadError)


async def wait_readable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` has data or has ended; `TimeoutError` at the time `until`."""
    await _wait(anyio.wait_readable, sock, until)


async def wait_writable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` can be written or is broken; `TimeoutError` at the time `until`."""
    await _wait(anyio.wait_writable, sock, until)


async def wait_either(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` can be written or has data; `TimeoutError` at the time `until`."""
    ready = anyio.Event()

    async def wait(wait_for: Callable[[socket.socket], Awaitable[None]]) -> None:
        await wait_for(sock)
        ready.set()

    with anyio.move_on_after(None if until is None else until - monotonic()):
        async with anyio.create_task_group() as group:
            group.start_soon(wait, anyio.wait_readable)
            group.start_soon(wait, anyio.wait_writable)
            await ready.wait()
            group.cancel_scope.cancel()
        return
    raise TimeoutError


async def _wait(
    wait: Callable[[socket.socket], Awaitable[None]], sock: socket.socket, until: float | None
) -> None:
    if until is None:
        await wait(sock)
        return
    with anyio.move_on_after(until - monotonic()):
        await wait(sock)
        return
    raise TimeoutError


async def look_up(host: str, port: int, until: float | None) -> Sequence[AddressInfo]:
    """Resolve a host name; `TimeoutError` at the time `until`."""
    with anyio.move_on_after(None if until is None else until - monotonic()):
        return await call_blocking(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    raise TimeoutError


class SocketReader:
    """Waits for data on one socket and receives it.

    On asyncio the socket stays registered with the loop between calls, which saves two system
    calls and a timer for each (`benchmarks/layers.py` compares it with a cancel scope and a
    registration for each call). If data arrives while no call waits, it is left in the kernel, and
    the registration ends until the next call.
    """

    __slots__ = (
        "__weakref__",
        "_due",
        "_loop",
        "_outcome",
        "_size",
        "_sock",
        "_thread",
        "_timer",
        "_until",
    )

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._size = 0
        self._loop: asyncio.AbstractEventLoop | None = None  # with which it is registered
        self._thread = 0  # of that loop
        self._outcome: asyncio.Future[bytes | Exception] | None = None
        self._until = 0.0  # when the call that waits is to end
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when the timer calls `on_timer`

    async def receive(self, size: int, until: float | None) -> bytes:
        """Wait for data and return it, at most `size` bytes; empty at the end.

        Raises `TimeoutError` at the time `until`, `ssl.SSLWantWriteError`, or another
        `OSError`.
        """
        loop = anyio.lowlevel.current_token().native_token
        wait = _wait_on_trio
        if isinstance(loop, asyncio.AbstractEventLoop):
            if self._watch(loop):
                return await self._receive_on_asyncio(loop, size, until)
            wait = wait_readable
        while True:
            await wait(self._sock, until)
            try:
                return self._sock.recv(size)
            except _NOT_YET:
                continue

    def _watch(self, loop: asyncio.AbstractEventLoop) -> bool:
        if self._loop is not loop:
            self.stop()
            try:
                loop.add_reader(self._sock.fileno(), _on_readable, weakref.ref(self))
            except NotImplementedError:  # the default loop on Windows; anyio works around it
                return False
            self._loop, self._thread = loop, threading.get_ident()
        return True

    async def _receive_on_asyncio(
        self, loop: asyncio.AbstractEventLoop, size: int, until: float | None
    ) -> bytes:
        self._size = size
        outcome: asyncio.Future[bytes | Exception] = loop.create_future()
        self._outcome = outcome
        self._until = math.inf if until is None else until
        if until is not None and (self._timer is None or until < self._due):
            self._set_timer(loop, until)
        try:
            received = await outcome
        finally:
            self._outcome = None
        if isinstance(received, Exception):
            raise received
        return received

    def on_readable(self) -> None:
        """Receive, for the waiting call, if there is one."""
        outcome = self._outcome
        if outcome is None or outcome.done():
            self._unwatch()
            return
        try:
            data = self._sock.recv(self._size)
        except _NOT_YET:
            return
        except OSError as error:
            outcome.set_result(error)
        else:
            outcome.set_result(data)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = loop.call_later(due - monotonic(), _on_timer, weakref.ref(self), loop)

    def on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail the waiting call if its time is over."""
        # One timer serves many calls: most are over before it ends, and then it is set again for
        # the call that waits now, if any.
        self._timer = None
        outcome = self._outcome
        if outcome is None or outcome.done():
            return
        if monotonic() >= self._until:
            outcome.set_result(TimeoutError())
        elif self._until < math.inf:
            self._set_timer(loop, self._until)

    def _unwatch(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        if self._thread == threading.get_ident() or not loop.is_running():
            loop.remove_reader(self._sock.fileno())
        else:  # the stream is closed, or used by another loop, in another thread
            loop.call_soon_threadsafe(loop.remove_reader, self._sock.fileno())

    def stop(self) -> None:
        """Unregister from the event loop; to be called before the socket is closed."""
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __del__(self) -> None:
        # If a client was dropped without being closed, the registration must end before the
        # file descriptor is reused.
        if self._loop is not None:
            self.stop()


# The loop has only a weak reference, so that it does not keep a dropped reader alive.


def _on_readable(reader: "weakref.ref[SocketReader]") -> None:
    alive = reader()
    if alive is not None:
        alive.on_readable()


def _on_timer(reader: "weakref.ref[SocketReader]", loop: asyncio.AbstractEventLoop) -> None:
    alive = reader()
    if alive is not None:
        alive.on_timer(loop)


async def _wait_on_trio(sock: socket.socket, until: float | None) -> None:
    import trio  # noqa: PLC0415 - loaded already: it is the loop that runs us

    if until is None:
        await trio.lowlevel.wait_readable(sock)
        return
    with trio.CancelScope(deadline=trio.current_time() + until - monotonic()):
        await trio.lowlevel.wait_readable(sock)
        return
    raise TimeoutError
