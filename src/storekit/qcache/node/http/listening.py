"""The socket on which a node listens."""

import socket
from dataclasses import dataclass

__all__ = ["BACKLOG", "Address", "CannotServe", "listen", "url_of"]

BACKLOG = 2048
"""Connections that may wait to be accepted."""


class CannotServe(ValueError):
    """The server can't start; the message says why, and what to do."""


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
        # asyncio sets TCP_NODELAY on connections only if the protocol is given. Without it, the
        # second part of a response waits until the client acknowledges the first: 40 ms.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotServe(f"--host {host}: {error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotServe(
            f"{host}:{port} can't be used: {error.strerror}; choose another --port, or 0 for any"
        ) from error
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket, *, secure: bool) -> str:
    """Return the URL of a node that listens on a socket."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
