"""The three events of a call, and the interface of observers."""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["CallEnded", "CallRetried", "CallStarted", "Observer"]


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A client was asked to do something.

    `store` is "qdb" or "qcache", `operation` the name of the method. `node` is the address
    that the client was made with or, where the client chooses among nodes, None.
    `key` is the alias or key, None for operations on several or on none. Contents and
    credentials are never part of an event.
    """

    store: str
    operation: str
    node: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class CallRetried:
    """An attempt failed with `error`, and another follows after `pause` seconds."""

    call: CallStarted
    node: str | None
    error: Exception
    pause: float
    attempt: int  # the one that failed, counted from 1


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over: it has succeeded if `error` is None, else failed, or was cancelled.

    `duration` is in seconds, with all attempts and pauses. `node` is the one that answered
    last, as far as that is known.
    """

    call: CallStarted
    node: str | None
    duration: float
    error: BaseException | None
    attempts: int


class Observer(Protocol):
    """Has methods that are called as calls start, are repeated and end.

    The methods are called in the task or thread of the caller, who waits for them: they
    must be quick and must not block. An error that they raise is logged and changes nothing.
    """

    def start(self, event: CallStarted) -> object:
        """Return what the other two methods are given as `token` for the same call."""

    def retry(self, token: object, event: CallRetried) -> None:
        """Take note of an attempt that failed, and that another one follows."""

    def end(self, token: object, event: CallEnded) -> None:
        """Take note of the end of a call. Comes once for each start."""
