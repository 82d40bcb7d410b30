"""The event loop's half of the executor: who waits for what, until when, and how to wake them.

A bridge belongs to one run of one event loop. Threads call `post`, `wake` and `Call.take`, and
append to `done`; everything else happens on the loop.
"""

# ruff: noqa: ANN401 - calls are of any type; the base class describes the methods

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from storekit.core.seam._async import monotonic
from storekit.core.threads.call import CallTimeout

__all__ = ["Bridge", "Call"]


class Call:
    """One call on its way from a task to a thread and back."""

    __slots__ = (
        "args", "bare", "bridge", "claim", "deadline", "discard", "error", "function", "left_at",
        "size", "until", "value", "waiter",
    )  # fmt: skip

    def __init__(
        self,
        function: Any,
        args: Any,
        until: float | None = None,
        discard: Callable[[Any], object] | None = None,
        bare: bool = False,
        size: int = 0,
    ) -> None:
        self.bridge: Bridge | None = None
        self.function: Any = function  # None for an item of a batch
        self.args: Any = args  # or the item
        self.until: float | None = until
        # When to fail it: `until`, or earlier while no thread has a session. See `Bridge.limit`.
        self.deadline: float | None = until
        self.discard: Callable[[Any], object] | None = discard
        self.bare: bool = bare  # needs no session
        self.size: int = size  # bytes, of an item
        # Whoever pops it decides: a thread to run the call, or the loop to drop it.
        self.claim: list[None] = [None]
        self.left_at: float | None = None  # when its task stopped waiting, if it was running
        self.waiter: Any = None
        self.value: Any = None
        self.error: BaseException | None = None

    def take(self) -> bool:
        """Return whether it is the taker's to run or to drop; at most one taker is told so."""
        try:
            self.claim.pop()
        except IndexError:
            return False
        return True


class Bridge(ABC):
    """The calls that tasks of one event loop wait for."""

    def __init__(self, discard: Callable[[Call], None], grace: float) -> None:
        self.calls: dict[Call, None] = {}
        self.done: deque[Call] = deque()
        # Gives up threads that nobody waits for; returns when to do it again, if at all.
        self.replace_abandoned: Callable[[], float | None] = lambda: None
        self._discard = discard
        self._grace = grace
        self._posted = False
        self._alarm_at: float | None = None

    # For threads

    def post(self) -> None:
        """Have the loop look at `done`, unless it is about to."""
        if not self._posted:
            self._posted = True
            if not self.wake(self.drain):  # the loop has ended: so have all who waited
                self.drain_nowhere()

    def drain_nowhere(self) -> None:
        """Drop all results, for nobody will ever take them."""
        self._posted = False
        while self.done:
            self._discard(self.done.popleft())

    @abstractmethod
    def wake(self, callback: Callable[[], object]) -> bool:
        """Have the loop call `callback` soon; False if the loop has ended. For any thread."""

    # For the loop

    @abstractmethod
    def is_current(self) -> bool:
        """Return whether the caller runs on this loop."""

    @abstractmethod
    def is_over(self) -> bool:
        """Return whether the loop has ended."""

    @abstractmethod
    def wait(self, call: Call) -> Awaitable[Any]:
        """Return what gives the result of a call."""

    @abstractmethod
    def resume(self, call: Call) -> bool:
        """Give a call's value or error to its task; False if it no longer takes it."""

    @abstractmethod
    def set_timer(self, delay: float) -> None:
        """Call `ring` in `delay` seconds, and at no other time that was set before."""

    @abstractmethod
    def stop_timer(self) -> None:
        """Call `ring` no more."""

    def enter(self, call: Call) -> None:
        """Note that a task waits for this call."""
        self.calls[call] = None
        at = call.deadline
        if at is not None and (self._alarm_at is None or at < self._alarm_at):
            self.arm(at)

    def drain(self) -> None:
        """Hand out all results that have come in."""
        self._posted = False
        done, calls = self.done, self.calls
        while done:
            call = done.popleft()
            if calls.pop(call, self) is self or not self.resume(call):
                self._discard(call)
            call.error = None  # breaks the cycle through its traceback

    def leave(self, call: Call) -> None:
        """Note that the task waits no more: it was cancelled, or has its result."""
        if self.calls.pop(call, self) is not self:
            self._abandon(call)

    def fail(self, call: Call, error: Callable[[bool], BaseException]) -> None:
        """Give a task an error now, made of whether its call had begun; that one runs on."""
        if self.calls.pop(call, self) is not self:
            self._tell(call, error(self._abandon(call)))

    def refuse(self, call: Call, error: BaseException) -> None:
        """Give a task an error now, unless a thread has taken its call."""
        if call in self.calls and call.take():
            call.args = ()
            del self.calls[call]
            self._tell(call, error)

    def _tell(self, call: Call, error: BaseException) -> None:
        # By a call of its own: a thread may be writing a value into the real one.
        told = Call(None, None)
        told.waiter, told.error = call.waiter, error
        self.resume(told)

    def _abandon(self, call: Call) -> bool:
        """Drop a call; return False if it had not begun, and now never will."""
        # Told by taking it: whoever only looked would be wrong a moment later.
        if call.take():
            call.args = ()  # it may hold much, and the queue holds it until a thread comes by
            return False
        call.left_at = monotonic()
        self.arm(call.left_at + self._grace)
        return True

    # Deadlines

    def limit(self, at: float) -> None:
        """Have calls in the queue fail at this time, if that is sooner: no thread has a session."""
        for call in self.calls:
            if call.claim and not call.bare and (call.deadline is None or at < call.deadline):
                call.deadline = at
        if self.calls:
            self.arm(at)

    def lift_limit(self) -> None:
        """Give calls in the queue their own time again: a thread has a session."""
        for call in self.calls:
            if call.claim:
                call.deadline = call.until

    def arm(self, at: float) -> None:
        """Have `ring` called at this time at the latest."""
        if self._alarm_at is None or at < self._alarm_at:
            self._alarm_at = at
            self.set_timer(max(0.0, at - monotonic()))

    def ring(self) -> None:
        """Fail what is overdue, and set the timer anew for what is left."""
        self._alarm_at = None
        now = monotonic()
        for call in [each for each in self.calls if _deadline_of(each) <= now]:
            self.fail(call, lambda started: CallTimeout(started=started))
        again = self.replace_abandoned()
        if again is not None:
            self.arm(again)
        next_time = min(map(_deadline_of, self.calls), default=math.inf)
        if next_time < math.inf:
            self.arm(next_time)


def _deadline_of(call: Call) -> float:
    return math.inf if call.deadline is None else call.deadline
