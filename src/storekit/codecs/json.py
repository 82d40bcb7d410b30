"""JSON, by msgspec."""

# ruff: noqa: ANN401 - plain data is of any type

from typing import Any, TypeVar, overload

from storekit.codecs.structs import Structured, need_msgspec

__all__ = ["Json"]

T = TypeVar("T")


class Json(Structured[T]):
    """JSON of plain data, or of one type: `Json(User)` is a codec of `User`.

    The type may be a dataclass, a `msgspec.Struct`, an attrs class, a TypedDict, a NamedTuple,
    or anything else that msgspec knows: `list[User]`, datetimes, decimals, UUIDs, enums. Where
    a type checker can't see a type, as in `Json(User | None)`, name it:
    `codec: Json[User | None] = Json(User | None)`.

    A value of a type is read once when it is written: what does not fit, such as text in a field
    for a number, is refused by a `TypeError` then, and not by whoever reads it.

    Infinite floats and NaN become null, which a type must allow for. Nesting is as deep as the
    interpreter's stack allows, and integers may have 4300 digits.
    """

    name: str = "json"
    content_type: str = "application/json"

    @overload
    def __init__(self: "Json[Any]", /) -> None: ...
    @overload
    def __init__(self, type: type[T], /) -> None: ...
    @overload
    def __init__(self: "Json[Any]", type: Any, /) -> None: ...
    def __init__(self, type: Any = Any, /) -> None:  # noqa: A002 - what it is
        """Make a codec of `type`. `TypeError` if msgspec can't decode such a type."""
        need_msgspec(self.name)
        import msgspec

        self._use(msgspec.json.Encoder(), msgspec.json.Decoder(type), type)
