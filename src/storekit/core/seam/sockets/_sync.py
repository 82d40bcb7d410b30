"""The sync side of sockets: waiting until they are ready, and receiving."""

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
_STOP_CHECK = 0.1  # seconds between two checks of a waiting helper thread whether it is to stop


def wait_readable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` has data or has ended; `TimeoutError` at the time `until`."""
    _wait_ready(sock, until, read=True)


def wait_writable(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` can be written or is broken; `TimeoutError` at the time `until`."""
    _wait_ready(sock, until, write=True)


def wait_either(sock: socket.socket, until: float | None) -> None:
    """Wait until `sock` can be written or has data; `TimeoutError` at the time `until`."""
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
    # The resolver has no time limit: call it in a thread that can be abandoned.
    helper = HelperThread(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    helper.start_or_raise("storekit-look-up")
    return helper.result(_remaining(until))


def _remaining(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - monotonic())


class SocketReader:
    """Waits for data on one socket and receives it."""

    __slots__ = ("_sock",)

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def receive(self, size: int, until: float | None) -> bytes:
        """Wait for data and return it, at most `size` bytes; empty at the end.

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
        """Do nothing: no event loop has the socket registered."""
