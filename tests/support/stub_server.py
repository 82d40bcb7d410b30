"""A server on loopback that does to its clients exactly what a script says.

A script is a function of one `Peer`, the server's end of a connection. It runs in a thread of
its own, so async and sync tests can talk to it, and it ends when the connection does: what it
calls then raises `Gone`. Any other exception in a script fails the test, on leaving the server.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

WAIT = 20.0
"""Seconds after which something is wrong with the test: nothing here ever takes so long."""


class Gone(Exception):
    """The client ended the connection."""


class Request(NamedTuple):
    """A request as it came in."""

    head: bytes
    body: bytes

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        """Their names are in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        parts = [line.partition(":") for line in lines]
        return {name.strip().lower(): value.strip() for name, _, value in parts}


class Peer:
    """One connection, from the server's side. `number` counts from 0."""

    def __init__(self, server: StubServer, sock: socket.socket, number: int) -> None:
        self._server = server
        self._sock = sock
        self._buffer = b""
        self.number = number

    def read_request(self) -> Request:
        """Read one whole request, and record it."""
        request = Request(self.read_head(), b"")
        headers = request.headers
        if "content-length" in headers:
            request = request._replace(body=self.read(int(headers["content-length"])))
        elif headers.get("transfer-encoding") == "chunked":
            request = request._replace(body=b"".join(self._chunks()))
        self._server._record(request)
        return request

    def read_head(self) -> bytes:
        """Read up to the empty line, and leave that away."""
        return self._read_until(b"\r\n\r\n")

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        pieces = [self._buffer[:size]]
        self._buffer = self._buffer[size:]
        missing = size - len(pieces[0])
        while missing:
            pieces.append(self._receive(min(missing, 1 << 20)))
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def read_to_end(self) -> int:
        """Wait until the client closes the connection; return how many bytes came before."""
        count = len(self._buffer)
        with contextlib.suppress(Gone):
            while True:
                count += len(self._receive(1 << 20))
        return count

    def send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def close(self) -> None:
        """Close the TCP connection; over TLS without a word of farewell."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def finish(self) -> None:
        """Send an orderly end, then read until the client closes: it gets all that was sent."""
        with contextlib.suppress(OSError):
            if isinstance(self._sock, ssl.SSLSocket):
                self._sock = self._sock.unwrap()
            self._sock.shutdown(socket.SHUT_WR)
        self.read_to_end()

    def reset(self) -> None:
        """Close with RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def hold(self) -> None:
        """Tell the test that the script got here, and wait for its `release`."""
        self._server._reach()
        self._server._await_release()

    def hold_open(self) -> None:
        """Tell the test that the script got here, and wait for the client to close."""
        self._server._reach()
        self.read_to_end()

    def _shake_hands(self) -> None:
        if not isinstance(self._sock, ssl.SSLSocket):
            return
        try:
            self._sock.do_handshake()
        except OSError as error:
            # The client must get to see the alert, not the RST of a close with data unread.
            self._sock = socket.socket(fileno=self._sock.detach())
            self._sock.settimeout(WAIT)
            self.finish()
            raise Gone from error

    def _receive(self, size: int) -> bytes:
        try:
            data = self._sock.recv(size)
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise Gone from error
        if not data:
            raise Gone
        return data

    def _read_until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._buffer += self._receive(1 << 16)
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._read_until(b"\r\n"), 16):
            yield self.read(size)
            assert self.read(2) == b"\r\n"
        assert self.read(2) == b"\r\n"


Script = Callable[[Peer], None]


