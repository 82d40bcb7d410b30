"""The threads' half of the executor: queues of calls, and how many threads work on them.

What one thread does is in `core.threads.worker`.

What is guaranteed:

- A call is made at most once: it is made or dropped only by the one that takes its claim.
- A session is used by one thread, which also opens and closes it. After an error for which
  `is_broken` returns True, the session is closed before the next call.
- No call stays in a queue while all threads are idle. `submit` first appends the call and then
  looks for an idle thread; a thread first adds itself to `idle` and then looks at the queues. So as
  long as a queue has a call, at least one thread is not idle, unless no thread can be started.
- The number of threads at work follows the calls: `FEW` while calls are short, since only one
  thread at a time holds the interpreter's lock; more the longer calls spend outside of it, up to
  the limit. If long calls occupy these few threads, one more thread, which watches the queues, sees
  that no call was taken for 2 ms and takes one.
- The number of batches under way at a time is limited in the same way (see `share`), and the same
  watching thread takes calls when long batches would keep them waiting.
- A thread whose callers have all left for longer than `grace` seconds is replaced, so that a
  store that never answers does not use up the threads. At most `max_size` are replaced.

Each thread has its own session, rather than one of `core.pool`. Leasing one from there for each
time that a thread is woken took 3 µs, where a call took 20 to 40 (8 tasks, calls without waiting).

This depends on the interpreter's lock: operations on a deque, a set and a dict are atomic.
`waking`, `watched`, `taken` and the estimate of the time that calls take are set without a
lock: each is a hint, and a lost one costs a wake-up or a fraction of a millisecond, no call.
`lock` is for starting threads, for their end, and for the count of sessions.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from storekit.core.seam._async import monotonic
from storekit.core.threads.bridge import Call
from storekit.core.threads.call import Batching
from storekit.core.threads.worker import Worker, call_quietly
from storekit.errors import OutOfResources
from storekit.options import PoolLimits

__all__ = ["FEW", "ThreadPool"]

S = TypeVar("S")

_log = logging.getLogger("storekit")

FEW = 4
"""Threads for short calls. More were never faster for calls without waiting, on two cores."""

_SECONDS_A_THREAD = 10e-6
"""Seconds of a call for which one more thread is used. With calls of 100 µs, 20 threads were
twice as fast as 8, and 32 no faster."""

_SECONDS_AN_ITEM = 2e-6
"""Seconds for which a thread holds the interpreter's lock for an item of a batch."""

_SECONDS_A_CALLER = 8e-6
"""Seconds for which a call holds the interpreter's lock, in its task and its thread."""

_FEW_BATCHES = 2
"""Batches under way at a time while the event loop is busy. With 512 callers, two batches of 256
took three quarters of the time of four with a twelfth of the callers each; with 64 callers and
calls of 1 ms, four with a quarter each took four fifths of the time of one with all."""

_SMALLEST_SHARE = 16
"""Items up to which a batch is not split: a switch between loop and thread takes the time of
about five items."""


