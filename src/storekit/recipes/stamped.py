"""Memoized values with the time at which they expire and the time that computing them took."""

import math
import random
import struct
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from storekit.codecs.base import Codec, decode_value, encode_value
from storekit.errors import CodecError

__all__ = ["Stamped", "StampedCodec", "canonical"]

T = TypeVar("T")

_MAGIC = b"storekit memo 1 "
_HEAD = struct.Struct("<dd")


@dataclass(frozen=True, slots=True)
class Stamped(Generic[T]):
    """A value, when it expires (seconds since the epoch), and the seconds to compute it."""

    value: T
    expires: float
    took: float

    def is_due(self, now: float, beta: float) -> bool:
        """Return at random whether to compute the value anew; the later, the more likely.

        The probability is such that about one caller of many computes it, about as long before it
        expires as that takes (Vattani, Chierichetti and Lowenstein, "Optimal probabilistic cache
        stampede prevention").
        """
        early = self.took * beta * -math.log(1 - random.random())  # noqa: S311 - no secret
        return now + early >= self.expires


class StampedCodec(Generic[T]):
    """A codec of stamped values around the codec of the values."""

    content_type: str = "application/octet-stream"

    def __init__(self, inner: Codec[T]) -> None:
        self.name: str = f"memo of {inner.name}"
        self._inner = inner

    def encode(self, value: Stamped[T]) -> bytes:
        """Return the bytes of a stamped value. Raises `TypeError` and `ValueError`."""
        head = _MAGIC + _HEAD.pack(value.expires, value.took)
        return head + encode_value(self._inner, value.value)

    def decode(self, data: bytes | memoryview) -> Stamped[T]:
        """Return a stamped value. Raises `CodecError`."""
        content = bytes(data)
        start = len(_MAGIC)
        if not content.startswith(_MAGIC) or len(content) < start + _HEAD.size:
            raise CodecError("the entry is not a memoized value", codec=self.name)
        expires, took = _HEAD.unpack_from(content, start)
        if not (math.isfinite(expires) and math.isfinite(took) and took >= 0):
            raise CodecError("the memoized value has invalid times", codec=self.name)
        value = decode_value(self._inner, content[start + _HEAD.size :], None)
        return Stamped(value, expires, took)


def canonical(value: Any) -> str:  # noqa: ANN401 - any argument of a function
    """Return a text that is the same in every process for equal plain values.

    Raises `TypeError` for other values, whose text may differ between processes.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, tuple | list):
        begin, end = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        return f"{begin}{','.join(map(canonical, value))}{end}"
    if isinstance(value, dict):
        pairs = sorted((canonical(key), canonical(each)) for key, each in value.items())
        return "{" + ",".join(f"{key}:{each}" for key, each in pairs) + "}"
    raise TypeError(
        f"memoize needs plain values as arguments, not {type(value).__name__}; or give "
        "memoize(..., key=...) a function that makes the alias"
    )
