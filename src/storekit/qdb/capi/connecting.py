"""Connecting a handle, in bounded time.

Where the network drops packets, the library ignores its timeout and waits for that of the
operating system: 134 s were seen with a timeout of 2 s. So each connect runs in a thread of its
own that can be abandoned. Probing the address with a socket first would not be enough, since the
library also connects to nodes that the cluster announces, and would cost a round trip.
"""

import threading

from storekit.core.forks import fork_count
from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import Library
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["MAX_ABANDONED", "abandoned", "connect"]

MAX_ABANDONED = 32
"""How many connects may be abandoned at a time: each uses threads and memory."""

_left: set["_Attempt"] = set()


class _Attempt:
    """One connect. In the end either the caller or the thread owns the handle, never both."""

    def __init__(self, library: Library, handle: Handle, uri: bytes) -> None:
        self.fork = fork_count()
        self._library = library
        self._handle = handle
        self._uri = uri
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._abandoned = False
        self._result: QuasardbException | bool | None = None

    def start(self) -> None:
        # A daemon, so that the process can end without waiting for the network.
        threading.Thread(target=self._run, name="storekit-qdb-connect", daemon=True).start()

    def _run(self) -> None:
        result: QuasardbException | bool = error_for(ErrorCode.INTERNAL_LOCAL)
        try:
            with self._handle as pointer:
                code = self._library.lib.qdb_connect(pointer, self._uri)
                result = self._handle.failure(code) if code else True
        finally:
            with self._lock:
                self._result = result
                abandoned = self._abandoned
            self._done.set()
            if abandoned:
                self._handle.close()
                _left.discard(self)

    def wait(self, deadline: float) -> QuasardbException | bool | None:
        """Return True, the error, or None if it takes longer than `deadline` seconds."""
        try:
            self._done.wait(deadline)
        finally:  # also when the wait was interrupted
            with self._lock:
                if self._result is None:
                    self._abandoned = True
                    _left.add(self)
        return self._result


def abandoned() -> int:
    """Return how many abandoned connects are still under way."""
    return sum(attempt.fork == fork_count() for attempt in list(_left))


def connect(library: Library, handle: Handle, uri: str, deadline: float) -> None:
    """Connect, or close the handle and raise, within `deadline` seconds.

    Raises:
        ConnectionFailed: With the code of the library, or `TIMEOUT` at the deadline.

    """
    if abandoned() >= MAX_ABANDONED:
        handle.close()
        raise _failure(
            error_for(ErrorCode.TIMEOUT),
            uri,
            f"{MAX_ABANDONED} connects that were abandoned earlier are still under way.",
        )
    attempt = _Attempt(library, handle, uri.encode())
    try:
        attempt.start()
    except BaseException:
        handle.close()
        raise
    result = attempt.wait(deadline)
    if result is True:
        return
    if isinstance(result, QuasardbException):
        handle.close()
        raise _failure(result, uri, result.detail)
    raise _failure(error_for(ErrorCode.TIMEOUT), uri, f"No connection within {deadline:g} s.")


def _failure(error: QuasardbException, uri: str, detail: str | None) -> QuasardbException:
    return error_for(error.error_code, detail, operation="connect", node=uri)
