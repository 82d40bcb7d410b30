"""The errors of both stores; each store has more, derived from `StoreKitError`."""

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
    """The base class of the errors that storekit raises.

    Arguments of a wrong type or value raise `TypeError` or `ValueError` instead, before anything is
    sent.

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

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401 - what a pickle has
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

    That may be open files, memory, network ports or threads; the message says which. It is no
    failure of the store: no node is marked as failed. The call can succeed once the resource is
    available again.
    """


class CircularCall(StoreKitError):
    """Functions that load or compute a value would wait for each other, or one for itself."""


class PoolError(StoreKitError):
    """No connection could be leased from the pool."""


class PoolTimeout(PoolError):
    """All connections stayed leased until the timeout."""


class PoolFull(PoolError):
    """As many callers as `PoolLimits.max_waiting` allows are waiting for a connection."""


class CodecError(StoreKitError):
    """A codec can't decode content: it is damaged, incomplete, of another codec, or malicious.

    `codec` is the name of the codec that failed; for wrapped codecs, that of the wrapper or inner
    codec that failed. `key` is the key or alias of the content; None if the codec was used without
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
