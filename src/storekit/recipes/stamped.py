"""What a memo keeps beside a value: when it is over, and how long it took to compute."""

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
    """A value, the time at which it is over (seconds since the epoch), and what it took."""

    value: T
    over: float
    took: float

    def is_due(self, now: float, beta: float) -> bool:
        """Tell whether to compute the value anew, by chance the more likely the later it is.

        The chance is such that of any number of callers about one computes it, at about the time
        that it takes before the end (Vattani, Chierichetti and Lowenstein, "Optimal probabilistic
        cache stampede prevention").
        """
        early = self.took * beta * -math.log(1 - random.random())  # noqa: S311 - no secret
        return now + early >= self.over


class StampedCodec(Generic[T]):
    """A codec of stamped values around that of the values."""

    content_type: str = "application/octet-stream"

    def __init__(self, inner: Codec[T]) -> None:
        self.name: str = f"memo of {inner.name}"
        self._inner = inner

    def encode(self, value: Stamped[T]) -> bytes:
        """Return the bytes of a stamped value. Raises `TypeError` and `ValueError`."""
        head = _MAGIC + _HEAD.pack(value.over, value.took)
        return head + encode_value(self._inner, value.value)

    def decode(self, data: bytes | memoryview) -> Stamped[T]:
        """Return a stamped value. Raises `CodecError`."""
        content = bytes(data)
        start = len(_MAGIC)
        if not content.startswith(_MAGIC) or len(content) < start + _HEAD.size:
            raise CodecError("the entry is no memo", codec=self.name)
        over, took = _HEAD.unpack_from(content, start)
        if not (math.isfinite(over) and math.isfinite(took) and took >= 0):
            raise CodecError("the times of the memo are none", codec=self.name)
        return Stamped(decode_value(self._inner, content[start + _HEAD.size :], None), over, took)


def canonical(value: Any) -> str:  # noqa: ANN401 - any argument of a function
    """Return a text that is the same in every process for equal plain values.

    Raises `TypeError` for others: two processes could write them differently.
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
        f"a memo by arguments takes plain values, not {type(value).__name__}: give "
        "memoize(..., key=...) a function that makes the alias"
    )
