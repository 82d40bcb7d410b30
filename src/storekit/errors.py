"""The errors that both stores share; each store adds its own tree below `StoreKitError`."""

__all__ = [
    "ClientClosed",
    "CodecError",
    "OutOfResources",
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


class OutOfResources(StoreKitError):
    """The process or its machine has no more of something that the call needs.

    That may be open files, memory, network ports or threads; the message says which. It says
    nothing about the store: no node is given up for it. The call works again once there
    is some.
    """


class PoolError(StoreKitError):
    """No connection could be leased from the pool."""


class PoolTimeout(PoolError):
    """All connections stayed leased for as long as the caller was ready to wait."""


class PoolFull(PoolError):
    """As many callers as `PoolLimits.max_waiting` allows are waiting for a connection."""


class CodecError(StoreKitError):
    """Content that a codec can't turn into a value: damaged, cut short, foreign or hostile.

    `codec` is the name of the codec that gave up; where codecs are wrapped, that of the layer.
    `key` is the key or alias that the content belongs to, None where the codec was used without
    a client. The message names both, and shows nothing of the content. `content` has the bytes
    that a client got from the store: after a call that took them out, they are nowhere else.
    """

    codec: str = ""
    key: str | None = None
    content: bytes | None = None

    def __init__(self, *args: object, codec: str = "", key: str | None = None) -> None:
        super().__init__(*args)
        self.codec = codec
        self.key = key
        self.content = None

    def __str__(self) -> str:
        key = "" if self.key is None else f", key {self.key[:200]!r}"
        return f"{super().__str__()} (codec {self.codec or 'unknown'}{key})"
