# Generated from src/storekit/qcache/_async/queries.py by tools/generate_sync.py; do not edit.

"""Queries, one by one and page by page."""

# ruff: noqa: ANN401 - a codec that is given by name makes tables of any type

from collections.abc import Mapping
from functools import partial
from typing import Any, overload
from urllib.parse import quote

import httpx

from storekit.codecs.tables.base import JSON, TableCodec
from storekit.core.seam._sync import Lazy, call_blocking
from storekit.observers import Watch
from storekit.qcache._sync.base import BaseClient
from storekit.qcache.arguments import window
from storekit.qcache.error_mapping import query_result
from storekit.qcache.errors import DatasetChanged, DatasetMissing
from storekit.qcache.result import QueryResult
from storekit.qcache.sql import parse
from storekit.qcache.tables import OWN, F, Own, R
from storekit.qcache.wire import (
    MAX_GET_QUERY,
    Call,
    Headers,
    Reply,
    check_key,
    check_query,
    encode_query,
    merge_headers,
)

__all__ = ["Queries", "Question"]

_IN_A_THREAD = 32 * 1024
"""Results of this size and up are decoded in a thread, for it takes a millisecond or more."""


Question = tuple[str, Call, str, TableCodec[Any] | None]
"""A query: key, request, the format that is asked for, and what makes a table of the answer."""


