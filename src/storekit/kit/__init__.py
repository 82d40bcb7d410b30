"""Clients of both stores with common settings, and tables stored in QuasarDB, queried in QCache.

`storekit` exports these names; they are loaded on first use.
"""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names
from storekit.kit.settings import Settings

if TYPE_CHECKING:
    from storekit.kit._async.connecting import connect as connect_async
    from storekit.kit._async.kit import AsyncStoreKit
    from storekit.kit._sync.connecting import connect
    from storekit.kit._sync.kit import StoreKit
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AsyncStoreKit": "._async.kit",
            "StoreKit": "._sync.kit",
            "connect": "._sync.connecting",
            "connect_async": "._async.connecting:connect",
        },
    )

__all__ = ["AsyncStoreKit", "Settings", "StoreKit", "connect", "connect_async"]
