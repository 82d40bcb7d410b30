"""A frame that records the codec of each value, so that one store can hold many."""

import re
from typing import Generic, Self, TypeVar

from storekit.codecs.base import Codec, is_deterministic
from storekit.codecs.loading import packages_of
from storekit.codecs.sizes import unpacks
from storekit.errors import CodecError

__all__ = ["Framed", "check_name"]

T = TypeVar("T")

_MARK = b"\xf5SK\x01"
"""Starts a frame. No UTF-8 text and no pickle starts with the first byte; the last is a version."""

_NAME = re.compile(r"[a-z0-9_.-]+(\+[a-z0-9_.-]+)*")
_LONGEST_NAME = 255


def check_name(name: object) -> str:
    """Return `name` if it is a valid name of a codec. Raises `TypeError` or `ValueError`."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a codec must be a str, not {type(name).__name__}")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ValueError(
            "the name of a codec may have only a-z 0-9 _ . and -, and + between parts, "
            f"not {name!r}"
        )
    return name


class Framed(Generic[T]):
    """Writes the name of a codec before each value, and decodes with the codec named there.

    ```python
    from storekit.codecs import Framed, Json, Msgpack

    codec = Framed(Msgpack(), Json())  # writes MessagePack, reads both
    assert codec.decode(codec.using("json").encode([1, 2])) == [1, 2]
    ```

    The stored content decides which of the codecs decodes it: give only codecs that are safe to use
    on anything that may be in the store.
    """

    name: str = "framed"
    content_type: str = "application/octet-stream"

    def __init__(self, *codecs: Codec[T], default: str | None = None) -> None:
        """Make a codec.

        Args:
            codecs: All codecs that values are read with. Their names must differ.
            default: The name of the codec to write with; the first if not given.

        """
        self._codecs: dict[str, Codec[T]] = {}
        for codec in codecs:
            if isinstance(codec, type) or not hasattr(codec, "decode"):
                raise TypeError(f"a frame takes codecs, e.g. Raw(), not {codec!r}")
            if check_name(codec.name) in self._codecs:
                raise ValueError(f"two codecs have the name {codec.name!r}")
            self._codecs[codec.name] = codec
        if not self._codecs:
            raise ValueError("a frame needs at least one codec")
        self._default = self._known(next(iter(self._codecs)) if default is None else default)
        self.deterministic: bool = is_deterministic(self._default)
        self.packages: tuple[str, ...] = tuple(
            dict.fromkeys(each for codec in self._codecs.values() for each in packages_of(codec))
        )
        self.unpacks: bool = any(unpacks(codec) for codec in self._codecs.values())
        self._head = _head(self._default.name)
        self._heads = {_head(name): codec for name, codec in self._codecs.items()}

    def using(self, name: str) -> Self:
        """Return the same codec, but writing with the codec of this name. Raises `ValueError`."""
        return type(self)(*self._codecs.values(), default=name)

    def encode(self, value: T, /) -> bytes:
        """Return a framed value. `TypeError` or `ValueError` if the codec can't encode it."""
        return self._head + self._default.encode(value)

    def decode(self, data: bytes | memoryview, /) -> T:
        """Return the value. Raises `CodecError` if there is no frame, or the codec is unknown."""
        view = memoryview(data)
        if view[:4] != _MARK or len(view) < 5:
            raise CodecError("the content has no frame that names its codec", codec=self.name)
        end = 5 + view[4]
        head = bytes(view[:end])
        codec = self._heads.get(head)
        if codec is None:
            raise CodecError(
                f"the frame names none of the codecs {', '.join(self._codecs)}"
                + _shown(head[5:], whole=len(head) == end),
                codec=self.name,
            )
        return codec.decode(view[end:])

    def _known(self, name: str) -> Codec[T]:
        if name not in self._codecs:
            raise ValueError(f"{name!r} is not one of the codecs {', '.join(self._codecs)}")
        return self._codecs[name]

    def __repr__(self) -> str:
        codecs = ", ".join(map(repr, self._codecs.values()))
        return f"Framed({codecs}, default={self._default.name!r})"


def _head(name: str) -> bytes:
    encoded = name.encode()
    return _MARK + bytes([len(encoded)]) + encoded


def _shown(name: bytes, *, whole: bool) -> str:
    """Return the name for a message, unless it may be content rather than a name."""
    text = name.decode("latin-1")
    return f", but {text!r}" if whole and len(text) <= 60 and _NAME.fullmatch(text) else ""
