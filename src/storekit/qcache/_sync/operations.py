# Generated from src/storekit/qcache/_async/operations.py by tools/generate_sync.py; do not edit.

"""The operations of the qcache client."""

# ruff: noqa: ANN401 - a codec that is given by name makes tables of any type

import os
import random
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, Generic, TypeVar, Unpack, overload

from storekit.codecs.tables.base import JSON, TableCodec
from storekit.codecs.tables.registry import TableRegistry
from storekit.core._sync.single_flight import SingleFlight
from storekit.core.arguments import named_without_class
from storekit.core.backoff import pause_before
from storekit.core.seam._sync import call_blocking, call_user_function, run_all, sleep
from storekit.observers import Observer, Watch
from storekit.options import RetryPolicy
from storekit.qcache._sync.export import write_pages
from storekit.qcache._sync.node_pool import NodePool
from storekit.qcache._sync.paging import decode, uniform_pages
from storekit.qcache._sync.uploads import Streamed, Upload, is_used_up, prepare_upload
from storekit.qcache.arguments import check_load_function, window
from storekit.qcache.compression import Compression, compress
from storekit.qcache.error_mapping import error_of, query_result
from storekit.qcache.errors import (
    DatasetChanged,
    DatasetMissing,
    NodeTimeout,
    QClientException,
    TooManyConsecutiveErrors,
)
from storekit.qcache.exporting import ExportFormat, export_format
from storekit.qcache.nodes import NodeReport, NodeStatistics, NodeStatus
from storekit.qcache.operation import (
    Operation,
    current_operation,
    loading,
    outside_operations,
    waiting_for_load,
)
from storekit.qcache.options import GetOptions, PostOptions
from storekit.qcache.requests import RequestBuilder
from storekit.qcache.result import QueryResult, request_statistics
from storekit.qcache.sql import parse as parse_sql
from storekit.qcache.tables import OWN, F, Own, R, is_large_query
from storekit.qcache.wire import (
    Headers,
    PreparedRequest,
    Reply,
    Table,
    check_key,
    check_query,
    parse_statistics,
)

__all__ = ["Loader", "Operations"]

T = TypeVar("T")

Loader = Callable[..., Table | Streamed]
"""A function that returns what is to be stored, as `post` takes it."""

_COMPRESS_FROM = 1024
_COMPRESSED_AT_ONCE = 256 * 1024
"""Bytes of an upload. Larger ones are packed in a thread: that takes a millisecond or more."""


