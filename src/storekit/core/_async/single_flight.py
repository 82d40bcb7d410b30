"""Many callers, one call: whoever comes while a key is being worked on shares the outcome."""

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from storekit.core.circles import SharedCall, making, waiting_for
from storekit.core.seam._async import Event, Guard, current_owner
from storekit.errors import CircularCall, OwnerMismatch

__all__ = ["AsyncSingleFlight"]

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_log = logging.getLogger("storekit")

_LONG = 60.0
"""Seconds that a caller waits for another one's call before it says so in the log."""


class _Flight(SharedCall, Generic[T]):
    __slots__ = ("error", "landed", "owner", "result")

    def __init__(self, key: object) -> None:
        super().__init__(key)
        self.landed = Event()
        self.owner = current_owner()
        self.result: tuple[T] | None = None
        self.error: Exception | None = None


class AsyncSingleFlight(Generic[K, T]):
    """Calls at the same time for the same key become one.

    The first caller makes the call. The others wait and get its result or its error; if
    the first is cancelled, the next one makes the call anew. Calls that would wait for each
    other, or one for itself, raise `circular`.
    """

    def __init__(self, circular: type[CircularCall] = CircularCall) -> None:
        self._circular = circular
        self._guard = Guard()
        self._flights: dict[K, _Flight[T]] = {}
        self.landings: int = 0

    async def run(self, key: K, call: Callable[[], Awaitable[T]]) -> T:
        """Return what `call` returns, made by this caller or by one before it."""
        while True:
            with self._guard:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight(key)
            if leads:
                return await self._lead(key, flight, call)
            if flight.owner != current_owner():
                raise OwnerMismatch(
                    f"another event loop is at work on {key!r}; give each event loop its own client"
                )
            with waiting_for(flight, self._circular):
                while not await flight.landed.wait(_LONG):
                    _log.warning(
                        "a caller has waited %d s for another one's call for %r; if that call "
                        "waits for it in a thread of its own, both wait for ever",
                        _LONG,
                        key,
                    )
            if flight.result is not None:
                return flight.result[0]
            if flight.error is not None:
                raise flight.error

    async def _lead(self, key: K, flight: _Flight[T], call: Callable[[], Awaitable[T]]) -> T:
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
                self.landings += 1
            flight.landed.set()
