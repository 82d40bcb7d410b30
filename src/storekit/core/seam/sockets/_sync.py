"""The sync side of sockets: to wait until they are ready, and to receive from them."""

import socket
import ssl
from collections.abc import Sequence
from functools import partial
from typing import Any

from storekit.core.readiness import wait_ready
from storekit.core.seam._sync import HelperThread, Stopped, monotonic, this_thread

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
_STOP_CHECK = 0.1  # seconds after which a helper that waits sees that it is to stop


def wait_readable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` has data or is at its end; `TimeoutError` at the time `until`."""
    _wait_ready(sock, until, read=True)


def wait_writable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` takes data or is broken; `TimeoutError` at the time `until`."""
    _wait_ready(sock, until, write=True)


def wait_either(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` takes data or has some; `TimeoutError` at the time `until`."""
    _wait_ready(sock, until, read=True, write=True)


def _wait_ready(
    sock: socket.socket, until: float | None, *, read: bool = False, write: bool = False
) -> None:
    helper = this_thread.helper
    while True:
        timeout = _remaining(until)
        if helper is None:
            if not wait_ready(sock, read=read, write=write, timeout=timeout):
                raise TimeoutError
            return
        if helper.stopped:
            raise Stopped
        some = _STOP_CHECK if timeout is None else min(timeout, _STOP_CHECK)
        if wait_ready(sock, read=read, write=write, timeout=some):
            return
        if timeout is not None and timeout <= _STOP_CHECK:
            raise TimeoutError


def look_up(host: str, port: int, until: float | None) -> Sequence[AddressInfo]:
    """Resolve a host name; `TimeoutError` at the time `until`."""
    if until is None:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # The resolver has no time limit that a caller could set: ask it from a thread that
    # can be left behind. Only new connections to host names come here.
    helper = HelperThread(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    helper.start_or_raise("storekit-look-up")
    return helper.result(_remaining(until))


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
