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


class _Seeker:
    """Somebody who asks the pool for a session."""

    __slots__ = ("__weakref__",)


class Executor(Generic[S]):
    """Makes blocking calls with sessions, each of which serves one thread at a time.

    `limits` are those of the pool of sessions. `is_broken` says of an error that its
    session is of no more use. Only connecting and waiting for a session can be given up
    at a deadline: a call that has begun ends when the session's own timeout says so.
    """

    joins: Final = False
    """Whether items of several callers are ever made as one."""

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
        is_free: Callable[[S], bool] | None = None,  # noqa: ARG002 - all calls are made in place
        close_timeout: float = 5.0,  # noqa: ARG002 - nothing runs that could be waited for
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
        self._seekers: set[IdentityRef[_Seeker]] = set()
        self._pool: Pool[S] = Pool(self._connect_until, self._close_one, limits=limits, name=name)

    def statistics(self) -> CallStatistics:
        """Return the counts of this moment."""
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
        """Whether it was closed."""
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
        discard: Callable[[T], object] | None = None,  # noqa: ARG002 - no caller ever leaves early
        brief: bool = False,  # noqa: ARG002 - all calls are made in place
    ) -> T:
        """Return the result of `function(session, *args)`.

        Raises what `function` or connecting raises, `CallTimeout` if there is no session
        at the time `until`, `ClientClosed`, `OwnerMismatch`, `PoolFull`, `PoolTimeout`.
        """
        # The usual way costs a third of the pool's own: take the session that was used last.
        try:
            lease = self._warm.pop()
        except IndexError:
            lease = self._lease(until)
        else:
            if self._closed or self._forks != fork_count() or lease.expires_at < monotonic():
                lease = self._exchange(lease, until)
        try:
            # Without the star where there is nothing behind it: that is a dearer kind of call.
            result = function(lease.connection, *args) if args else function(lease.connection)
        except BaseException:
            self._after_error(lease)
            raise
        self._warm.append(lease)
        if self._seekers or self._closed:
            self._cool()
        return result

    # Warm sessions are leased from the pool, so whoever waits there would not see them. It
    # takes one order of steps on each side: make yourself known, then look for the other.

    def _after_error(self, lease: Lease[S]) -> None:
        """Keep or end the session in which the error came up that is being handled."""
        # Not given: whoever called would have a name for it, and a frame that holds its own error
        # is a cycle, which keeps the lease until the garbage collector comes.
        error = sys.exception()
        if not isinstance(error, StoreKitError) or self._is_broken(error):  # or a signal handler's
            self._pool.release(lease, reuse=False)
            return
        self._warm.append(lease)
        if self._seekers or self._closed:
            self._cool()

    def _cool(self) -> None:
        """Give all warm sessions back to the pool."""
        while True:
            try:
                lease = self._warm.pop()
            except IndexError:
                return
            self._pool.release(lease, reuse=not self._closed)

    def _lease(self, until: float | None) -> Lease[S]:
        # Known for as long as it exists: an exception between two steps leaves no count behind.
        seeker = _Seeker()
        self._seekers.add(IdentityRef(seeker, self._seekers.discard))
        if self._forks == fork_count():
            self._cool()
        return self._pool.acquire(connect_timeout=self._connect_timeout, until=until)

    def _exchange(self, lease: Lease[S], until: float | None) -> Lease[S]:
        """Give back a session that is too old, or not ours any more, for one that is good."""
        if self._forks == fork_count():
            self._pool.release(lease, reuse=False)
        return self._lease(until)

    def call_item(
        self,
        item: object,
        size: int,  # noqa: ARG002 - a plain call is alone
        until: float | None,
    ) -> Any:  # noqa: ANN401 - items are of any type
        """Return the value of an item."""
        # `call`, spelled out: by way of it, this one took a sixth longer.
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
        if self._seekers or self._closed:
            self._cool()
        return value

    def call_bare(
        self,
        function: Callable[..., T],
        *args: object,
        until: float | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        """Return the result of `function(*args)`; not waited for beyond `until` if given."""
        if self._closed:
            raise ClientClosed(f"{self._name}: the client is closed; make a new one")
        if self._forks != fork_count():
            raise OwnerMismatch(f"{self._name}: make the client after the fork")
        if until is None:
            return function(*args)
        return _call_until(lambda: function(*args), until - monotonic(), discard)

    def limited(self, limit: Callable[[S, float | None], object]) -> "Executor[S]":
        """Return what tells each session, by `limit`, until when the call may wait.

        It shares all sessions with this, and costs more for each call.
        """
        limited: Any = _LimitedExecutor(self, limit)
        return cast("Executor[S]", limited)

    def run_later(self, function: Callable[..., object], *args: object) -> None:
        """Call `function(*args)` now."""
        if self._forks == fork_count():
            function(*args)

    def close(self) -> None:
        """Close all sessions, those in use when they are given back. Closing twice is fine."""
        self._closed = True
        if self._forks == fork_count():
            self._cool()
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

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is that of the other
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
    """Call in a thread that can be left behind: what blocks in C can't be interrupted.

    Threads and futures of the library have locks and lists of their own, which an exception of a
    signal handler leaves in disorder. Here one lock is waited for, and one entry of a list, which
    is taken in one step, says who minds the value: the caller until it leaves, the thread after.
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
    except RuntimeError:  # there is no thread to be had
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
        raise errors.pop()  # which has this frame: the frame must not have the error, too
    return values.pop()


def _take(entries: list[bool]) -> bool:
    """Take the one entry; return whether nobody had taken it before."""
    try:
        return entries.pop()
    except IndexError:
        return False


def _discard(values: list[T], discard: Callable[[T], object] | None) -> None:
    for value in values:
        if discard is not None:
            discard(value)
