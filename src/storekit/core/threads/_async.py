"""Threads that make blocking calls for tasks, many calls to a hop.

A hop between loop and thread costs more than most calls to a store, and each costs two. So
a few threads drain one queue, and all that is done by the time the event loop looks is
handed out in one wake-up. Calls of a `Joint` that wait together are made as one.
"""

# ruff: noqa: ANN401 - calls are of any type

import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import anyio

from storekit.core.forks import fork_count
from storekit.core.threads.calls import Joint, WorkerStatistics
from storekit.core.threads.pool import Crew
from storekit.core.threads.ports import Call, Port, current_port
from storekit.errors import ClientClosed, OwnerMismatch, PoolFull
from storekit.options import PoolLimits

__all__ = ["DEFAULT_LIMITS", "Workers"]

S = TypeVar("S")
T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

DEFAULT_LIMITS = PoolLimits(max_size=4, max_waiting=10_000)
"""Four threads: calls of one process share the interpreter's lock, so more do not help."""


class Workers(Generic[S]):
    """Makes blocking calls with sessions, each of which belongs to one thread.

    `limits`: `max_size` is the number of threads, each with one session; `max_waiting` the
    number of callers; `max_idle` the seconds after which an idle thread ends, as long as
    more than `min_size` are there; `max_lifetime` those after which a session is renewed.
    `is_broken` says of an error that its session is of no more use. A call that is
    abandoned for longer than `grace` seconds loses its place to another thread.

    Threads start on first use and end on close. **Cancelling an await returns at once.** A
    call that had not begun is dropped; one that had runs on in its thread, whose session
    serves nobody else until it is over, and its value goes to `discard`.
    """

    def __init__(
        self,
        connect: Callable[[], S],
        close: Callable[[S], object],
        *,
        limits: PoolLimits = DEFAULT_LIMITS,
        connect_timeout: float | None = None,
        is_broken: Callable[[BaseException], bool] = lambda _: False,
        name: str = "workers",
        most_joined: int = 256,
        close_timeout: float = 5.0,
        grace: float = 1.0,
    ) -> None:
        self._name = name
        self._limits = limits
        self._close_timeout = close_timeout
        self._crew = Crew(
            connect, close, is_broken, limits, most_joined, grace, name, connect_timeout
        )
        self._port: Port | None = None
        self._adopting = threading.Lock()
        self._forks = fork_count()

    def statistics(self) -> WorkerStatistics:
        """Return the counts of this moment."""
        crew = self._crew
        with crew.lock:
            threads = [*crew.workers, *crew.lost]
            abandoned = len(crew.lost)
        calls = [] if self._port is None else list(self._port.calls)
        return WorkerStatistics(
            threads=len(threads),
            idle=len(crew.idle),
            sessions=sum(worker.session is not None for worker in threads),
            calls=len(calls),
            queued=sum(bool(call.claim) for call in calls),
            abandoned=abandoned,
        )

    def open(self) -> None:
        """Do nothing: sessions are opened by threads on first use. The sync twin connects."""

    def call(
        self,
        function: Callable[..., T],
        *args: object,
        until: float | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> Awaitable[T]:
        """Return the result of `function(session, *args)`, made in a thread.

        Raises what `function` or connecting raises, `CallTimeout` at the time `until`,
        `ClientClosed`, `OwnerMismatch`, and `PoolFull` if too many wait. `discard` is
        called, in some thread, with a value that came too late for its caller.
        """
        return self._make(Call(None, function, args, until, discard=discard))

    def call_joint(
        self, joint: Joint[S, K, V], key: K, *, until: float | None = None
    ) -> Awaitable[V]:
        """Return the value of one key, asked for by itself or with those of other callers."""
        return self._make(Call(None, joint, key, until))

    def call_bare(
        self,
        function: Callable[..., T],
        *args: object,
        until: float | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> Awaitable[T]:
        """Return the result of `function(*args)`, made in a thread without its session."""
        return self._make(Call(None, function, args, until, bare=True, discard=discard))

    def run_later(self, function: Callable[..., object], *args: object) -> None:
        """Have `function(*args)` called in a thread. Nobody waits; an error is logged."""
        if self._forks == fork_count():
            self._crew.run_later(function, *args)

    async def _make(self, call: Call) -> Any:
        port = self._port
        if port is None or self._crew.closed or self._forks != fork_count():
            port = self._check()
        elif not port.is_current():
            port = self._adopt()
        calls = port.calls
        most = self._limits.max_waiting
        if most is not None and len(calls) >= most:
            raise PoolFull(
                f"{self._name}: {len(calls)} callers are waiting; raise max_waiting or call less"
            )
        call.port = port
        if self._crew.stuck_by is not None:
            call.queued_by = self._crew.connect_deadline()
        port.enter(call)
        try:
            self._crew.submit(call)
            # Results are handed out by the loop, so none can come before this is there.
            value = await port.wait(call)
        except BaseException:
            if call in calls:
                port.leave(call)
            elif call.value is not None:  # it was cancelled in the moment in which it was done
                self._crew.discard(call)
            raise
        call.value = call.waiter = None  # its thread may hold it a little longer
        return value

    def _check(self) -> Port:
        if self._forks != fork_count():
            if self._crew.workers or self._crew.lost:
                raise OwnerMismatch(
                    f"{self._name}: process {os.getpid()} inherited the sessions of another "
                    "through a fork; make the client after the fork"
                )
            self._forks = fork_count()
            self._adopting = threading.Lock()
            self._port = None
        if self._crew.closed:
            raise ClientClosed(f"{self._name}: the client is closed; make a new one")
        return self._adopt()

    def _adopt(self) -> Port:
        with self._adopting:
            old = self._port
            port = current_port(old, self._crew.discard, self._crew.grace)
            if port is old:
                return port
            if old is not None and old.calls and not old.is_over():
                raise OwnerMismatch(
                    f"{self._name}: the client is in use by another event loop; "
                    "give each event loop its own client"
                )
            # Of the crew, not of this: a client that nobody holds any more is to go at once.
            port.replace_abandoned = self._crew.replace_abandoned
            port.stuck_by = self._crew.when_stuck
            self._port = port
            return port

    async def aclose(self) -> None:
        """End all threads; wait until their calls are over, at most `close_timeout` seconds.

        Calls that have not begun get `ClientClosed` at once, those that are still running
        at the end of that time get it then; their threads are left behind and close their
        sessions when they can. Closing twice does nothing.
        """
        crew = self._crew
        if self._forks != fork_count():  # all is the parent's, who goes on using it
            crew.closed = True
            return
        crew.closed = True
        port = current_port(self._port, crew.discard, crew.grace)
        calls = {} if self._port is None else self._port.calls
        for call in list(calls):
            if call.port is not None:
                call.port.refuse(call, self._closed_error(started=False))
        ended = anyio.Event()
        threads = [worker.thread for worker in list(crew.workers)]
        crew.on_empty = lambda: port.wake(ended.set)
        crew.dismiss()
        if crew.workers:
            with anyio.move_on_after(self._close_timeout, shield=True):
                await ended.wait()
        for call in list(calls):
            if call.port is not None:
                call.port.fail(call, lambda started: self._closed_error(started=started))
        if not crew.workers:
            for thread in threads:  # they have said that they end: microseconds
                thread.join(0.5)
        port.drain()
        port.stop_timer()

    def _closed_error(self, *, started: bool) -> ClientClosed:
        when = "before the store answered" if started else "while a call waited"
        return ClientClosed(f"{self._name}: the client was closed {when}")

    def __del__(self) -> None:
        # A client that nobody closed: let its threads end, and close their sessions.
        crew = getattr(self, "_crew", None)
        if crew is not None and self._forks == fork_count():
            crew.dismiss()
