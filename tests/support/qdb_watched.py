"""An engine around another, which sees how its sessions are used."""

from __future__ import annotations

import threading
from typing import Any

from storekit.qdb.engine import Engine, Session

__all__ = ["WatchedEngine"]


class WatchedEngine:
    """Counts sessions that are open, and calls that come in while another is in the session."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self.made = 0
        self.open = 0
        self.most_open = 0
        self.clashes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def connect(self, timeout: float | None = None) -> WatchedSession:
        session = WatchedSession(self, self._engine.connect(timeout))
        self.count(1)
        return session

    def count(self, change: int) -> None:
        with self._lock:
            self.made += change > 0
            self.open += change
            self.most_open = max(self.most_open, self.open)


class WatchedSession:
    def __init__(self, engine: WatchedEngine, session: Session) -> None:
        self._engine = engine
        self._session = session
        self._busy = threading.Lock()
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._session, name)

        def watched(*arguments: Any) -> Any:
            if not self._busy.acquire(blocking=False):
                self._engine.clashes += 1
                raise AssertionError("two threads are in one session")
            try:
                assert not self._closed, "the session is closed"
                return call(*arguments)
            finally:
                self._busy.release()

        return watched

    def close(self) -> None:
        if not self._busy.acquire(blocking=False):
            self._engine.clashes += 1
            raise AssertionError("a session is closed that another thread is in")
        try:
            self._session.close()
            if not self._closed:
                self._closed = True
                self._engine.count(-1)
        finally:
            self._busy.release()
