"""The interface of table codecs, and checks of columns that they share."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

__all__ = [
    "CSV",
    "EXACT_INTEGERS",
    "JSON",
    "LARGEST_INTEGER",
    "TableCodec",
    "TableContent",
    "check_columns",
    "check_integers",
    "check_text",
    "encode_text",
    "errors_name",
    "media_type",
]

T = TypeVar("T")

CSV = "text/csv"
JSON = "application/json"

LARGEST_INTEGER = 2**63 - 1
EXACT_INTEGERS = 2**53
"""The largest n for which all integers from -n to n are exact as floats."""

_UNFIT_IN_A_HEADER = re.compile(r"[^\x20-\x7e]|[;=]")


@dataclass(frozen=True, slots=True)
class TableContent:
    """A table to upload: its bytes, their media type, and types of columns.

    `types` is for the header X-QCache-types: column names to "string", "enum" or "float".
    """

    content: bytes
    content_type: str
    types: Mapping[str, str] = field(default_factory=dict)


class TableCodec(Protocol[T]):
    """Turns tables into uploads to QCache, and results of queries into tables.

    `content_type` is the media type of uploads, `accept` that of the results to ask for. `encode`
    raises `TypeError` or `ValueError` that names the column that QCache can't store. `decode`
    raises `CodecError`.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above
    @property
    def content_type(self) -> str: ...  # noqa: D102
    @property
    def accept(self) -> str: ...  # noqa: D102
    def encode(self, table: T, /) -> TableContent: ...  # noqa: D102
    def decode(self, content: bytes | memoryview, content_type: str, /) -> T: ...  # noqa: D102


def media_type(content_type: str) -> str:
    """Return a content type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


@contextmanager
def errors_name(column: str) -> Iterator[None]:
    """Turn errors in the body into a `TypeError` or `ValueError` that names the column."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, TypeError | ValueError) and repr(column) in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError | NotImplementedError) else ValueError
        raise kind(f"column {column!r} can't be written: {error}") from error


def check_text(column: str, texts: Iterable[object]) -> None:
    """Raise `ValueError` if a text of a column has a lone surrogate, which UTF-8 can't express."""
    for text in texts:
        if isinstance(text, str):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise ValueError(
                    f"column {column!r} has a text with a lone surrogate (half of a character, "
                    f"as broken decoding leaves it): {text[:60]!a}"
                ) from None


def encode_text(text: str) -> bytes:
    """Return text as UTF-8. Raises `ValueError` with the place of a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise ValueError(
            f"the text has a lone surrogate (half of a character, as broken decoding leaves "
            f"it) in line {line}: {text[error.start]!a}"
        ) from None


def check_columns(names: Iterable[Any]) -> list[str]:
    """Return the names of columns. Raises `TypeError` or `ValueError` if QCache can't have them."""
    checked: list[str] = []
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"the name of a column must be a str, not {name!r}")
        if not name or name != name.strip() or _UNFIT_IN_A_HEADER.search(name):
            raise ValueError(
                f"column {name!r}: QCache takes names in ASCII, without ; and =, and without "
                "spaces at either end"
            )
        if name in seen:
            raise ValueError(f"two columns have the name {name!r}")
        seen.add(name)
        checked.append(name)
    if not checked:
        raise ValueError("QCache can't store a table without columns")
    return checked


def check_integers(column: str, smallest: int, largest: int, *, with_nulls: bool) -> None:
    """Raise `ValueError` if QCache would change integers of a column."""
    if largest > LARGEST_INTEGER or smallest < -LARGEST_INTEGER - 1:
        raise ValueError(f"column {column!r}: integers in QCache are signed, with 64 bits")
    if with_nulls and max(-smallest, largest) > EXACT_INTEGERS:
        raise ValueError(
            f"column {column!r} has nulls and integers beyond 2**53, which QCache would round: "
            "fill the nulls, or cast the column to text"
        )
