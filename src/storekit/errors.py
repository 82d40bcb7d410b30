"""The errors that both stores share; each store adds its own tree below `StoreKitError`."""

from typing import Any

__all__ = [
    "CircularCall",
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

    Errors are plain exceptions: they can be made without arguments, subclassed with any
    constructor, copied and pickled.
    """

    def __reduce__(self) -> tuple[object, ...]:
        slots = {
            name: getattr(self, name)
            for kind in type(self).__mro__
            for name in _slots_of(kind)
            if hasattr(self, name)
        }
        return _restored, (type(self), self.args), ({**self.__dict__}, slots)

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401 - as pickles have it
        for part in state if isinstance(state, tuple) else (state,):
            for name, value in (part or {}).items():
                setattr(self, name, value)


def _slots_of(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if not name.startswith("__"))


def _restored(kind: type[StoreKitError], args: tuple[object, ...]) -> StoreKitError:
    """Return an error without calling its constructor, which may take other arguments."""
    return kind.__new__(kind, *args)


class ClientClosed(StoreKitError):
    """The client, or the pool below it, was closed before or during the call."""


class OwnerMismatch(StoreKitError):
    """A client is in use by another event loop, or was inherited through a fork."""


class OutOfResources(StoreKitError):
    """The process or its machine has run out of something that the call needs.

    That may be open files, memory, network ports or threads; the message says which. It says
    nothing about the store: no node is given up for it. The call works again once there
    is some.
    """


class CircularCall(StoreKitError):
    """Functions that load or compute a value wait for each other, or one for itself."""


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
    that a client got from the store: after a call that removed the entry, this is the only copy.
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
