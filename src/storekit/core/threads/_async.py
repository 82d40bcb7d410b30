"""Threads that make blocking calls for tasks.

A switch between event loop and thread costs more than most calls to a store, and each call would
need two. So a few threads take their calls from one queue, and one wake-up of the event loop hands
out all results that are there by then. Items that wait together are made as one call: see
`Batching`.
"""

# ruff: noqa: ANN401 - calls are of any type

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Generic, Self, TypeVar

import anyio

from storekit.core.forks import fork_count
from storekit.core.seam._async import checkpoint, monotonic, run_all
from storekit.core.threads.asyncio_bridge import AsyncioBridge
from storekit.core.threads.bridge import Bridge, Call
from storekit.core.threads.call import NO_BATCHING, Batching, CallStatistics
from storekit.core.threads.pool import ThreadPool
from storekit.errors import ClientClosed, OwnerMismatch, PoolFull
from storekit.options import PoolLimits

__all__ = ["DEFAULT_LIMITS", "Executor"]

S = TypeVar("S")
T = TypeVar("T")

DEFAULT_LIMITS = PoolLimits(max_size=32, max_waiting=10_000)
"""At most 32 threads with a session each; fewer are used where more would not be faster."""


class Executor(Generic[S]):
    """Makes blocking calls with sessions, each of which belongs to one thread.

    `limits`: `max_size` is the maximum number of threads, each with one session; `min_size` the
    number that `fill` starts, which then stay; `max_waiting` the maximum number of callers;
    `max_idle` the seconds after which an idle thread ends; `max_lifetime` the seconds after which a
    session is replaced. While no thread has a session, a call waits at most `connect_timeout`
    seconds. `is_broken` returns whether an error means that its session can't be used any more. A
    thread whose callers have all left is replaced by another one after `grace` seconds.

    `is_free` is for stores whose calls can wait for nothing but other threads; it returns whether a
    call of a session would not have to wait now. Then items, and calls that are `brief`, are made
    in the task itself, after a checkpoint.

    Threads start on first use and end on close. **Cancelling an await returns at once.** A
    call that had not begun is dropped; one that had begun runs on in its thread, whose session
    is not used for other calls until it is over, and its value is passed to `discard`.
    """

    joins: Final = True
    """Whether items of several callers may be made as one call."""

    def __init__(
        self,
        connect: Callable[[], S],
        close: Callable[[S], object],
        *,
        limits: PoolLimits = DEFAULT_LIMITS,
        connect_timeout: float | None = None,
        is_broken: Callable[[BaseException], bool] = lambda _: False,
        batching: Batching[S, Any, Any] = NO_BATCHING,
        is_free: Callable[[S], bool] | None = None,
        name: str = "executor",
        close_timeout: float = 5.0,
        grace: float = 1.0,
    ) -> None:
        self._name = name
        self._limits = limits
        self._connect = connect
        self._close = close
        self._connect_timeout = connect_timeout
        self._alone = batching.alone
        self._is_free = is_free
        self._own: S | None = None  # the session of the event loop's thread
        self._close_timeout = close_timeout
        self._pool = ThreadPool(connect, close, is_broken, limits, batching, grace, name)
        self._bridge: Bridge | None = None
        self._adopting = threading.Lock()
        self._forks = fork_count()

    def statistics(self) -> CallStatistics:
        """Return the current counts."""
        pool = self._pool
        with pool.lock:
            threads = [*pool.threads, *pool.lost]
            abandoned = len(pool.lost)
        calls = [] if self._bridge is None else list(self._bridge.calls)
        sessions = sum(thread.session is not None for thread in threads)
        return CallStatistics(
            threads=len(threads),
            idle=len(pool.idle),
            sessions=sessions + (self._own is not None),
            calls=len(calls),
            queued=sum(bool(call.claim) for call in calls),
            abandoned=abandoned,
        )

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._pool.closed

    def open(self) -> None:
        """Do nothing: sessions are opened by threads on first use. The sync twin connects."""

    async def fill(self) -> None:
        """Open `min_size` sessions, which are kept; raises what connecting raises."""
        missing = self._limits.min_size - len(self._pool.threads)
        until = None if self._connect_timeout is None else monotonic() + self._connect_timeout
        calls = [Call(_nothing, (), until) for _ in range(missing)]
        await run_all(
            [partial(self._make, call, partial(self._pool.start, call)) for call in calls]
        )

    def call(
        self,
        function: Callable[..., T],
        *args: object,
        until: float | None = None,
        discard: Callable[[T], object] | None = None,
        brief: bool = False,
    ) -> Awaitable[T]:
        """Return the result of `function(session, *args)`, called in a thread.

        A `brief` call is one that takes no longer than that of a small item: see `is_free`.

        Raises what `function` or connecting raises, `CallTimeout` at the time `until`,
        `ClientClosed`, `OwnerMismatch`, `PoolFull` if too many callers wait, and `OutOfResources`
        if no thread can be started. `discard` is called, in some thread, with a value that came
        after its caller had left.
        """
        call = Call(function, args, until, discard)
        return self._make(call) if self._is_free is None or not brief else self._make_here(call)

    def call_item(self, item: object, size: int, until: float | None) -> Awaitable[Any]:
        """Return the value of an item, whose call may be made together with those of others.

        `size` is in bytes. Raises as `call` does.
        """
        call = Call(None, item, until, None, False, size)
        return self._make(call) if self._is_free is None else self._make_here(call)

    def call_bare(
        self,
        function: Callable[..., T],
        *args: object,
        until: float | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> Awaitable[T]:
        """Return the result of `function(*args)`, called in a thread without its session."""
        return self._make(Call(function, args, until, discard, bare=True))

    def limited(self, limit: Callable[[S, float | None], object]) -> Self:  # noqa: ARG002 - see below
        """Return this executor.

        The sync twin tells sessions, by `limit`, until when a call may wait; here the caller leaves
        at that time.
        """
        return self

    def run_later(self, function: Callable[..., object], *args: object) -> None:
        """Have `function(*args)` called in a thread, without waiting for it; log its error."""
        if self._forks == fork_count():
            self._pool.run_later(function, *args)

    async def _make(self, call: Call, submit: Callable[[], object] | None = None) -> Any:
        pool, bridge = self._pool, self._bridge
        if bridge is None or pool.closed or self._forks != fork_count():
            bridge = self._check()
        elif not bridge.is_current():
            bridge = self._adopt()
        calls = bridge.calls
        most = self._limits.max_waiting
        if most is not None and len(calls) >= most:
            raise PoolFull(
                f"{self._name}: {len(calls)} callers are waiting; raise max_waiting or "
                "make fewer calls at a time"
            )
        call.bridge = bridge
        if not pool.sessions and not call.bare and self._connect_timeout is not None:
            at = monotonic() + self._connect_timeout
            call.deadline = at if call.until is None else min(at, call.until)
        bridge.enter(call)
        try:
            if submit is None:
                pool.submit(call)
            else:
                submit()
            # No result can come before this: results are handed out in callbacks of the loop.
            value = await bridge.wait(call)
        except BaseException:
            if call in calls:
                bridge.leave(call)
            elif call.value is not None:  # cancelled after the result was handed out
                pool.discard(call)
            raise
        call.value = call.waiter = None  # its thread may refer to the call a little longer
        return value

    async def _make_here(self, call: Call) -> Any:
        """Make a call in this task, if it need not wait for another thread."""
        await checkpoint()
        if self._pool.closed or self._forks != fork_count():
            self._check()
        session = self._own
        if session is None:
            session = self._own = self._connect()
        if self._is_free is not None and self._is_free(session):
            if call.function is None:
                return self._alone(session, call.args)
            return call.function(session, *call.args)
        return await self._make(call)

    def _check(self) -> Bridge:
        if self._forks != fork_count():
            if self._pool.threads or self._pool.lost or self._own is not None:
                raise OwnerMismatch(
                    f"{self._name}: process {os.getpid()} inherited the sessions of another "
                    "through a fork; make the client after the fork"
                )
            self._forks = fork_count()
            self._adopting = threading.Lock()
            self._bridge = None
        if self._pool.closed:
            raise ClientClosed(f"{self._name}: the client is closed; make a new one")
        return self._adopt()

    def _adopt(self) -> Bridge:
        with self._adopting:
            pool, old = self._pool, self._bridge
            bridge = _current_bridge(old, pool)
            if bridge is old:
                return bridge
            if old is not None and old.calls and not old.is_over():
                raise OwnerMismatch(
                    f"{self._name}: the client is in use by another event loop; "
                    "give each event loop its own client"
                )
            # Methods of the pool, not of this executor: a reference to it would keep a client that
            # was dropped alive until the garbage collector runs.
            bridge.replace_abandoned = pool.replace_abandoned
            if self._connect_timeout is not None:
                pool.on_sessions = partial(_limit_calls, bridge, self._connect_timeout)
            self._bridge = bridge
            return bridge

    async def aclose(self) -> None:
        """End all threads; wait until their calls are over, at most `close_timeout` seconds.

        Calls that have not begun raise `ClientClosed` at once, those that are still running
        at the end of that time raise it then; their threads run on and close their sessions when
        the calls are over. Closing twice does nothing.
        """
        pool = self._pool
        pool.closed = True
        if self._forks != fork_count():  # the parent process goes on using the sessions
            return
        own, self._own = self._own, None
        if own is not None:
            self._close(own)
        bridge = _current_bridge(self._bridge, pool)
        calls = {} if self._bridge is None else self._bridge.calls
        for call in list(calls):
            if call.bridge is not None:
                call.bridge.refuse(call, self._closed_error(started=False))
        ended = anyio.Event()
        threads = [each.thread for each in list(pool.threads)]
        pool.on_empty = lambda: bridge.wake(ended.set)
        pool.dismiss()
        if pool.threads:
            with anyio.move_on_after(self._close_timeout, shield=True):
                await ended.wait()
        for call in list(calls):
            if call.bridge is not None:
                call.bridge.fail(call, lambda started: self._closed_error(started=started))
        if not pool.threads:
            for thread in threads:  # each has left the pool, and ends within microseconds
                thread.join(0.5)
        bridge.hand_out()
        bridge.stop_timer()

    def _closed_error(self, *, started: bool) -> ClientClosed:
        when = "before the store answered" if started else "while a call waited"
        return ClientClosed(f"{self._name}: the client was closed {when}")

    def __del__(self) -> None:
        # The client was not closed: end its threads, which close their sessions.
        pool = getattr(self, "_pool", None)
        if pool is not None and self._forks == fork_count():
            pool.dismiss()
            own, self._own = self._own, None
            if own is not None:
                self._close(own)


def _current_bridge(bridge: Bridge | None, pool: ThreadPool[Any]) -> Bridge:
    """Return `bridge` if it is that of the running event loop, else a new one for that loop."""
    if bridge is not None and bridge.is_current():
        return bridge
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        # Imported only where trio runs, since trio is an extra.
        from storekit.core.threads.trio_bridge import TrioBridge  # noqa: PLC0415

        return TrioBridge(pool.discard, pool.grace)
    return AsyncioBridge(loop, pool.discard, pool.grace)


def _limit_calls(bridge: Bridge, connect_timeout: float, has_sessions: bool) -> None:
    """Limit queued calls to the time that connecting may take, while no thread has a session."""
    if has_sessions:
        bridge.wake(bridge.lift_limit)
    else:
        bridge.wake(partial(bridge.limit, monotonic() + connect_timeout))


def _nothing(_: object) -> None:
    """Do nothing: the call of `fill` only needs the session to be open."""
