"""The sync side of the seam: threads, locks and plain calls."""

import inspect
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from storekit.core.readiness import wait_ready

__all__ = [
    "BackgroundTasks",
    "Event",
    "Guard",
    "Lazy",
    "SocketReader",
    "call_blocking",
    "call_user_function",
    "call_within",
    "checkpoint",
    "current_owner",
    "look_up",
    "monotonic",
    "run_all",
    "shielded",
    "sleep",
    "wait_readable",
    "wait_writable",
]

P = ParamSpec("P")
T = TypeVar("T")

Lazy = Generator[T, None, None]
"""What a generator function of this world returns."""

monotonic = time.monotonic
sleep = time.sleep

_log = logging.getLogger("storekit")

Guard = threading.Lock


def checkpoint() -> None:
    """Let others run: threads are switched by the interpreter."""


class Event:
    """A flag that threads can wait for."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Wake everyone who waits, now and later."""
        self._event.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until set; False when `timeout` seconds passed first."""
        return self._event.wait(timeout)


def current_owner() -> object:
    """Return what a client belongs to while it is in use: any thread may use it."""
    return None


def shielded(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run a clean-up to its end."""
    call(*args, **kwargs)


def run_all(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Run all calls at the same time; results in order, the first error raised."""
    if len(calls) == 1:
        return [calls[0]()]
    with ThreadPoolExecutor(max_workers=max(1, len(calls)), thread_name_prefix="storekit") as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def call_user_function(function: Callable[..., T], kwargs: Mapping[str, object]) -> T:
    """Call a function of the user's."""
    result = function(**kwargs)
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(
            f"{function!r} returned an awaitable; the sync client takes plain functions"
        )
    return result


def call_blocking(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do the work: the caller expects to wait."""
    return call(*args, **kwargs)


def call_within(timeout: float, call: Callable[[], T]) -> T:
    """Return what `call` returns; `TimeoutError` if that takes more than `timeout` seconds.

    It then goes on in its thread, and nobody sees what comes of it.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it goes to the caller
            answer.set_exception(error)

    threading.Thread(target=run, name="storekit-call", daemon=True).start()
    return answer.result(timeout)


class BackgroundTasks:
    """Short threads that may outlive the call that started them, but not their owner."""

    def __init__(self) -> None:
        self._running: set[threading.Thread] = set()

    def start(self, call: Callable[[], None], ended: Callable[[], None] = lambda: None) -> None:
        """Start `call` now. It must bound its own time; an error in it is logged.

        `ended` is called once it is over. Raises `RuntimeError` if no thread can be had.
        """

        def run() -> None:
            try:
                call()
            except Exception:  # noqa: BLE001 - an error here has no caller that could get it
                _log.exception("a background thread of a storekit client failed")
            finally:
                self._running.discard(threading.current_thread())
                ended()

        thread = threading.Thread(target=run, name="storekit-background", daemon=True)
        self._running.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._running.discard(thread)
            raise

    def close(self) -> None:
        """Wait for the end of what is running, at most 5 seconds: threads have no cancel."""
        until = monotonic() + 5
        for thread in list(self._running):
            thread.join(max(0.0, until - monotonic()))


AddressInfo = tuple[int, int, int, str, Any]

_NOT_YET = (BlockingIOError, ssl.SSLWantReadError)


def wait_readable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` has data or is at its end; `TimeoutError` at the time `until`."""
    if not wait_ready(sock, write=False, timeout=_remaining(until)):
        raise TimeoutError


def wait_writable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` takes data or is broken; `TimeoutError` at the time `until`."""
    if not wait_ready(sock, write=True, timeout=_remaining(until)):
        raise TimeoutError


def look_up(host: str, port: int, until: float | None) -> Sequence[AddressInfo]:
    """Resolve a host name; `TimeoutError` at the time `until`."""
    if until is None:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # The resolver has no time limit that a caller could set: ask it from a thread that
    # can be left behind. Only new connections to host names come here.
    answer: Future[Sequence[AddressInfo]] = Future()

    def resolve() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # noqa: BLE001 - it goes to the caller
            answer.set_exception(error)

    threading.Thread(target=resolve, name="storekit-look-up", daemon=True).start()
    return answer.result(_remaining(until))


def _remaining(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - monotonic())


class SocketReader:
    """Receives from one socket when there is something to receive."""

    __slots__ = ("_sock",)

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def receive(self, size: int, until: float | None) -> bytes:
        """Wait for data and return it, at most `size` bytes, none at the end.

        Raises `TimeoutError` at the time `until`, `ssl.SSLWantWriteError`, or another
        `OSError`.
        """
        while True:
            wait_readable(self._sock, until)
            try:
                return self._sock.recv(size)
            except _NOT_YET:
                continue

    def stop(self) -> None:
        """Nothing watches the socket."""