class Queries(BaseClient[R]):
    """Asking the nodes about the tables that they hold."""

    _query_headers: dict[str, httpx.Headers]  # the usual ones, by what they accept

    @overload
    def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        stand_in_columns: Mapping[str, object] | None = None,
    ) -> R | None: ...
    @overload
    def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: TableCodec[F],
    ) -> F | None: ...
    @overload
    def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: str,
    ) -> Any | None: ...
    @overload
    def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: None,
    ) -> QueryResult | None: ...
    def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: TableCodec[Any] | str | Own | None = OWN,
    ) -> Any:
        """Execute a query and return its result, or None if there is no such dataset.

        Args:
            key: Key of the table to query: `[A-Za-z0-9_-]+`.
            q: The query, as described in the QCache documentation.
            accept: Format of the result: `application/json` or `text/csv`. By default what
                the codec asks for, and JSON without one.
            post_query: Send the query in a body rather than in the URL. Queries above
                4000 bytes go that way without being asked.
            query_headers: More headers, by name.
            stand_in_columns: Values for columns that the table may lack: a number, the
                name of a column to copy, or a text in quotes. QCache writes them into the
                stored table, where the first value stays for ever.
            codec: What makes a table of the result, or its name, e.g. "polars"; None for a
                `QueryResult`. By default the one that the client was made with.

        Raises:
            MalformedQueryException: The server does not understand the query (400).
            UnsupportedAcceptType: The server cannot answer in this format (406).
            UnexpectedServerResponse: Any other answer; see its subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the query kept failing.
            ClientBusy: All connections stayed in use.
            CodecError: The codec can't read the result.
            TypeError, ValueError: An argument is wrong; nothing was sent.

        """
        question = self._question(
            key, q, accept, post_query, query_headers, stand_in_columns, codec
        )
        if self._observers:
            return self._watched("get", key, partial(self._get, question))
        return self._get(question)

    @overload
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str | None = None,
        query_headers: Headers | None = None,
    ) -> Lazy[R]: ...
    @overload
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str | None = None,
        query_headers: Headers | None = None,
        *,
        codec: TableCodec[F],
    ) -> Lazy[F]: ...
    @overload
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str | None = None,
        query_headers: Headers | None = None,
        *,
        codec: str,
    ) -> Lazy[Any]: ...
    @overload
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str | None = None,
        query_headers: Headers | None = None,
        *,
        codec: None,
    ) -> Lazy[QueryResult]: ...
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str | None = None,
        query_headers: Headers | None = None,
        *,
        codec: TableCodec[Any] | str | Own | None = OWN,
    ) -> Lazy[Any]:
        """Fetch a long result page by page, each of at most `page_size` rows.

        `offset` and `limit` of the query bound the whole. The pages are separate queries:
        give an `order_by` that leaves no two rows equal if their order matters. `codec` is as
        for `get`: each page is then a table.

        Raises:
            DatasetMissing: There is no such dataset, or it vanished on the way.
            DatasetChanged: The number of rows changed on the way: the dataset was replaced.
            Exception: The errors of `get`.

        """
        check_key(key)
        offset, end = window(check_query(q), page_size)
        total: int | None = None
        while True:
            size = page_size if end is None else min(page_size, end - offset)
            question = self._question(
                key,
                {**q, "offset": offset, "limit": size},
                accept,
                False,
                query_headers,
                None,
                codec,
            )
            if self._observers:
                work = partial(self._page, question, total)
                rows, page = self._watched("pages", key, work)
            else:
                rows, page = self._page(question, total)
            if offset < rows or offset == 0:
                yield page
            total = rows
            offset += size
            if offset >= rows or (end is not None and offset >= end):
                return

    @overload
    def sql(self, text: str) -> R: ...
    @overload
    def sql(self, text: str, *, codec: None) -> QueryResult: ...
    @overload
    def sql(self, text: str, *, codec: TableCodec[F]) -> F: ...
    @overload
    def sql(self, text: str, *, codec: str) -> Any: ...
    def sql(self, text: str, *, codec: TableCodec[Any] | str | Own | None = OWN) -> Any:
        """Execute a SELECT; the table in it is the key of the dataset.

        What QCache has no equal of is refused before anything is sent, with its place in the text;
        `storekit.qcache.sql` says what there is. Needs `storekit[sql]`.

        Raises:
            UnsupportedSql: It is no SELECT, or has no equal in QCache.
            DatasetMissing: There is no such dataset.
            ModuleNotFoundError: `storekit[sql]` is not installed.
            Exception: The errors of `get`.

        """
        key, query = parse(text)
        question = self._question(key, query, None, False, None, None, codec)
        if self._observers:
            result = self._watched("sql", key, partial(self._get, question))
        else:
            result = self._get(question)
        if result is None:
            raise DatasetMissing(f"sql: there is no dataset {key!r}")
        return result

    def _question(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str | None,
        post_query: bool,
        query_headers: Headers | None,
        stand_in_columns: Mapping[str, object] | None,
        codec: TableCodec[Any] | str | Own | None,
    ) -> Question:
        chosen = self._result_codec(codec)
        if accept is None:
            accept = JSON if chosen is None else chosen.accept
        text = encode_query(q)
        encoded = quote(text, safe="")
        posts = post_query or len(encoded) > MAX_GET_QUERY
        headers = self._headers_of_query(accept, posts, query_headers, stand_in_columns)
        target = f"qcache/dataset/{check_key(key)}"
        operation = f"get {key!r}"
        if posts:
            content = text.encode()
            headers["content-length"] = str(len(content))
            call = Call(operation, "POST", f"{target}/q", headers, content)
        else:
            call = Call(operation, "GET", f"{target}?q={encoded}", headers)
        return key, call, accept, chosen

    def _headers_of_query(
        self,
        accept: str,
        posts: bool,
        extra: Headers | None,
        stand_in_columns: Mapping[str, object] | None,
    ) -> httpx.Headers:
        simple = not (posts or extra or stand_in_columns)
        if simple and accept in self._query_headers:
            return self._query_headers[accept]
        own: dict[str, object] = {"Accept": accept}
        if posts:
            own["Content-Type"] = "application/json"
        if stand_in_columns:
            own["X-QCache-stand-in-columns"] = stand_in_columns
        headers = self._as_sent(merge_headers(self._headers, own, extra))
        if simple and accept in ("application/json", "text/csv"):
            self._query_headers[accept] = headers
        return headers

    def _ask(self, question: Question, watch: Watch | None) -> QueryResult | None:
        return _result(question, self._nodes.send(question[0], question[1], watch))

    def _get(self, question: Question, watch: Watch | None = None) -> Any:
        key, call, _, codec = question
        result = _result(question, self._nodes.send(key, call, watch))
        if result is None or codec is None:
            return result
        return self._decode(result, codec)

    def _page(
        self, question: Question, total: int | None, watch: Watch | None = None
    ) -> tuple[int, Any]:
        """Return how many rows there are on all pages, and a page."""
        key, _, _, codec = question
        result = self._ask(question, watch)
        if result is None:
            raise DatasetMissing(f"pages {key!r}: there is no such dataset")
        rows = result.unsliced_result_len
        if total is not None and rows != total:
            raise DatasetChanged(
                f"pages {key!r}: the result had {total} rows and now has {rows}; start again"
            )
        return rows, result if codec is None else self._decode(result, codec)

    @staticmethod
    def _decode(result: QueryResult, codec: TableCodec[Any]) -> Any:
        if len(result.content) < _IN_A_THREAD:
            return result.decode(codec)
        return call_blocking(result.decode, codec)


def _result(question: Question, reply: Reply) -> QueryResult | None:
    if reply.status == 404:
        return None
    key, call, accept, _ = question
    return query_result(call, reply, accept, key)