@named_without_class
class Operations(Generic[R]):
    """What a client of QCache does. Its results are of the type `R`."""

    _nodes: NodePool
    _requests: RequestBuilder
    _loads: SingleFlight[str, None]
    _retry: RetryPolicy
    _compression: Compression | None
    _observers: tuple[Observer, ...]
    _tables: TableRegistry
    _codec: TableCodec[Any] | None  # of results, where a call has no other

    # Asking

    @overload
    def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str = "application/json",
        post_query: bool = False,
        query_headers: Headers | None = None,
        **options: Unpack[GetOptions],
    ) -> R | None: ...
    @overload
    def get(
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
    def get(
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
    def get(
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
    def get(
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
            NoCacheAvailable: No node could be reached, or answered in time; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the query kept failing.
            ClientBusy: All connections stayed in use.
            CodecError: The codec can't read the result.
            TypeError, ValueError: An argument is wrong; nothing was sent.

        """
        chosen = self._result_codec(codec)
        if accept == JSON and chosen is not None:
            accept = chosen.accept
        build = self._requests.query
        if is_large_query(q):
            request = call_blocking(
                build, key, q, accept, post_query, query_headers, stand_in_columns
            )
        else:
            request = build(key, q, accept, post_query, query_headers, stand_in_columns)
        if not self._observers and current_operation(self) is None:  # the usual case
            return self._get(key, request, accept, chosen, None)
        return self._operate("get", key, partial(self._get, key, request, accept, chosen))

    @overload
    def sql(self, text: str) -> R: ...
    @overload
    def sql(self, text: str, *, codec: TableCodec[F]) -> F: ...
    @overload
    def sql(self, text: str, *, codec: str) -> Any: ...
    @overload
    def sql(self, text: str, *, codec: None) -> QueryResult: ...
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
        chosen = self._result_codec(codec)
        accept = JSON if chosen is None else chosen.accept
        key, q = parse_sql(text)
        request = self._requests.query(key, q, accept)
        result = self._operate("sql", key, partial(self._get, key, request, accept, chosen))
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
    ) -> Generator[R, None, None]: ...
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
    ) -> Generator[F, None, None]: ...
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
    ) -> Generator[Any, None, None]: ...
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
    ) -> Generator[QueryResult, None, None]: ...
    def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str = "application/json",
        query_headers: Headers | None = None,
        *,
        codec: TableCodec[Any] | str | Own | None = OWN,
    ) -> Generator[Any, None, None]:
        """Fetch a long result page by page, each of at most `page_size` rows.

        `offset` and `limit` of the query bound the whole. The pages are separate queries:
        give an `order_by` that leaves no two rows equal if their order matters.

        `codec` is as for `get`: each page is then a table. Where its columns have types, as
        in frames, each page has the types that the whole would have. To know them, all pages
        are fetched before the first is given, and kept in a temporary file.

        `total_timeout` is for all pages together, without the time between them.

        Raises:
            DatasetMissing: There is no such dataset, or it vanished on the way.
            DatasetChanged: The number of rows changed on the way: the dataset was replaced.
            Exception: The errors of `get`.

        """
        chosen = self._result_codec(codec)
        if accept == JSON and chosen is not None:
            accept = chosen.accept
        with closing(self._fetch_pages(key, q, page_size, accept, query_headers)) as pages:
            if chosen is None:
                for _, page in pages:
                    yield page
                return
            with closing(uniform_pages(pages, chosen)) as tables:
                for table in tables:
                    yield table

    def export(
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

        The result is fetched page by page, as by `pages`, and never held as a whole. The
        types of columns are the same from the first row to the last. The file is there once
        all is written, in place of the one before; after an error there is nothing new.

        Args:
            key: Key of the table to query.
            q: The query, best with an `order_by` that leaves no two rows equal.
            path: Where to write.
            format: "csv", "json lines", "parquet" or "arrow". By default that is told by the
                suffix of the name: `.csv`, `.jsonl` or `.ndjson`, `.parquet`, `.arrow` or
                `.feather`. The last two formats need pyarrow (`storekit[arrow]`).
            page_size: Rows of one page.
            query_headers: More headers, by name.

        Raises:
            CodecError: A column has values of several types, which Parquet and Arrow can't have.
            OSError: The file can't be written.
            Exception: The errors of `pages`.

        """
        kind = export_format(path, format)
        offset, end = window(check_query(q), page_size)
        rows = 0

        def counted() -> Generator[tuple[bool, QueryResult], None, None]:
            nonlocal rows
            pages = self._fetch_pages(key, q, page_size, kind.accept, query_headers, "export")
            with closing(pages):
                for is_last, page in pages:
                    total = page.unsliced_result_len
                    rows = max(0, min(total, total if end is None else end) - offset)
                    yield is_last, page

        with closing(counted()) as pages:
            write_pages(pages, os.fspath(path), kind)
        return rows

    def _fetch_pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int,
        accept: str,
        query_headers: Headers | None,
        operation: str = "pages",
    ) -> Generator[tuple[bool, QueryResult], None, None]:
        """Fetch pages; say of each whether it is the last one."""
        offset, end = window(check_query(q), page_size)
        check_key(key)
        total: int | None = None
        budget = Operation(self, self._nodes.deadline())
        while True:
            size = page_size if end is None else min(page_size, end - offset)
            sliced = {**q, "offset": offset, "limit": size}
            request = self._requests.query(key, sliced, accept, False, query_headers)
            work = partial(self._get_page, operation, key, request, accept, total)
            result = self._operate(operation, key, work, until=budget.until)
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

    def _get(
        self,
        key: str,
        request: PreparedRequest,
        accept: str,
        codec: TableCodec[Any] | None,
        operation: Operation | None,
    ) -> Any:
        if operation is None:
            reply = self._nodes.send(key, request)
        else:
            reply = self._nodes.send(key, request, operation.watch, operation.until)
        if reply.status == 404:
            return None
        result = query_result(request, reply, accept, key)
        if codec is None:
            return result
        began = self._nodes.now()
        table = decode(result, codec)
        if operation is not None:
            operation.extend(self._nodes.now() - began)
        return table

    def _get_page(
        self,
        name: str,
        key: str,
        request: PreparedRequest,
        accept: str,
        total: int | None,
        operation: Operation,
    ) -> QueryResult:
        result: QueryResult | None = self._get(key, request, accept, None, operation)
        if result is None:
            raise DatasetMissing(f"{name} {key!r}: there is no such dataset")
        rows = result.unsliced_result_len
        if total is not None and rows != total:
            raise DatasetChanged(
                f"{name} {key!r}: the result had {total} rows and now has {rows}; start again"
            )
        return result

    # Storing

    @overload
    def post(
        self,
        key: str,
        content: Table | Streamed,
        content_type: str = "text/csv",
        post_headers: Headers | None = None,
        *,
        codec: None = None,
        **options: Unpack[PostOptions],
    ) -> None: ...
    @overload
    def post(
        self,
        key: str,
        content: F,
        content_type: str = "text/csv",
        post_headers: Headers | None = None,
        *,
        codec: TableCodec[F],
        **options: Unpack[PostOptions],
    ) -> None: ...
    @overload
    def post(
        self,
        key: str,
        content: object,
        content_type: str = "text/csv",
        post_headers: Headers | None = None,
        *,
        codec: str,
        **options: Unpack[PostOptions],
    ) -> None: ...
    def post(
        self,
        key: str,
        content: object,
        content_type: str = "text/csv",
        post_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: TableCodec[Any] | str | None = None,
    ) -> None:
        """Store a table under `key`, replacing the one that is there.

        QCache drops the old table before it looks at the new one: **when a post is
        refused, or its fate is unknown, the node may hold no table**. The message says
        so. A post is not repeated once the request may have reached a node, unless the
        client's `RetryPolicy` has `retry_writes`.

        Args:
            key: Key to store the table under: `[A-Za-z0-9_-]+`.
            content: The table: CSV or JSON as bytes or text, or a list of dicts, one for each
                row. A frame of polars, pandas or pyarrow, which brings its column types
                along. Or what is streamed: a path, an open file, an iterator of bytes, of
                CSV, JSON or JSON lines; those of Parquet and Arrow are read as frames.
            content_type: `text/csv` or `application/json`, for bytes, text and streams. The
                default takes what is evidently something else for what it is.
            post_headers: More headers, by name. They go before all that this client would
                set: an `X-QCache-types` here leaves nothing of the types of a frame.
            types: Types of columns, where they are not to be guessed: `string`, `enum` or
                `float` (the Go port also takes `int` and `bool`). CSV only. They go before
                those of a frame, column by column.
            stand_in_columns: Values for columns that the table may lack, as for `get`.
            codec: What encodes the table, or its name: for tables of other types, or in
                another format. By default that is seen from the type of `content`.

        Raises:
            UnsupportedContentType: The server does not take this format (415).
            UnexpectedServerResponse: Any other refusal; see its subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the upload kept failing.
            ClientBusy: All connections stayed in use.
            TypeError, ValueError: An argument is wrong, or QCache could not keep a column
                of the frame as it is; nothing was sent.
            Exception: What reading a file, or an iterator, raises.

        """
        check_key(key)
        outer = current_operation(self)
        began = self._nodes.now()
        is_packed = any(name.lower() == "content-encoding" for name in post_headers or ())
        upload = prepare_upload(content, content_type, codec, self._tables, is_packed=is_packed)
        request = self._upload_call(key, upload, post_headers, types, stand_in_columns)
        if outer is not None:
            outer.extend(self._nodes.now() - began)
        self._operate("post", key, partial(self._post, key, request))

    def delete(self, key: str) -> None:
        """Delete the table stored under `key`; nothing happens if there is none.

        Only the node that holds the key now is asked. Where nodes were out for a while,
        another may hold an older copy, which shows when that node takes over again.

        A delete is not repeated once the request may have reached a node, unless the
        client's `RetryPolicy` has `retry_writes`.

        Raises:
            UnexpectedServerResponse: The server refused; see the subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the delete kept failing.
            ClientBusy: All connections stayed in use.
            TypeError, ValueError: The key is wrong; nothing was sent.

        """
        request = self._requests.delete(key)
        self._operate("delete", key, partial(self._delete, key, request))

    # Asking, and storing what is not there

    @overload
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str = "text/csv",
        accept: str = "application/json",
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        **options: Unpack[PostOptions],
    ) -> R: ...
    @overload
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str = "text/csv",
        accept: str = "application/json",
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        codec: TableCodec[F],
        **options: Unpack[PostOptions],
    ) -> F: ...
    @overload
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str = "text/csv",
        accept: str = "application/json",
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        codec: str,
        **options: Unpack[PostOptions],
    ) -> Any: ...
    @overload
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str = "text/csv",
        accept: str = "application/json",
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        codec: None,
        **options: Unpack[PostOptions],
    ) -> QueryResult: ...
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str = "text/csv",
        accept: str = "application/json",
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: TableCodec[Any] | str | Own | None = OWN,
    ) -> Any:
        """Query for data, loading the table if it is not there.

        On a miss, `load_fn(**load_fn_kwargs)` provides the content, which is posted, and
        the query is executed again, by `get` and `post` of this object. Callers of this
        client that miss the same key at the same time share one load, and its error if it
        fails. `total_timeout` is for all of it, without the time that `load_fn` takes.

        Args:
            key: Key of the table to query: `[A-Za-z0-9_-]+`.
            q: The query, as described in the QCache documentation.
            load_fn: Function that returns the content as `post` takes it. Where there is an
                event loop, a plain function runs in a thread.
            load_fn_kwargs: Keyword arguments for `load_fn`.
            content_type: Format of the content, as for `post`.
            accept: Format of the result, as for `get`.
            post_headers: More headers for the upload, by name.
            post_query: Send the query in a body rather than in the URL.
            query_headers: More headers for the query, by name.
            types: Types of columns, as for `post`.
            stand_in_columns: Values for columns that the table may lack, for the upload.
            codec: What makes a table of the result, as for `get`.

        Raises:
            TooManyConsecutiveErrors: The table was missing again after each upload.
            CircularLoad: `load_fn` queries the key that it is to load.
            Exception: What `load_fn` raises; else the errors of `get` and `post`.

        """
        check_load_function(load_fn)
        self._result_codec(codec)
        # Only what was given is handed on: subclasses may have a `get` that takes less.
        get = partial(self.get, key, q, accept, post_query, query_headers, **_given(codec=codec))
        post = partial(
            self.post,
            key,
            content_type=content_type,
            post_headers=post_headers,
            **_given(types=types, stand_in_columns=stand_in_columns),
        )
        load = partial(call_user_function, load_fn, load_fn_kwargs or {})
        if self._observers and not is_large_query(check_query(q)):
            # What is wrong with the arguments is no call for observers.
            self._requests.query(key, q, accept, post_query, query_headers)
        return self._operate("query", key, partial(self._query, key, get, post, load))

    def _query(
        self,
        key: str,
        get: Callable[[], Any],
        post: Callable[[object], None],
        load: Callable[[], object],
        operation: Operation,
    ) -> Any:
        attempts = self._retry.attempts
        loaded: list[object] = []
        for attempt in range(attempts + 1):
            landings = self._loads.landings
            with operation.as_current():
                result = get()
            if result is not None:
                if isinstance(result, QueryResult):
                    result.statistics.update(operation.statistics)
                return result
            if attempt == attempts:
                break
            if attempt:  # posted, and gone again
                self._pause(operation, key, pause_before(attempt - 1, self._retry, random.random))
            self._share_load(key, landings, post, load, loaded, operation)
        raise TooManyConsecutiveErrors(
            f"query {key!r}: the dataset was missing again after each of "
            f"{attempts} uploads; is it larger than the cache?"
        )

    def _share_load(
        self,
        key: str,
        landings: int,
        post: Callable[[object], None],
        load: Callable[[], object],
        loaded: list[object],
        operation: Operation,
    ) -> None:
        """Load a table, or wait for a load that is under way.

        `landings` is how many loads had ended before this caller found the table missing,
        `loaded` the content that it had loaded before.
        """
        began = self._nodes.now()
        leads = False

        def lead() -> None:
            nonlocal leads
            leads = True
            operation.extend(self._nodes.now() - began)  # the load of another caller
            # A load ended while this caller looked: perhaps it was the one needed here.
            if self._loads.landings != landings:
                with operation.as_current():
                    codec = OWN if self._codec is None else None
                    if self.get(key, {"limit": 1}, **_given(codec=codec)) is not None:
                        return
            if not loaded or is_used_up(loaded[0]):
                started = self._nodes.now()
                with outside_operations(), loading(self, key):
                    loaded[:] = [load()]
                operation.extend(self._nodes.now() - started)
            with operation.as_current():
                post(loaded[0])

        with waiting_for_load(self, key):
            self._loads.run(key, lead)
        if not leads:
            operation.extend(self._nodes.now() - began)

    def _pause(self, operation: Operation, key: str, seconds: float) -> None:
        if operation.until is not None and self._nodes.now() + seconds >= operation.until:
            raise NodeTimeout(
                f"query {key!r}: the dataset was missing again after an upload, and "
                "total_timeout is over"
            )
        sleep(seconds)

    # The nodes

    def status(self) -> dict[str, NodeStatus]:
        """Ask every node whether it is well. Failures are in the answer, not raised."""
        return {found.node: found for found in self._of_all("status", self._status_of)}

    def statistics(self) -> dict[str, NodeReport]:
        """Fetch the counters of every node.

        **The server resets its counters when they are read.** Failures are in the answer,
        not raised: what was read from the other nodes would be lost.
        """
        reports = self._of_all("statistics", self._statistics_of)
        return {report.node: report for report in reports}

    def get_statistics(self) -> dict[str, NodeStatistics]:
        """Return what this client met with at each node since the last call of this."""
        return self._nodes.take_statistics()

    def _of_all(self, name: str, ask: Callable[[str, Operation], T]) -> list[T]:
        def ask_all(operation: Operation) -> list[T]:
            nodes = self._nodes.nodes
            if operation.watch is not None and len(nodes) == 1:
                operation.watch.node = next(iter(nodes))
            return run_all([partial(ask, node, operation) for node in nodes])

        return self._operate(name, None, ask_all)

    def _status_of(self, name: str, operation: Operation) -> NodeStatus:
        request = self._requests.plain("status", "GET", "qcache/status")
        try:
            reply = self._nodes.send_to(name, request, operation.until)
            if reply.status != 200:
                raise error_of(request, reply)
        except QClientException as error:
            return NodeStatus(name, ok=False, error=error)
        return NodeStatus(name, ok=True)

    def _statistics_of(self, name: str, operation: Operation) -> NodeReport:
        request = self._requests.plain("statistics", "GET", "qcache/statistics")
        try:
            reply = self._nodes.send_to(name, request, operation.until)
            if reply.status != 200:
                raise error_of(request, reply)
            return NodeReport(name, call_blocking(parse_statistics, reply))
        except QClientException as error:
            return NodeReport(name, None, error)

    # What operations are made of

    def _operate(
        self,
        name: str,
        key: str | None,
        work: Callable[[Operation], T],
        *,
        until: float | None = None,
    ) -> T:
        """Do the work of an operation, and tell observers of it.

        What is a part of another operation of this client has its deadline, and is no call
        of its own to observers.
        """
        outer = current_operation(self)
        if outer is not None:
            return work(outer)
        operation = Operation(self, self._nodes.deadline() if until is None else until)
        if not self._observers:
            return work(operation)
        with Watch(self._observers, "qcache", name, None, key) as watch:
            operation.watch = watch
            return work(operation)

    def _send(self, key: str, request: PreparedRequest, operation: Operation) -> Reply:
        return self._nodes.send(key, request, operation.watch, operation.until)

    def _post(self, key: str, request: PreparedRequest, operation: Operation) -> None:
        reply = self._send(key, request, operation)
        if reply.status != 201:
            raise error_of(request, reply)
        operation.statistics = request_statistics(reply.headers, "insert_")

    def _delete(self, key: str, request: PreparedRequest, operation: Operation) -> None:
        reply = self._send(key, request, operation)
        if reply.status != 200:
            hint = "the Go port of QCache has no delete" if reply.status == 405 else ""
            raise error_of(request, reply, hint=hint)

    def _upload_call(
        self,
        key: str,
        upload: Upload,
        post_headers: Headers | None,
        types: Mapping[str, str] | None,
        stand_in_columns: Mapping[str, object] | None,
    ) -> PreparedRequest:
        headers = self._requests.upload_headers(
            upload.content_type, {**upload.types, **(types or {})}, stand_in_columns, post_headers
        )
        body = upload.content
        if upload.encoding is not None:
            headers["content-encoding"] = upload.encoding.encode()
        elif (
            self._compression is not None
            and len(body) >= _COMPRESS_FROM
            and "content-encoding" not in headers  # else the caller has packed it
        ):
            headers["content-encoding"] = self._compression.encode()
            if len(body) < _COMPRESSED_AT_ONCE:
                body = compress(body, self._compression)
            else:
                body = call_blocking(compress, body, self._compression)
        length = len(body) if upload.stream is None else upload.length
        if length is None:
            headers["transfer-encoding"] = b"chunked"
        else:
            headers["content-length"] = str(length).encode()
        return self._requests.upload(key, headers, body, upload.stream)

    def _result_codec(self, codec: TableCodec[Any] | str | Own | None) -> TableCodec[Any] | None:
        if codec is OWN:
            return self._codec
        return None if codec is None else self._tables.get(codec)


def _given(**options: object) -> dict[str, Any]:
    """Return those options that were given."""
    return {
        name: value
        for name, value in options.items()
        if value is not OWN and (value is not None or name == "codec")
    }
