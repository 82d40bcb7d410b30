"""Async Python SDK for QuasarDB and QCache, on asyncio and trio, with a generated sync twin."""

from importlib import import_module
from typing import TYPE_CHECKING

from storekit.errors import (
    ClientClosed,
    CodecError,
    OwnerMismatch,
    PoolError,
    PoolFull,
    PoolTimeout,
    StoreKitError,
)
from storekit.options import PoolLimits, RetryPolicy

if TYPE_CHECKING:
    from storekit.kit import (
        AsyncStoreKit,
        Settings,
        StaleCache,
        StoreKit,
        connect,
        connect_async,
    )

__all__ = [
    "AsyncStoreKit",
    "ClientClosed",
    "CodecError",
    "OwnerMismatch",
    "PoolError",
    "PoolFull",
    "PoolLimits",
    "PoolTimeout",
    "RetryPolicy",
    "Settings",
    "StaleCache",
    "StoreKit",
    "StoreKitError",
    "connect",
    "connect_async",
]

_OF_THE_KIT = frozenset(
    {"AsyncStoreKit", "Settings", "StaleCache", "StoreKit", "connect", "connect_async"}
)


def __getattr__(name: str) -> object:
    if name in _OF_THE_KIT:  # loaded on first use, with both clients
        return getattr(import_module("storekit.kit"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
