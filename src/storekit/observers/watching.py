"""Calls the observers of a client."""

import logging
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from storekit.observers.events import CallEnded, CallRetried, CallStarted, Observer

__all__ = ["Watch", "check_observers"]

_log = logging.getLogger("storekit")


class Watch:
    """Calls the observers for one call of a client. Use it as a context manager around the call."""

    __slots__ = ("_attempts", "_call", "_clock", "_observers", "_started", "_tokens", "node")

    def __init__(
        self,
        observers: tuple[Observer, ...],
        store: str,
        operation: str,
        node: str | None,
        key: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observers = observers
        self._call = CallStarted(store, operation, node, key)
        self.node: str | None = node  # to which the last request was sent
        self._attempts = 1
        self._tokens: list[object] = []
        self._clock = clock
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = self._clock()
        for observer in self._observers:
            token: object = None
            try:
                token = observer.start(self._call)
            except Exception:  # noqa: BLE001 - an observer must not make the call fail
                _log.exception("an observer failed")
            self._tokens.append(token)
        return self

    def retry(self, error: Exception, pause: float) -> None:
        """Report an attempt that failed, and the pause in seconds before the next one."""
        event = CallRetried(self._call, self.node, error, pause, self._attempts)
        self._attempts += 1
        for observer, token in zip(self._observers, self._tokens, strict=True):
            try:
                observer.retry(token, event)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("an observer failed")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        duration = self._clock() - self._started
        event = CallEnded(self._call, self.node, duration, exc_value, self._attempts)
        for observer, token in zip(self._observers, self._tokens, strict=True):
            try:
                observer.end(token, event)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("an observer failed")


def check_observers(observers: Iterable[Observer]) -> tuple[Observer, ...]:
    """Return the observers of a client. Raises `TypeError` for other objects."""
    checked = tuple(observers)
    for observer in checked:
        for method in ("start", "retry", "end"):
            if not callable(getattr(observer, method, None)):
                raise TypeError(
                    f"an observer needs the methods start, retry and end; "
                    f"{type(observer).__name__} lacks {method}"
                )
    return checked
