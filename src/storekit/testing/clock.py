"""A clock that stands still until a test moves it."""

import threading
from datetime import UTC, datetime, timedelta

__all__ = ["Clock"]

_START = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


class Clock:
    """A clock that stands still until a test moves it. Called, it gives seconds since the epoch.

    ```python
    from storekit.testing import Clock

    clock = Clock()
    before = clock()
    clock.advance(60)
    assert clock() == before + 60
    ```

    A client that is given one pauses by it: the pause ends at once, and the clock goes on.
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
        """Return milliseconds since the epoch, as engines count."""
        return round(self._now * 1000)

    def advance(self, by: float | timedelta) -> None:
        """Move the clock on, by seconds or a timedelta. `ValueError` for back in time."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else float(by)
        if not seconds >= 0:
            raise ValueError(f"a clock goes on, not back by {-seconds} s")
        with self._lock:  # threads of a client pause, too
            self._now += seconds

    def pause(self, seconds: float, /) -> None:
        """Go on by so many seconds: pauses of clients take no time, but move their clock."""
        self.advance(max(0.0, seconds))
