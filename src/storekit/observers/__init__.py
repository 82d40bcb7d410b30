"""Observers: objects that clients tell of their calls.

An observer is any object with the three methods of `Observer`. `LoggingObserver` writes to the
log, and `storekit.observers.opentelemetry` has one that makes spans. Without observers, a call
costs one comparison more.
"""

from storekit.observers.events import CallEnded, CallRetried, CallStarted, Observer
from storekit.observers.logs import LoggingObserver
from storekit.observers.watching import Watch, check_observers

__all__ = [
    "CallEnded",
    "CallRetried",
    "CallStarted",
    "LoggingObserver",
    "Observer",
    "Watch",
    "check_observers",
]
