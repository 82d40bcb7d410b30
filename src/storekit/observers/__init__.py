"""Observers: objects whose methods clients call for each of their calls.

An observer is any object with the three methods of `Observer`; with a method `attach`, it can also
read the state of clients. `LoggingObserver` writes to the log; `storekit.observers.opentelemetry`
has an observer for spans, `storekit.observers.opentelemetry_metrics` and
`storekit.observers.prometheus` have observers for metrics. Without observers, a call takes one
comparison more.
"""

from storekit.observers.events import CallEnded, CallRetried, CallStarted, Observer
from storekit.observers.logs import LoggingObserver
from storekit.observers.state import (
    ClientState,
    ConnectionState,
    NodeState,
    StateObserver,
    WithState,
    attach_client,
)
from storekit.observers.watching import Watch, check_observers

__all__ = [
    "CallEnded",
    "CallRetried",
    "CallStarted",
    "ClientState",
    "ConnectionState",
    "LoggingObserver",
    "NodeState",
    "Observer",
    "StateObserver",
    "Watch",
    "WithState",
    "attach_client",
    "check_observers",
]
