"""Makes concurrent calls for the same key once: all callers share its outcome."""

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from storekit.core.circular_calls import SharedCall, making, waiting_for
from storekit.core.seam._async import Event, Guard, current_owner
from storekit.errors import CircularCall, OwnerMismatch

__all__ = ["AsyncSingleFlight"]

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_log = logging.getLogger("storekit")

_LONG = 60.0
"""Seconds after which a caller that waits for another caller's call logs a warning."""


class _Flight(SharedCall, Generic[T]):
    __slots__ = ("done", "error", "owner", "result")

    def __init__(self, key: object) -> None:
        super().__init__(key)
        self.done = Event()
        self.owner = current_owner()
        self.result: tuple[T] | None = None
        self.error: Exception | None = None


class AsyncSingleFlight(Generic[K, T]):
    """Makes concurrent calls for the same key once.

    The first caller makes the call. The others wait and get its result or its error; if
    the first is cancelled, the next one makes the call anew. Calls that would wait for
    themselves, directly or through others, raise `circular`. `ended` counts calls
    that have ended.
    """

    def __init__(self, circular: type[CircularCall] = CircularCall) -> None:
        self._circular = circular
        self._guard = Guard()
        self._flights: dict[K, _Flight[T]] = {}
        self.ended: int = 0

    async def run(self, key: K, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `call`, or of the call that is under way for this key.

        Raises what that call raises, `circular`, and `OwnerMismatch` if another event loop
        makes it.
        """
        while True:
            with self._guard:
                flight = self._flights.get(key)
                is_first = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight(key)
            if is_first:
                return await self._call(key, flight, call)
            if flight.owner != current_owner():
                raise OwnerMismatch(
                    f"another event loop is making the call for {key!r}; give each event loop its "
                    "own client"
                )
            with waiting_for(flight, self._circular):
                while not await flight.done.wait(_LONG):
                    _log.warning(
                        "a caller has waited %d s for another caller's call for %r; if that call "
                        "waits for this caller through a thread that it started, neither will end",
                        _LONG,
                        key,
                    )
            if flight.result is not None:
                return flight.result[0]
            if flight.error is not None:
                raise flight.error

    async def _call(self, key: K, flight: _Flight[T], call: Callable[[], Awaitable[T]]) -> T:
        try:
            with making(flight):
                result = await call()
        except Exception as error:
            flight.error = error
            raise
        else:
            flight.result = (result,)
            return result
        finally:
            with self._guard:
                del self._flights[key]
                self.ended += 1
            flight.done.set()
