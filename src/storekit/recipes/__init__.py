"""Common uses of a key-value store: locks, memoized functions, rate limits, counters.

Each takes a client of `storekit.qdb` and works across all processes that share its store. `lock`
and `memoize` take async and sync clients; classes with the prefix Async are for async clients.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, overload

from storekit._lazy import lazy_names
from storekit.recipes.errors import LockLost, LockTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from storekit.qdb._async.store import AsyncStore
    from storekit.qdb._sync.store import Store
    from storekit.recipes._async.counter import AsyncCounter
    from storekit.recipes._async.lock import AsyncLock
    from storekit.recipes._async.memo import AsyncMemoize
    from storekit.recipes._async.rate_limit import AsyncRateLimit
    from storekit.recipes._sync.counter import Counter
    from storekit.recipes._sync.lock import Lock
    from storekit.recipes._sync.memo import Memoize
    from storekit.recipes._sync.rate_limit import RateLimit
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AsyncCounter": "._async.counter",
            "AsyncLock": "._async.lock",
            "AsyncMemoize": "._async.memo",
            "AsyncRateLimit": "._async.rate_limit",
            "Counter": "._sync.counter",
            "Lock": "._sync.lock",
            "Memoize": "._sync.memo",
            "RateLimit": "._sync.rate_limit",
        },
    )

__all__ = [
    "AsyncCounter",
    "AsyncLock",
    "AsyncMemoize",
    "AsyncRateLimit",
    "Counter",
    "Lock",
    "LockLost",
    "LockTimeout",
    "Memoize",
    "RateLimit",
    "lock",
    "memoize",
]


@overload
def lock(
    client: AsyncStore[Any, Any, Any, Any],
    name: str,
    *,
    ttl: float = 30.0,
    timeout: float | None = None,
) -> AsyncLock: ...
@overload
def lock(
    client: Store[Any, Any, Any, Any],
    name: str,
    *,
    ttl: float = 30.0,
    timeout: float | None = None,
) -> Lock: ...
def lock(client: Any, name: str, *, ttl: float = 30.0, timeout: float | None = None) -> Any:
    """Return a lock that one holder in all processes has at a time; use it as a context manager.

    See `AsyncLock` and `Lock` for what it guarantees.

    Args:
        client: A client of QuasarDB, async or sync.
        name: The name of the lock, any text without NUL.
        ttl: Seconds after which the lock of a process that died is free.
        timeout: Seconds to wait for the lock; None for no limit.

    """
    if _is_async(client):
        from storekit.recipes._async.lock import AsyncLock  # noqa: PLC0415 - loads anyio

        return AsyncLock(client, name, ttl=ttl, timeout=timeout)
    from storekit.recipes._sync.lock import Lock  # noqa: PLC0415 - as above

    return Lock(client, name, ttl=ttl, timeout=timeout)


@overload
def memoize(
    client: AsyncStore[Any, Any, Any, Any],
    *,
    ttl: float,
    key: Callable[..., str] | None = None,
    beta: float = 1.0,
) -> AsyncMemoize: ...
@overload
def memoize(
    client: Store[Any, Any, Any, Any],
    *,
    ttl: float,
    key: Callable[..., str] | None = None,
    beta: float = 1.0,
) -> Memoize: ...
def memoize(
    client: Any, *, ttl: float, key: Callable[..., str] | None = None, beta: float = 1.0
) -> Any:
    """Return a decorator that caches the results of a function in the store.

    See `AsyncMemoize` and `Memoize` for what it guarantees.

    Args:
        client: A client of QuasarDB; for an async client, the functions must be async.
        ttl: Seconds for which a value is used.
        key: A function that returns the alias for the arguments of a call. By default, the alias is
            made of the function's name and its arguments, which must be plain values.
        beta: How early a value is computed anew at random; 0 for never, more than 1 for earlier.

    """
    if _is_async(client):
        from storekit.recipes._async.memo import AsyncMemoize  # noqa: PLC0415 - loads anyio

        return AsyncMemoize(client, ttl=ttl, key=key, beta=beta)
    from storekit.recipes._sync.memo import Memoize  # noqa: PLC0415 - as above

    return Memoize(client, ttl=ttl, key=key, beta=beta)


def _is_async(client: object) -> bool:
    return inspect.iscoroutinefunction(getattr(client, "exists", None))