class ThreadPool(Generic[S]):
    """The queues of calls, and the threads that make them. Independent of event loops."""

    def __init__(
        self,
        connect: Callable[[], S],
        close: Callable[[S], object],
        is_broken: Callable[[BaseException], bool],
        limits: PoolLimits,
        batching: Batching[S, Any, Any],
        grace: float,
        name: str,
    ) -> None:
        self.connect = connect
        self.close = close
        self.is_broken = is_broken
        self.limits = limits
        self.batching = batching
        self.grace = grace
        self.name = name
        self.plain: deque[Call] = deque()
        self.items: deque[Call] = deque()  # a queue of its own: plain calls don't split batches
        self.bare: deque[Call] = deque()  # calls that need no session
        self.threads: set[Worker[S]] = set()
        self.idle: deque[Worker[S]] = deque()
        self.lost: set[Worker[S]] = set()  # replaced, and still in a call
        self.waking: bool = False  # a thread was woken or started and will look at the queues
        self.watched: bool = False  # one more thread than wanted watches the queues
        self.taken: int = 0  # how often a thread took calls from a queue
        self.wanted: int = min(FEW, limits.max_size)  # how many threads should be at work
        self.joining: set[Worker[S]] = set()  # threads that are making a batch
        self.wanted_batches: int = self.wanted  # how many should be under way at a time
        self.sessions: int = 0  # open, without those of lost threads
        self.closed: bool = False
        self.on_empty: Callable[[], object] = lambda: None
        # Called when the first session is opened and the last one closed: see `Bridge.limit`.
        self.on_sessions: Callable[[bool], object] = lambda _: None
        # Reentrant: garbage collection while it is held may run a clean-up that submits a call.
        self.lock: threading.RLock = threading.RLock()
        self._waited = 1e-6  # estimated seconds that a batch spends outside the interpreter
        self._seconds = 0.0  # estimated seconds that a call takes
        self._most = limits.max_size
        self._most_batches = min(batching.most_batches, limits.max_size)

    # For callers

    def submit(self, call: Call) -> None:
        """Queue a call, and wake or start a thread for it if needed.

        Raises:
            OutOfResources: There is no thread, and none can be started.

        """
        if call.function is None:
            self.items.append(call)
        elif call.bare:
            self.bare.append(call)
        else:
            self.plain.append(call)
        if not self.waking:
            self.wake_one()

    def has_work(self) -> bool:
        """Return whether a call is in a queue."""
        return bool(self.items or self.plain or self.bare)

    def wake_one(self) -> None:
        """Wake or start a thread, to work if fewer are at work than wanted, else to watch."""
        if self.watched and self.has_enough(1):
            return
        if self.idle:
            try:
                thread = self.idle.pop()
            except IndexError:  # it has seen the call by itself
                return
            self.waking = True
            thread.wake_up.release()
        elif len(self.threads) < self._most:
            self.start()

    def start(self, first: Call | None = None) -> None:
        """Start one more thread, if the limit allows, with a call to make first."""
        with self.lock:
            if len(self.threads) >= self._most:
                if first is not None:
                    self.plain.append(first)
                return
            thread = Worker(self, first)
            self.threads.add(thread)
            self.waking = True
        try:
            thread.thread.start()
        except BaseException as error:
            self.waking = False
            with self.lock:
                self.threads.discard(thread)
            if self.threads and first is None:
                return  # the other threads take the call
            if isinstance(error, (RuntimeError, MemoryError)):
                raise OutOfResources(
                    f"{self.name}: no thread can be started for the call ({error}), and nothing "
                    "was done: raise the limit of this process (ulimit -u), or lower max_size"
                ) from error
            raise

    def run_later(self, function: Callable[..., object], *args: object) -> None:
        """Make a call without waiting for it; in this thread if there is no other."""
        if not (self.closed and not self.threads):
            call = Call(function, args, bare=True)
            try:
                self.submit(call)
            except OutOfResources:
                if not call.take():
                    return
            else:
                return
        call_quietly(function, *args)

    def discard(self, call: Call) -> None:
        """Pass the value of a call whose caller has left to its `discard`."""
        value, call.value = call.value, None
        if call.discard is not None and call.error is None and value is not None:
            self.run_later(call.discard, value)

    def dismiss(self) -> None:
        """End each thread once its call is over."""
        self.closed = True
        while self.idle:
            try:
                thread = self.idle.pop()
            except IndexError:
                break
            thread.wake_up.release()

    def replace_abandoned(self) -> float | None:
        """Remove threads whose callers have all left, so that others can be started.

        At most `max_size` threads are in this state, so that a store that never answers does not
        make their number grow without limit. Returns the time at which to look again, if any.
        """
        now = monotonic()
        again: float | None = None
        with self.lock:
            for thread in list(self.threads):
                since = thread.abandoned_since()
                if since is None:
                    continue
                if now - since >= self.grace and len(self.lost) < self._most:
                    thread.replaced = True
                    self.threads.discard(thread)
                    self.lost.add(thread)
                    if thread.session is not None:
                        self._count(-1)
                else:
                    again = max(since, now) + self.grace
        if self.has_work():
            self.wake_one()
        return again

    # For threads

    def note(self, seconds: float) -> None:
        """Record how long a call took, to set the number of threads wanted.

        Only the time outside the interpreter should count, but about one call in ten also waits
        for the interpreter's lock. So a shorter time replaces the estimate, and a longer one at
        most doubles it.
        """
        self._seconds = seconds if seconds < self._seconds else min(seconds, 2 * self._seconds)
        self._seconds = max(self._seconds, 1e-6)
        self.wanted = min(FEW + int(self._seconds / _SECONDS_A_THREAD), self._most)

    def note_batch(self, seconds: float, size: int) -> None:
        """Record how long a batch took."""
        waited = max(seconds - size * _SECONDS_AN_ITEM, 1e-6)
        self._waited = min(waited, 2 * self._waited)  # as in `note`
        self.note(seconds / size)

    def share(self, callers: int) -> int:
        """Return the maximum number of items for a batch, and set `wanted_batches`.

        While a batch waits for the store, the event loop can run other callers. If these keep it
        busy for that long, few batches, each of all items that wait, are best, since each batch
        costs a switch of threads. If not, more and smaller batches are: with a single one, the loop
        would be idle during the batch, and the thread while the loop runs all callers.
        """
        busy = callers * _SECONDS_A_CALLER
        batches = self._most_batches if self._waited > busy else _FEW_BATCHES
        self.wanted_batches = min(batches, self._most_batches)
        if self._waited > busy / 6:
            return max(_SMALLEST_SHARE, math.ceil(callers / self.wanted_batches))
        return self.batching.most

    def has_enough(self, more: int = 0) -> bool:
        """Return whether enough threads are at work for the queues, with `more` added to them."""
        if len(self.threads) - len(self.idle) + more > self.wanted:
            return True
        if self.plain or self.bare:
            return False
        return len(self.joining) >= self.wanted_batches

    def note_session(self, change: int) -> None:
        """Record that a thread has opened (1) or closed (-1) its session."""
        with self.lock:
            self._count(change)

    def _count(self, change: int) -> None:
        before = self.sessions
        self.sessions += change
        if not before or not self.sessions:
            self.on_sessions(bool(self.sessions))

    def leave(self, thread: Worker[S]) -> None:
        """Remove a thread that ends."""
        with self.lock:
            self.threads.discard(thread)
            self.lost.discard(thread)
            empty = not self.threads
        if self.has_work():  # submitted while this thread was ending
            self.wake_another()
        elif empty:
            self.on_empty()

    def wake_another(self) -> None:
        """Wake one more thread, called from a thread. Logs that none can be started."""
        try:
            self.wake_one()
        except OutOfResources:
            _log.warning(
                "%s: calls are queued, and no thread can be started", self.name, exc_info=True
            )
