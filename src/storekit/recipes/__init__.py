"""What people build on a key-value store: locks, memos, limits of rates, counters.

Each takes a client of `storekit.qdb` and works for all processes that share its store. `lock` and
`memoize` take a client of either kind; classes with the prefix Async are for async clients.
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
    """Return a lock that one holder at a time has, in all processes; use it as a context.

    See `AsyncLock` and `Lock` for what it guarantees.

    Args:
        client: A client of QuasarDB, async or not.
        name: The lock, by any text.
        ttl: Seconds after which the lock of a process that died is free.
        timeout: Seconds to wait for it; None for as long as it takes.

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
    """Return a decorator that keeps what a function returns in the store.

    See `AsyncMemoize` and `Memoize` for what it guarantees.

    Args:
        client: A client of QuasarDB; the functions are async where it is.
        ttl: Seconds for which a value is kept.
        key: Returns the alias for the arguments of a call. By default, the function's name and
            its arguments make it, which must be plain values then.
        beta: How early a value is computed anew by chance; 0 for never, more than 1 for earlier.

    """
    if _is_async(client):
        from storekit.recipes._async.memo import AsyncMemoize  # noqa: PLC0415 - loads anyio

        return AsyncMemoize(client, ttl=ttl, key=key, beta=beta)
    from storekit.recipes._sync.memo import Memoize  # noqa: PLC0415 - as above

    return Memoize(client, ttl=ttl, key=key, beta=beta)


def _is_async(client: object) -> bool:
    return inspect.iscoroutinefunction(getattr(client, "exists", None))
