"""The errors that both stores share; each store adds its own tree below `StoreKitError`."""

__all__ = [
    "ClientClosed",
    "OwnerMismatch",
    "PoolError",
    "PoolFull",
    "PoolTimeout",
    "StoreKitError",
]


class StoreKitError(Exception):
    """Base of every error that storekit raises on purpose.

    Arguments of the wrong type or value are the exception: they raise `TypeError` or
    `ValueError` before anything is sent.
    """


class ClientClosed(StoreKitError):
    """The client, or the pool below it, was closed before or during the call."""


class OwnerMismatch(StoreKitError):
    """A client is in use by another event loop, or was inherited through a fork."""


class PoolError(StoreKitError):
    """No connection could be leased from the pool."""


class PoolTimeout(PoolError):
    """All connections stayed leased for as long as the caller was ready to wait."""


class PoolFull(PoolError):
    """As many callers as `PoolLimits.max_waiting` allows are waiting for a connection."""
