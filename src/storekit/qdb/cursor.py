"""A cursor over a whole store, in a session of its own."""

import threading

from storekit.errors import ClientClosed
from storekit.qdb.engine import Session

__all__ = ["Cursor"]


class Cursor:
    """A cursor of the store with its session. All methods block; threads may call them at any time.

    A session serves one thread at a time. A chunk that nobody waits for any more may still
    be under way when the next is asked for, or when the walk is closed: then the first of
    these waits, and the second leaves the closing to the thread that is in the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cursor: object = None
        self._number = 0
        self._chunk: list[tuple[str, bytes]] = []
        self._over = False
        self._closing = False
        self._ended = False
        self._in_session = threading.Lock()
        self._state = threading.Lock()

    def fetch(self, number: int, count: int) -> tuple[list[tuple[str, bytes]], bool]:
        """Return chunk `number`, which is the next or once more the last, and if it was all.

        Counted from 1. What a caller was cancelled in is thus not lost. Raises `ClientClosed`
        if the walk was closed before its end.
        """
        try:
            with self._in_session:
                if self._closing:
                    raise ClientClosed("the iteration was closed before it came to its end")
                if number != self._number and not self._over:
                    self._chunk, self._cursor = self._session.scan(self._cursor, count)
                    self._over = self._cursor is None
                    self._number = number
                return self._chunk, self._over
        finally:
            with self._state:
                closing = self._closing
            if closing:
                self._end()

    def close(self) -> None:
        """Close cursor and session, now or as soon as they are not in use."""
        with self._state:
            self._closing = True
        self._end()

    def _end(self) -> None:
        if self._ended or not self._in_session.acquire(blocking=False):
            return  # whoever has it sees `_closing` after giving it back
        try:
            # Once only: a walk may be collected at any time, in a thread that holds locks.
            self._ended = True
            cursor, self._cursor = self._cursor, None
            self._chunk = []
            try:
                if cursor is not None:
                    self._session.scan_close(cursor)
            finally:
                self._session.close()
        finally:
            self._in_session.release()
