"""The base of codecs that wrap another codec."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from storekit.codecs.base import Codec, is_deterministic
from storekit.codecs.loading import packages_of
from storekit.errors import CodecError

__all__ = ["MAX_SIZE", "Wrapper", "check_size"]

T = TypeVar("T")

MAX_SIZE = 2**28
"""Default for the most bytes that compressed content may unpack to."""


class Wrapper(ABC, Generic[T]):
    """Packs what another codec encodes. Its name is that of the inner codec, "+", and a suffix."""

    name: str
    content_type: str = "application/octet-stream"
    _suffix: str

    def __init__(self, inner: Codec[T]) -> None:
        if isinstance(inner, type) or not hasattr(inner, "decode"):
            raise TypeError(f"{type(self).__name__} wraps a codec, e.g. Raw(), not {inner!r}")
        self._inner = inner
        self.name = f"{inner.name}+{self._suffix}"
        self.deterministic: bool = is_deterministic(inner)
        self.packages: tuple[str, ...] = packages_of(inner)

    def encode(self, value: T, /) -> bytes:
        """Return a value as bytes. `TypeError` or `ValueError` if it can't be encoded."""
        return self._pack(self._inner.encode(value))

    def decode(self, data: bytes | memoryview, /) -> T:
        """Return the value. Raises `CodecError` if the content is damaged or of another codec."""
        return self._inner.decode(self._unpack(data))

    @abstractmethod
    def _pack(self, content: bytes) -> bytes: ...

    @abstractmethod
    def _unpack(self, data: bytes | memoryview) -> bytes | memoryview: ...

    def _error(self, reason: str) -> CodecError:
        return CodecError(reason, codec=self.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner!r})"


def check_size(max_size: int) -> int:
    """Return `max_size` if it is a valid number of bytes. Raises `TypeError` or `ValueError`."""
    if not isinstance(max_size, int) or isinstance(max_size, bool):
        raise TypeError(f"max_size must be a number of bytes, not {max_size!r}")
    if max_size < 1:
        raise ValueError(f"max_size must be 1 or more, not {max_size}")
    return max_size
