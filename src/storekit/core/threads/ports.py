"""The event loop's half of the workers: who waits for what, until when, and how to wake them.

A port belongs to one run of one event loop. Threads only ever append to `done` and call
`post`; all else happens on the loop.
"""

# ruff: noqa: ANN401 - calls are of any type; the base class describes the methods

import asyncio
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from storekit.core.seam._async import monotonic
from storekit.core.threads.calls import CallTimeout

__all__ = ["Call", "Port", "Run", "current_port"]


class Run:
    """What a thread is doing now: one call, or several made as one."""

    __slots__ = ("abandoned_at", "wanted")

    def __init__(self, wanted: int) -> None:
        self.wanted: int = wanted  # how many callers still wait for it
        self.abandoned_at: float | None = None


class Call:
    """One call on its way through queue, thread and loop."""

    __slots__ = (
        "args", "bare", "claim", "connect_by", "connecting", "discard", "error", "function", "port",
        "queued_by", "run", "until", "value", "waiter",
    )  # fmt: skip

    def __init__(
        self,
        port: "Port | None",
        function: Any,
        args: Any,
        until: float | None,
        bare: bool = False,
        discard: Callable[[Any], object] | None = None,
    ) -> None:
        self.port: Port | None = port
        self.function: Any = function
        self.args: Any = args
        self.until: float | None = until
        self.bare: bool = bare  # takes no session
        self.discard: Callable[[Any], object] | None = discard
        # Whoever pops it decides: a thread to run it, or the loop to drop it.
        self.claim: list[None] = [None]
        # The same, for a call whose thread first has to connect, by a time of its own.
        self.connecting: list[None] = []
        self.connect_by: float | None = None
        # The same, for one that came while no thread had a session; see `Port.stuck_by`.
        self.queued_by: float = 0.0
        self.run: Run | None = None
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

    def link(self) -> bool:
        """Return whether it is still wanted, after its thread has connected; as for `take`."""
        self.connect_by = None
        try:
            self.connecting.pop()
        except IndexError:
            return False
        return True


class Port(ABC):
    """The calls that tasks of one event loop wait for."""

    def __init__(self, discard: Callable[[Call], None], grace: float) -> None:
        self.calls: dict[Call, None] = {}
        self.done: deque[Call] = deque()
        self.replace_abandoned: Callable[[], float | None] = lambda: None
        # When to give up calls in the queue, for all threads are opening sessions, if they are.
        self.stuck_by: Callable[[], float | None] = lambda: None
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
        if call.until is not None:
            self.arm(call.until)
        if call.queued_by:
            self.arm(call.queued_by)

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
        waiting = Call(None, None, None, None)
        waiting.waiter, waiting.error = call.waiter, error
        self.resume(waiting)

    def _abandon(self, call: Call) -> bool:
        """Drop a call; return False if it had not begun, and now never will."""
        # Told by taking it: whoever only looked would be wrong a moment later.
        if call.take():
            call.args = ()  # it may hold much, and the queue holds it until a thread comes by
            return False
        started = not call.link()
        run = call.run
        if run is not None:
            run.wanted -= 1
            if run.wanted == 0:
                run.abandoned_at = monotonic()
                self.arm(run.abandoned_at + self._grace)
        return started

    def arm(self, at: float) -> None:
        """Have `ring` called at this time at the latest."""
        if self._alarm_at is None or at < self._alarm_at:
            self._alarm_at = at
            self.set_timer(max(0.0, at - monotonic()))

    def ring(self) -> None:
        """Fail what is overdue, and set the timer anew for what is left."""
        self._alarm_at = None
        now = monotonic()
        stuck_by = self.stuck_by()
        for call in [each for each in self.calls if _time_of(each, stuck_by) <= now]:
            self.fail(call, lambda started: CallTimeout(started=started))
        again = self.replace_abandoned()
        if again is not None:
            self.arm(again)
        next_time = min((_time_of(each, stuck_by) for each in self.calls), default=math.inf)
        if next_time < math.inf:
            self.arm(next_time)


def _time_of(call: Call, stuck_by: float | None) -> float:
    """Return when a call is to fail, if it has not ended."""
    in_queue = None if stuck_by is None or not call.claim else max(stuck_by, call.queued_by)
    times = (call.until, call.connect_by, in_queue)
    return min((time for time in times if time is not None), default=math.inf)


class AsyncioPort(Port):
    """The calls of tasks on one asyncio event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, discard: Callable[[Call], None], grace: float
    ) -> None:
        super().__init__(discard, grace)
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def wake(self, callback: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            return False
        return True

    def is_current(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def is_over(self) -> bool:
        return self._loop.is_closed()

    def wait(self, call: Call) -> Awaitable[Any]:
        call.waiter = waiter = self._loop.create_future()
        return waiter

    def resume(self, call: Call) -> bool:
        waiter: asyncio.Future[Any] = call.waiter
        if waiter.done():
            return False
        if call.error is None:
            waiter.set_result(call.value)
        elif isinstance(call.error, StopIteration):  # a future refuses it
            waiter.set_exception(RuntimeError(f"a blocking call raised {call.error!r}"))
        else:
            waiter.set_exception(call.error)
        return True

    def set_timer(self, delay: float) -> None:
        self.stop_timer()
        self._timer = self._loop.call_later(delay, self.ring)

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def current_port(port: Port | None, discard: Callable[[Call], None], grace: float) -> Port:
    """Return `port` if it is that of the running event loop, else a new one for that loop."""
    if port is not None and port.is_current():
        return port
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        # Loaded only where trio is, for trio is an extra.
        from storekit.core.threads.trio_port import TrioPort  # noqa: PLC0415

        return TrioPort(discard, grace)
    return AsyncioPort(loop, discard, grace)