class StubServer:
    """Listens from entering to leaving the context.

    Connection n runs script n; all that follow run the last one. With `tls`, the handshake
    comes before the script. A client that says nothing for `patience` seconds fails the test.
    """

    def __init__(
        self,
        *scripts: Script,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        patience: float | None = WAIT,
    ) -> None:
        self._scripts = scripts
        self._tls = tls
        self._host = host
        self._patience = patience
        self._changed = threading.Condition()
        self._reached = 0
        self._released = 0
        self._closing = False
        self._ended = 0
        self._threads: list[threading.Thread] = []
        self._peers: list[Peer] = []
        self._errors: list[BaseException] = []
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if self._errors and exc_value is None:
            raise self._errors[0]

    def start(self) -> None:
        """Listen, on the port it had if it had one."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, self.port), family=family, backlog=128)
        self.port = self._listener.getsockname()[1]
        self._closing = False
        self._alarm, self._bell = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name="stub-server")
        self._acceptor.start()

    def stop(self) -> None:
        """Stop listening, and end all connections. Stopping twice does nothing."""
        if self._closing:
            return
        self._bell.send(b"!")
        self._acceptor.join()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer._sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in (self._listener, self._alarm, self._bell):
            sock.close()
        self._peers.clear()
        self._threads.clear()

    @property
    def authority(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.authority}/"

    # What the test calls; the waits fail it rather than hang.

    def wait_reached(self, count: int = 1) -> None:
        """Wait until scripts have come to a `hold` or `hold_open` so many times."""
        self._wait(lambda: self._reached >= count, f"{count} holds")

    def wait_ended(self, count: int = 1) -> None:
        """Wait until so many connections are over: their scripts ended."""
        self._wait(lambda: self._ended >= count, f"the end of {count} connections")

    def release(self) -> None:
        """Let one script that holds, now or later, go on."""
        with self._changed:
            self._released += 1
            self._changed.notify_all()

    # What the scripts' threads call.

    def _record(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def _reach(self) -> None:
        with self._changed:
            self._reached += 1
            self._changed.notify_all()

    def _await_release(self) -> None:
        with self._changed:
            self._wait(lambda: self._released > 0, "a release")
            if self._closing:
                raise Gone
            self._released -= 1

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: condition() or self._closing, WAIT):
                raise TimeoutError(f"the stub server waited in vain for {what}")

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._alarm], [], [])
            if self._alarm in ready:
                return
            sock, _ = self._listener.accept()
            sock.settimeout(self._patience)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                try:
                    sock = self._tls.wrap_socket(
                        sock,
                        server_side=True,
                        do_handshake_on_connect=False,
                        suppress_ragged_eofs=True,
                    )
                except OSError:  # gone again
                    sock.close()
                    continue
            peer = Peer(self, sock, self.connections)
            self.connections += 1
            self._peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), name="stub-peer")
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        script = self._scripts[min(peer.number, len(self._scripts) - 1)]
        try:
            peer._shake_hands()
            script(peer)
        except Gone:
            pass
        except BaseException as error:
            self._errors.append(error)
        finally:
            peer._sock.close()
            with self._changed:
                self._ended += 1
                self._changed.notify_all()


def reply(
    body: bytes = b"", *headers: bytes, status: bytes = b"200 OK", version: bytes = b"1.1"
) -> bytes:
    """A reply with a Content-Length."""
    lines = [b"HTTP/%b %b" % (version, status), b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def answering(*replies: bytes) -> Script:
    """A script that answers one request with each of these, then waits for the client to close."""

    def script(peer: Peer) -> None:
        for answer in replies:
            peer.read_request()
            peer.send(answer)
        peer.read_to_end()

    return script


def answering_always(answer: bytes) -> Script:
    """A script that answers every request with this."""

    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(answer)

    return script


def echo(peer: Peer) -> None:
    """A script that answers every request with its target and its body."""
    while True:
        request = peer.read_request()
        peer.send(reply(request.target.encode() + b" " + request.body))


def silent(peer: Peer) -> None:
    """A script that reads one request, says so, and never answers."""
    peer.read_request()
    peer.hold_open()


class EagerSocket(socket.socket):
    """A socket on which no call ever has to wait."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        return b"x"

    def send(self, data: bytes, flags: int = 0) -> int:
        return 1


class EagerSender(EagerSocket):
    """The same, of a server that has nothing to say."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        raise BlockingIOError


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody else can start to."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def swallowing_port() -> Iterator[int]:
    """A port where connecting never ends: the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
