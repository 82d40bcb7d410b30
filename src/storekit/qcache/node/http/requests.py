"""What goes into a node and comes out of it: plain values, whatever carried them."""

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

    `table` is in the place of `body` if it was read while it came. `budget` is what it may take;
    without one, the node gives it one.
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
