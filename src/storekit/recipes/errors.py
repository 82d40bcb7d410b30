"""The errors of recipes."""

from storekit.errors import StoreKitError

__all__ = ["LockLost", "LockTimeout"]


class LockTimeout(StoreKitError, TimeoutError):
    """The lock was held by others until the timeout."""


class LockLost(StoreKitError):
    """The lock was not renewed within its `ttl`, so that another holder may have it."""
