"""Requests and responses of a node as plain values, independent of the transport."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.reading.csv_blocks import CsvBlocks

__all__ = [
    "Request",
    "Response",
    "fold_headers",
    "query_argument",
    "refused",
]

JSON_TYPE = "application/json"
_CONTROL_TO_BLANK = dict.fromkeys((*range(9), *range(14, 32)), " ")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` and `query` are as sent; names of headers are in lower case.

    `table` replaces `body` if it was parsed while it arrived. `budget` is what it may take; the
    node makes one if there is none.
    """

    method: str
    path: bytes
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a password
    body: bytes = field(default=b"", repr=False)
    table: CsvBlocks | None = field(default=None, repr=False)
    budget: Budget | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return len(self.body) if self.table is None else self.table.size


@dataclass(frozen=True, slots=True)
class Response:
    """A response. Its headers include the length of the body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


def fold_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by name; those that are sent more than once are joined with commas.

    Values are decoded as UTF-8, in which clients send names of columns, or else as Latin-1.
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
    """Return a response that refuses a request, with the reason as JSON."""
    body = json.dumps({"error": text}).encode()
    return Response(status, (("content-type", f"{JSON_TYPE}; charset=utf-8"), *headers), body)


def query_argument(query: bytes) -> str:
    """Return the last `q` of a query string; empty if there is none.

    Control characters become blanks, and it is stripped. `BadQuery` if it is not UTF-8.
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
