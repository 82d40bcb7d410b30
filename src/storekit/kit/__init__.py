"""One way in to both stores, with shared settings, and tables that live in one of them.

`storekit` itself has the names; they are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from storekit.kit.settings import Settings
from storekit.kit.tables import StaleCache

if TYPE_CHECKING:
    from storekit.kit._async.connecting import connect as connect_async
    from storekit.kit._async.kit import AsyncStoreKit
    from storekit.kit._sync.connecting import connect
    from storekit.kit._sync.kit import StoreKit

__all__ = ["AsyncStoreKit", "Settings", "StaleCache", "StoreKit", "connect", "connect_async"]

_HOMES = {
    "AsyncStoreKit": ("_async.kit", "AsyncStoreKit"),
    "StoreKit": ("_sync.kit", "StoreKit"),
    "connect": ("_sync.connecting", "connect"),
    "connect_async": ("_async.connecting", "connect"),
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(f"storekit.kit.{module}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
