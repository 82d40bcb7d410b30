"""The three events of a call, and the interface of observers."""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["CallEnded", "CallRetried", "CallStarted", "Observer"]


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call of a client has started.

    `store` is "qdb" or "qcache", `operation` the name of the method. `node` is the address
    that the client was made with, or None if the client chooses among several nodes.
    `key` is the alias or key; None for operations on several or on none. Contents and
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
    """A call has ended: it succeeded if `error` is None, else it failed or was cancelled.

    `duration` is in seconds, with all attempts and pauses. `node` is the one that answered
    last, if that is known.
    """

    call: CallStarted
    node: str | None
    duration: float
    error: BaseException | None
    attempts: int


class Observer(Protocol):
    """The interface of observers: methods for the start, the repeats and the end of a call.

    The methods are called in the task or thread of the caller, which waits for them: they
    must be quick and must not block. An error that they raise is logged and changes nothing.
    """

    def start(self, event: CallStarted) -> object:
        """Handle the start of a call. The other methods get the returned object as `token`."""

    def retry(self, token: object, event: CallRetried) -> None:
        """Handle a failed attempt that is followed by another one."""

    def end(self, token: object, event: CallEnded) -> None:
        """Handle the end of a call. Called once for each `start`."""
