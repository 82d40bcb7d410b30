"""Sessions leased from a pool, for plain calls in the calling thread."""

import _thread
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar, cast

from storekit.core._sync.pool import Pool
from storekit.core.forks import fork_count
from storekit.core.places import IdentityRef, Lease
from storekit.core.seam._sync import monotonic
from storekit.core.threads.call import NO_BATCHING, Batching, CallStatistics, CallTimeout
from storekit.errors import ClientClosed, OwnerMismatch, StoreKitError
from storekit.options import PoolLimits

__all__ = ["DEFAULT_LIMITS", "Executor"]

S = TypeVar("S")
T = TypeVar("T")


DEFAULT_LIMITS = PoolLimits(max_size=16, max_waiting=10_000)


class _Caller:
    """A caller that asks the pool for a session."""

    __slots__ = ("__weakref__",)


class Executor(Generic[S]):
    """Makes blocking calls with sessions, each of which is used by one thread at a time.

    `limits` are those of the pool of sessions. `is_broken` returns whether an error means that its
    session can't be used any more. Only connecting and waiting for a session end at a deadline: a
    call that has begun ends by the session's own timeout.
    """

    joins: Final = False
    """Whether items of several callers may be made as one call."""

    def __init__(
        self,
        connect: Callable[[], S],
        close: Callable[[S], object],
        *,
        limits: PoolLimits = DEFAULT_LIMITS,
        connect_timeout: float | None = None,
        is_broken: Callable[[BaseException], bool] = lambda _: False,
        name: str = "executor",
        batching: Batching[S, Any, Any] = NO_BATCHING,
        is_free: Callable[[S], bool] | None = None,  # noqa: ARG002 - no call needs a thread
        close_timeout: float = 5.0,  # noqa: ARG002 - there are no threads to wait for
        grace: float = 1.0,  # noqa: ARG002
    ) -> None:
        self._name = name
        self._connect = connect
        self._close = close
        self._connect_timeout = connect_timeout
        self._is_broken = is_broken
        self._alone = batching.alone
        self._closed = False
        self._forks = fork_count()
        self._warm: deque[Lease[S]] = deque()
        self._asking: set[IdentityRef[_Caller]] = set()
        self._pool: Pool[S] = Pool(self._connect_until, self._close_one, limits=limits, name=name)

    def statistics(self) -> CallStatistics:
        """Return the current counts."""
        counts = self._pool.statistics()
        return CallStatistics(
            threads=0,
            idle=0,
            sessions=counts.size - counts.connecting,
            calls=max(0, counts.leased - len(self._warm)) + counts.connecting + counts.waiting,
            queued=counts.waiting,
            abandoned=0,
        )

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def open(self) -> None:
        """Open a session now, if there is none; raises what connecting raises."""
        self.call(lambda _: None)

    def fill(self) -> None:
        """Open `min_size` sessions, which are kept; raises what connecting raises."""
        self._pool.fill(connect_timeout=self._connect_timeout)

    def call(
        self,
        function: Callable[..., T],
        *args: object,
        until: float | None = None,
        discard: Callable[[T], object] | None = None,  # noqa: ARG002 - no caller leaves early
        brief: bool = False,  # noqa: ARG002 - no call needs a thread
    ) -> T:
        """Return the result of `function(session, *args)`.

        Raises what `function` or connecting raises, `CallTimeout` if there is no session
        at the time `until`, `ClientClosed`, `OwnerMismatch`, `PoolFull`, `PoolTimeout`.
        """
        # Taking the session that was used last takes a third of the time of asking the pool.
        try:
            lease = self._warm.pop()
        except IndexError:
            lease = self._lease(until)
        else:
            if self._closed or self._forks != fork_count() or lease.expires_at < monotonic():
                lease = self._exchange(lease, until)
        try:
            # Without the star if there are no arguments: a call with a star takes longer.
            result = function(lease.connection, *args) if args else function(lease.connection)
        except BaseException:
            self._after_error(lease)
            raise
        self._warm.append(lease)
        if self._asking or self._closed:
            self._return_warm()
        return result

    # Warm sessions stay leased from the pool, so a caller that waits there would not get them.
    # Therefore a caller first adds itself to `_asking` and then returns warm sessions; a call that
    # ends first adds its session to `_warm` and then looks at `_asking`. One of the two sees the
    # other.

    def _after_error(self, lease: Lease[S]) -> None:
        """Keep or close the session whose call raised the error that is being handled."""
        # The error is no argument: a frame with a reference to its own error is a cycle, which
        # keeps the lease until the garbage collector runs.
        error = sys.exception()
        # Anything but a StoreKitError may come from a signal handler, in the middle of the call.
        if not isinstance(error, StoreKitError) or self._is_broken(error):
            self._pool.release(lease, reuse=False)
            return
        self._warm.append(lease)
        if self._asking or self._closed:
            self._return_warm()

    def _return_warm(self) -> None:
        """Give all warm sessions back to the pool."""
        while True:
            try:
                lease = self._warm.pop()
            except IndexError:
                return
            self._pool.release(lease, reuse=not self._closed)

    def _lease(self, until: float | None) -> Lease[S]:
        # Removed when this frame ends, also by an exception between two bytecodes.
        caller = _Caller()
        self._asking.add(IdentityRef(caller, self._asking.discard))
        if self._forks == fork_count():
            self._return_warm()
        return self._pool.acquire(connect_timeout=self._connect_timeout, until=until)

    def _exchange(self, lease: Lease[S], until: float | None) -> Lease[S]:
        """Return another session for one that is too old, closed, or of the parent process."""
        if self._forks == fork_count():
            self._pool.release(lease, reuse=False)
        return self._lease(until)

    def call_item(
        self,
        item: object,
        size: int,  # noqa: ARG002 - items are not joined here
        until: float | None,
    ) -> Any:  # noqa: ANN401 - items are of any type
        """Return the value of an item."""
        # A copy of `call`: calling that instead took a sixth longer.
        try:
            lease = self._warm.pop()
        except IndexError:
            lease = self._lease(until)
        else:
            if self._closed or self._forks != fork_count() or lease.expires_at < monotonic():
                lease = self._exchange(lease, until)
        try:
            value = self._alone(lease.connection, item)
        except BaseException:
            self._after_error(lease)
            raise
        self._warm.append(lease)
        if self._asking or self._closed:
            self._return_warm()
        return value

    def call_bare(
        self,
        function: Callable[..., T],
        *args: object,
        until: float | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        """Return the result of `function(*args)`. Raises `CallTimeout` at the time `until`."""
        if self._closed:
            raise ClientClosed(f"{self._name}: the client is closed; make a new one")
        if self._forks != fork_count():
            raise OwnerMismatch(f"{self._name}: make the client after the fork")
        if until is None:
            return function(*args)
        return _call_until(lambda: function(*args), until - monotonic(), discard)

    def limited(self, limit: Callable[[S, float | None], object]) -> "Executor[S]":
        """Return an executor that tells sessions, by `limit`, until when a call may wait.

        It shares all sessions with this one; its calls take longer.
        """
        limited: Any = _LimitedExecutor(self, limit)
        return cast("Executor[S]", limited)

    def run_later(self, function: Callable[..., object], *args: object) -> None:
        """Call `function(*args)` now."""
        if self._forks == fork_count():
            function(*args)

    def close(self) -> None:
        """Close all sessions, those in use once they are given back. Closing twice does nothing."""
        self._closed = True
        if self._forks == fork_count():
            self._return_warm()
        self._pool.close()

    def _connect_until(self, until: float | None) -> S:
        if until is None:
            return self._connect()
        return _call_until(self._connect, until - monotonic(), self._close)

    def _close_one(self, session: S) -> None:
        self._close(session)


class _LimitedExecutor(Generic[S]):
    """An executor whose sessions are told until when a call may wait for others."""

    def __init__(self, executor: Executor[S], limit: Callable[[S, float | None], object]) -> None:
        self._executor = executor
        self._limit = limit

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the executor
        return getattr(self._executor, name)

    def call(
        self,
        function: Callable[..., T],
        *args: object,
        until: float | None = None,
        brief: bool = False,  # noqa: ARG002 - as `Executor.call`
    ) -> T:
        """Return the result of `function(session, *args)`; see `Executor.call`."""

        def limited(session: S) -> T:
            self._limit(session, until)
            try:
                return function(session, *args)
            finally:
                self._limit(session, None)

        return self._executor.call(limited, until=until)

    def call_item(
        self,
        item: object,
        *,
        size: int = 0,  # noqa: ARG002 - as `Executor.call_item`
        until: float | None = None,
    ) -> Any:  # noqa: ANN401 - items are of any type
        """Return the value of an item."""
        return self.call(self._executor._alone, item, until=until)  # noqa: SLF001 - of the same file


def _call_until(call: Callable[[], T], timeout: float, discard: Callable[[T], object] | None) -> T:
    """Call in a thread that can be abandoned at the timeout: C code can't be interrupted.

    Threads and futures of the standard library have locks and lists of their own, which an
    exception of a signal handler leaves in an inconsistent state. Here the caller waits for one
    lock, and whichever of the two takes the only entry of a list, in one step, decides: the caller
    that leaves, so that the thread discards the value, or the thread, so that the caller gets it.
    """
    values: list[T] = []
    errors: list[BaseException] = []
    wanted = [True]
    ended = _thread.allocate_lock()
    ended.acquire()

    def run() -> None:
        try:
            values.append(call())
        except BaseException as error:  # noqa: BLE001 - it goes to the caller
            errors.append(error)
        ended.release()
        if not _take(wanted):
            _discard(values, discard)

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:  # no thread can be started
        return call()
    try:
        in_time = ended.acquire(True, min(max(0.0, timeout), threading.TIMEOUT_MAX))
    except BaseException:
        if not _take(wanted):
            _discard(values, discard)
        raise
    if not in_time and _take(wanted):
        raise CallTimeout(started=True)
    if errors:
        raise errors.pop()  # its traceback refers to this frame, which must not refer to it
    return values.pop()


def _take(entries: list[bool]) -> bool:
    """Take the only entry; return whether it was still there."""
    try:
        return entries.pop()
    except IndexError:
        return False


def _discard(values: list[T], discard: Callable[[T], object] | None) -> None:
    for value in values:
        if discard is not None:
            discard(value)
