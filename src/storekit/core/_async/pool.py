"""A pool of connections to one node, whatever a connection is.

Every change of state happens in one go, with no point at which others run, under a guard
that costs nothing on an event loop. A connection is always exactly one of idle, leased or
connecting, and `size` counts them all, whatever is cancelled when.
"""

import logging
import os
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from storekit.core.forks import fork_count
from storekit.core.seam._async import Event, Guard, current_owner, monotonic, shielded
from storekit.errors import ClientClosed, OwnerMismatch, PoolFull, PoolTimeout
from storekit.options import PoolLimits

__all__ = ["AsyncPool", "Lease", "PoolStatistics"]

T = TypeVar("T")

_log = logging.getLogger("storekit")


class Lease(Generic[T]):
    """The right to use one connection, until it is given back to the pool."""

    __slots__ = ("active", "connection", "expires_at", "idle_since")

    def __init__(self, connection: T, expires_at: float) -> None:
        self.connection = connection
        self.expires_at = expires_at
        self.idle_since = 0.0
        self.active = True


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """The pool at one moment, and what happened since it was made."""

    size: int
    idle: int
    leased: int
    connecting: int
    waiting: int
    connections_made: int
    connections_failed: int
    connections_dropped: int
    waits: int
    wait_timeouts: int


class _Signal(Enum):
    MAY_CONNECT = "a place became free: make a connection in it"
    CLOSED = "the pool was closed"


class _Waiter(Generic[T]):
    """One caller in the queue, and what it was handed."""

    __slots__ = ("event", "grant")

    def __init__(self) -> None:
        self.event = Event()
        self.grant: Lease[T] | _Signal | None = None

    def give(self, grant: "Lease[T] | _Signal") -> None:
        self.grant = grant
        self.event.set()


