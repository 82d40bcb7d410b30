"""The threads' half of the executor: they take calls from queues and make them.

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
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from storekit.core.seam._async import monotonic
from storekit.core.threads.bridge import Bridge, Call
from storekit.core.threads.call import Batching
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

_PATIENCE = 0.002
"""Seconds without a call taken from a full queue, after which one more thread helps out."""


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
        self.threads: set[PoolThread[S]] = set()
        self.idle: deque[PoolThread[S]] = deque()
        self.lost: set[PoolThread[S]] = set()  # replaced, and still in a call
        self.waking: bool = False  # one thread is on its way and will look at the queues
        self.watched: bool = False  # one more thread than wanted watches the queues
        self.taken: int = 0  # how often a thread took something from a queue
        self.wanted: int = min(FEW, limits.max_size)  # threads to be at work
        self.sessions: int = 0  # open ones, those of lost threads apart
        self.closed: bool = False
        self.on_empty: Callable[[], object] = lambda: None
        # Told when the last session is gone or the first is there: see `Bridge.limit`.
        self.on_sessions: Callable[[bool], object] = lambda _: None
        # Garbage that is collected while it is held may submit a call, for its clean-up.
        self.lock: threading.RLock = threading.RLock()
        self._seconds = 0.0  # that a call takes, about
        self._most = limits.max_size

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
        if len(self.threads) - len(self.idle) >= self.wanted and self.watched:
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
            thread = PoolThread(self, first)
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
        _quietly(function, *args)

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

    def note_session(self, change: int) -> None:
        """Note that a thread has opened (1) or closed (-1) its session."""
        with self.lock:
            self._count(change)

    def _count(self, change: int) -> None:
        before = self.sessions
        self.sessions += change
        if not before or not self.sessions:
            self.on_sessions(bool(self.sessions))

    def leave(self, thread: "PoolThread[S]") -> None:
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


class PoolThread(Generic[S]):
    """One thread with one session."""

    def __init__(self, pool: ThreadPool[S], first: Call | None = None) -> None:
        self.bell: threading.Lock = threading.Lock()
        self.bell.acquire()
        self.session: S | None = None
        self.replaced = False
        self._calls: Sequence[Call] = ()  # that it is making now
        self._first = first
        self._fresh_until = math.inf
        self._pool = pool
        self._batching = pool.batching
        self.thread: threading.Thread = threading.Thread(
            target=self._work, name=pool.name, daemon=True
        )

    def abandoned_since(self) -> float | None:
        """Return since when nobody waits for what it is doing, None if somebody does."""
        left = [call.left_at for call in self._calls]
        times = [at for at in left if at is not None]
        return max(times) if times and len(times) == len(left) else None

    def _work(self) -> None:
        pool = self._pool
        pool.waking = False
        try:
            if self._first is not None:
                self._make_first(self._first)
                self._first = None
            while not self.replaced:
                if len(pool.threads) - len(pool.idle) > pool.wanted and not self._is_needed():
                    if not self._rest():
                        break
                elif pool.bare:
                    self._make_bare()
                elif not pool.items and not pool.plain:
                    if not self._rest():
                        break
                elif self.session is not None or self._connect():
                    if pool.items:
                        self._make_batch()
                    if pool.plain and self.session is not None:
                        self._make_call()
        finally:
            self._drop_session()
            pool.leave(self)

    def _is_needed(self) -> bool:
        """Watch the queues, as one more thread than wanted; return whether to take a call.

        False if another thread watches, and once the queues are empty.
        """
        pool = self._pool
        if pool.watched:
            return False
        pool.watched = True
        try:
            while pool.has_work() and not pool.closed:
                seen = pool.taken
                time.sleep(_PATIENCE)
                if pool.taken == seen or len(pool.threads) - len(pool.idle) <= pool.wanted:
                    return True
        finally:
            pool.watched = False
        return pool.closed

    def _rest(self) -> bool:
        """Wait until there is work; False to end."""
        pool = self._pool
        if pool.limits.min_size:
            self._keep_session()
        pool.idle.append(self)
        if pool.closed or (pool.has_work() and len(pool.threads) - len(pool.idle) < pool.wanted):
            try:
                pool.idle.remove(self)
            except ValueError:  # somebody is already about to ring
                self.bell.acquire()
                pool.waking = False
        elif self.bell.acquire(timeout=min(pool.limits.max_idle, threading.TIMEOUT_MAX)):
            pool.waking = False
        else:
            try:
                pool.idle.remove(self)
            except ValueError:
                self.bell.acquire()
                pool.waking = False
            else:
                return len(pool.threads) <= pool.limits.min_size and not pool.closed
        if self.session is not None and monotonic() >= self._fresh_until:
            self._drop_session()
        return not pool.closed or pool.has_work()

    def _make_bare(self) -> None:
        try:
            call = self._pool.bare.popleft()
        except IndexError:
            return
        self._run(call, call.function, call.args)

    def _make_call(self) -> None:
        try:
            call = self._pool.plain.popleft()
        except IndexError:
            return
        self._run(call, call.function, (self.session, *call.args))

    def _run(self, call: Call, function: Callable[..., Any], args: tuple[object, ...]) -> None:
        """Make one call."""
        pool = self._pool
        self._calls = (call,)
        if not call.take():
            self._calls = ()
            return
        pool.taken += 1
        call.deadline = call.until
        if not pool.waking and (pool.plain or pool.items or pool.bare):
            pool.run_on()
        began = monotonic()
        try:
            call.value = function(*args)
        except BaseException as error:  # noqa: BLE001 - it goes to the caller
            self._note_failure(call, error)
        pool.note(monotonic() - began)
        call.args = args = ()  # not kept alive by a caller that is slow to look
        self._hand_out(call)

    def _make_batch(self) -> None:
        """Take the items that wait, within bounds, and make their calls as one."""
        pool, batching = self._pool, self._batching
        calls = self._take_items()
        if not calls:
            return
        pool.taken += 1
        if not pool.waking and (pool.items or pool.plain or pool.bare):
            pool.run_on()
        session: Any = self.session
        began = monotonic()
        try:
            if len(calls) == 1:
                calls[0].value = batching.alone(session, calls[0].args)
            else:
                values = batching.together(session, [call.args for call in calls])
                for call, value in zip(calls, values, strict=True):
                    if isinstance(value, Exception):
                        self._note_failure(call, value)
                    else:
                        call.value = value
        except BaseException as error:  # noqa: BLE001 - it goes to the callers
            self._fail(calls, error)
        pool.note((monotonic() - began) / len(calls))
        self._hand_out(*calls)

    def _take_items(self) -> list[Call]:
        most, room = self._batching.most, self._batching.most_bytes
        queue = self._pool.items
        calls: list[Call] = []
        self._calls = calls
        while len(calls) < most and room > 0:
            try:
                call = queue.popleft()
            except IndexError:
                break
            if call.take():
                call.deadline = call.until
                calls.append(call)
                room -= call.size
        return calls

    def _make_first(self, call: Call) -> None:
        """Make the call that this thread was started for, unless its task has left."""
        pool = self._pool
        try:
            if self.session is None:
                self._open()
        except BaseException as error:  # noqa: BLE001 - it goes to the caller
            if call.take():
                self._fail([call], error)
                self._hand_out(call)
        else:
            self._run(call, call.function, (self.session, *call.args))
        if not pool.closed and pool.has_work():
            pool.run_on()

    def _fail(self, calls: Sequence[Call], error: BaseException) -> None:
        """Give an error to each call, and none to two."""
        self._note_failure(calls[0], error)
        for call in calls[1:]:
            call.error = error
            if isinstance(error, Exception):
                call.error = self._batching.copy_error(error)

    def _note_failure(self, call: Call, error: BaseException) -> None:
        call.error = error
        if self.session is not None and self._pool.is_broken(error):
            self._drop_session()

    def _hand_out(self, *calls: Call) -> None:
        """Give the outcomes of calls to the event loops of their tasks."""
        bridge: Bridge | None = None
        for call in calls:
            if call.bridge is not bridge:
                if bridge is not None:
                    bridge.post()
                bridge = call.bridge
            if bridge is not None:
                bridge.done.append(call)
            elif call.error is not None:
                _log.warning("%s: a clean-up failed", self._pool.name, exc_info=call.error)
        if bridge is not None:
            bridge.post()
        self._calls = ()

    # The session

    def _connect(self) -> bool:
        """Open a session for the calls in the queues; if that fails, it is their error."""
        pool = self._pool
        try:
            self._open()
        except BaseException as error:  # noqa: BLE001 - it goes to the callers
            calls = self._take_items()
            if not calls and pool.plain:
                calls = self._take_plain()
            if calls:
                self._fail(calls, error)
                self._hand_out(*calls)
            return False
        return True

    def _take_plain(self) -> list[Call]:
        try:
            call = self._pool.plain.popleft()
        except IndexError:
            return []
        return [call] if call.take() else []

    def _open(self) -> None:
        pool = self._pool
        self.session = pool.connect()
        self._fresh_until = monotonic() + pool.limits.max_lifetime
        pool.note_session(1)

    def _keep_session(self) -> None:
        """Have a session also at rest, as one of the few that are to be kept."""
        pool = self._pool
        if self.session is not None and monotonic() >= self._fresh_until:
            self._drop_session()
        if self.session is None and len(pool.threads) <= pool.limits.min_size and not pool.closed:
            try:
                self._open()
            except Exception:  # noqa: BLE001 - nobody waits for it; the next call tries again
                _log.debug("%s: no session to keep", pool.name, exc_info=True)

    def _drop_session(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            if not self.replaced:
                self._pool.note_session(-1)
            _quietly(self._pool.close, session)


def _quietly(function: Callable[..., object], *args: object) -> None:
    try:
        function(*args)
    except Exception:  # noqa: BLE001 - a clean-up must not hide the outcome of what came before
        _log.warning("a clean-up failed", exc_info=True)
