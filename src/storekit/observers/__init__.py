"""What clients tell about their calls, to whoever wants to know.

An observer is any object with the three methods of `Observer`; `LoggingObserver` is ready
made, and `storekit.observers.opentelemetry` has one that makes spans. Without an observer
all of this costs one comparison a call.
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
