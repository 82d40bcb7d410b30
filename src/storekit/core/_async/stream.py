"""Bytes over TCP or TLS on a non-blocking socket.

Sending and receiving are plain calls on the socket; only waiting until it is ready differs
between async and sync. With many calls at a time and a limit on each, that takes less time than
the streams of the event loop libraries (`benchmarks/layers.py` compares them). Also, what a server
sends on an idle connection stays in the kernel, where `is_quiet` sees it, and another event loop
can use an idle connection.
"""

import errno
import os
import socket
import ssl
from collections.abc import Sequence

from storekit.core.readiness import readable_probe
from storekit.core.seam._async import checkpoint, monotonic
from storekit.core.seam.sockets._async import (
    SocketReader,
    look_up,
    wait_either,
    wait_readable,
    wait_writable,
)
from storekit.core.shortage import check_descriptors

__all__ = ["AsyncSocketStream", "earlier"]

_PIECE = 256 * 1024
"""Most bytes passed to the kernel in one call, so that a large body does not block the loop."""

_RECEIVED = 64 * 1024
"""Most bytes taken from the kernel in one call."""

_CALLS_IN_A_ROW = 16
"""Most calls on the socket that succeed at once before other tasks may run."""

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def earlier(timeout: float | None, deadline: float | None) -> float | None:
    """Return the time at which a wait that starts now must end: the earlier of both limits."""
    if timeout is None:
        return deadline
    until = monotonic() + timeout
    return until if deadline is None or until < deadline else deadline


class AsyncSocketStream:
    """One connection. It belongs to one task or thread at a time.

    Timeouts (seconds) limit each wait, `deadline` (a time of `monotonic`) the whole call.
    After a call that was interrupted the stream is in an unknown state: close it.
    """

    __slots__ = ("_calls", "_early", "_is_readable", "_just_sent", "_reader", "_sock", "_tls")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._reader = SocketReader(sock)
        self._is_readable = readable_probe(sock)
        self._just_sent = False
        self._early = b""  # received while sending
        self._calls = 0

    @classmethod
    async def connect(
        cls, host: str, port: int, tls: ssl.SSLContext | None, until: float | None
    ) -> "AsyncSocketStream":
        """Connect, trying each address of `host` in turn; with `tls`, do the TLS handshake.

        Each address gets an equal share of the time that is left, so that one that does not
        respond does not use up the time of the others. Raises `TimeoutError`, `ssl.SSLError`, or
        another `OSError`.
        """
        sock = await _connect_socket(host, port, until)
        try:
            if tls is not None:
                # A connection that is cut then raises SSLEOFError, which a clean end does not.
                sock = tls.wrap_socket(
                    sock,
                    server_hostname=host,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,
                )
            stream = cls(sock)
            if stream._tls is not None:
                await stream._shake_hands(stream._tls, until)
        except BaseException:
            sock.close()
            raise
        return stream

    async def _shake_hands(self, tls: ssl.SSLSocket, until: float | None) -> None:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await wait_readable(self._sock, until)
            except ssl.SSLWantWriteError:
                await wait_writable(self._sock, until)
            else:
                return

    async def send(
        self, data: bytes | memoryview, timeout: float | None, deadline: float | None
    ) -> int:
        """Pass `data` to the kernel; return how many bytes of it were taken.

        That is all of it, unless the server sends something meanwhile, which the next `receive`
        returns. Raises `TimeoutError` or `OSError`.
        """
        self._just_sent = True
        try:
            # Limited as in `_send_rest`: TLS does not take a retry with less data.
            sent = self._sock.send(data if len(data) <= _PIECE else memoryview(data)[:_PIECE])
        except _WOULD_BLOCK:
            sent = 0
        if sent < len(data):
            sent += await self._send_rest(memoryview(data)[sent:], timeout, deadline)
        return sent

    async def _send_rest(
        self, rest: memoryview, timeout: float | None, deadline: float | None
    ) -> int:
        size = len(rest)
        while rest and not self.has_input():
            await self._yield_sometimes(deadline)
            try:
                rest = rest[self._sock.send(rest[:_PIECE]) :]
            except ssl.SSLWantReadError:
                self._reader.stop()  # a loop takes only one reader for a socket
                await wait_readable(self._sock, earlier(timeout, deadline))
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._reader.stop()
                await wait_either(self._sock, earlier(timeout, deadline))
        return size - len(rest)

    def has_input(self) -> bool:
        """Whether data, the end or an error has arrived that was not received yet."""
        if self._early:
            return True
        if not self._is_readable():
            return False
        try:
            self._early = self._sock.recv(_RECEIVED)
        except _WOULD_BLOCK:  # a TLS record without data
            return False
        except OSError:
            return True  # the next call on the socket raises it again
        return True

    async def receive(self, timeout: float | None, deadline: float | None) -> bytes:
        """Return the next bytes, empty at the end. Raises `TimeoutError` or `OSError`."""
        if self._early:
            early, self._early = self._early, b""
            return early
        # Right after a request no reply can have arrived: save a call of recv that would block.
        at_once = not self._just_sent or (self._tls is not None and self._tls.pending() > 0)
        self._just_sent = False
        if at_once:
            await self._yield_sometimes(deadline)
        while True:
            try:
                if at_once:
                    return self._sock.recv(_RECEIVED)
                return await self._reader.receive(_RECEIVED, earlier(timeout, deadline))
            except (BlockingIOError, ssl.SSLWantReadError):
                at_once = False
            except ssl.SSLWantWriteError:
                await wait_writable(self._sock, earlier(timeout, deadline))
                at_once = True

    async def _yield_sometimes(self, deadline: float | None) -> None:
        """Every few calls, let other tasks run and check the deadline: no call may ever wait."""
        self._calls += 1
        if self._calls >= _CALLS_IN_A_ROW:
            self._calls = 0
            await checkpoint()
            if deadline is not None and monotonic() >= deadline:
                raise TimeoutError

    def is_quiet(self) -> bool:
        """Whether an idle connection is open and the server has sent nothing on it."""
        return not self._is_readable()

    def close(self) -> None:
        """Close the socket; never waits."""
        self._reader.stop()
        self._sock.close()


