"""A pool of connections to one node; a connection may be an object of any type.

Guarantees, also after any cancellation, and after any exception that a signal handler raises
between two bytecodes:

- Each connection is idle, leased or connecting, and these add up to the size, which is at most
  `max_size`. When no call is under way, no connection is leased or connecting.
- A connection belongs to one caller at a time. If a call on it was interrupted, it is closed,
  never reused.
- Callers that have to wait are served in the order in which they came.
- After `fill`, `min_size` connections are kept: none of them is closed for being idle, and
  those that broke or became too old are replaced soon after the next call.
- The pool takes no lock. Its only background task makes connections for `min_size`; connections
  that have been idle for too long are closed by later calls.

How: there are no counters that would have to agree. A place counts as long as it exists (see
`storekit.core.places`). Containers are only changed in single steps, which are atomic for
threads as well as for signal handlers. A place that is given back is not passed to a waiting
caller: the caller is promised one, is woken, and takes it itself, so that a cancellation can't
lose a place on its way. If an exception prevents a wake-up, the caller looks again after a second.
"""

import logging
import os
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Generic, TypeVar

from storekit.core._async.lease import AsyncLeaseContext
from storekit.core._async.pool_state import AsyncPoolState, PoolStatistics
from storekit.core.forks import fork_count
from storekit.core.places import Lease, Place
from storekit.core.seam._async import BackgroundTasks, Event, current_owner, monotonic, shielded
from storekit.errors import ClientClosed, OwnerMismatch, PoolTimeout, StoreKitError
from storekit.options import PoolLimits

__all__ = ["AsyncPool"]

T = TypeVar("T")

_log = logging.getLogger("storekit")

_LOOK_AGAIN = 1.0
"""Seconds after which a waiting caller looks for a free place without having been woken."""


