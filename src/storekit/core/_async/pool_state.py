"""The places of a pool, and the callers that wait for one. Nothing here waits.

Containers are only changed in single steps, which are atomic for threads as well as for signal
handlers; see `storekit.core._async.pool` for the guarantees that depend on this.
"""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from storekit.core.places import IdentityRef, Place, Places
from storekit.core.seam._async import Event
from storekit.errors import PoolFull
from storekit.options import PoolLimits

__all__ = ["AsyncPoolState", "PoolStatistics"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """The current counts of a pool, and the totals since it was made."""

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


class _Waiter:
    """One caller in the queue."""

    __slots__ = ("__weakref__", "event")

    def __init__(self) -> None:
        self.event = Event()


class AsyncPoolState(Generic[T]):
    """The places of a pool, those of them that are idle, and the callers in the queue."""

    def __init__(self, limits: PoolLimits, name: str) -> None:
        self.places: Places[T] = Places()
        self.idle: deque[Place[T]] = deque()  # the longest idle on the left
        self.waiters: deque[IdentityRef[_Waiter]] = deque()  # the longest waiting on the left
        # Waiters that were woken to take a place; each is owed one until it takes it or leaves.
        self.promised: set[IdentityRef[_Waiter]] = set()
        # Totals since the pool was made.
        self.made: int = 0
        self.failed: int = 0
        self.dropped: int = 0
        self.waits: int = 0
        self.wait_timeouts: int = 0
        self._limits = limits
        self._name = name

    def statistics(self) -> PoolStatistics:
        """Return the current counts. A place that is promised to a caller counts as taken."""
        idle = leased = connecting = 0
        idle_ones = set(map(id, list(self.idle)))
        for place in self.places.listed():
            if id(place) in idle_ones:
                idle += 1
            elif place.connection is None:
                connecting += 1
            else:
                leased += 1
        promised = len(self.promised)
        of_idle = min(idle, promised)
        idle, leased, connecting = idle - of_idle, leased + of_idle, connecting + promised - of_idle
        return PoolStatistics(
            size=idle + leased + connecting,
            idle=idle,
            leased=leased,
            connecting=connecting,
            waiting=sum(waiter() is not None for waiter in list(self.waiters)),
            connections_made=self.made,
            connections_failed=self.failed,
            connections_dropped=self.dropped,
            waits=self.waits,
            wait_timeouts=self.wait_timeouts,
        )

    # Places

    def take(self) -> Place[T] | None:
        """Return an idle place, or a new one; None if the pool is full."""
        return self.pop_idle() or self.reserve()

    def pop_idle(self) -> Place[T] | None:
        """Remove and return the most recently used idle place, if there is one."""
        try:
            return self.idle.pop()
        except IndexError:
            return None

    def reserve(self) -> Place[T] | None:
        """Return a new place; None if the pool is full."""
        while len(self.places) < self._limits.max_size:
            place = self.places.make()
            # Threads that took the last one at the same time all remove theirs and try again.
            if len(self.places) <= self._limits.max_size:
                return place
            self.places.remove(place)
        return None

    def take_idle(self) -> list[Place[T]]:
        """Remove and return all idle places."""
        places = []
        while self.idle:
            try:
                places.append(self.idle.popleft())
            except IndexError:  # another thread was faster
                break
        return places

    def take_surplus(self, now: float) -> list[Place[T]]:
        """Remove and return places that have been idle for too long, but keep `min_size`."""
        surplus: list[Place[T]] = []
        oldest = now - self._limits.max_idle
        while len(self.places) - len(surplus) > self._limits.min_size:
            place = self.longest_idle()
            if place is None or place.idle_since >= oldest:
                break
            if self.remove_idle(place):
                surplus.append(place)
        return surplus

    def longest_idle(self) -> Place[T] | None:
        """Return the place that has been idle for longest, without removing it."""
        try:
            return self.idle[0]
        except IndexError:
            return None

    def remove_idle(self, place: Place[T]) -> bool:
        """Remove this idle place; False if another thread was faster."""
        try:
            self.idle.remove(place)
        except ValueError:
            return False
        return True

    # Callers in the queue

    def free(self) -> int:
        """Return how many places can be taken, promised ones included."""
        return len(self.idle) + self._limits.max_size - len(self.places)

    def is_contended(self) -> bool:
        """Whether all free places belong to callers that came earlier."""
        if not self.waiters and not self.promised:
            return False
        self.promise()
        return bool(self.waiters) or self.free() <= len(self.promised)

    def join_line(self) -> "tuple[_Waiter, IdentityRef[_Waiter]]":
        """Add a caller to the end of the queue; return it and its reference. Raises `PoolFull`."""
        most = self._limits.max_waiting
        if most is not None and len(self.waiters) >= most:
            gone = [waiter for waiter in list(self.waiters) if waiter() is None]
            for each in gone:
                self.remove_waiter(each)
            if len(self.waiters) >= most:
                raise PoolFull(
                    f"{self._name}: {len(self.waiters)} callers are waiting for one of "
                    f"{len(self.places)} connections; raise max_waiting or max_size, or make "
                    "fewer calls at a time"
                )
        waiter = _Waiter()
        place_in_line = IdentityRef(waiter, self.promised.discard)
        self.waiters.append(place_in_line)
        self.waits += 1
        return waiter, place_in_line

    def remove_waiter(self, place_in_line: "IdentityRef[_Waiter]") -> bool:
        """Remove a caller from the queue; False if it is not there."""
        try:
            self.waiters.remove(place_in_line)
        except ValueError:
            return False
        return True

    def promise(self) -> None:
        """Promise free places to the callers that have waited longest, and wake these."""
        while self.waiters and self.free() > len(self.promised):
            try:
                first = self.waiters[0]
            except IndexError:  # another thread was faster
                return
            waiter = first()
            if waiter is not None:
                self.promised.add(first)
            if self.remove_waiter(first) and waiter is not None:
                waiter.event.set()
