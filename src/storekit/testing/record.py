"""A record of the calls of clients, for assertions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from storekit.observers import CallEnded, CallRetried, CallStarted

__all__ = ["Record", "RecordedCall"]


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call that has ended."""

    store: str
    operation: str
    key: str | None
    attempts: int
    error: BaseException | None

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.error is None


class Record(Sequence[RecordedCall]):
    """The calls that have ended, in order. It is an observer: `Client(..., observers=[record])`."""

    def __init__(self) -> None:
        self._calls: list[RecordedCall] = []

    def __repr__(self) -> str:
        return f"Record({self._calls!r})"

    @overload
    def __getitem__(self, index: int) -> RecordedCall: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RecordedCall]: ...
    def __getitem__(self, index: int | slice) -> RecordedCall | Sequence[RecordedCall]:
        return self._calls[index]

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[RecordedCall]:
        return iter(list(self._calls))

    def of(self, operation: str) -> list[RecordedCall]:
        """Return the calls of one operation."""
        return [each for each in self if each.operation == operation]

    @property
    def operations(self) -> list[str]:
        """The names of the operations, in order."""
        return [each.operation for each in self]

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()

    # As an observer

    def start(self, event: CallStarted) -> CallStarted:
        """Do nothing: a call is recorded when it ends."""
        return event

    def retry(self, token: object, event: CallRetried) -> None:
        """Do nothing: the event at the end has the number of attempts."""

    def end(self, token: object, event: CallEnded) -> None:  # noqa: ARG002 - part of the interface
        """Record a call."""
        call = event.call
        self._calls.append(
            RecordedCall(call.store, call.operation, call.key, event.attempts, event.error)
        )
