"""Tables on their way into uploads, without I/O, and the types of those that come back."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from storekit.codecs.tables.base import CSV, TableCodec, TableContent, media_type
from storekit.codecs.tables.registry import TableRegistry
from storekit.qcache.arguments import check_type
from storekit.qcache.result import QueryResult
from storekit.qcache.wire import encode_content

if TYPE_CHECKING:  # type checkers have this package with them; here it may be missing
    from typing_extensions import TypeVar

    F = TypeVar("F")
    R = TypeVar("R", default=QueryResult)
else:
    from typing import TypeVar

    F = TypeVar("F")
    R = TypeVar("R")

__all__ = [
    "OWN",
    "F",
    "Own",
    "R",
    "as_it_is",
    "check_upload",
    "codec_of",
    "is_large",
    "merge_types",
]

_LARGE = 2000
"""Cells. With pandas, 400 took 1.6 ms to encode and 4000 took 3.6; with others less than one."""


class Own(Enum):
    """Stands for the codec that the client was made with."""

    CODEC = auto()


OWN: Final = Own.CODEC
"""By this name, for Python 3.11 takes its time over members of enums."""


def as_it_is(content: object, content_type: str | None) -> TableContent | None:
    """Return content that needs no codec; None for what may be a frame."""
    if isinstance(content, TableContent):
        return check_upload(content, content_type)
    if isinstance(content, bytes | bytearray | memoryview | str | list | tuple):
        kind = CSV if content_type is None else content_type
        return TableContent(encode_content(content, kind), kind)
    return None


def codec_of(table: object, registry: TableRegistry) -> TableCodec[Any]:
    """Return the codec for a table by its type. `TypeError` if there is none."""
    try:
        return registry.of(table)
    except TypeError:
        raise TypeError(
            "content must be bytes or str, for JSON also a list of dicts, or a frame of polars, "
            f"pandas or pyarrow, not {type(table).__name__}; give codec= for other tables"
        ) from None


def is_large(table: object) -> bool:
    """Return whether encoding a table takes a millisecond or more, as far as can be told."""
    sized: Any = table  # or not: most codecs have tables of their own kind
    shape = getattr(table, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2:
        rows, columns = shape
        return bool(rows * columns >= _LARGE)
    try:
        return len(sized) >= _LARGE
    except TypeError:
        return True


def check_upload(encoded: object, content_type: str | None) -> TableContent:
    """Return what a codec made of a table, if it is what the caller says it is."""
    if not isinstance(encoded, TableContent):
        raise TypeError(f"a codec of tables makes TableContent, not {type(encoded).__name__}")
    if not isinstance(encoded.content, bytes):
        raise TypeError(f"TableContent has bytes, not {type(encoded.content).__name__}")
    check_type("content_type", content_type, str)
    if content_type is not None and media_type(content_type) != media_type(encoded.content_type):
        raise ValueError(
            f"content_type is {content_type!r}, but the table was encoded as "
            f"{encoded.content_type!r}: leave it out, or give another codec="
        )
    return encoded


def merge_types(encoded: TableContent, types: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the types of columns: what the caller says goes before what the table says."""
    return {**encoded.types, **types} if types else encoded.types
