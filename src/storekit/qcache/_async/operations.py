"""The operations of a client; those that only query are in `queries`."""

# ruff: noqa: ANN401 - a codec that is given by name makes tables of any type

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Unpack, overload

from storekit.codecs.tables.base import TableCodec
from storekit.core.arguments import named_without_class
from storekit.core.seam._async import call_user_function
from storekit.qcache._async.loading import AsyncLoadingQuery
from storekit.qcache._async.queries import AsyncQueries
from storekit.qcache._async.sources import AsyncStreamed
from storekit.qcache._async.status import AsyncNodeReports
from storekit.qcache._async.uploads import prepare_upload, upload_request
from storekit.qcache.arguments import check_load_function
from storekit.qcache.error_mapping import error_of
from storekit.qcache.nodes import NodeReport, NodeStatistics, NodeStatus
from storekit.qcache.operation import Operation, current_operation
from storekit.qcache.options import PostOptions
from storekit.qcache.result import QueryResult, request_statistics
from storekit.qcache.tables import OWN, F, Own, R, given, is_large_query
from storekit.qcache.wire import Headers, PreparedRequest, Table, check_key, check_query

__all__ = ["AsyncLoader", "AsyncOperations"]

AsyncLoader = Callable[..., Table | AsyncStreamed | Awaitable[Table | AsyncStreamed]]
"""A function that returns the content to store, as `post` takes it."""


