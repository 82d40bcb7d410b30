"""What a codec is, and how a client calls one."""

from typing import Protocol, TypeVar

from storekit.errors import CodecError

__all__ = ["Codec", "decode_value", "encode_value", "is_deterministic"]

T = TypeVar("T")


class Codec(Protocol[T]):
    """Turns values into bytes and back.

    `name` identifies the codec in registries, frames and messages; `content_type` is the media type
    of the bytes. `encode` raises `TypeError` or `ValueError` for a value that the codec can't
    express. `decode` must accept any bytes, and raises `CodecError` for those that this codec did
    not write. Clients call both in any thread.

    A codec whose bytes for a value differ from call to call, as in encryption, sets an attribute
    `deterministic` to False. A codec that imports packages on first use, which can take long, names
    them in a tuple `packages`: clients then call it in a thread until they are loaded.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above
    @property
    def content_type(self) -> str: ...  # noqa: D102
    def encode(self, value: T, /) -> bytes: ...  # noqa: D102
    def decode(self, data: bytes | memoryview, /) -> T: ...  # noqa: D102


def encode_value(codec: Codec[T], value: T) -> bytes:
    """Return the bytes of a value. `TypeError` or `ValueError` if the codec can't express it."""
    data = codec.encode(value)
    if type(data) is not bytes:
        raise TypeError(f"the codec {codec.name} returned {type(data).__name__}, not bytes")
    return data


def decode_value(codec: Codec[T], data: bytes | memoryview, key: str | None) -> T:
    """Return the value of the bytes that a store holds under `key`.

    Raises `CodecError` with the key and the content, for any exception of the codec.
    """
    try:
        return codec.decode(data)
    except CodecError as error:
        error.codec = error.codec or codec.name
        error.key = key
        error.content = bytes(data)
        raise
    except Exception as error:
        failure = CodecError(
            f"the codec failed ({type(error).__name__})", codec=codec.name, key=key
        )
        failure.content = bytes(data)
        raise failure from error


def is_deterministic(codec: Codec[T]) -> bool:
    """Return whether a codec always makes the same bytes of the same value."""
    return bool(getattr(codec, "deterministic", True))
