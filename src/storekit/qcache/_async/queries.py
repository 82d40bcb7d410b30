"""The operations of a client that query tables."""

# ruff: noqa: ANN401 - a codec that is given by name makes tables of any type

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Generic, TypeVar, Unpack, overload

from storekit.codecs.tables.base import JSON, TableCodec
from storekit.codecs.tables.registry import TableRegistry
from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.core.arguments import named_without_class
from storekit.core.seam._async import call_blocking
from storekit.observers import Observer, Watch
from storekit.options import RetryPolicy
from storekit.qcache._async.export import write_pages
from storekit.qcache._async.node_pool import AsyncNodePool
from storekit.qcache._async.paging import decode, uniform_pages
from storekit.qcache.arguments import window
from storekit.qcache.error_mapping import query_result
from storekit.qcache.errors import DatasetChanged, DatasetMissing
from storekit.qcache.exporting import ExportFormat, export_format
from storekit.qcache.operation import Operation, current_operation
from storekit.qcache.options import GetOptions
from storekit.qcache.requests import RequestBuilder
from storekit.qcache.result import QueryResult
from storekit.qcache.sql.parse import is_loaded as is_sql_loaded
from storekit.qcache.sql.parse import parse as parse_sql
from storekit.qcache.tables import OWN, F, Own, R, given, is_large_query
from storekit.qcache.wire import Headers, PreparedRequest, check_key, check_query

__all__ = ["AsyncQueries"]

T = TypeVar("T")


