"""The result of a query."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from storekit.codecs import tables
from storekit.codecs.tables.base import CSV, JSON, TableCodec, media_type
from storekit.errors import CodecError
from storekit.qcache.wire import Reply, printable

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["QueryResult", "Row", "codec_errors", "request_statistics"]

T = TypeVar("T")

_SHOWN_ROWS = 20
_SHOWN_COLUMNS = 30
_SHOWN_CHARACTERS = 200
"""Limits of what notebooks show of a result."""

_FIGURE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")

Row = dict[str, Any]
"""One row: its values by column."""


class _Response(Protocol):
    """What is used of a response of httpx, requests or ours. Names of headers are in any case."""

    @property
    def content(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class QueryResult:
    """The result of a query. Iterating over it gives the rows.

    `content` is the body of the response, decompressed by the client, which sets `encoding`
    to None; in a result that a program makes of a response itself, `encoding` is the
    Content-Encoding header. `unsliced_result_len` is the number of rows before offset and
    limit were applied. `content_type` is the format in lower case, `key` the key that was
    queried. `statistics` holds timings of the server in seconds, if it sends any; QCache
    0.9.3 and its Go port do not.
    """

    __slots__ = ("content", "content_type", "encoding", "key", "statistics", "unsliced_result_len")

    content: bytes
    content_type: str
    encoding: str | None
    key: str | None
    statistics: dict[str, float]
    unsliced_result_len: int

    def __init__(self, response: _Response, key: str | None = None) -> None:
        headers = response.headers
        if not isinstance(response, Reply):
            headers = {name.lower(): value for name, value in headers.items()}
        self.key = key
        self.content = response.content
        self.content_type = media_type(headers.get("content-type", ""))
        self.encoding = headers.get("content-encoding")
        self.statistics = request_statistics(headers, "get_")
        self.unsliced_result_len = _length(headers["x-qcache-unsliced-length"])

    def json(self) -> list[Row]:
        """Return the rows of a JSON result. Raises `ValueError` for another format."""
        if self.content_type != JSON:
            kind = printable(self.content_type, 100) or "of unknown type"
            raise ValueError(f"the result is {kind}, not JSON")
        try:
            rows: list[Row] = json.loads(self.content)
        except RecursionError:
            raise ValueError("the result is nested too deeply to be read") from None
        return rows

    def rows(self) -> list[Row]:
        """Return the rows of a JSON or CSV result. The values of CSV are all text.

        Raises `ValueError` if they cannot be read.
        """
        if self.content_type == CSV:
            text = io.StringIO(self.content.decode(), newline="")
            try:
                return list(csv.DictReader(text, strict=True))
            except csv.Error as error:  # e.g. a cell above 128 KiB
                raise ValueError(
                    f"the CSV cannot be read: {error}; ask for JSON, or read `content`"
                ) from error
        return self.json()

    def decode(self, codec: TableCodec[T]) -> T:
        """Decode the result to a table, with a codec of `storekit.codecs.tables`.

        Raises `CodecError`, with the codec and the key, if the codec cannot decode it.
        """
        if isinstance(codec, str | type) or not hasattr(codec, "accept"):
            raise TypeError(f"codec must be a table codec, e.g. PolarsTable(), not {codec!r}")
        with codec_errors(codec, self.key):
            return codec.decode(self.content, self.content_type)

    def to_polars(self) -> "pl.DataFrame":
        """Return the result as a data frame of polars. Raises `CodecError`."""
        return self.decode(tables.PolarsTable())

    def to_pandas(self) -> "pd.DataFrame":
        """Return the result as a data frame of pandas. Raises `CodecError`."""
        return self.decode(tables.PandasTable())

    def to_arrow(self) -> "pa.Table":
        """Return the result as a table of pyarrow. Raises `CodecError`."""
        return self.decode(tables.ArrowTable())

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QueryResult):
            return NotImplemented
        return (self.content, self.unsliced_result_len, self.content_type) == (
            other.content,
            other.unsliced_result_len,
            other.content_type,
        )

    def __hash__(self) -> int:
        return hash((self.content, self.unsliced_result_len, self.content_type))

    def _repr_html_(self) -> str:
        """Return the first rows as a table, for notebooks."""
        shown: list[Row] = []
        try:
            rows = self.rows()
            shown, count = rows[:_SHOWN_ROWS], len(rows)
            names = list(dict.fromkeys(name for row in shown for name in row))
        except (ValueError, TypeError, AttributeError):  # the content is not a list of rows
            return f"<pre>{escape(repr(self))}</pre>"
        head = "".join(f"<th>{_cell(name)}</th>" for name in names[:_SHOWN_COLUMNS])
        lines = [
            "".join(f"<td>{_cell(row.get(name))}</td>" for name in names[:_SHOWN_COLUMNS])
            for row in shown
        ]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        more = "" if len(names) <= _SHOWN_COLUMNS else f", {_SHOWN_COLUMNS} columns of {len(names)}"
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{len(shown)} rows of {count}, {self.unsliced_result_len} without slices{more}</p>"
        )

    def __repr__(self) -> str:
        shown = self.content if len(self.content) <= 60 else self.content[:60] + b"..."
        return (
            f"QueryResult(content={shown!r}, size={len(self.content)}, "
            f"unsliced_result_len={self.unsliced_result_len}, encoding={self.encoding!r})"
        )


def _cell(value: object) -> str:
    return "" if value is None else escape(printable(str(value), _SHOWN_CHARACTERS))


@contextmanager
def codec_errors(codec: TableCodec[Any], key: str | None) -> Iterator[None]:
    """Convert each exception of a codec to a `CodecError` with the codec and the key."""
    try:
        yield
    except CodecError as error:
        error.codec = error.codec or codec.name
        error.key = key
        raise
    except Exception as error:
        raise CodecError(
            f"the codec failed ({type(error).__name__})", codec=codec.name, key=key
        ) from error


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or int(text) >= 2**63:
        raise ValueError(f"X-QCache-unsliced-length is {text[:40]!r}, not a number of rows")
    return int(text)


def request_statistics(headers: Mapping[str, str], prefix: str) -> dict[str, float]:
    """Return the figures of an `X-QCache-stats: name=1.5,other=2` header, `prefix` before names."""
    figures: dict[str, float] = {}
    header = headers.get("x-qcache-stats")
    for part in header.split(",") if header else ():
        name, _, value = part.partition("=")
        # The figures are only informative, so a malformed one does not fail the query.
        if _FIGURE.fullmatch(value.strip()):
            figures[prefix + printable(name.strip(), 100)] = float(value)
    return figures
