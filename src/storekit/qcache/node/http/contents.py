"""Parts of a request: its query, the types of columns, and stand-in columns."""

from collections.abc import Mapping

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.http.negotiation import decode_body
from storekit.qcache.node.http.requests import Request, query_argument
from storekit.qcache.node.reading.headers import add_stand_ins, parse_stand_ins, parse_types

__all__ = ["MOST_QUERY_BYTES", "query_text", "types_of", "with_stand_ins"]

MOST_QUERY_BYTES = 16 * 2**20
"""A query may be large, since `in` takes lists; parsed, it takes some ten times its size."""


def query_text(request: Request, budget: Budget) -> str:
    """Return the text of a query, from the URL or the body. Raises `BadQuery`."""
    if request.method == "GET":
        return query_argument(request.query)
    encoding = request.headers.get("content-encoding")
    content = decode_body(request.body, encoding, MOST_QUERY_BYTES, budget)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadQuery(f"Could not load JSON: it is not UTF-8: {error}") from error


def types_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the types of columns in the headers of an upload."""
    types = headers.get("x-qcache-types")
    return {} if types is None else parse_types(types)


def with_stand_ins(frame: pl.DataFrame, request: Request, budget: Budget) -> pl.DataFrame:
    """Return a table, with the stand-in columns of a request in place of missing ones."""
    header = request.headers.get("x-qcache-stand-in-columns")
    return frame if header is None else add_stand_ins(frame, parse_stand_ins(header), budget)
