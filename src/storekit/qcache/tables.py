"""Checks and conversions of tables for an upload, and type variables for results."""

import io
from collections.abc import Mapping
from enum import Enum, auto
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal

from storekit._extras import require
from storekit.codecs.sizes import LARGE
from storekit.codecs.sizes import is_large as is_large_value
from storekit.codecs.tables.base import (
    CSV,
    JSON,
    TableCodec,
    TableContent,
    encode_text,
    media_type,
)
from storekit.codecs.tables.registry import TableRegistry
from storekit.qcache.arguments import check_media_type, check_type
from storekit.qcache.formats import (
    BOM,
    PEEK,
    Format,
    JsonLines,
    check_content,
    format_of,
    format_of_name,
)
from storekit.qcache.result import QueryResult

if TYPE_CHECKING:  # type checkers bundle this package; at run time it may be missing
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
    "check_text_content",
    "check_upload",
    "codec_of",
    "given",
    "is_large",
    "is_large_query",
    "read_frame",
]

_NUMBERS = frozenset({int, float, bool})


class Own(Enum):
    """Stands for the default codec of the client."""

    CODEC = auto()


OWN: Final = Own.CODEC
"""`Own.CODEC` by a name of its own: looking up a member of an enum is slow in Python 3.11."""


def given(**options: object) -> dict[str, Any]:
    """Return only the options that were given: methods of subclasses may accept fewer."""
    return {
        name: value
        for name, value in options.items()
        if value is not OWN and (value is not None or name == "codec")
    }


def check_text_content(
    content: bytes | bytearray | memoryview | str, content_type: str, *, is_packed: bool = False
) -> "TableContent | tuple[bytes, Format | Literal['gzip']]":
    """Return the content to upload; or bytes and their format, if that is not CSV or JSON.

    Content that is recognized as JSON is uploaded as JSON, even if `content_type` is CSV. Raises
    `TypeError` and `ValueError`.
    """
    check_type("content_type", content_type, str)
    check_media_type("content_type", content_type)
    if isinstance(content, str):
        _check_no_path(content)
        data = encode_text(content)
    else:
        data = content if isinstance(content, bytes) else bytes(content)
    if is_packed:
        return TableContent(data, content_type)
    if media_type(content_type) == JSON:  # the caller says what it is
        return TableContent(data.removeprefix(BOM), content_type)
    if format_of(data[:PEEK])[1]:
        return data, "gzip"
    kind = check_content(data)
    if kind == "json lines":
        lines = JsonLines()
        return TableContent(lines.feed(data) + lines.end(), JSON)
    if kind == "json":
        return TableContent(data.removeprefix(BOM), JSON)
    if kind == "csv":
        return TableContent(data, content_type)
    return data, kind


def _check_no_path(text: str) -> None:
    if len(text) < 1000 and "\n" not in text and format_of_name(text.strip()) is not None:
        raise ValueError(
            f"content {text!r} looks like the name of a file; to post the file, give "
            f"pathlib.Path({text!r})"
        )


def read_frame(data: bytes | str, kind: "Format") -> object:
    """Return the frame in a file of Parquet or Arrow, given its path or its bytes.

    Raises `ModuleNotFoundError` if neither polars nor pyarrow is installed, and `ValueError` if
    the file cannot be read.
    """
    source: Any = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        if find_spec("polars") is not None:
            import polars as pl  # noqa: PLC0415 - an extra, loaded when it is needed

            read = pl.read_parquet if kind == "parquet" else _read_ipc
            return read(source)
        require(f"a post of {kind}", "arrow", "pyarrow")
        return _read_with_pyarrow(source, kind)
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"the content cannot be read as {kind}: {error}") from error


def _read_ipc(source: Any) -> object:  # noqa: ANN401 - a path or a file
    import polars as pl  # noqa: PLC0415 - loaded already

    with open(source, "rb") if isinstance(source, str) else source as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        return pl.read_ipc(file) if is_file else pl.read_ipc_stream(file)


def _read_with_pyarrow(source: Any, kind: "Format") -> object:  # noqa: ANN401 - a path or a file
    from pyarrow import ipc, parquet  # noqa: PLC0415 - an extra, loaded when it is needed

    if kind == "parquet":
        return parquet.read_table(source)
    with open(source, "rb") if isinstance(source, str) else source as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        return (ipc.open_file(file) if is_file else ipc.open_stream(file)).read_all()


def codec_of(table: object, registry: TableRegistry) -> TableCodec[Any]:
    """Return the codec for a table by its type. Raises `TypeError` if there is none."""
    try:
        return registry.of(table)
    except TypeError:
        hint = "; give codec= for other tables"
        if isinstance(table, Mapping):
            hint = ": for one row, post [row]; for columns, a frame: polars.DataFrame(columns)"
        elif type(table).__name__ == "Series":
            hint = ": for one column, post its frame, e.g. series.to_frame()"
        raise TypeError(
            "content must be bytes or str, a list of dicts, a path, an open file, an iterator of "
            "bytes, or a frame of polars, pandas or pyarrow, not "
            f"{type(table).__name__}{hint}"
        ) from None


def is_large(table: object) -> bool:
    """Return whether encoding a table may take long, by a quick estimate."""
    if isinstance(table, bytes | bytearray | str):
        return len(table) >= LARGE
    if isinstance(table, list | tuple):
        return is_large_value(table)
    return True  # a frame takes a millisecond at least, and other tables may


def is_large_query(q: Mapping[str, object]) -> bool:
    """Return whether a query has so many parts that writing it as JSON may take long."""
    if type(q) is not dict and not isinstance(q, Mapping):
        return False  # it will raise later
    for part in q.values():
        # Most parts are numbers and short lists of names: these two checks are the fastest.
        if type(part) is not int and not _is_short(part) and is_large_value(part):
            return True
    return False


def _is_short(part: object) -> bool:
    return type(part) is list and len(part) < 10 and _NUMBERS.issuperset(map(type, part[2:]))


def check_upload(encoded: object, content_type: str = CSV) -> TableContent:
    """Return the output of a table codec, if it is valid and of this content type.

    The default of `content_type` leaves the format to the codec. Raises `TypeError` and
    `ValueError`.
    """
    if not isinstance(encoded, TableContent):
        raise TypeError(f"a table codec must return TableContent, not {type(encoded).__name__}")
    if not isinstance(encoded.content, bytes):
        raise TypeError(f"TableContent must have bytes, not {type(encoded.content).__name__}")
    check_type("content_type", content_type, str)
    if content_type != CSV and media_type(content_type) != media_type(encoded.content_type):
        raise ValueError(
            f"content_type is {content_type!r}, but the table was encoded as "
            f"{encoded.content_type!r}: leave it out, or give another codec="
        )
    return encoded
