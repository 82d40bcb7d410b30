"""QCache's protocol on top of HTTP: keys, headers, bodies, error messages. No I/O.

What the server does was found out with QCache 0.9.3; `docs/qcache.md` describes it.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from html import unescape
from typing import NamedTuple, Protocol

import httpx

from storekit.codecs.tables.base import TableContent
from storekit.qcache.errors import UnexpectedServerResponse

__all__ = [
    "MAX_GET_QUERY",
    "Content",
    "Frame",
    "Headers",
    "PreparedRequest",
    "Reply",
    "Table",
    "check_key",
    "check_query",
    "encode_query",
    "encode_stand_ins",
    "encode_types",
    "error_text",
    "headers_of",
    "merge_headers",
    "parse_statistics",
    "printable",
    "retry_after",
]

Headers = Mapping[str, object]
"""Header names and values: str or bytes; for `X-QCache-types` and `X-QCache-stand-in-columns`
also a mapping of columns."""

Content = bytes | bytearray | memoryview | str | Sequence[Mapping[str, object]]
"""A table: encoded, or as rows to be written as JSON."""


class Frame(Protocol):
    """A data frame of polars or pandas, or a table of pyarrow."""

    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102 - rows and columns


Table = Content | Frame | TableContent
"""What can be posted: content, a frame, or the output of a table codec."""

MAX_GET_QUERY = 4000
"""Longest percent-encoded query, in bytes, that is sent in a URL. The server accepts a request head
of 64 KiB, but proxies before it often no more than 8 KiB."""

_LONGEST_PAUSE = 3600.0
"""Seconds: the longest `Retry-After` that is honoured."""

_MAX_HEAD = 60_000
"""Bytes. Above 64 KiB of request head, the server closes the connection without a response."""


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a type of JSON")


_JSON = json.JSONEncoder(separators=(",", ":"), default=_plain)
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_COLUMN_TYPES = ("string", "enum", "float", "int", "bool")
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


class PreparedRequest(NamedTuple):
    """One request, without the node that it goes to."""

    operation: str  # for messages, e.g. "get 'key'"
    method: str
    target: str  # relative to the URL of the node
    headers: httpx.Headers
    content: bytes = b""
    stream: httpx.AsyncByteStream | httpx.SyncByteStream | None = None  # in place of content
    writes: bool = False
    aftermath: str = ""  # for messages: what a failed write may have changed
    read_timeout: float | None = None  # seconds; None for that of the client
    write_timeout: float | None = None  # the same


class Reply(NamedTuple):
    """A complete response of a node, its content decompressed."""

    node: str
    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes


def check_key(key: str) -> str:
    """Return `key` if it is valid. Raises `TypeError` and `ValueError`."""
    if not isinstance(key, str):
        raise TypeError(f"a key must be a str, not {type(key).__name__}")
    if not _KEY.fullmatch(key):
        raise ValueError(f"a key must be one or more of A-Z a-z 0-9 _ and -, not {key[:100]!r}")
    if len(key) > _MAX_HEAD:
        raise ValueError(f"a key of {len(key)} characters is too long for the server")
    return key


def check_query(query: Mapping[str, object]) -> Mapping[str, object]:
    """Return `query` if it is a mapping. Raises `TypeError`."""
    if not isinstance(query, Mapping):
        hint = ""
        if isinstance(query, str) and query.lstrip()[:1] == "{":
            hint = "; json.loads(...) converts JSON text"
        elif isinstance(query, str):
            hint = "; for SQL, use client.sql(...)"
        raise TypeError(
            f"a query must be a dict such as {{'select': ['a'], 'limit': 10}}, "
            f"not {type(query).__name__}{hint}"
        )
    return query


def encode_query(query: Mapping[str, object]) -> str:
    """Return a query as JSON. Raises `TypeError` or `ValueError` if that is not possible."""
    check_query(query)
    try:
        return _JSON.encode(query if isinstance(query, dict) else dict(query))
    except (TypeError, ValueError) as error:
        raise type(error)(f"the query cannot be written as JSON: {error}") from error


def encode_types(types: Mapping[str, object]) -> str:
    """Return the value of `X-QCache-types`: column names to string, enum, float, int or bool.

    QCache accepts the first three, its Go port all five. Raises `TypeError` and `ValueError`.
    """
    for column, kind in types.items():
        _check_column(column, "types")
        if kind not in _COLUMN_TYPES:
            raise ValueError(
                f"types: column {column!r} cannot be {kind!r}, only {', '.join(_COLUMN_TYPES)}"
            )
    return ";".join(f"{column}={kind}" for column, kind in types.items())


def encode_stand_ins(stand_ins: Mapping[str, object]) -> str:
    """Return the value of `X-QCache-stand-in-columns`: column names to values.

    As in queries, a text is the name of a column to copy unless it is in quotes
    (`'"n/a"'`). An unquoted text that is no column's name is a value for the server, too.
    Raises `TypeError` and `ValueError`.
    """
    return ";".join(f"{column}={_stand_in(column, value)}" for column, value in stand_ins.items())


def _stand_in(column: str, value: object) -> str:
    _check_column(column, "stand-in columns")
    if isinstance(value, str):
        if not value.isascii() or _CONTROL.search(value.encode()) or set(value) & {";", "="}:
            raise ValueError(
                f"stand-in columns: a text must be ASCII without ; and =, not {value!r} for "
                f"column {column!r}"
            )
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError(
        f"stand-in columns: the value for {column!r} must be int, float or str, not {value!r}"
    )


def _check_column(column: object, where: str) -> None:
    if not isinstance(column, str):
        raise TypeError(f"{where}: a column name must be a str, not {column!r}")
    if (
        not column
        or column != column.strip()
        or not column.isascii()
        or _CONTROL.search(column.encode())
        or set(column) & {";", "="}
    ):
        raise ValueError(
            f"{where}: the name {column!r} does not fit into a header: it must be ASCII without "
            "; and =, and without spaces at its ends"
        )


_COLUMN_HEADERS = {
    "x-qcache-types": encode_types,
    "x-qcache-stand-in-columns": encode_stand_ins,
}


def merge_headers(
    base: Mapping[str, str], own: Headers, extra: Headers | None = None
) -> dict[str, bytes]:
    """Return the headers to send. Later ones replace earlier ones of the same name, in any case.

    Raises `TypeError` and `ValueError`.
    """
    merged = {name: value.encode() for name, value in base.items()}
    for name, value in (*own.items(), *(extra or {}).items()):
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a valid name of a header")
        lowered = name.lower()
        if lowered in _OWN_HEADERS:
            raise ValueError(f"the header {name} is set by the client itself")
        if isinstance(value, Mapping):
            if lowered not in _COLUMN_HEADERS:
                raise TypeError(f"the header {name} takes a str, not a dict")
            value = _COLUMN_HEADERS[lowered](value)  # noqa: PLW2901 - as text
        if not isinstance(value, bytes | str):
            raise TypeError(f"the header {name} takes a str, not {type(value).__name__}")
        # The value may be a secret: no message shows it.
        try:
            sent = value.encode() if isinstance(value, str) else value
        except UnicodeEncodeError:
            raise ValueError(f"the value of the header {name} has lone surrogates") from None
        if _CONTROL.search(sent):
            raise ValueError(f"the value of the header {name} has control characters")
        merged[lowered] = sent.strip(b" \t")
    size = sum(len(name) + len(value) + 4 for name, value in merged.items())
    if size > _MAX_HEAD:
        raise ValueError(f"{size} bytes of headers are more than the server takes ({_MAX_HEAD})")
    return merged


def headers_of(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers of a response, names in lower case.

    The values of a repeated header are joined to a list (RFC 9110, 5.3), unless all are the same.
    """
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
    if len(headers) < len(raw):
        values: dict[str, list[str]] = {}
        for field, value in raw:
            name = field.decode("latin-1").lower()
            values.setdefault(name, []).append(value.decode("latin-1").strip())
        for name, several in values.items():
            if len(several) > 1 and (name == "content-encoding" or len(set(several)) > 1):
                headers[name] = ", ".join(several)
    return headers