@named_without_class
class AsyncOperations(AsyncQueries[R]):
    """All operations of a client. Results are of the type `R` unless a call gives a codec."""

    # Storing

    @overload
    async def post(
        self,
        key: str,
        content: Table | AsyncStreamed,
        content_type: str = "text/csv",
        post_headers: Headers | None = None,
        *,
        codec: None = None,
        **options: Unpack[PostOptions],
    ) -> None: ...
    @overload
    async def post(
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
    async def post(
        self,
        key: str,
        content: object,
        content_type: str = "text/csv",
        post_headers: Headers | None = None,
        *,
        codec: str,
        **options: Unpack[PostOptions],
    ) -> None: ...
    async def post(
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

        QCache drops the old table before it reads the new one: **after a post that failed
        or was cancelled, the node may hold no table**. If so, the message of the error says
        it. A post is not repeated once the request may have reached a node, unless the
        client's `RetryPolicy` has `retry_writes`.

        Args:
            key: Key to store the table under: `[A-Za-z0-9_-]+`.
            content: The table: CSV or JSON as bytes or text; a list of dicts, one for each
                row; a frame of polars, pandas or pyarrow, whose column types are sent along;
                or a path, an open file, or an iterator of bytes or text. CSV, JSON and JSON
                lines in the latter are streamed, Parquet and Arrow are read as frames.
            content_type: `text/csv` or `application/json`, for bytes, text and streams. With
                the default, other formats are recognized by their content.
            post_headers: Additional headers, by name. They replace those of this client: an
                `X-QCache-types` here replaces all types of a frame.
            types: Types of columns that QCache should not infer: `string`, `enum` or `float`
                (the Go port also takes `int` and `bool`). CSV only. They override those of a
                frame, column by column.
            stand_in_columns: Values for columns that the table may lack, as for `get`.
            codec: Codec that encodes the table, or its name: for tables of other types, or
                for another format. The default is chosen by the type of `content`.

        Raises:
            UnsupportedContentType: The server does not accept this format (415).
            UnexpectedServerResponse: Any other response; see its subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the upload kept failing.
            ClientBusy: All connections stayed in use for `pool_timeout` seconds.
            ClientClosed: The client is closed.
            TypeError, ValueError: An argument is wrong, or QCache has no type that can hold a
                column of the frame; nothing was sent.
            Exception: What reading a file, or an iterator, raises.

        """
        check_key(key)
        outer = current_operation(self)
        began = self._nodes.now()
        is_packed = any(name.lower() == "content-encoding" for name in post_headers or ())
        upload = await prepare_upload(
            content, content_type, codec, self._tables, is_packed=is_packed
        )
        request = await upload_request(
            self._requests, key, upload, post_headers, types, stand_in_columns
        )
        if outer is not None:
            outer.extend(self._nodes.now() - began)
        await self._operate("post", key, partial(self._post, key, request))

    async def _post(self, key: str, request: PreparedRequest, operation: Operation) -> None:
        reply = await self._nodes.send(key, request, operation.watch, operation.until)
        if reply.status != 201:
            raise error_of(request, reply)
        operation.statistics = request_statistics(reply.headers, "insert_")

    async def delete(self, key: str) -> None:
        """Delete the table stored under `key`; nothing happens if there is none.

        Only the node that the ring now selects for the key is asked. If nodes were out for a
        while, another one may hold an older copy, which queries get if the ring selects that
        node again.

        A delete is not repeated once the request may have reached a node, unless the
        client's `RetryPolicy` has `retry_writes`.

        Raises:
            UnexpectedServerResponse: The server failed or refused; see its subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the delete kept failing.
            ClientBusy: All connections stayed in use for `pool_timeout` seconds.
            ClientClosed: The client is closed.
            TypeError, ValueError: The key is malformed; nothing was sent.

        """
        request = self._requests.delete(key)
        await self._operate("delete", key, partial(self._delete, key, request))

    async def _delete(self, key: str, request: PreparedRequest, operation: Operation) -> None:
        reply = await self._nodes.send(key, request, operation.watch, operation.until)
        if reply.status != 200:
            hint = "the Go port of QCache has no delete" if reply.status == 405 else ""
            raise error_of(request, reply, hint=hint)

    # Loading on a miss

    @overload
    async def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: AsyncLoader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str = "text/csv",
        accept: str = "application/json",
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        **options: Unpack[PostOptions],
    ) -> R: ...
    @overload
    async def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: AsyncLoader,
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
    async def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: AsyncLoader,
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
    async def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: AsyncLoader,
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
    async def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: AsyncLoader,
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
        """Execute a query, and load the table first if it is missing.

        On a miss, `load_fn(**load_fn_kwargs)` provides the content, which is posted, and
        the query is executed again, by `get` and `post` of this object. Callers of this
        client that miss the same key at the same time share one load, and its error if it
        fails. `total_timeout` is for all this, except for the time that `load_fn` takes.

        Args:
            key: Key of the table to query: `[A-Za-z0-9_-]+`.
            q: The query, as described in the QCache documentation.
            load_fn: Function that returns the content as `post` takes it. Where there is an
                event loop, a plain function runs in a thread.
            load_fn_kwargs: Keyword arguments for `load_fn`.
            content_type: Format of the content, as for `post`.
            accept: Format of the result, as for `get`.
            post_headers: Additional headers for the upload, by name.
            post_query: Send the query in a body rather than in the URL.
            query_headers: Additional headers for the query, by name.
            types: Types of columns, as for `post`.
            stand_in_columns: Values for columns that the table may lack, for the upload.
            codec: Codec that decodes the result to a table, as for `get`.

        Raises:
            TooManyConsecutiveErrors: The table was missing again after each upload.
            CircularLoad: `load_fn` queries the key that it is to load.
            Exception: What `load_fn` raises, and the errors of `get` and `post`.

        """
        check_load_function(load_fn)
        self._result_codec(codec)
        # Only options that were given are passed on: a `get` of a subclass may accept fewer.
        get = partial(self.get, key, q, accept, post_query, query_headers, **given(codec=codec))
        post = partial(
            self.post,
            key,
            content_type=content_type,
            post_headers=post_headers,
            **given(types=types, stand_in_columns=stand_in_columns),
        )
        if self._observers and not is_large_query(check_query(q)):
            # Arguments that are wrong raise before observers see a call.
            self._requests.query(key, q, accept, post_query, query_headers)
        query = AsyncLoadingQuery(
            key,
            get=get,
            post=post,
            load=partial(call_user_function, load_fn, load_fn_kwargs or {}),
            is_there=partial(self._is_there, key),
            loads=self._loads,
            retry=self._retry,
            now=self._nodes.now,
            pause=self._nodes.pause,
        )
        return await self._operate("query", key, query.run)

    async def _is_there(self, key: str) -> bool:
        codec = OWN if self._codec is None else None
        return await self.get(key, {"limit": 1}, **given(codec=codec)) is not None

    # The nodes

    async def status(self) -> dict[str, NodeStatus]:
        """Check every node, and return its health by address. Failures are not raised."""
        found = await self._operate("status", None, self._reports().status)
        return {status.node: status for status in found}

    async def statistics(self) -> dict[str, NodeReport]:
        """Fetch the counters of every node, by address.

        **The server resets its counters when they are read.** So failures are in the reports
        and not raised, or the counters of the other nodes would be lost.
        """
        found = await self._operate("statistics", None, self._reports().statistics)
        return {report.node: report for report in found}

    def get_statistics(self) -> dict[str, NodeStatistics]:
        """Return how often each event occurred at each node since the last call, by address."""
        return self._nodes.take_statistics()

    def _reports(self) -> AsyncNodeReports:
        return AsyncNodeReports(self._nodes, self._requests)
