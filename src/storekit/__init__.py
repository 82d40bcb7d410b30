"""Async Python SDK for QuasarDB and QCache, on asyncio and trio, with a generated sync twin."""

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

__all__ = [
    "ClientClosed",
    "CodecError",
    "OwnerMismatch",
    "PoolError",
    "PoolFull",
    "PoolLimits",
    "PoolTimeout",
    "RetryPolicy",
    "StoreKitError",
]
