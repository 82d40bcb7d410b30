"""Async Python SDK for QuasarDB and QCache, on asyncio and trio, with a generated sync twin."""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names
from storekit.errors import (
    CircularCall,
    ClientClosed,
    CodecError,
    OutOfResources,
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
        StoreKit,
        connect,
        connect_async,
    )

    __version__: str
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AsyncStoreKit": ".kit",
            "Settings": ".kit",
            "StoreKit": ".kit",
            "__version__": "._version",
            "connect": ".kit",
            "connect_async": ".kit",
        },
    )

__all__ = [
    "AsyncStoreKit",
    "CircularCall",
    "ClientClosed",
    "CodecError",
    "OutOfResources",
    "OwnerMismatch",
    "PoolError",
    "PoolFull",
    "PoolLimits",
    "PoolTimeout",
    "RetryPolicy",
    "Settings",
    "StoreKit",
    "StoreKitError",
    "__version__",
    "connect",
    "connect_async",
]
