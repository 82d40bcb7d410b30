"""The async side of the seam: anyio, and the one place that asks asyncio or trio directly."""

import asyncio
import inspect
import logging
import math
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

from storekit.core.arguments import check_callable
from storekit.core.shortage import raise_shortage

__all__ = [
    "BackgroundTasks",
    "Event",
    "Guard",
    "SocketReader",
    "answer_in",
    "call_beside",
    "call_blocking",
    "call_here",
    "call_user_function",
    "call_within",
    "check_callback",
    "checkpoint",
    "current_owner",
    "look_up",
    "monotonic",
    "run_all",
    "shielded",
    "sleep",
    "wait_either",
    "wait_readable",
    "wait_writable",
]

P = ParamSpec("P")
T = TypeVar("T")

monotonic = time.monotonic
sleep = anyio.sleep
checkpoint = anyio.lowlevel.checkpoint

_log = logging.getLogger("storekit")


class Guard:
    """Protects state changes. One event loop runs them one after the other: nothing to do."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, *exc_info: object) -> None: ...


class Event:
    """A flag that tasks can wait for."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake everyone who waits, now and later."""
        self._event.set()

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until set; False when `timeout` seconds passed first."""
        with anyio.move_on_after(timeout):
            await self._event.wait()
        return self._event.is_set()


def answer_in(ask: Callable[[T], Awaitable[bool]], item: T, name: str) -> bool:  # noqa: ARG001 - only the sync side uses them
    """Refuse the operator `in`, which can't wait for an answer."""
    raise TypeError(f"`in` can't wait for the store: write `await client.{name}(alias)`")


def current_owner() -> object:
    """Return what a client belongs to while it is in use: the thread of its event loop.

    One thread runs one event loop at a time, and asking for the thread is the cheapest.
    """
    return threading.get_ident()


async def shielded(call: Callable[P, Awaitable[object]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run a clean-up to its end although the caller is cancelled, for at most 2 seconds."""
    with anyio.move_on_after(2, shield=True):
        await call(*args, **kwargs)


async def run_all(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run all calls at the same time; results in order. The first error stops the rest."""
    results: dict[int, T] = {}
    errors: list[Exception] = []

    async def run(index: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[index] = await call()
        except Exception as error:  # noqa: BLE001 - raised below, and not in a group
            errors.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index, call in enumerate(calls):
            group.start_soon(run, index, call)
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(calls))]


async def call_user_function(
    function: Callable[..., T | Awaitable[T]], kwargs: Mapping[str, object]
) -> T:
    """Call a function of the user's, sync or async, without blocking the event loop.

    A plain function runs in a thread. When the caller is cancelled, that thread runs on to
    its end and the result is dropped. These threads are not those of `call_blocking`, and
    there may be any number of them, as of async functions: one may wait for what another
    one, or the library, has yet to do.
    """
    call = partial(function, **kwargs)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    ):
        result = call()
    else:
        result = await _in_thread(call, _user_threads)
    if inspect.isawaitable(result):
        return await result
    return result


async def call_here(function: Callable[..., object], *args: object) -> None:
    """Call a function of the user's in this task, and await what it returns if that can be."""
    result = function(*args)
    if inspect.isawaitable(result):
        await result


def check_callback(name: str, function: object) -> None:
    """Raise `TypeError` for what is no function, sync or async, for `call_here`."""
    check_callable(name, function)


