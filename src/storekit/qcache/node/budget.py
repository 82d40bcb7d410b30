"""Limits of one request: memory, time, and the number of operations on all rows.

A request gets one `Budget` when its head is read. All that allocates memory draws on it first:
decompression, parsing, stand-in columns, aliases, groups, responses. So no limit can be multiplied
by another one. Long work is done in steps, and each step begins with `check`, which raises if the
time is over or the client has disconnected.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from storekit.qcache.node.errors import BadQuery, Refusal, TooLarge

__all__ = ["Budget", "ClientLeft", "Limits", "NotQuick"]

_UPLOAD_SIZES, _UPLOAD_BYTES = 8, 32 * 2**20
_QUERY_SIZES, _QUERY_BYTES = 2, 192 * 2**20
_CONDITIONS = 5000
_OPERATIONS = 2000


class ClientLeft(Refusal):
    """The client has disconnected."""


class NotQuick(Exception):
    """A request took longer than `be_quick` allows: it is served again among the large ones."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a request."""

    memory: int
    """Bytes that it may hold at a time, besides the stored table."""

    refusal: type[Refusal]
    """Raised if it needs more."""

    bound: str
    """The limit as messages call it."""

    seconds: float | None = None
    """Seconds that the work may take; None for no limit."""

    conditions: int = _CONDITIONS
    """Conditions of a query, with those of its sub-queries."""

    operations: int = _OPERATIONS
    """Operators and functions in the aliases of a query and its sub-queries."""

    @classmethod
    def of_upload(cls, size: int) -> Self:
        """Return the limits of an upload to a node whose tables may take `size` bytes."""
        bound = "8 times --size, and 32 MiB, for an upload"
        return cls(_UPLOAD_SIZES * size + _UPLOAD_BYTES, TooLarge, bound)

    @classmethod
    def of_query(cls, size: int, seconds: float | None = None) -> Self:
        """Return the limits of a query to such a node."""
        bound = "2 times --size, and 192 MiB, for a query"
        return cls(_QUERY_SIZES * size + _QUERY_BYTES, BadQuery, bound, seconds)


class Budget:
    """What is left of the limits of a request.

    One thread at a time draws on it; any thread may `cancel`.
    """

    __slots__ = (
        "_clock",
        "_conditions",
        "_deadline",
        "_left",
        "_operations",
        "_quick_until",
        "_wanted",
        "limits",
    )

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits: Limits = limits
        self._clock = clock
        self._left = limits.memory
        self._conditions = limits.conditions
        self._operations = limits.operations
        self._wanted = True
        self._quick_until: float | None = None
        self._deadline: float | None = None

    def start(self) -> None:
        """Start the time limit: the content of the request is complete."""
        seconds = self.limits.seconds
        self._deadline = None if seconds is None else self._clock() + seconds

    @property
    def left(self) -> int:
        """Bytes that may still be taken."""
        return self._left

    # Memory

    def take(self, count: float, what: str) -> None:
        """Draw bytes, before the memory for `what` is taken. Raises the refusal of the limits."""
        self.expect(count, what)
        self._left -= int(count)

    def expect(self, count: float, what: str) -> None:
        """Raise the refusal of the limits unless so many bytes are left; draw nothing."""
        if count > self._left:
            limits = self.limits
            raise limits.refusal(
                f"Too much memory for {what}: a request may take {limits.memory} bytes "
                f"({limits.bound})"
            )

    def give_back(self, count: float) -> None:
        """Return bytes that were drawn, once their memory is free again."""
        self._left += int(count)

    @contextmanager
    def lend(self, count: float, what: str) -> Iterator[None]:
        """Draw bytes for as long as the block runs."""
        self.take(count, what)
        try:
            yield
        finally:
            self.give_back(count)

    # Counts

    def spend_condition(self) -> None:
        """Count one condition, and check."""
        self._conditions -= 1
        if self._conditions < 0:
            raise BadQuery(f"A query has at most {self.limits.conditions} conditions")
        self.check()

    def spend_operation(self) -> None:
        """Count one operator or function in an alias, and check."""
        self._operations -= 1
        if self._operations < 0:
            raise BadQuery(
                f"A query has at most {self.limits.operations} operators and functions in aliases"
            )
        self.check()

    # Time

    def check(self) -> None:
        """Raise, at the beginning of a step, if the work is to end.

        `ClientLeft` if cancelled, `BadQuery` if the time is over, `NotQuick` as `be_quick` says.
        """
        if not self._wanted:
            raise ClientLeft("The client has left")
        if self._deadline is None and self._quick_until is None:
            return
        now = self._clock()
        if self._deadline is not None and now >= self._deadline:
            raise BadQuery(
                f"The query took longer than the {self.limits.seconds:g} s that it may take "
                "(--query-timeout)"
            )
        if self._quick_until is not None and now >= self._quick_until:
            raise NotQuick

    def steps(self, rows: int, at_once: int) -> Iterator[slice]:
        """Yield slices of at most `at_once` rows, with a check before each."""
        at_once = max(at_once, 1)
        for start in range(0, rows, at_once):
            self.check()
            yield slice(start, min(start + at_once, rows))

    def cancel(self) -> None:
        """Have the next `check` raise `ClientLeft`."""
        self._wanted = False

    def be_quick(self, seconds: float | None) -> None:
        """Have `check` raise `NotQuick` after so many seconds; None to stop that."""
        self._quick_until = None if seconds is None else self._clock() + seconds

    def start_anew(self) -> None:
        """Give back all that was drawn: the work begins again, and its memory is free."""
        self._left = self.limits.memory
        self._conditions = self.limits.conditions
        self._operations = self.limits.operations