class AsyncPool(Generic[T]):
    """Leases connections, first come, first served, and makes them on demand.

    `connect` is called with the time (of `clock`, seconds) by which it must be done and
    cleans up after itself when it fails. `close` ends a connection and must not wait for
    the other side. `is_usable` looks, without waiting, whether an idle one is still good.

    There is no background task: whoever leases or gives back also clears away what has
    been idle for too long. Cancelling `acquire` leaves nothing behind: what the caller
    was handed goes to the next one in line.
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
        self._guard = Guard()
        self._idle: deque[Lease[T]] = deque()  # the longest idle on the left
        self._waiters: deque[_Waiter[T]] = deque()
        self._size = 0
        self._leased = 0
        self._connecting = 0
        self._closed = False
        self._owner: object = None
        self._forks = fork_count()
        self._made = 0
        self._failed = 0
        self._dropped = 0
        self._waits = 0
        self._wait_timeouts = 0

    def statistics(self) -> PoolStatistics:
        """Return the counts of this moment."""
        if self._forks != fork_count():  # a thread that is gone may hold the guard
            return self._count()
        with self._guard:
            return self._count()

    async def acquire(
        self,
        *,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        until: float | None = None,
    ) -> Lease[T]:
        """Lease a connection: the most recently used idle one, a new one, or the next free one.

        `timeout` limits the wait for a free one, `connect_timeout` the making of a new
        one (seconds), `until` both together (a time of `clock`).

        Raises `PoolTimeout`, `PoolFull`, `ClientClosed`, `OwnerMismatch`, and whatever
        `connect` raises.
        """
        self._check_fork()
        waiter = None
        while True:
            now = self._clock()
            with self._guard:
                self._check_owner()
                unwanted = self._take_broken(now) or self._take_surplus(now)
                if not unwanted:
                    if self._idle:
                        lease = self._idle.pop()
                        lease.active = True
                        self._leased += 1
                        return lease
                    if self._size < self._limits.max_size:
                        self._size += 1
                        self._connecting += 1
                    else:
                        waiter = self._join_queue()
                    break
            # Closed before a place is reserved, so that a cancellation here costs nothing.
            await self._dispose(unwanted)
        if waiter is not None:
            granted = await self._wait(waiter, self._shorter(timeout, until, now))
            if granted is not None:
                return granted
        return await self._connect_reserved(connect_timeout, until)

    async def release(self, lease: Lease[T], *, reuse: bool) -> None:
        """Give a connection back. What was interrupted in mid-call must not be reused."""
        if self._forks != fork_count():  # it is the parent's, who goes on using it
            lease.active = False
            return
        now = self._clock()
        with self._guard:
            if not lease.active:
                raise RuntimeError(f"{self._name}: a lease was given back twice")
            if reuse and not self._closed and now < lease.expires_at:
                self._hand_on(lease, now)
                surplus = self._take_surplus(now)
                if not surplus:
                    return
            else:
                lease.active = False
                self._leased -= 1
                surplus = [lease]
                self._forget(surplus)
        await self._dispose(surplus)

    async def fill(self, *, connect_timeout: float | None = None) -> None:
        """Connect until `min_size` connections exist."""
        self._check_fork()
        while True:
            with self._guard:
                self._check_owner()
                if self._size >= self._limits.min_size:
                    return
                self._size += 1
                self._connecting += 1
            lease = await self._connect_reserved(connect_timeout, None)
            await self.release(lease, reuse=True)

    async def aclose(self) -> None:
        """Close all idle connections now and each leased one when it is given back.

        Whoever waits for a connection gets `ClientClosed`. Closing twice does nothing.
        """
        if self._forks != fork_count():  # all is the parent's, who goes on using it
            self._closed = True
            return
        with self._guard:
            self._closed = True
            idle = list(self._idle)
            self._idle.clear()
            self._forget(idle)
            while self._waiters:
                self._waiters.popleft().give(_Signal.CLOSED)
        await self._dispose(idle)

    # What follows runs under the guard and never waits.

    def _count(self) -> PoolStatistics:
        return PoolStatistics(
            size=self._size,
            idle=len(self._idle),
            leased=self._leased,
            connecting=self._connecting,
            waiting=len(self._waiters),
            connections_made=self._made,
            connections_failed=self._failed,
            connections_dropped=self._dropped,
            waits=self._waits,
            wait_timeouts=self._wait_timeouts,
        )

    def _check_owner(self) -> None:
        if self._closed:
            raise ClientClosed(f"{self._name}: the client is closed; make a new one")
        owner = current_owner()
        if owner == self._owner:
            return
        if self._leased or self._connecting or self._waiters:
            raise OwnerMismatch(
                f"{self._name}: the client is in use by another event loop; "
                "give each event loop its own client"
            )
        self._owner = owner

    def _check_fork(self) -> None:
        """Refuse what was inherited. Not under the guard: a thread that is gone may hold it."""
        if self._forks == fork_count():
            return
        if self._size:
            raise OwnerMismatch(
                f"{self._name}: process {os.getpid()} inherited the connections of another "
                "through a fork; make the client after the fork"
            )
        self._guard = Guard()
        self._forks = fork_count()

    def _take_broken(self, now: float) -> list[Lease[T]]:
        """Remove idle connections from the right until the rightmost is good."""
        broken = []
        while self._idle:
            lease = self._idle[-1]
            if now < lease.expires_at and self._is_usable(lease.connection):
                break
            broken.append(self._idle.pop())
        self._forget(broken)
        return broken

    def _take_surplus(self, now: float) -> list[Lease[T]]:
        """Remove what has been idle for too long, as far as `min_size` allows."""
        surplus: list[Lease[T]] = []
        oldest = now - self._limits.max_idle
        while (
            self._idle
            and self._idle[0].idle_since < oldest
            and self._size - len(surplus) > self._limits.min_size
        ):
            surplus.append(self._idle.popleft())
        self._forget(surplus)
        return surplus

    def _join_queue(self) -> _Waiter[T]:
        most = self._limits.max_waiting
        if most is not None and len(self._waiters) >= most:
            raise PoolFull(
                f"{self._name}: {len(self._waiters)} callers are waiting for one of "
                f"{self._size} connections; raise max_waiting or max_size, or call less"
            )
        waiter: _Waiter[T] = _Waiter()
        self._waiters.append(waiter)
        self._waits += 1
        return waiter

    def _hand_on(self, lease: Lease[T], now: float) -> None:
        """Give a leased connection to the next in line, else make it idle."""
        if self._waiters:
            # A new Lease: the giver's object must not be good for a second release.
            lease.active = False
            self._waiters.popleft().give(Lease(lease.connection, lease.expires_at))
            return
        lease.active = False
        lease.idle_since = now
        self._leased -= 1
        self._idle.append(lease)

    def _forget(self, leases: Iterable[Lease[T]]) -> None:
        """Take connections out of the count and let those in line make new ones."""
        for _ in leases:
            self._size -= 1
            self._dropped += 1
        self._let_connect()

    def _let_connect(self) -> None:
        while self._waiters and self._size < self._limits.max_size and not self._closed:
            self._size += 1
            self._connecting += 1
            self._waiters.popleft().give(_Signal.MAY_CONNECT)

    def _refuse(self, waiter: _Waiter[T]) -> list[Lease[T]]:
        """Undo a waiter that no longer wants what it waits for; returns what is to be closed."""
        grant = waiter.grant
        if grant is None:
            self._waiters.remove(waiter)
        elif grant is _Signal.MAY_CONNECT:
            self._connecting -= 1
            self._size -= 1
            self._let_connect()
        elif isinstance(grant, Lease):
            if not self._closed:
                self._hand_on(grant, self._clock())
                return []
            self._leased -= 1
            self._forget([grant])
            return [grant]
        return []

    # What follows may wait.

    async def _wait(self, waiter: _Waiter[T], timeout: float | None) -> Lease[T] | None:
        """Return a lease, or None for the permission to connect."""
        try:
            await waiter.event.wait(timeout)
        except BaseException:
            with self._guard:
                unwanted = self._refuse(waiter)
            await self._dispose(unwanted)
            raise
        with self._guard:
            grant = waiter.grant
            if grant is None:
                self._refuse(waiter)
                self._wait_timeouts += 1
        if isinstance(grant, Lease):
            return grant
        if grant is _Signal.MAY_CONNECT:
            return None
        if grant is _Signal.CLOSED:
            raise ClientClosed(f"{self._name}: the client was closed while a call waited")
        raise PoolTimeout(
            f"{self._name}: all {self._limits.max_size} connections stayed in use; raise "
            "max_size or the pool timeout, or call less at the same time"
        )

    async def _connect_reserved(
        self, connect_timeout: float | None, until: float | None
    ) -> Lease[T]:
        """Make a connection in a place that is already counted."""
        now = self._clock()
        try:
            limit = self._shorter(connect_timeout, until, now)
            connection = await self._connect(None if limit is None else now + limit)
        except BaseException:
            with self._guard:
                self._connecting -= 1
                self._size -= 1
                self._failed += 1
                self._let_connect()
            raise
        lifetime = self._limits.max_lifetime * (1 - 0.1 * self._rng())
        lease = Lease(connection, self._clock() + lifetime)
        with self._guard:
            self._connecting -= 1
            self._made += 1
            if not self._closed:
                self._leased += 1
                return lease
            self._forget([lease])
        await self._dispose([lease])
        raise ClientClosed(f"{self._name}: the client was closed while it connected")

    async def _dispose(self, leases: Iterable[Lease[T]]) -> None:
        interruption: BaseException | None = None
        for lease in leases:
            try:
                await shielded(self._close, lease.connection)
            except Exception:  # noqa: BLE001 - it must not hide the outcome of the call that came before
                _log.warning("%s: closing a connection failed", self._name, exc_info=True)
            except BaseException as error:  # noqa: BLE001 - raised when the others are closed, too
                interruption = error
        if interruption is not None:
            raise interruption

    @staticmethod
    def _shorter(timeout: float | None, until: float | None, now: float) -> float | None:
        """Return the seconds left, as the nearer of two limits has it."""
        if until is None:
            return timeout
        remaining = max(0.0, until - now)
        return remaining if timeout is None else min(timeout, remaining)
