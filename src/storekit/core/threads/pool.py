"""The threads' half of the executor: queues of calls, and how many threads work on them.

What one thread does is in `core.threads.worker`.

What is guaranteed:

- A call is made at most once: only whoever takes its claim makes or drops it.
- A session is used by one thread, which also opens and closes it. A session in whose call an
  error came up that breaks it is closed before the next call.
- No call is forgotten in a queue. Whoever queues a call first appends it and then looks for an
  idle thread; a thread that goes to rest first notes itself as idle and then looks at the
  queues. At least one thread that is not at rest is there for as long as a queue holds a call,
  unless no thread can be started.
- There are as many threads at work as the calls have use for: `few` while calls are short,
  since only one thread at a time holds the interpreter's lock; more the longer calls spend
  outside of it, up to the limit. If calls were short and long ones come between, a thread
  that watches the queue sees that nothing was taken from it and joins in.
- Few batches are under way at a time, too: see `share`. As above, one that takes long does
  not keep others waiting, for a thread watches.
- A thread whose callers have all left for longer than `grace` seconds is replaced, so that a
  store that never answers does not use up the threads; as many are replaced as the limit is.

Sessions are with threads rather than in `core.pool`. To lease one for what a thread does
between two rests took 3 µs where a call took 20 to 40, with 8 tasks and no wait: a tenth, for
the statistics to be the same.

What rests on the interpreter's lock: operations on a deque, a set and a dict are atomic.
`waking`, `watched`, `taken` and the estimate of the time that calls take are set without a
lock: each is a hint, and a lost one costs a wake-up or a fraction of a millisecond, no call.
The lock is for starting threads, for their end, and for the count of sessions.
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
"""Threads for calls that are short: more were never faster with no wait, on two cores."""

_SECONDS_A_THREAD = 10e-6
"""Time that calls take each for which one more thread is of use. With calls of 100 µs, 20
threads were twice as fast as 8, and 32 no faster."""

_SECONDS_AN_ITEM = 2e-6
"""Time of the interpreter that a thread takes for an item of a batch."""

_SECONDS_A_CALLER = 8e-6
"""Time of the interpreter that a call takes on both sides, from its task and back."""

_FEW_BATCHES = 2
"""Batches under way at a time while the event loop is busy. With 512 callers, two of 256 took
three quarters of the time of four with a twelfth each; with 64 callers and calls of 1 ms, four of
a quarter took four fifths of the time of one."""

_SMALLEST_SHARE = 16
"""Items that one batch takes, though others could: a hop costs as much as some five of them."""


class ThreadPool(Generic[S]):
    """The queues, and the threads that work on them. It knows nothing of event loops."""

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
        self.items: deque[Call] = deque()  # of batches; apart, so that plain calls don't split them
        self.bare: deque[Call] = deque()  # need no session, and do not wait for one
        self.threads: set[Worker[S]] = set()
        self.idle: deque[Worker[S]] = deque()
        self.lost: set[Worker[S]] = set()  # replaced, and still in a call
        self.waking: bool = False  # one thread is on its way and will look at the queues
        self.watched: bool = False  # one more thread than wanted watches the queues
        self.taken: int = 0  # how often a thread took something from a queue
        self.wanted: int = min(FEW, limits.max_size)  # threads to be at work
        self.joining: set[Worker[S]] = set()  # threads that are making a batch
        self.wanted_batches: int = self.wanted  # that are to be under way at a time
        self.sessions: int = 0  # open ones, those of lost threads apart
        self.closed: bool = False
        self.on_empty: Callable[[], object] = lambda: None
        # Told when the last session is gone or the first is there: see `Bridge.limit`.
        self.on_sessions: Callable[[bool], object] = lambda _: None
        # Garbage that is collected while it is held may submit a call, for its clean-up.
        self.lock: threading.RLock = threading.RLock()
        self._waited = 1e-6  # seconds of a batch outside the interpreter, about
        self._seconds = 0.0  # that a call takes, about
        self._most = limits.max_size
        self._most_batches = min(batching.most_batches, limits.max_size)

    # For callers

    def submit(self, call: Call) -> None:
        """Queue a call, and see to it that a thread takes it.

        Raises:
            OutOfResources: No thread is there, and none can be started.

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
        """Wake or start a thread, if there are fewer at work than wanted, or to watch."""
        if self.watched and self.has_enough(1):
            return
        if self.idle:
            try:
                thread = self.idle.pop()
            except IndexError:  # it went back to work by itself
                return
            self.waking = True
            thread.bell.release()
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
                return  # those that are there do the work
            if isinstance(error, (RuntimeError, MemoryError)):
                raise OutOfResources(
                    f"{self.name}: no thread can be started for the call ({error}), and nothing "
                    "was done: raise the limit of this process (ulimit -u), or lower max_size"
                ) from error
            raise

    def run_later(self, function: Callable[..., object], *args: object) -> None:
        """Make a call that nobody waits for, if need be in this thread."""
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
        """Free the value of a call that nobody waits for."""
        value, call.value = call.value, None
        if call.discard is not None and call.error is None and value is not None:
            self.run_later(call.discard, value)

    def dismiss(self) -> None:
        """Let every thread end once its call is over."""
        self.closed = True
        while self.idle:
            try:
                thread = self.idle.pop()
            except IndexError:
                break
            thread.bell.release()

    def replace_abandoned(self) -> float | None:
        """Give up threads whose callers have all left, so that others take their place.

        As many may be given up as there are places: a store that never answers must not
        gather threads without end. Returns when to look again, if at all.
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
        """Note how long a call took, for the number of threads that are of use.

        What counts is the time outside the interpreter. A call that waits for its lock takes
        longer than it should, one in ten or so: so a short one counts at once, and a long one
        for no more than twice what was known.
        """
        self._seconds = seconds if seconds < self._seconds else min(seconds, 2 * self._seconds)
        self._seconds = max(self._seconds, 1e-6)
        self.wanted = min(FEW + int(self._seconds / _SECONDS_A_THREAD), self._most)

    def note_batch(self, seconds: float, size: int) -> None:
        """Note how long a batch took."""
        waited = max(seconds - size * _SECONDS_AN_ITEM, 1e-6)
        self._waited = min(waited, 2 * self._waited)  # as in `note`
        self.note(seconds / size)

    def share(self, callers: int) -> int:
        """Return how many items a batch should take at most, and decide how many go at a time.

        While a batch waits, the event loop has the other callers to see to. If those keep it
        busy for that long, few batches are under way at a time, each of all that is there, for
        each costs a hop. If not, more are, with a part of the callers each: one of all of them
        would have all wait, and then all be busy.
        """
        busy = callers * _SECONDS_A_CALLER
        batches = self._most_batches if self._waited > busy else _FEW_BATCHES
        self.wanted_batches = min(batches, self._most_batches)
        if self._waited > busy / 6:
            return max(_SMALLEST_SHARE, math.ceil(callers / self.wanted_batches))
        return self.batching.most

    def has_enough(self, more: int = 0) -> bool:
        """Return whether it is too many for what is queued if so many more go to work."""
        if len(self.threads) - len(self.idle) + more > self.wanted:
            return True
        if self.plain or self.bare:
            return False
        return len(self.joining) >= self.wanted_batches

    def note_session(self, change: int) -> None:
        """Note that a thread has opened (1) or closed (-1) its session."""
        with self.lock:
            self._count(change)

    def _count(self, change: int) -> None:
        before = self.sessions
        self.sessions += change
        if not before or not self.sessions:
            self.on_sessions(bool(self.sessions))

    def leave(self, thread: Worker[S]) -> None:
        """Take a thread that ends off the list."""
        with self.lock:
            self.threads.discard(thread)
            self.lost.discard(thread)
            empty = not self.threads
        if self.has_work():  # submitted while this one was on its way out
            self.run_on()
        elif empty:
            self.on_empty()

    def run_on(self) -> None:
        """Wake a thread from within a thread: nobody is there to be told that none starts."""
        try:
            self.wake_one()
        except OutOfResources:
            _log.warning("%s: calls wait, and no thread can be started", self.name, exc_info=True)
