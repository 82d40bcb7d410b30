"""MessagePack, by msgspec."""

# ruff: noqa: ANN401 - plain data is of any type

from typing import Any, TypeVar, overload

from storekit.codecs.structs import Structured, need_msgspec

__all__ = ["Msgpack"]

T = TypeVar("T")


class Msgpack(Structured[T]):
    """MessagePack of plain data, or of one type: `Msgpack(User)` is a codec of `User`.

    Smaller and faster than JSON, and supports bytes and NaN; integers have at most 64 bits.
    Types are as for `Json`.
    """

    name: str = "msgpack"
    content_type: str = "application/vnd.msgpack"

    @overload
    def __init__(self: "Msgpack[Any]", /) -> None: ...
    @overload
    def __init__(self, type: type[T], /) -> None: ...
    @overload
    def __init__(self: "Msgpack[Any]", type: Any, /) -> None: ...
    def __init__(self, type: Any = Any, /) -> None:  # noqa: A002 - the usual word for it
        """Make a codec of `type`. `TypeError` if msgspec can't decode such a type."""
        need_msgspec(self.name)
        import msgspec

        self._use(msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(type), type)
