"""The errors of recipes."""

from storekit.errors import StoreKitError

__all__ = ["LockLost", "LockTimeout"]


class LockTimeout(StoreKitError, TimeoutError):
    """Others held the lock for as long as the caller was ready to wait."""


class LockLost(StoreKitError):
    """The lock is not, or may not be, its holder's any more: its time ran out."""
