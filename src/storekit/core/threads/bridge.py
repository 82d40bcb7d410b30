"""The event loop's half of the executor: which tasks wait for which calls, and until when.

A bridge belongs to one run of one event loop. Threads call `post`, `wake` and `Call.take`, and
append to `done`; everything else is called on the loop.
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
        self.bare: bool = bare  # called without a session
        self.size: int = size  # bytes, of an item
        # Popped by a thread that runs the call, or by the loop to drop it.
        self.claim: list[None] = [None]
        self.left_at: float | None = None  # when its task stopped waiting, if it was running
        self.waiter: Any = None
        self.value: Any = None
        self.error: BaseException | None = None

    def take(self) -> bool:
        """Claim the call, to run or to drop it; True for one caller at most."""
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
        # See `ThreadPool.replace_abandoned`.
        self.replace_abandoned: Callable[[], float | None] = lambda: None
        self._discard = discard
        self._grace = grace
        self._posted = False
        self._timer_at: float | None = None

    # For threads

    def post(self) -> None:
        """Have the loop hand out `done`, unless that is scheduled already."""
        if not self._posted:
            self._posted = True
            if not self.wake(self.hand_out):  # the loop has ended, and all its tasks with it
                self.discard_done()

    def discard_done(self) -> None:
        """Discard all results."""
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
        """Return an awaitable for the result of a call."""

    @abstractmethod
    def resume(self, call: Call) -> bool:
        """Give a call's value or error to its task; False if the task no longer waits."""

    @abstractmethod
    def set_timer(self, delay: float) -> None:
        """Call `on_timer` in `delay` seconds, instead of at a time that was set before."""

    @abstractmethod
    def stop_timer(self) -> None:
        """Cancel the timer."""

    def enter(self, call: Call) -> None:
        """Add a call that a task waits for."""
        self.calls[call] = None
        at = call.deadline
        if at is not None and (self._timer_at is None or at < self._timer_at):
            self.arm(at)

    def hand_out(self) -> None:
        """Give all results in `done` to their tasks."""
        self._posted = False
        done, calls = self.done, self.calls
        while done:
            call = done.popleft()
            if calls.pop(call, self) is self or not self.resume(call):
                self._discard(call)
            call.error = None  # its traceback refers to frames that refer to the call

    def leave(self, call: Call) -> None:
        """Remove a call whose task no longer waits: it was cancelled, or has its result."""
        if self.calls.pop(call, self) is not self:
            self._abandon(call)

    def fail(self, call: Call, error: Callable[[bool], BaseException]) -> None:
        """Give a task `error(begun)` now. If its call has begun, it runs on."""
        if self.calls.pop(call, self) is not self:
            self._raise_in_task(call, error(self._abandon(call)))

    def refuse(self, call: Call, error: BaseException) -> None:
        """Give a task an error now, unless a thread has taken its call."""
        if call in self.calls and call.take():
            call.args = ()
            del self.calls[call]
            self._raise_in_task(call, error)

    def _raise_in_task(self, call: Call, error: BaseException) -> None:
        # In another `Call`: a thread may be writing a value into the real one.
        failed = Call(None, None)
        failed.waiter, failed.error = call.waiter, error
        self.resume(failed)

    def _abandon(self, call: Call) -> bool:
        """Drop a call; return whether it had begun. If not, it never will."""
        if call.take():
            call.args = ()  # may be large, and the call stays in the queue until a thread pops it
            return False
        call.left_at = monotonic()
        self.arm(call.left_at + self._grace)
        return True

    # Deadlines

    def limit(self, at: float) -> None:
        """Have queued calls fail at this time, if that is sooner, since no thread has a session."""
        for call in self.calls:
            if call.claim and not call.bare and (call.deadline is None or at < call.deadline):
                call.deadline = at
        if self.calls:
            self.arm(at)

    def lift_limit(self) -> None:
        """Restore the deadlines of queued calls, since a thread has a session."""
        for call in self.calls:
            if call.claim:
                call.deadline = call.until

    def arm(self, at: float) -> None:
        """Have `on_timer` called at this time at the latest."""
        if self._timer_at is None or at < self._timer_at:
            self._timer_at = at
            self.set_timer(max(0.0, at - monotonic()))

    def on_timer(self) -> None:
        """Fail calls that are past their deadlines, and set the timer for the others."""
        self._timer_at = None
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
