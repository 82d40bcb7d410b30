"""Places in a pool, counted by weak references to them.

A signal handler may raise between any two bytecodes: between taking a place and recording that it
is taken, or within the clean-up. So there is no record that could be wrong: a place counts from
the moment in which it is made until the last reference to it is gone, at the latest with the
frame that an exception has ended. All that runs then are methods of built-in classes, which no
handler interrupts.

This depends on reference counting. An exception that is kept with its traceback keeps the frames
that it passed through, and so their places.
"""

from collections import deque
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar
from weakref import ref

__all__ = ["IdentityRef", "Lease", "Place", "Places"]

T = TypeVar("T")


class IdentityRef(ref[T]):
    """A weak reference that is equal only to itself, also once the object is gone."""

    __slots__ = ()
    __hash__: ClassVar[Callable[[object], int]] = object.__hash__
    __eq__: ClassVar[Callable[[object, object], bool]] = object.__eq__


class Place(Generic[T]):
    """Room for one connection, and the connection, once there is one."""

    __slots__ = ("__weakref__", "connection", "count", "expires_at", "idle_since")

    def __init__(self) -> None:
        self.connection: T | None = None
        self.expires_at: float = 0.0
        self.idle_since: float = 0.0
        self.count: _Count[T] | None = None  # while it counts


class Lease(Generic[T]):
    """The right to use one connection, until it is given back to the pool.

    If an exception prevents that, the place becomes free with the last reference to the lease, and
    the next call of the pool closes the connection.
    """

    __slots__ = ("connection", "expires_at", "place", "reusable")

    def __init__(self, place: Place[T], connection: T) -> None:
        self.place: Place[T] | None = place  # None once it was given back
        self.connection: T = connection
        self.expires_at: float = place.expires_at
        self.reusable: bool = True  # at the end of `async with pool.lease()`


class _Count(IdentityRef[Place[T]]):
    """Counts one place; removed from the set of counts when the place is gone."""

    __slots__ = ("remains",)

    remains: "_Remains[T]"


class _Remains(ref[Place[T]]):
    """Keeps the connection of a place, so that it can be closed after the place was lost."""

    __slots__ = ("connection",)

    connection: T | None


class Places(Generic[T]):
    """The places of one pool. Every method may be called in any thread."""

    __slots__ = ("_counts", "_lost")

    def __init__(self) -> None:
        self._counts: set[_Count[T]] = set()
        self._lost: deque[_Remains[T]] = deque()

    def __len__(self) -> int:
        return len(self._counts)

    def listed(self) -> list[Place[T]]:
        """Return all places."""
        return [place for count in list(self._counts) if (place := count()) is not None]

    def make(self) -> Place[T]:
        """Return a new place, which counts already."""
        place: Place[T] = Place()
        count = _Count(place, self._counts.discard)
        count.remains = _Remains(place, self._lost.append)
        count.remains.connection = None
        place.count = count
        self._counts.add(count)
        return place

    def occupy(self, place: Place[T], connection: T) -> None:
        """Put a connection in a place."""
        if place.count is not None:
            place.count.remains.connection = connection
        place.connection = connection

    def vacate(self, place: Place[T]) -> T | None:
        """Take the connection out of a place and return it."""
        if place.count is not None:
            place.count.remains.connection = None
        connection, place.connection = place.connection, None
        return connection

    def remove(self, place: Place[T]) -> None:
        """Stop counting a place. Closing its connection is up to the caller."""
        count, place.count = place.count, None
        if count is not None:
            self._counts.discard(count)

    def take_lost(self) -> list[T]:
        """Return the connections of places that were lost, for the caller to close."""
        lost = []
        while self._lost:
            try:
                remains = self._lost.popleft()
            except IndexError:  # another thread was faster
                break
            connection = getattr(remains, "connection", None)  # unset if lost while it was made
            if connection is not None:
                lost.append(connection)
        return lost
