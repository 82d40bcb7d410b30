"""What a codec is, and how a client calls one."""

from typing import Protocol, TypeVar

from storekit.errors import CodecError

__all__ = ["Codec", "decode_value", "encode_value", "is_deterministic"]

T = TypeVar("T")


class Codec(Protocol[T]):
    """Turns values into bytes and back.

    `name` is what the codec is called in a registry, in frames and in messages;
    `content_type` is that of the bytes. `encode` raises `TypeError` or `ValueError` for what
    the codec can't express. `decode` takes what any store may hold, and raises `CodecError`
    for what is not its own. Clients call both in any thread.

    A codec that makes other bytes of one value each time, as encryption does, says so by an
    attribute `deterministic` that is False. One that loads packages on first use, which takes
    long, names them in a tuple `packages`: clients then call it in a thread until they are there.
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
        raise TypeError(f"the codec {codec.name} made {type(data).__name__} of a value, not bytes")
    return data


def decode_value(codec: Codec[T], data: bytes | memoryview, key: str | None) -> T:
    """Return the value of the bytes that a store holds under `key`.

    Raises `CodecError` that names the key and has the content, whatever exception the codec
    raises.
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
    """Tell whether a codec makes the same bytes of one value each time."""
    return bool(getattr(codec, "deterministic", True))
