"""What goes over the wire to a QCache node, without I/O: keys, headers, bodies, errors.

Facts about the server were probed on QCache 0.9.3; `docs/qcache.md` lists them.
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
"""Header names and values: str or bytes. The two QCache headers of columns also take a mapping."""

Content = bytes | bytearray | memoryview | str | Sequence[Mapping[str, object]]
"""A table: encoded, or as rows to be written as JSON."""


class Frame(Protocol):
    """A data frame of polars or pandas, or a table of pyarrow."""

    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102 - rows and columns


Table = Content | Frame | TableContent
"""What can be posted: content, a frame, or what a codec of tables has made of one."""

MAX_GET_QUERY = 4000
"""Longest percent-encoded query sent in a URL. The server takes 64 KiB of head, but the
proxies before it often no more than 8."""

_LONGEST_PAUSE = 3600.0
"""Seconds: a server that asks for more is not believed."""

_MAX_HEAD = 60_000
"""The server closes the connection without a word above 64 KiB of request head."""


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


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
    target: str  # below the URL of the node
    headers: httpx.Headers
    content: bytes = b""
    stream: httpx.AsyncByteStream | httpx.SyncByteStream | None = None  # in place of content
    writes: bool = False
    aftermath: str = ""  # what a write that failed may have left behind
    read_timeout: float | None = None  # seconds; None for the client's own
    write_timeout: float | None = None  # the same


class Reply(NamedTuple):
    """A complete answer of a node, its content decoded."""

    node: str
    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes


def check_key(key: str) -> str:
    """Return `key` if a dataset can have it."""
    if not isinstance(key, str):
        raise TypeError(f"a key must be a str, not {type(key).__name__}")
    if not _KEY.fullmatch(key):
        raise ValueError(f"a key has only A-Z a-z 0-9 _ and -, and at least one; not {key[:100]!r}")
    if len(key) > _MAX_HEAD:
        raise ValueError(f"a key of {len(key)} characters is too long for the server")
    return key


def check_query(query: Mapping[str, object]) -> Mapping[str, object]:
    """Return `query` if it is a mapping."""
    if not isinstance(query, Mapping):
        hint = ""
        if isinstance(query, str) and query.lstrip()[:1] == "{":
            hint = "; of JSON, json.loads makes one"
        elif isinstance(query, str):
            hint = "; for SQL there is client.sql(...)"
        raise TypeError(
            f"a query must be a dict such as {{'select': ['a'], 'limit': 10}}, "
            f"not {type(query).__name__}{hint}"
        )
    return query


def encode_query(query: Mapping[str, object]) -> str:
    """Return a query as JSON. `TypeError` if it is no mapping, or JSON cannot express it."""
    check_query(query)
    try:
        return _JSON.encode(query if isinstance(query, dict) else dict(query))
    except (TypeError, ValueError) as error:
        raise type(error)(f"the query cannot be written as JSON: {error}") from error


def encode_types(types: Mapping[str, object]) -> str:
    """Return the value of `X-QCache-types`: column names to string, enum, float, int or bool.

    QCache knows the first three, its Go port all five.
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
    (`'"n/a"'`); the server takes an unquoted text that names no column as it is.
    """
    return ";".join(f"{column}={_stand_in(column, value)}" for column, value in stand_ins.items())


def _stand_in(column: str, value: object) -> str:
    _check_column(column, "stand-in columns")
    if isinstance(value, str):
        if not value.isascii() or _CONTROL.search(value.encode()) or set(value) & {";", "="}:
            raise ValueError(
                f"stand-in columns: the server takes only ASCII without ; and = for a text, "
                f"which {value!r} for column {column!r} is not"
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
            f"{where}: {column!r} cannot be written in a header (ASCII, no ; or =, no blank ends)"
        )


_COLUMN_HEADERS = {
    "x-qcache-types": encode_types,
    "x-qcache-stand-in-columns": encode_stand_ins,
}


def merge_headers(
    base: Mapping[str, str], own: Headers, extra: Headers | None = None
) -> dict[str, bytes]:
    """Return headers to send, later ones before earlier ones, whatever the case of the names."""
    merged = {name: value.encode() for name, value in base.items()}
    for name, value in (*own.items(), *(extra or {}).items()):
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a header")
        lowered = name.lower()
        if lowered in _OWN_HEADERS:
            raise ValueError(f"the header {name} is set by the client itself")
        if isinstance(value, Mapping):
            if lowered not in _COLUMN_HEADERS:
                raise TypeError(f"the header {name} takes a str, not a dict")
            value = _COLUMN_HEADERS[lowered](value)  # noqa: PLW2901 - now the text of it
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
    """Return the headers of an answer, names in lower case.

    One that is repeated is a list (RFC 9110, 5.3), or counts once if each value is the same.
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
    """Return what a node says in an error: JSON, an HTML page, or plain text."""
    text = content[:65536].decode("utf-8", "replace").strip()
    try:
        error = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    else:
        return printable(str(error))
    if "<html" in text[:200].lower():
        # No pattern here looks further than the next "<": a page of those must not cost seconds.
        title = re.search(r"<title>([^<]*)</title>", text, re.IGNORECASE)
        text = unescape(title.group(1)).strip() if title else re.sub(r"<[^<>]*>", " ", text)
    return printable(" ".join(text.split()))


def parse_statistics(reply: Reply) -> dict[str, object]:
    """Return the counters of a node."""
    try:
        statistics = json.loads(reply.content)
    except (ValueError, RecursionError) as error:
        raise UnexpectedServerResponse(
            f"statistics: {reply.node} sent no JSON: {error}",
            node=reply.node,
            status=reply.status,
            text=error_text(reply.content),
        ) from error
    if not isinstance(statistics, dict):
        raise UnexpectedServerResponse(
            f"statistics: {reply.node} sent JSON that is no object",
            node=reply.node,
            status=reply.status,
        )
    return statistics


def printable(text: str, most: int = 1000) -> str:
    """Return text from outside as messages and logs may show it: on one line, and not too long.

    Control characters, line ends and what steers the direction of writing are escaped.
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

    `now` is the time of day in seconds since the epoch: the server may name a date.
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
