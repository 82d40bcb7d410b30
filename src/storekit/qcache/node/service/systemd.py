"""What a node and systemd tell each other: readiness, the watchdog, sockets that are open already.

No part of this does anything where systemd has not set the variables for it.
"""

import os
import socket
from collections.abc import Mapping

__all__ = ["inherited_socket", "notify", "watchdog_pause"]

_FIRST_DESCRIPTOR = 3


def notify(*states: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell the service manager of states such as `READY=1`; whether there is one that was told.

    Never waits, and never fails: a node does its work whether or not anybody listens.
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
    """Return after how many seconds each to send `WATCHDOG=1`, None if nobody waits for it.

    It is half the time after which the service manager takes the node for dead.
    """
    process = environment.get("WATCHDOG_PID")
    if process is not None and process != str(os.getpid()):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        return None
    return int(text) / 2_000_000


def inherited_socket(environment: Mapping[str, str] = os.environ) -> socket.socket | None:
    """Return the TCP socket on which the service manager listens for this process, if any.

    `ValueError` if it is not one that listens, or not one alone.
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
