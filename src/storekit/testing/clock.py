"""A clock that changes only when a test advances it."""

import threading
from datetime import UTC, datetime, timedelta

__all__ = ["Clock"]

_START = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


class Clock:
    """A clock that changes only when a test advances it. A call returns seconds since the epoch.

    ```python
    from storekit.testing import Clock

    clock = Clock()
    before = clock()
    clock.advance(60)
    assert clock() == before + 60
    ```

    A client with this clock does not sleep between attempts: it advances the clock instead.
    """

    def __init__(self, start: float = _START) -> None:
        self._now = float(start)
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return self._now

    def __repr__(self) -> str:
        return f"Clock({self.now().isoformat()})"

    def now(self) -> datetime:
        """Return the time as an aware datetime, in UTC."""
        return datetime.fromtimestamp(self._now, UTC)

    def milliseconds(self) -> int:
        """Return milliseconds since the epoch, for engines."""
        return round(self._now * 1000)

    def advance(self, by: float | timedelta) -> None:
        """Advance the clock, by seconds or a timedelta. `ValueError` if it is negative."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else float(by)
        if not seconds >= 0:
            raise ValueError(f"a clock can't go back by {-seconds} s")
        with self._lock:  # threads of clients call `pause`
            self._now += seconds

    def pause(self, seconds: float, /) -> None:
        """Advance by so many seconds. Clients call this instead of sleeping."""
        self.advance(max(0.0, seconds))
