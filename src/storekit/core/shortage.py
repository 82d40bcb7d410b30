"""Tells shortages of this process or machine from errors of a server.

A process that is out of file descriptors can't connect, and the error looks as if the server were
down. Without this distinction, a client would mark healthy servers as failed.
"""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from storekit.errors import OutOfResources

__all__ = ["check_descriptors", "raise_shortage", "shortage", "shortages_raised"]

_WORDS = {
    errno.EMFILE: "too many open files in this process (EMFILE): raise its limit (ulimit -n), or "
    "keep fewer connections (PoolLimits.max_size)",
    errno.ENFILE: "too many open files on this machine (ENFILE)",
    errno.ENOMEM: "out of memory (ENOMEM)",
    errno.ENOBUFS: "no buffer space for sockets (ENOBUFS)",
    errno.EADDRNOTAVAIL: "no local port or address is available (EADDRNOTAVAIL): too many "
    "connections were opened and closed in a short time, or there is no such address family here",
}
_NO_THREAD = "can't start new thread"  # the text of CPython's RuntimeError


def shortage(error: BaseException | None) -> str | None:
    """Return what this machine is short of, if an error or one of its causes says so.

    In a group, such as the errors of all addresses of a host, each error has to be a shortage: if
    even one came from a server, the group counts as an error of the server.
    """
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            found = [shortage(each) for each in error.exceptions]
            return found[0] if all(found) else None
        if isinstance(error, OutOfResources):
            return str(error)
        if isinstance(error, socket.gaierror):  # its numbers are EAI_ codes, not errno
            return _WORDS[errno.ENOMEM] if error.errno == socket.EAI_MEMORY else None
        if isinstance(error, OSError) and error.errno in _WORDS:
            return _WORDS[error.errno]
        if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
            return "no more threads can be started: raise the limit of this process (ulimit -u)"
        error = error.__cause__
    return None


def raise_shortage(error: BaseException, doing: str) -> None:
    """Raise `OutOfResources` if an error is due to a local shortage; else return.

    `doing` says what failed, as in "connect to example.org:9401".
    """
    words = shortage(error)
    if words is not None and not isinstance(error, OutOfResources):
        raise OutOfResources(f"could not {doing}: {words}") from error


@contextmanager
def shortages_raised(doing: str) -> Iterator[None]:
    """Raise `OutOfResources` instead of an error in the body that is due to a local shortage."""
    try:
        yield
    except Exception as error:
        raise_shortage(error, doing)
        raise


def check_descriptors() -> None:
    """Raise `OSError` if no file can be opened.

    The resolver reports "no such host" when it can't open its own files.
    """
    os.close(os.open(os.devnull, os.O_RDONLY))
