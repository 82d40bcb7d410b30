"""An observer that writes to the log."""

import logging

from storekit.observers.events import CallEnded, CallRetried, CallStarted

__all__ = ["LoggingObserver"]


class LoggingObserver:
    """Logs the end of each call, and each attempt that failed.

    Calls that succeed or are cancelled are logged at `level`; attempts that are repeated, and calls
    that fail, as warnings. Keys are logged, contents never are.
    """

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.DEBUG) -> None:
        self._logger = logger if logger is not None else logging.getLogger("storekit.calls")
        self._level = level

    def start(self, event: CallStarted) -> None:
        """Do nothing: the message at the end has all details."""

    def retry(self, token: object, event: CallRetried) -> None:  # noqa: ARG002 - always None here
        """Log the attempt that failed."""
        self._logger.warning(
            "%s: attempt %d failed, the next starts in %.3f s: %s",
            _name(event.call, event.node),
            event.attempt,
            event.pause,
            event.error,
        )

    def end(self, token: object, event: CallEnded) -> None:  # noqa: ARG002 - always None here
        """Log the outcome."""
        name = _name(event.call, event.node)
        if event.error is None:
            self._logger.log(self._level, "%s: done in %.6f s", name, event.duration)
        elif isinstance(event.error, Exception):
            self._logger.warning(
                "%s: failed in %.6f s: %s: %s",
                name,
                event.duration,
                type(event.error).__name__,
                event.error,
            )
        else:
            self._logger.log(
                self._level,
                "%s: interrupted after %.6f s by %s",
                name,
                event.duration,
                type(event.error).__name__,
            )


def _name(call: CallStarted, node: str | None) -> str:
    key = "" if call.key is None else f" {call.key!r}"
    place = "" if node is None else f" at {node}"
    return f"{call.store} {call.operation}{key}{place}"
