"""A cursor over a whole store, with its own session."""

import threading

from storekit.errors import ClientClosed
from storekit.qdb.engine import Session

__all__ = ["Cursor"]


class Cursor:
    """A cursor of the store with its session. The methods block, and are thread-safe.

    A session serves one thread at a time. After a cancellation, a fetch may still be running
    when the next one starts, or when the cursor is closed. Then the next fetch waits for it, and
    `close` leaves the closing to the thread that is using the session.
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
        """Return chunk `number`, counted from 1, and whether the end is reached.

        `number` is that of the next chunk, or again that of the last one: so a chunk is not lost
        when its caller is cancelled. Raises `ClientClosed` if the cursor was closed before the end.
        """
        try:
            with self._in_session:
                if self._closing:
                    raise ClientClosed("the iteration was closed before its end")
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
            return  # the thread that holds it checks `_closing` after releasing it
        try:
            # Set first: a garbage collection may call this again at any point, in this thread.
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
