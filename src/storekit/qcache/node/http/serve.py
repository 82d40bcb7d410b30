"""A node on a port, by uvicorn: `python -m storekit.qcache serve`."""

import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FrameType

import uvicorn

from storekit.qcache.node.http.asgi import application
from storekit.qcache.node.http.connections import BoundedConnection
from storekit.qcache.node.node import Node

__all__ = ["Address", "CannotServe", "listen", "serve", "server_tls"]

_KEEP_ALIVE = 3600
"""Seconds that a connection may be idle: longer than clients keep theirs, for a request on one
that is just being closed fails."""

_GRACE = 10
"""Seconds that requests have to end when the server is to stop."""

_BACKLOG = 2048

_MOST_FILES = 65536
"""Open files, of which each connection is one: systems often allow a few hundred unless asked."""


class CannotServe(ValueError):
    """The server does not start; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 stands for any that is free."""

    host: str = "127.0.0.1"
    port: int = 8888


def listen(address: Address) -> socket.socket:
    """Return a socket that listens. `CannotServe` if that is not possible."""
    host, port = address.host, address.port
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Only where the protocol is named does asyncio set TCP_NODELAY on connections. Without it,
        # the second piece of an answer waits for the client to acknowledge the first: 40 ms.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotServe(f"--host {host}: {error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotServe(
            f"{host}:{port} cannot be had: {error.strerror}; choose another --port, or 0 for any"
        ) from error
    listener.setblocking(False)
    return listener


def server_tls(cert_file: str, key_file: str | None, ca_file: str | None) -> ssl.SSLContext:
    """Return TLS settings. With `ca_file`, clients must have a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _TellingTLS
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # With no password at all, OpenSSL would ask for it at the terminal.
        context.load_cert_chain(cert_file, key_file, password="")
    except OSError as error:  # ssl.SSLError is one
        where = cert_file if key_file is None else f"{cert_file} and {key_file}"
        raise CannotServe(
            f"--cert-file: no usable certificate with its key in {where}: {error}"
        ) from error
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise CannotServe(f"--ca-file: no certificates in {ca_file}: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def serve(
    node: Node,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    *,
    allow_hosts: Iterable[str] = (),
    allow_origins: Iterable[str] = (),
    log_level: str = "warning",
    ready: Callable[[str], object] = print,
) -> None:
    """Serve a node until SIGINT or SIGTERM; `ready` is told the URL. The socket is closed.

    The address of the socket is among the hosts that are allowed. `TypeError` and `ValueError`
    for a host or origin that is none.
    """
    hosts = [*allow_hosts, listener.getsockname()[0]]
    app = application(node, allow_hosts=hosts, allow_origins=allow_origins)
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level=log_level,
        access_log=log_level in ("debug", "info"),
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
        backlog=_BACKLOG,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    _allow_many_files()
    url = _url(listener, secure=tls is not None)
    _Server(config, lambda: ready(url)).run(sockets=[listener])


class _TellingTLS(ssl.SSLObject):
    """TLS that tells the client that its certificate is missing or bad.

    Event loops send what is to be sent when a handshake wants to read, and drop it when it
    fails: the client would see no more than a closed connection. So a handshake that failed
    for that reason goes on wanting to read, until the client leaves, or talks on.
    """

    _PATIENCE = 16  # pieces of data

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failures = getattr(self, "_failures", 0) + 1
            if self._failures > self._PATIENCE or not (
                isinstance(error, ssl.SSLCertVerificationError)
                or error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
            ):
                raise
            raise ssl.SSLWantReadError("the handshake has failed") from error


class _Server(uvicorn.Server):
    """Says when it is ready, and ends with a return, not by the signal that stopped it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self.force_exit = self.should_exit  # the second time: without further ado
            self.should_exit = True

        former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def _allow_many_files() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _url(listener: socket.socket, *, secure: bool) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
