"""Functions whose results are cached in the store."""

# ruff: noqa: ANN401 - the arguments of a function are of any type

import functools
import hashlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.core.arguments import check_callable
from storekit.core.seam._async import monotonic
from storekit.errors import StoreKitError
from storekit.observers import Watch
from storekit.qdb._async.store import AsyncStore
from storekit.qdb.errors import AliasNotFound
from storekit.recipes.checks import check_client, check_seconds
from storekit.recipes.stamped import Stamped, StampedCodec, canonical

__all__ = ["AsyncMemo", "AsyncMemoize"]

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger("storekit")


class AsyncMemoize:
    """A decorator that caches the results of functions in the store.

    ```python
    from storekit.qdb import AsyncClient
    from storekit.recipes import memoize

    client = AsyncClient("embedded:")

    @memoize(client, ttl=300)
    async def people_of(country: str) -> int:
        return len(country) * 1_000_000
    ```

    **What is guaranteed.** A value is used for at most `ttl` seconds after it was computed.
    Concurrent callers in this process that miss the same value share one computation. Before a
    value expires, a caller computes it anew at random, with a probability that grows towards the
    end and with the time that it takes, so that many processes do not miss it at the same time.
    Exceptions are not stored. If the store fails, or the client's codec can't encode a value, the
    function's value is returned nevertheless; observers of the client see a failed call of the
    operation `memoize`. If the clocks of machines differ, early computations shift by as much.
    """

    def __init__(
        self,
        client: AsyncStore[Any, Any, Any, Any],
        *,
        ttl: float,
        key: Callable[..., str] | None = None,
        beta: float = 1.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        check_client(client, type(self), AsyncMemo.__call__)
        if clock is not None:
            check_callable("clock", clock)
        if key is not None:
            check_callable("key", key)
        if isinstance(beta, bool) or not isinstance(beta, int | float) or not 0 <= beta < 1000:
            raise ValueError(f"beta must be a number from 0 to 1000, not {beta!r}")
        self.client = client
        self.ttl: float = check_seconds("ttl", ttl)
        self.key = key
        self.beta: float = beta
        self.clock: Callable[[], float] = client.clock if clock is None else clock

    def __call__(self, function: Callable[P, Awaitable[T]]) -> "AsyncMemo[P, T]":
        """Return the memoized function."""
        check_callable("function", function)
        return AsyncMemo(self, function)


class AsyncMemo(Generic[P, T]):
    """A memoized function. Made by `memoize`."""

    def __init__(self, options: AsyncMemoize, function: Callable[P, Awaitable[T]]) -> None:
        functools.update_wrapper(self, function)
        self._options = options
        self._function = function
        self._codec: StampedCodec[Any] = StampedCodec(options.client.codec)
        self._computing = AsyncSingleFlight[str, T]()

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of the function, or a stored one of the last `ttl` seconds.

        Raises what the function raises; `CircularCall` if it calls itself for the same value.
        """
        alias = self.alias(*args, **kwargs)
        ended = self._computing.ended
        found = await self._find(alias)
        if found is not None:
            return found.value
        compute = partial(self._compute, alias, ended, args, kwargs)
        return await self._computing.run(alias, compute)

    def alias(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the alias under which the value for these arguments is stored."""
        if self._options.key is not None:
            made = self._options.key(*args, **kwargs)
            if not isinstance(made, str):
                raise TypeError(f"key must return the alias as text, not {made!r}")
            return made
        name = f"{self._function.__module__}.{self._function.__qualname__}"
        arguments = f"{canonical(args)}{canonical(kwargs)}"
        return f"memo/{name}/{hashlib.sha256(arguments.encode()).hexdigest()[:32]}"

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Remove the stored value for these arguments; return whether there was one."""
        try:
            await self._options.client.remove(self.alias(*args, **kwargs))
        except AliasNotFound:
            return False
        return True

    async def _find(self, alias: str) -> Stamped[T] | None:
        """Return the stored value, unless it is time to compute it anew."""
        options = self._options
        try:
            found = await options.client.get(alias, codec=self._codec, default=None)
        except StoreKitError as error:
            self._report(alias, error)
            return None
        if found is None or found.is_due(options.clock(), options.beta):
            return None
        return found

    async def _compute(self, alias: str, ended: int, args: Any, kwargs: Any) -> T:
        options = self._options
        # A computation has ended since this caller looked: it may have been that of this value.
        if self._computing.ended != ended:
            found = await self._find(alias)
            if found is not None:
                return found.value
        began = monotonic()
        value = await self._function(*args, **kwargs)
        took = monotonic() - began
        stamped = Stamped(value, options.clock() + options.ttl, took)
        lifetime = timedelta(seconds=options.ttl)
        try:
            await options.client.update(alias, stamped, lifetime, codec=self._codec)
        except (StoreKitError, TypeError, ValueError) as error:
            self._report(alias, error)
        return value

    def _report(self, alias: str, error: Exception) -> None:
        """Report a failure that the caller does not see, to the log and the client's observers."""
        _log.warning("the memoized value %s could not be read or stored: %s", alias, error)
        try:
            with Watch(self._options.client.observers, "qdb", "memoize", None, alias):
                raise error
        except type(error):
            return
