"""Integration with systemd: readiness, the watchdog, socket activation.

Nothing is done unless systemd has set the environment variables for it.
"""

import os
import socket
from collections.abc import Mapping

__all__ = ["inherited_socket", "notify", "watchdog_pause"]

_FIRST_DESCRIPTOR = 3


def notify(*states: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send states such as `READY=1` to the service manager; return whether one was sent.

    Never blocks or raises: the node works without a service manager, too.
    """
    place = environment.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return False
    address = f"\0{place[1:]}" if place.startswith("@") else place  # @: Linux's abstract names
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
            door.setblocking(False)
            door.sendto("\n".join(states).encode(), address)
    except OSError:
        return False
    return True


def watchdog_pause(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return the interval in seconds at which to send `WATCHDOG=1`, None without a watchdog.

    It is half of the timeout of the watchdog.
    """
    process = environment.get("WATCHDOG_PID")
    if process is not None and process != str(os.getpid()):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        return None
    return int(text) / 2_000_000


def inherited_socket(environment: Mapping[str, str] = os.environ) -> socket.socket | None:
    """Return the listening TCP socket that the service manager passed, if any.

    `ValueError` if it does not listen, or if there are several.
    """
    count = environment.get("LISTEN_FDS")
    if count is None or environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    if count != "1":
        raise ValueError(f"a node listens on one socket; LISTEN_FDS says {count!r}")
    try:
        listener = socket.socket(fileno=_FIRST_DESCRIPTOR)
    except OSError as error:
        raise ValueError(f"LISTEN_FDS: the descriptor {_FIRST_DESCRIPTOR}: {error}") from error
    is_stream = listener.family in (socket.AF_INET, socket.AF_INET6)
    if not is_stream or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.detach()
        raise ValueError("LISTEN_FDS: the socket is none of TCP that listens (ListenStream=)")
    listener.setblocking(False)
    listener.set_inheritable(False)
    return listener