class AsyncPool(Generic[T]):
    """Leases connections, first come, first served, and makes them on demand.

    `connect` is called with its deadline (a time of `clock`, in seconds), and cleans up after
    itself when it fails. `close` closes a connection and must not wait for the server.
    `is_usable` returns, without waiting, whether an idle connection can still be used.
    """

    def __init__(
        self,
        connect: Callable[[float | None], Awaitable[T]],
        close: Callable[[T], Awaitable[None]],
        *,
        limits: PoolLimits,
        is_usable: Callable[[T], bool] = lambda _: True,
        name: str = "pool",
        clock: Callable[[], float] = monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._connect = connect
        self._close = close
        self._limits = limits
        self._is_usable = is_usable
        self._name = name
        self._clock = clock
        self._rng = rng
        self._state: AsyncPoolState[T] = AsyncPoolState(limits, name)
        self._closed = False
        self._owner: object = None
        self._forks = fork_count()
        self._background = BackgroundTasks()
        # The limit on connecting once `min_size` is kept (-1: none); None before that.
        self._keeping: float | None = None
        self._refilling = False

    def __repr__(self) -> str:
        now = self.statistics()
        return (
            f"<{type(self).__name__} {self._name}: {now.idle} idle, {now.leased} leased, "
            f"{now.connecting} connecting of {self._limits.max_size}, {now.waiting} waiting>"
        )

    def statistics(self) -> PoolStatistics:
        """Return the current counts. A place that is promised to a caller counts as taken."""
        return self._state.statistics()

    def lease(
        self,
        *,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        until: float | None = None,
    ) -> AsyncLeaseContext[T]:
        """Lease a connection for the body of an `async with`, with the limits of `acquire`.

        It goes back to the pool at the end of the body. It is closed if the body ends with an
        exception, or has set `reusable` of the lease to False.
        """
        return AsyncLeaseContext(self, timeout, connect_timeout, until)

    async def acquire(
        self,
        *,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        until: float | None = None,
    ) -> Lease[T]:
        """Lease a connection: the most recently used idle one, a new one, or the next free one.

        `timeout` limits the wait for a free connection and `connect_timeout` connecting (both in
        seconds), `until` the two together (a time of `clock`). After a cancellation, a place
        that was promised to the caller goes to the next one in the queue.

        Raises `PoolTimeout`, `PoolFull`, `ClientClosed`, `OwnerMismatch`, and whatever
        `connect` raises.
        """
        state = self._state
        self._check_use()
        now = self._clock()
        await self._clear_away(now)
        place = None if state.is_contended() else state.take()
        if place is None:
            place = await self._wait_in_line(self._shorter(timeout, until, now))
            now = self._clock()
        try:
            while (connection := place.connection) is not None:
                if self._is_good(place, now):
                    return Lease(place, connection)
                place = await self._replace(place)
            return Lease(place, await self._connect_in(place, connect_timeout, until))
        except BaseException:
            await self._drop([place])
            raise

    async def release(self, lease: Lease[T], *, reuse: bool) -> None:
        """Give a connection back. `reuse` must be False if a call on it was interrupted."""
        state = self._state
        if self._forks != fork_count():  # the parent process goes on using the connection
            return
        place, lease.place = lease.place, None
        if place is None:
            raise RuntimeError(f"{self._name}: a lease was given back twice")
        now = self._clock()
        if not reuse or self._closed or now >= place.expires_at:
            await self._drop([place])
        else:
            place.idle_since = now
            state.idle.append(place)
            state.promise()
            if self._closed:  # another thread closed the pool and may have missed this place
                await self._drop(state.take_idle())
        await self._clear_away(now)

    async def fill(self, *, connect_timeout: float | None = None) -> None:
        """Connect until `min_size` connections exist, and keep as many from now on.

        `connect_timeout` (seconds) is for each of them. Raises what `connect` raises; later calls
        then start a background task that makes the missing connections.
        """
        state = self._state
        self._check_use()
        try:
            while len(state.places) < self._limits.min_size:
                self._check_use()
                # Waiting callers that are promised a place connect there themselves.
                place = None if state.is_contended() else state.reserve()
                if place is None:
                    return
                try:
                    connection = await self._connect_in(place, connect_timeout, None)
                except BaseException:
                    await self._drop([place])
                    raise
                await self.release(Lease(place, connection), reuse=True)
        finally:
            self._keeping = -1.0 if connect_timeout is None else connect_timeout

    async def aclose(self) -> None:
        """Close all idle connections now and each leased one when it is given back.

        Callers that wait for a connection get `ClientClosed`. Closing twice does nothing.
        """
        state = self._state
        self._closed = True
        if self._forks != fork_count():  # the parent process goes on using the connections
            return
        for waiter in [*state.waiters, *state.promised]:
            waiting = waiter()
            if waiting is not None:
                waiting.event.set()
        await self._drop(state.take_idle())
        await self._clear_away(self._clock())
        await self._background.aclose()

    # These methods never wait.

    def _check_use(self) -> None:
        """Raise `ClientClosed`, or `OwnerMismatch` in another event loop or a forked process."""
        state = self._state
        if self._forks != fork_count():
            if len(state.places):
                raise OwnerMismatch(
                    f"{self._name}: process {os.getpid()} inherited the connections of another "
                    "through a fork; make the client after the fork"
                )
            self._forks = fork_count()
        if self._closed:
            raise ClientClosed(f"{self._name}: the client is closed; make a new one")
        owner = current_owner()
        if owner == self._owner:
            return
        if len(state.places) > len(state.idle) or state.waiters:
            raise OwnerMismatch(
                f"{self._name}: the client is in use by another event loop; "
                "give each event loop its own client"
            )
        self._owner = owner

    def _is_good(self, place: Place[T], now: float) -> bool:
        connection = place.connection
        return connection is not None and now < place.expires_at and self._is_usable(connection)

    # These methods may wait.

    async def _wait_in_line(self, timeout: float | None) -> Place[T]:
        """Wait until it is this caller's turn, and take a place."""
        state = self._state
        waiter, place_in_line = state.join_line()
        until = None if timeout is None else monotonic() + timeout
        try:
            state.promise()  # a place may have been given back before this caller was in the queue
            while True:
                left = _LOOK_AGAIN if until is None else until - monotonic()
                woken = await waiter.event.wait(max(0.0, min(left, _LOOK_AGAIN)))
                if self._closed:
                    raise ClientClosed(f"{self._name}: the client was closed while a call waited")
                if place_in_line in state.promised:
                    place = state.take()
                    if place is not None:
                        return place
                if woken:  # another thread took the place first: back to the front of the queue
                    waiter.event = Event()
                    state.waiters.appendleft(place_in_line)
                    state.promised.discard(place_in_line)
                if until is not None and monotonic() >= until:
                    state.wait_timeouts += 1
                    raise PoolTimeout(
                        f"{self._name}: all {self._limits.max_size} connections stayed in use; "
                        "raise max_size or the pool timeout, or make fewer calls at a time"
                    )
                state.promise()
        finally:
            if place_in_line not in state.promised:
                state.remove_waiter(place_in_line)
            state.promised.discard(place_in_line)
            state.promise()

    async def _replace(self, place: Place[T]) -> Place[T]:
        """Close a connection that can't be used any more; return another idle or an empty place."""
        state = self._state
        other = state.pop_idle()
        if other is None:
            connection = state.places.vacate(place)
            state.dropped += 1
            if connection is not None:
                await self._close_all([connection])
            return place
        try:
            await self._drop([place])
        except BaseException:
            state.idle.append(other)
            state.promise()
            raise
        return other

    async def _connect_in(
        self, place: Place[T], connect_timeout: float | None, until: float | None
    ) -> T:
        """Make the connection for a place, which the caller frees if this fails."""
        state = self._state
        now = self._clock()
        try:
            limit = self._shorter(connect_timeout, until, now)
            connection = await self._connect(None if limit is None else now + limit)
        except BaseException:
            state.failed += 1
            raise
        state.places.occupy(place, connection)
        place.expires_at = self._clock() + self._limits.max_lifetime * (1 - 0.1 * self._rng())
        state.made += 1
        if self._closed:
            raise ClientClosed(f"{self._name}: the client was closed while it connected")
        return connection

    async def _drop(self, places: Iterable[Place[T]]) -> None:
        """Free places for waiting callers and close their connections."""
        state = self._state
        connections = []
        for place in places:
            connection = state.places.vacate(place)
            state.places.remove(place)
            if connection is not None:
                state.dropped += 1
                connections.append(connection)
        state.promise()
        await self._close_all(connections)

    async def _clear_away(self, now: float) -> None:
        """Close connections that were idle for too long or lost, and keep up `min_size`."""
        state = self._state
        idle = state.idle
        if idle and idle[0].idle_since < now - self._limits.max_idle:
            surplus = state.take_surplus(now)
            if surplus:
                await self._drop(surplus)
        lost = state.places.take_lost()
        if lost:
            state.dropped += len(lost)
            state.promise()
            await self._close_all(lost)
        if self._keeping is not None:
            await self._keep(now, self._keeping)

    async def _keep(self, now: float, connect_timeout: float) -> None:
        """Replace a connection that broke or became too old, and those that are missing."""
        state = self._state
        place = state.longest_idle()
        if place is not None and not self._is_good(place, now) and state.remove_idle(place):
            await self._drop([place])
        if len(state.places) >= self._limits.min_size or self._refilling or self._closed:
            return
        self._refilling = True
        try:
            timeout = None if connect_timeout < 0 else connect_timeout
            self._background.start(partial(self._refill, timeout), self._end_refill)
        except RuntimeError:  # no thread can be started: the next caller tries again
            self._refilling = False

    async def _refill(self, connect_timeout: float | None) -> None:
        try:
            await self.fill(connect_timeout=connect_timeout)
        except Exception as error:  # noqa: BLE001 - a call that has to connect gets the error
            _log.info("%s: could not keep min_size connections open: %s", self._name, error)

    def _end_refill(self) -> None:
        self._refilling = False

    async def _close_all(self, connections: Iterable[T]) -> None:
        interruption: BaseException | None = None
        for connection in connections:
            try:
                await shielded(self._close, connection)
            except (OSError, RuntimeError, StoreKitError):  # not what a signal handler raised
                _log.warning("%s: closing a connection failed", self._name, exc_info=True)
            except BaseException as error:  # noqa: BLE001 - raised once the others are closed
                interruption = error
        if interruption is not None:
            try:
                raise interruption
            finally:
                del interruption  # its traceback refers to this frame, and so to the connections

    @staticmethod
    def _shorter(timeout: float | None, until: float | None, now: float) -> float | None:
        """Return the seconds until the earlier of the two limits."""
        if until is None:
            return timeout
        remaining = max(0.0, until - now)
        return remaining if timeout is None else min(timeout, remaining)
