"""What goes into a node and comes out of it: plain values, whatever carried them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from storekit.qcache.node.errors import BadQuery, Refusal
from storekit.qcache.node.reading.csv_blocks import CsvBlocks

__all__ = [
    "NotAcceptable",
    "Request",
    "Response",
    "TooLarge",
    "UnsupportedType",
    "accepted_format",
    "check_table_format",
    "etag_matches",
    "fold_headers",
    "query_argument",
    "refused",
]

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"

_FORMATS = (JSON_TYPE, CSV_TYPE)
_CONTROL_TO_BLANK = dict.fromkeys((*range(9), *range(14, 32)), " ")


class NotAcceptable(Refusal):
    """An answer in a format that the node does not have."""

    status = 406


class TooLarge(Refusal):
    """More content than the node takes."""

    status = 413


class UnsupportedType(Refusal):
    """A table in a format that the node does not read."""

    status = 415


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` and `query` are as sent; names of headers are in lower case.

    `table` is in the place of `body` if it was read while it came.
    """

    method: str
    path: bytes
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a password
    body: bytes = field(default=b"", repr=False)
    table: CsvBlocks | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return len(self.body) if self.table is None else self.table.size


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. The length of its body is among the headers."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


def fold_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by name; those that are sent more than once are joined with commas.

    Values are taken to be UTF-8, as clients send names of columns, and Latin-1 if they are not.
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def refused(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """Return the answer to a request that is not served, with the reason as JSON."""
    body = json.dumps({"error": text}).encode()
    return Response(status, (("content-type", f"{JSON_TYPE}; charset=utf-8"), *headers), body)


def query_argument(query: bytes) -> str:
    """Return the last `q` of a query string; empty if there is none.

    Control characters become blanks, and blanks around it go. `BadQuery` if it is no UTF-8.
    """
    found = b""
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name == b"q" or unquote_to_bytes(name) == b"q":
            found = value
    try:
        text = unquote_to_bytes(found.replace(b"+", b" ")).decode()
    except UnicodeDecodeError as error:
        raise BadQuery(f"Could not load JSON: q is not UTF-8: {error}") from error
    return text.translate(_CONTROL_TO_BLANK).strip()


def accepted_format(accept: str | None) -> str:
    """Return the first format of an `Accept` header that the node has; JSON without one.

    Names are compared as they are: no wildcards, no parameters.
    """
    if accept is None or accept == JSON_TYPE:
        return JSON_TYPE
    for wanted in accept.split(","):
        if wanted.strip() in _FORMATS:
            return wanted.strip()
    raise NotAcceptable(f"Accept must name {JSON_TYPE} or {CSV_TYPE}, as it is; not {accept!r}")


def check_table_format(content_type: str | None) -> str:
    """Return the format of an upload: CSV unless a `Content-Type` says that it is JSON.

    Of its parameters only the first counts, which may be `charset=utf-8`.
    """
    if content_type is None:
        return CSV_TYPE
    kind, _, parameters = content_type.partition(";")
    name, _, value = parameters.partition(";")[0].strip().partition("=")
    charset = value.strip().strip('"') if name.strip() == "charset" else "utf-8"
    if kind not in _FORMATS or charset != "utf-8":
        raise UnsupportedType(
            f"Content-Type must be {CSV_TYPE} or {JSON_TYPE}, with no charset but utf-8; "
            f"not {content_type!r}"
        )
    return kind


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Whether one of the tags of an `If-None-Match` header is this one."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]