def error_text(content: bytes) -> str:
    """Return the message in an error response, which is JSON, an HTML page or plain text."""
    text = content[:65536].decode("utf-8", "replace").strip()
    try:
        error = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    else:
        return printable(str(error))
    if "<html" in text[:200].lower():
        # No pattern here matches beyond the next "<", or a page full of those would take seconds.
        title = re.search(r"<title>([^<]*)</title>", text, re.IGNORECASE)
        text = unescape(title.group(1)).strip() if title else re.sub(r"<[^<>]*>", " ", text)
    return printable(" ".join(text.split()))


def parse_statistics(reply: Reply) -> dict[str, object]:
    """Return the counters of a node. Raises `UnexpectedServerResponse`."""
    try:
        statistics = json.loads(reply.content)
    except (ValueError, RecursionError) as error:
        raise UnexpectedServerResponse(
            f"statistics: {reply.node} sent invalid JSON: {error}",
            node=reply.node,
            status=reply.status,
            text=error_text(reply.content),
        ) from error
    if not isinstance(statistics, dict):
        raise UnexpectedServerResponse(
            f"statistics: {reply.node} sent JSON that is not an object",
            node=reply.node,
            status=reply.status,
        )
    return statistics


def printable(text: str, most: int = 1000) -> str:
    """Return text from outside in a form that is safe in messages and logs.

    It is one line of at most `most` characters. Control characters, line breaks and characters
    that change the direction of writing are escaped.
    """
    shown = text[:most]
    if not shown.isprintable():
        shown = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in shown
        )
    return shown if len(text) <= most else shown + " [...]"


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds that the server asks to wait, 0 if it asks for none.

    `now` is the time in seconds since the epoch, for a `Retry-After` that is a date.
    """
    value = headers.get("retry-after", "0")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return 0.0
    return min(seconds, _LONGEST_PAUSE) if math.isfinite(seconds) and seconds > 0 else 0.0