async def call_blocking(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run work that would block the event loop in a thread.

    When the caller is cancelled, the thread runs on to its end and the result is dropped.
    At most 40 run at a time for one event loop; neither functions of the user's nor threads
    of the program are among them. Raises `OutOfResources` if no thread can be started.
    """
    return await _in_thread(partial(call, *args, **kwargs), _library_threads)


_library_threads: RunVar[CapacityLimiter] = RunVar("threads of storekit")
_user_threads: RunVar[CapacityLimiter] = RunVar("threads of storekit for functions of its users")
_LIBRARY_THREADS = 40


async def _in_thread(call: Callable[[], T], threads: RunVar[CapacityLimiter]) -> T:
    limiter = threads.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_LIBRARY_THREADS if threads is _library_threads else math.inf)
        threads.set(limiter)
    began = False

    def run() -> tuple[T]:
        nonlocal began
        began = True
        return (call(),)  # in a tuple, since trio refuses to get a coroutine from a thread

    try:
        (result,) = await anyio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=limiter)
    except RuntimeError as error:
        if not began:
            raise_shortage(error, "start a thread")
        raise
    return result


async def call_within(timeout: float, call: Callable[[], Awaitable[T]]) -> T:
    """Return what `call` returns; `TimeoutError` if that takes more than `timeout` seconds."""
    with anyio.fail_after(timeout):
        return await call()


async def call_beside(
    call: Callable[[], Awaitable[T]], watch: Callable[[], Awaitable[object]]
) -> T:
    """Return what `call` returns. `watch` runs meanwhile, and is cancelled then."""
    results: list[T] = []
    errors: list[Exception] = []

    async def run_watch() -> None:
        await watch()

    async with anyio.create_task_group() as group:
        group.start_soon(run_watch)
        try:
            results.append(await call())
        except Exception as error:  # noqa: BLE001 - raised below, and not in a group
            errors.append(error)
        group.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return results[0]


class BackgroundTasks:
    """Short tasks that may outlive the call that started them, but not their owner."""

    def __init__(self) -> None:
        self._running: dict[anyio.CancelScope, anyio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self, call: Callable[[], Awaitable[None]], ended: Callable[[], None] = lambda: None
    ) -> None:
        """Start `call` now. It must bound its own time; an error in it is logged.

        `ended` is called once it is over, also if it was cancelled before it began.
        """
        scope, finished = anyio.CancelScope(), anyio.Event()

        async def run() -> None:
            try:
                with scope:
                    await call()
            except Exception:  # noqa: BLE001 - an error here has no caller that could get it
                _log.exception("a background task of a storekit client failed")
            finally:
                end()

        def end() -> None:
            if self._running.pop(scope, None) is not None:
                finished.set()
                ended()

        self._running[scope] = finished
        self._spawn(run, end)

    def _spawn(self, run: Callable[[], Coroutine[Any, Any, None]], end: Callable[[], None]) -> None:
        # A task group would tie the life of a client to one `async with` in one task, and
        # clients are also made at import time and closed by hand.
        loop = anyio.lowlevel.current_token().native_token
        if isinstance(loop, asyncio.AbstractEventLoop):
            task = loop.create_task(run())
            self._tasks.add(task)  # the loop itself holds only a weak reference
            task.add_done_callback(self._tasks.discard)
            # A loop that ends cancels tasks before they ran at all: then no `finally` runs.
            task.add_done_callback(lambda _: end())
        else:
            import trio  # noqa: PLC0415 - loaded already: it is the loop that runs us

            trio.lowlevel.spawn_system_task(run)

    async def aclose(self) -> None:
        """Cancel what is running and wait for its end, at most 2 seconds."""
        running = list(self._running.items())
        for scope, _ in running:
            scope.cancel()
        with anyio.move_on_after(2, shield=True):
            for _, finished in running:
                await finished.wait()


AddressInfo = tuple[int, int, int, str, Any]

_NOT_YET = (BlockingIOError, ssl.SSLWantReadError)


async def wait_readable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` has data or is at its end; `TimeoutError` at the time `until`."""
    await _wait(anyio.wait_readable, sock, until)


async def wait_writable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` takes data or is broken; `TimeoutError` at the time `until`."""
    await _wait(anyio.wait_writable, sock, until)


async def wait_either(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` takes data or has some; `TimeoutError` at the time `until`."""
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
    """Receives from one socket when there is something to receive.

    On asyncio the loop goes on watching the socket between calls, which saves two system
    calls and a timer for each (`benchmarks/layers.py` compares it with a scope and a watch
    for each call). What arrives while nobody asks is left in the kernel, and the watch ends
    until somebody does.
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
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that watches
        self._thread = 0  # and where it runs
        self._outcome: asyncio.Future[bytes | Exception] | None = None
        self._until = 0.0  # when the call that waits is to end
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when the timer rings

    async def receive(self, size: int, until: float | None) -> bytes:
        """Wait for data and return it, at most `size` bytes, none at the end.

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
            except NotImplementedError:  # the default loop of Windows; anyio has a way round
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
        """Hand what arrived to the call that waits, if any."""
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
        """End the call that waits, if its time has come."""
        # One timer serves many calls: most of them are over before it rings, and then it
        # is set again for the one that waits now, if any.
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
        else:  # dropped, or taken over, by another thread
            loop.call_soon_threadsafe(loop.remove_reader, self._sock.fileno())

    def stop(self) -> None:
        """Forget the event loop; to be called before the socket is closed."""
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __del__(self) -> None:
        # A client that was dropped without being closed: the watch must end before the
        # number of the descriptor is used again.
        if self._loop is not None:
            self.stop()


# The loop holds no more than a weak reference, lest it keep what was dropped alive.


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
