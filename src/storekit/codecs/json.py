"""JSON, by msgspec."""

# ruff: noqa: ANN401 - plain data is of any type

from typing import Any, TypeVar, overload

from storekit.codecs.structs import Structured, need_msgspec

__all__ = ["Json"]

T = TypeVar("T")


class Json(Structured[T]):
    """JSON of plain data, or of one type: `Json(User)` is a codec of `User`.

    The type may be a dataclass, a `msgspec.Struct`, an attrs class, a TypedDict, a NamedTuple,
    or anything else that msgspec supports: `list[User]`, datetimes, decimals, UUIDs, enums. Where
    a type checker can't infer the type, as in `Json(User | None)`, annotate it:
    `codec: Json[User | None] = Json(User | None)`.

    With a type, `encode` also decodes what it wrote: a value that does not fit the type, such as
    text in a field for a number, raises `TypeError` there, rather than later when it is read.

    Infinite floats and NaN become null, which the type must allow. The depth of nesting is limited
    by the interpreter's stack, and integers may have 4300 digits.
    """

    name: str = "json"
    content_type: str = "application/json"

    @overload
    def __init__(self: "Json[Any]", /) -> None: ...
    @overload
    def __init__(self, type: type[T], /) -> None: ...
    @overload
    def __init__(self: "Json[Any]", type: Any, /) -> None: ...
    def __init__(self, type: Any = Any, /) -> None:  # noqa: A002 - the usual word for it
        """Make a codec of `type`. `TypeError` if msgspec can't decode such a type."""
        need_msgspec(self.name)
        import msgspec

        self._use(msgspec.json.Encoder(), msgspec.json.Decoder(type), type)