@named_without_class
class AsyncQueries(Generic[R]):
    """Operations that query tables. Results are of the type `R` unless a call gives a codec."""

    _nodes: AsyncNodePool
    _requests: RequestBuilder
    _loads: AsyncSingleFlight[str, None]
    _retry: RetryPolicy
    _observers: tuple[Observer, ...]
    _tables: TableRegistry
    _codec: TableCodec[Any] | None  # of results, unless a call gives another

    @overload
    async def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str = "application/json",
        post_query: bool = False,
        query_headers: Headers | None = None,
        **options: Unpack[GetOptions],
    ) -> R | None: ...
    @overload
    async def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str = "application/json",
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        codec: TableCodec[F],
        **options: Unpack[GetOptions],
    ) -> F | None: ...
    @overload
    async def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str = "application/json",
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        codec: str,
        **options: Unpack[GetOptions],
    ) -> Any | None: ...
    @overload
    async def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str = "application/json",
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        codec: None,
        **options: Unpack[GetOptions],
    ) -> QueryResult | None: ...
    async def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str = "application/json",
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
            accept: Format of the result, `application/json` or `text/csv`. The default leaves
                it to the codec, if there is one.
            post_query: Send the query in a body rather than in the URL. Queries above
                4000 bytes are always sent in a body.
            query_headers: Additional headers, by name.
            stand_in_columns: Values for columns that the table may lack: a number, the
                name of a column to copy, or a text in quotes. QCache adds such a column to
                the stored table, so a value given later has no effect.
            codec: Codec that decodes the result to a table, or its name, e.g. "polars"; None
                for a `QueryResult`. The default is the codec of the client.

        Raises:
            MalformedQueryException: The server does not understand the query (400).
            UnsupportedAcceptType: The server cannot answer in this format (406).
            UnexpectedServerResponse: Any other response; see its subclasses.
            NoCacheAvailable: No node could be reached, or answered in time; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the query kept failing.
            ClientBusy: All connections stayed in use for `pool_timeout` seconds.
            ClientClosed: The client is closed.
            CodecError: The codec cannot decode the result.
            TypeError, ValueError: An argument is wrong; nothing was sent.

        """
        chosen = self._result_codec(codec)
        if accept == JSON and chosen is not None:
            accept = chosen.accept
        build = self._requests.query
        if is_large_query(q):
            request = await call_blocking(
                build, key, q, accept, post_query, query_headers, stand_in_columns
            )
        else:
            request = build(key, q, accept, post_query, query_headers, stand_in_columns)
        if not self._observers and current_operation(self) is None:  # the usual case
            return await self._get(key, request, accept, chosen, None)
        return await self._operate("get", key, partial(self._get, key, request, accept, chosen))

    @overload
    async def sql(self, text: str) -> R: ...
    @overload
    async def sql(self, text: str, *, codec: TableCodec[F]) -> F: ...
    @overload
    async def sql(self, text: str, *, codec: str) -> Any: ...
    @overload
    async def sql(self, text: str, *, codec: None) -> QueryResult: ...
    async def sql(self, text: str, *, codec: TableCodec[Any] | str | Own | None = OWN) -> Any:
        """Execute a SELECT statement; the table in it is the key of the dataset.

        The statement is translated to a query, which is executed by `get` of this object. If
        QCache has no equivalent of a part, nothing is sent, and the error has the place of that
        part in the text. Needs `storekit[sql]`.

        Raises:
            UnsupportedSql: The text is not a SELECT, or QCache has no equivalent of it.
            DatasetMissing: There is no such dataset.
            ModuleNotFoundError: `storekit[sql]` is not installed.
            Exception: The errors of `get`.

        """
        self._result_codec(codec)
        # The first call imports sqlglot, which would block the event loop.
        key, q = parse_sql(text) if is_sql_loaded() else await call_blocking(parse_sql, text)
        get = partial(self.get, check_key(key), q, **given(codec=codec))
        result = await self._operate("sql", key, partial(_part_of, get))
        if result is None:
            raise DatasetMissing(f"sql: there is no dataset {key!r}")
        return result

    @overload
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str = "application/json",
        query_headers: Headers | None = None,
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str = "application/json",
        query_headers: Headers | None = None,
        *,
        codec: TableCodec[F],
    ) -> AsyncGenerator[F, None]: ...
    @overload
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str = "application/json",
        query_headers: Headers | None = None,
        *,
        codec: str,
    ) -> AsyncGenerator[Any, None]: ...
    @overload
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str = "application/json",
        query_headers: Headers | None = None,
        *,
        codec: None,
    ) -> AsyncGenerator[QueryResult, None]: ...
    async def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str = "application/json",
        query_headers: Headers | None = None,
        *,
        codec: TableCodec[Any] | str | Own | None = OWN,
    ) -> AsyncGenerator[Any, None]:
        """Fetch a long result page by page, each of at most `page_size` rows.

        `offset` and `limit` of the query apply to the whole result. The pages are separate
        queries: give an `order_by` without ties if the order of rows matters.

        With a `codec`, as for `get`, each page is a table. If its columns have types, as
        those of frames do, each page has the types of the whole result. To determine them,
        all pages are fetched into a temporary file before the first one is returned.

        `total_timeout` is for all pages together, without the time between them. Each page is
        fetched by `get` of this object, which a subclass may override.

        Raises:
            DatasetMissing: There is no such dataset, or it was removed between two pages.
            DatasetChanged: The number of rows changed between two pages: the dataset was
                replaced.
            Exception: The errors of `get`.

        """
        chosen = self._result_codec(codec)
        if accept == JSON and chosen is not None:
            accept = chosen.accept
        async with aclosing(self._fetch_pages(key, q, page_size, accept, query_headers)) as pages:
            if chosen is None:
                async for _, page in pages:
                    yield page
                return
            async with aclosing(uniform_pages(pages, chosen)) as tables:
                async for table in tables:
                    yield table

    async def export(
        self,
        key: str,
        q: Mapping[str, object],
        path: str | os.PathLike[str],
        *,
        format: ExportFormat | None = None,  # noqa: A002 - as in the file formats of others
        page_size: int = 20_000,
        query_headers: Headers | None = None,
    ) -> int:
        """Write the result of a query to a file, and return the number of its rows.

        The result is fetched page by page, as by `pages`, and never in memory as a whole. A
        column has the same type in all rows. The file is complete when it appears at `path`,
        where it replaces an existing one; after an error or cancellation `path` is as before.

        Args:
            key: Key of the table to query.
            q: The query, with an `order_by` without ties if the order of rows matters.
            path: Where to write.
            format: "csv", "json lines", "parquet" or "arrow". The default depends on the
                suffix of the path: `.csv`, `.jsonl` or `.ndjson`, `.parquet`, `.arrow` or
                `.feather`. The last two formats need pyarrow (`storekit[arrow]`).
            page_size: Rows of one page.
            query_headers: Additional headers, by name.

        Raises:
            CodecError: A column has values of several types, which Parquet and Arrow do not
                allow.
            OSError: The file cannot be written.
            Exception: The errors of `pages`.

        """
        kind = await call_blocking(export_format, path, format)  # may load pyarrow
        offset, end = window(check_query(q), page_size)
        rows = 0

        async def counted() -> AsyncGenerator[tuple[bool, QueryResult], None]:
            nonlocal rows
            pages = self._fetch_pages(key, q, page_size, kind.accept, query_headers, "export")
            async with aclosing(pages):
                async for is_last, page in pages:
                    total = page.unsliced_result_len
                    rows = max(0, min(total, total if end is None else end) - offset)
                    yield is_last, page

        async with aclosing(counted()) as pages:
            await write_pages(pages, os.fspath(path), kind)
        return rows

    async def _fetch_pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int,
        accept: str,
        query_headers: Headers | None,
        operation: str = "pages",
    ) -> AsyncGenerator[tuple[bool, QueryResult], None]:
        """Yield pages, each with whether it is the last one."""
        offset, end = window(check_query(q), page_size)
        check_key(key)
        total: int | None = None
        own = given(codec=OWN if self._codec is None else None)  # pages are decoded later
        budget = Operation(self, self._nodes.deadline())
        while True:
            size = page_size if end is None else min(page_size, end - offset)
            sliced = {**q, "offset": offset, "limit": size}
            if self._observers:  # arguments that are wrong raise before observers see a call
                self._requests.query(key, sliced, accept, False, query_headers)
            get = partial(self.get, key, sliced, accept, False, query_headers, **own)
            work = partial(self._get_page, operation, key, get, total)
            result = await self._operate(operation, key, work, until=budget.until)
            rows = result.unsliced_result_len
            is_last = offset + size >= rows or (end is not None and offset + size >= end)
            if offset < rows or offset == 0:
                began = self._nodes.now()
                yield is_last, result
                budget.extend(self._nodes.now() - began)
            if is_last:
                return
            total = rows
            offset += size

    async def _get(
        self,
        key: str,
        request: PreparedRequest,
        accept: str,
        codec: TableCodec[Any] | None,
        operation: Operation | None,
    ) -> Any:
        if operation is None:
            reply = await self._nodes.send(key, request)
        else:
            reply = await self._nodes.send(key, request, operation.watch, operation.until)
        if reply.status == 404:
            return None
        result = query_result(request, reply, accept, key)
        if codec is None:
            return result
        began = self._nodes.now()
        table = await decode(result, codec)
        if operation is not None:
            operation.extend(self._nodes.now() - began)
        return table

    async def _get_page(
        self,
        name: str,
        key: str,
        get: Callable[[], Awaitable[object]],
        total: int | None,
        operation: Operation,
    ) -> QueryResult:
        result = await _part_of(get, operation)
        if result is None:
            raise DatasetMissing(f"{name} {key!r}: there is no such dataset")
        if not isinstance(result, QueryResult):
            raise TypeError(
                f"{name}: get of {type(self).__name__} must return a QueryResult with codec=None, "
                f"not {type(result).__name__}"
            )
        rows = result.unsliced_result_len
        if total is not None and rows != total:
            raise DatasetChanged(
                f"{name} {key!r}: the result had {total} rows and now has {rows}; start again"
            )
        return result

    # Shared by operations

    async def _operate(
        self,
        name: str,
        key: str | None,
        work: Callable[[Operation], Awaitable[T]],
        *,
        until: float | None = None,
    ) -> T:
        """Run an operation, and notify observers of it.

        A call that is part of another operation of this client has the deadline of that
        operation, and is not a separate call to observers.
        """
        outer = current_operation(self)
        if outer is not None:
            return await work(outer)
        operation = Operation(self, self._nodes.deadline() if until is None else until)
        if not self._observers:
            return await work(operation)
        with Watch(self._observers, "qcache", name, None, key) as watch:
            operation.watch = watch
            return await work(operation)

    def _result_codec(self, codec: TableCodec[Any] | str | Own | None) -> TableCodec[Any] | None:
        if codec is OWN:
            return self._codec
        return None if codec is None else self._tables.get(codec)


async def _part_of(call: Callable[[], Awaitable[T]], operation: Operation) -> T:
    """Make a call of the same client a part of an operation."""
    with operation.as_current():
        return await call()
