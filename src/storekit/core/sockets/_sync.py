"""Waiting for sockets in the calling thread."""

import socket
import ssl
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from time import monotonic
from typing import Any

from storekit.core.readiness import wait_ready

__all__ = ["SocketReader", "look_up", "wait_readable", "wait_writable"]

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