async def _connect_socket(host: str, port: int, until: float | None) -> socket.socket:
    addresses = _parse_address(host, port)
    if not addresses:
        try:
            addresses = await look_up(host, port, until)
        except TimeoutError:
            raise
        except OSError:  # what the resolver raises without file descriptors: gaierror, also EINVAL
            check_descriptors()
            raise
    errors: list[OSError] = []
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        now = monotonic()
        share = None if until is None else now + (until - now) / (len(addresses) - index)
        try:
            return await _connect_address(family, kind, protocol, address, share)
        except OSError as error:  # TimeoutError is one
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    failed = TimeoutError if all(isinstance(e, TimeoutError) for e in errors) else ConnectionError
    raise failed(f"none of the {len(errors)} addresses of {host} answered") from ExceptionGroup(
        f"connecting to {host}", errors
    )


def _parse_address(
    host: str, port: int
) -> "Sequence[tuple[int, int, int, str, tuple[object, ...]]]":
    """Return what `getaddrinfo` gives for a numeric address, or nothing for a host name."""
    try:
        return socket.getaddrinfo(
            host,
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
    except socket.gaierror:
        return ()
    except UnicodeError as error:  # a label is empty or too long
        raise OSError(f"{host!r} is not a valid host name") from error


async def _connect_address(
    family: int, kind: int, protocol: int, address: tuple[object, ...], until: float | None
) -> socket.socket:
    sock = socket.socket(family, kind, protocol)  # raises OSError where IPv6 is not available
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            await wait_writable(sock, until)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock
