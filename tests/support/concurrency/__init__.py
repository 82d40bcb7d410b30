"""Work beside a test: `_async` and `_sync` hold the same names, as in `storekit.core.seam`."""

__all__ = ["PATIENCE", "Clock"]

PATIENCE = 10.0
"""Seconds after which a test that hangs fails."""


class Clock:
    """A clock that only the test moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
