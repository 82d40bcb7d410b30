"""One thread of the pool: it takes calls from the queues and makes them with its session.

See `core.threads.pool` for what is guaranteed.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from storekit.core.seam._async import monotonic
from storekit.core.threads.bridge import Bridge, Call

if TYPE_CHECKING:
    from storekit.core.threads.pool import ThreadPool

__all__ = ["Worker", "call_quietly"]

S = TypeVar("S")

_log = logging.getLogger("storekit")

_WATCH_INTERVAL = 0.002
"""Seconds in which no call was taken from the queues, after which one more thread takes one."""


class Worker(Generic[S]):
    """One thread with one session."""

    def __init__(self, pool: "ThreadPool[S]", first: Call | None = None) -> None:
        self.wake_up: threading.Lock = threading.Lock()  # released to wake the thread
        self.wake_up.acquire()
        self.session: S | None = None
        self.replaced = False
        self._calls: Sequence[Call] = ()  # under way
        self._first = first
        self._fresh_until = math.inf
        self._pool = pool
        self._batching = pool.batching
        self.thread: threading.Thread = threading.Thread(
            target=self._work, name=pool.name, daemon=True
        )

    def abandoned_since(self) -> float | None:
        """Return when the last caller of its calls has left; None if a caller still waits."""
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
                if pool.has_enough() and not self._is_needed():
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
                time.sleep(_WATCH_INTERVAL)
                if pool.taken == seen or not pool.has_enough():
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
        if pool.closed or (pool.has_work() and not pool.has_enough(1)):
            try:
                pool.idle.remove(self)
            except ValueError:  # it was chosen to be woken, and the lock is about to be released
                self.wake_up.acquire()
                pool.waking = False
        elif self.wake_up.acquire(timeout=min(pool.limits.max_idle, threading.TIMEOUT_MAX)):
            pool.waking = False
        else:
            try:
                pool.idle.remove(self)
            except ValueError:
                self.wake_up.acquire()
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
        pool = self._pool
        self._calls = (call,)
        if not call.take():
            self._calls = ()
            return
        pool.taken += 1
        call.deadline = call.until
        if not pool.waking and (pool.plain or pool.items or pool.bare):
            pool.wake_another()
        began = monotonic()
        try:
            call.value = function(*args)
        except BaseException as error:  # noqa: BLE001 - it goes to the caller
            self._note_failure(call, error)
        pool.note(monotonic() - began)
        call.args = args = ()  # may be large; the caller may take its result much later
        self._hand_out(call)

    def _make_batch(self) -> None:
        """Take items from the queue, within the bounds of a batch, and make one call for them."""
        pool, batching = self._pool, self._batching
        calls = self._take_items()
        if not calls:
            return
        pool.taken += 1
        if not pool.waking and (pool.items or pool.plain or pool.bare):
            pool.wake_another()
        session: Any = self.session
        began = monotonic()
        pool.joining.add(self)
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
        pool.joining.discard(self)
        pool.note_batch(monotonic() - began, len(calls))
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
                if not calls and call.bridge is not None:
                    most = min(most, self._pool.share(len(call.bridge.calls)))
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
            pool.wake_another()

    def _fail(self, calls: Sequence[Call], error: BaseException) -> None:
        """Set an error on each call, a copy on all but the first."""
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
        """Pass the outcomes of calls to the event loops of their tasks."""
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
        """Open a session; if that fails, calls from the queue get the error."""
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
        """Open a session while idle, if this thread is one of `min_size`."""
        pool = self._pool
        if self.session is not None and monotonic() >= self._fresh_until:
            self._drop_session()
        if self.session is None and len(pool.threads) <= pool.limits.min_size and not pool.closed:
            try:
                self._open()
            except Exception:  # noqa: BLE001 - no caller waits; the next call tries again
                _log.debug("%s: could not keep a session open", pool.name, exc_info=True)

    def _drop_session(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            if not self.replaced:
                self._pool.note_session(-1)
            call_quietly(self._pool.close, session)


def call_quietly(function: Callable[..., object], *args: object) -> None:
    """Run a clean-up; log its error."""
    try:
        function(*args)
    except Exception:  # noqa: BLE001 - a clean-up must not hide the outcome of what came before
        _log.warning("a clean-up failed", exc_info=True)
