"""The qcache client."""

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx

from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.core._async.transport import AsyncHTTPTransport
from storekit.core.backoff import pause_before
from storekit.core.runtime._async import Lazy, call_blocking, call_user_function, run_all, sleep
from storekit.core.tls import Cert, Verify, create_tls_context
from storekit.options import PoolLimits, RetryPolicy, Timeouts
from storekit.qcache._async.fleet import AsyncFleet
from storekit.qcache.arguments import check_count, check_type, window
from storekit.qcache.compression import Compression, compress, require
from storekit.qcache.embedded.naming import node_at
from storekit.qcache.errors import (
    DatasetChanged,
    DatasetMissing,
    QClientException,
    TooManyConsecutiveErrors,
)
from storekit.qcache.nodes import NodeReport, NodeStatistics, NodeStatus
from storekit.qcache.refusals import query_result, refusal
from storekit.qcache.result import QueryResult, request_statistics
from storekit.qcache.ring import HashRing
from storekit.qcache.wire import (
    MAX_GET_QUERY,
    Call,
    Content,
    Headers,
    authorization,
    check_key,
    check_node,
    check_query,
    encode_content,
    encode_query,
    merge_headers,
    parse_statistics,
)

__all__ = ["AsyncQClient"]

_UPLOADS_TAKE_LONGER = 10
"""Timeouts of an upload, in those of a query: the server parses the table before it answers,
and takes nothing while it works on a query. qcache-client has the same factor for reading."""

_COMPRESS_FROM = 1024
_IN_A_THREAD = 256 * 1024
"""Content of this size and up is packed in a thread, for it takes a millisecond or more."""

T = TypeVar("T")

Loader = Callable[..., Content | Awaitable[Content]]
"""A function that returns the content of a dataset."""


def _embedded(address: str) -> httpx.AsyncBaseTransport:
    node = node_at(address)
    # It loads Polars, which is there: the node is.
    from storekit.qcache._async.embedded import AsyncEmbeddedTransport  # noqa: PLC0415

    return AsyncEmbeddedTransport(node)


class AsyncQClient:
    """Client for a ring of QCache nodes.

    ```python
    async with AsyncQClient(["http://host1:9401", "http://host2:9401"]) as client:
        result = await client.get("someKey", {"select": ["col1"], "where": ["<", "col2", 1]})
    ```

    One client serves any number of concurrent callers, and is closed once. It keeps
    connections to each node, takes a node that fails out of the ring, asks the next one
    where that is safe, and puts the node back when it answers a probe.

    Cancelling a call returns at once and closes its connection. A post or delete that was
    cancelled may or may not have happened.
    """

    def __init__(
        self,
        node_list: Iterable[str],
        connect_timeout: float | None = 1.0,
        read_timeout: float | None = 2.0,
        verify: Verify = True,
        cert: Cert | None = None,
        auth: tuple[str, str] | None = None,
        consecutive_error_count_limit: int = 10,
        *,
        write_timeout: float | None = 2.0,
        pool_timeout: float | None = 5.0,
        total_timeout: float | None = 300.0,
        limits: PoolLimits | None = None,
        retry: RetryPolicy | None = None,
        compression: Compression | None = None,
        max_content_size: int = 2**30,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            node_list: Addresses of the nodes, e.g. `["http://host1:9401"]`. Clients that
                share a fleet must write them alike: the ring hashes the text.
                `embedded:` is a node in this process that belongs to this client, and
                `embedded:NAME` one that all who name it share (needs `storekit[embedded]`).
            connect_timeout: Seconds for look-up, TCP and TLS.
            read_timeout: Seconds of silence until an answer, or its next piece, arrives;
                ten times that for uploads, and likewise for `write_timeout`.
            verify: For https: True, False, a path to certificates of authorities, or an
                `ssl.SSLContext`.
            cert: Client certificate: a file with certificate and key, or a tuple of
                certificate file, key file and password, the last if needed.
            auth: User name and password for basic authentication.
            consecutive_error_count_limit: Attempts at one operation before giving up; a
                `retry` policy brings its own `attempts`.
            write_timeout: Seconds until the next piece of a request must be on its way.
            pool_timeout: Seconds to wait for a free connection.
            total_timeout: Seconds for a whole operation, with all attempts and pauses.
                Load functions do not count. Of another transport it is asked, but not
                enforced while that waits.
            limits: How many connections to one node, and for how long.
            retry: When and how operations are repeated.
            compression: Ask for compressed answers and compress uploads: "gzip" or "lz4"
                (needs `storekit[lz4]`). On a fast network both cost more than they save.
            max_content_size: Most bytes of an answer, packed or unpacked.
            transport: Another httpx transport to send requests through, but for those to
                embedded nodes. `verify`, `cert` and `limits` are then its own business,
                and so is closing it.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: A node is no http(s) URL and no `embedded:`, the list is empty, a
                value is out of range, or a certificate file cannot be used.
            ModuleNotFoundError: `compression="lz4"` without the lz4 package, or an
                embedded node without Polars.

        """
        if isinstance(node_list, str | bytes):
            raise TypeError("node_list must be a list of addresses, not a single one")
        check_type("limits", limits, PoolLimits)
        check_type("retry", retry, RetryPolicy)
        check_type("transport", transport, httpx.AsyncBaseTransport)
        check_count("max_content_size", max_content_size)
        check_count("consecutive_error_count_limit", consecutive_error_count_limit)
        names = list(node_list)
        if not names:
            raise ValueError("node_list is empty: name at least one node")
        nodes = {name: check_node(name) for name in names}
        require(compression)
        self._timeouts = Timeouts(
            connect=connect_timeout,
            read=read_timeout,
            write=write_timeout,
            pool=pool_timeout,
            total=total_timeout,
        )
        self._compression: Compression | None = compression
        self._headers = {
            "accept-encoding": compression or "identity",
            "user-agent": "storekit",
        }
        if auth is not None:
            self._headers["authorization"] = authorization(auth)
        self._query_headers: dict[str, httpx.Headers] = {}
        self._retry = (
            retry if retry is not None else RetryPolicy(attempts=consecutive_error_count_limit)
        )
        self._owned_transports: list[httpx.AsyncBaseTransport] = []
        if transport is None:
            if any(url.scheme == "https" for url in nodes.values()):
                verify = create_tls_context(verify, cert)  # here, where a bad path is noticed
            transport = AsyncHTTPTransport(verify=verify, limits=limits)
            self._owned_transports.append(transport)
        embedded = {
            name: _embedded(name) for name, url in nodes.items() if url.scheme == "embedded"
        }
        self._owned_transports += embedded.values()
        self._fleet = AsyncFleet(
            nodes,
            HashRing(names),
            transport,
            timeouts=self._timeouts,
            retry=self._retry,
            probe=self._plain_call("status", "GET", "qcache/status"),
            max_content_size=max_content_size,
            embedded=embedded,
        )
        self._loads = AsyncSingleFlight[str, dict[str, float]]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client and its connections. Calls that wait for one get `ClientClosed`."""
        try:
            await self._fleet.aclose()
        finally:  # also when this is cancelled: closing connections does not wait
            for transport in self._owned_transports:
                await transport.aclose()

    async def get(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str = "application/json",
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        stand_in_columns: Mapping[str, object] | None = None,
    ) -> QueryResult | None:
        """Execute a query and return its result, or None if there is no such dataset.

        Args:
            key: Key of the table to query: `[A-Za-z0-9_-]+`.
            q: The query, as described in the QCache documentation.
            accept: Format of the result: `application/json` or `text/csv`.
            post_query: Send the query in a body rather than in the URL. Queries above
                4000 bytes go that way without being asked.
            query_headers: More headers, by name.
            stand_in_columns: Values for columns that the table may lack: a number, the
                name of a column to copy, or a text in quotes. QCache writes them into the
                stored table, where the first value stays for ever.

        Raises:
            MalformedQueryException: The server does not understand the query (400).
            UnsupportedAcceptType: The server cannot answer in this format (406).
            UnexpectedServerResponse: Any other answer; see its subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the query kept failing.
            ClientBusy: All connections stayed in use.
            TypeError, ValueError: An argument is wrong; nothing was sent.

        """
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
        reply = await self._fleet.send(key, call)
        if reply.status == 404:
            return None
        return query_result(call, reply, accept)

    async def post(
        self,
        key: str,
        content: Content,
        content_type: str = "text/csv",
        post_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
    ) -> None:
        """Store a table under `key`, replacing the one that is there.

        QCache drops the old table before it looks at the new one: **when a post is
        refused, or its fate is unknown, the node may hold no table**. The message says
        so. A post is not repeated once the request may have reached a node, unless the
        client's `RetryPolicy` has `retry_writes`.

        Args:
            key: Key to store the table under: `[A-Za-z0-9_-]+`.
            content: The table as bytes or text in the given format; for JSON also a list
                of dicts, one for each row.
            content_type: `text/csv` or `application/json`.
            post_headers: More headers, by name.
            types: Types of columns, where they are not to be guessed: `string`, `enum` or
                `float` (the Go port also takes `int` and `bool`). CSV only.
            stand_in_columns: Values for columns that the table may lack, as for `get`.

        Raises:
            UnsupportedContentType: The server does not take this format (415).
            UnexpectedServerResponse: Any other refusal; see its subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the upload kept failing.
            ClientBusy: All connections stayed in use.
            TypeError, ValueError: An argument is wrong; nothing was sent.

        """
        await self._post(key, content, content_type, post_headers, types, stand_in_columns)

    async def query(
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
    ) -> QueryResult:
        """Query for data, loading the table if it is not there.

        On a miss, `load_fn(**load_fn_kwargs)` provides the content, which is posted, and
        the query is executed again. Callers of this client that miss the same key at the
        same time share one load, and its error if it fails.

        Args:
            key: Key of the table to query: `[A-Za-z0-9_-]+`.
            q: The query, as described in the QCache documentation.
            load_fn: Function that returns the content, as `post` takes it.
            load_fn_kwargs: Keyword arguments for `load_fn`.
            content_type: Format of the content: `text/csv` or `application/json`.
            accept: Format of the result: `application/json` or `text/csv`.
            post_headers: More headers for the upload, by name.
            post_query: Send the query in a body rather than in the URL.
            query_headers: More headers for the query, by name.
            types: Types of columns, as for `post`.
            stand_in_columns: Values for columns that the table may lack, for the upload.

        Raises:
            TooManyConsecutiveErrors: The table was missing again after each upload.
            Exception: What `load_fn` raises; else the errors of `get` and `post`.

        """
        statistics: dict[str, float] = {}
        loaded: list[Content] = []

        async def load_and_post(landings: int) -> dict[str, float]:
            # A load ended while this caller looked: perhaps it was the one needed here.
            if (
                self._loads.landings != landings
                and await self.get(key, {"limit": 1}, accept) is not None
            ):
                return {}
            if not loaded:
                loaded.append(await call_user_function(load_fn, load_fn_kwargs or {}))
            return await self._post(
                key, loaded[0], content_type, post_headers, types, stand_in_columns
            )

        for attempt in range(self._retry.attempts):
            landings = self._loads.landings
            result = await self.get(key, q, accept, post_query, query_headers)
            if result is not None:
                result.statistics.update(statistics)
                return result
            if attempt:  # posted, and gone again
                await sleep(pause_before(attempt - 1, self._retry, random.random))
            statistics = await self._loads.run(key, partial(load_and_post, landings))
        result = await self.get(key, q, accept, post_query, query_headers)
        if result is not None:
            return result
        raise TooManyConsecutiveErrors(
            f"query {key!r}: the dataset was missing again after each of "
            f"{self._retry.attempts} uploads; is it larger than the cache?"
        )

    async def delete(self, key: str) -> None:
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
        call = Call(
            f"delete {key!r}",
            "DELETE",
            f"qcache/dataset/{check_key(key)}",
            self._as_sent(merge_headers(self._headers, {"Accept": "application/json"})),
            writes=True,
            aftermath="the dataset may or may not have been deleted",
        )
        reply = await self._fleet.send(key, call)
        if reply.status == 405:
            raise refusal(call, reply, hint="the Go port of QCache has no delete")
        if reply.status != 200:
            raise refusal(call, reply)

    async def pages(
        self,
        key: str,
        q: Mapping[str, object],
        page_size: int = 1000,
        accept: str = "application/json",
        query_headers: Headers | None = None,
    ) -> Lazy[QueryResult]:
        """Fetch a long result page by page, each of at most `page_size` rows.

        `offset` and `limit` of the query bound the whole. The pages are separate queries:
        give an `order_by` that leaves no two rows equal if their order matters.

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
            page = await self.get(
                key, {**q, "offset": offset, "limit": size}, accept, query_headers=query_headers
            )
            if page is None:
                raise DatasetMissing(f"pages {key!r}: there is no such dataset")
            if total is not None and page.unsliced_result_len != total:
                raise DatasetChanged(
                    f"pages {key!r}: the result had {total} rows and now has "
                    f"{page.unsliced_result_len}; start again"
                )
            total = page.unsliced_result_len
            if offset < total or offset == 0:
                yield page
            offset += size
            if offset >= total or (end is not None and offset >= end):
                return

    async def status(self) -> dict[str, NodeStatus]:
        """Ask every node whether it is well. Failures are in the answer, not raised."""
        return {status.node: status for status in await self._of_all(self._status_of)}

    async def statistics(self) -> dict[str, NodeReport]:
        """Fetch the counters of every node.

        **The server resets its counters when they are read.** Failures are in the answer,
        not raised: what was read from the other nodes would be lost.
        """
        return {report.node: report for report in await self._of_all(self._statistics_of)}

    def get_statistics(self) -> dict[str, NodeStatistics]:
        """Return what this client met with at each node since the last call of this."""
        return self._fleet.take_statistics()

    # Building calls

    @staticmethod
    def _upload_timeout(usual: float | None) -> float | None:
        return None if usual is None else _UPLOADS_TAKE_LONGER * usual

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

    @staticmethod
    def _as_sent(headers: Mapping[str, bytes]) -> httpx.Headers:
        return httpx.Headers([(name.encode(), value) for name, value in headers.items()])

    def _plain_call(self, operation: str, method: str, target: str) -> Call:
        headers = merge_headers(self._headers, {"Accept": "application/json"})
        return Call(operation, method, target, self._as_sent(headers))

    async def _post(
        self,
        key: str,
        content: Content,
        content_type: str,
        post_headers: Headers | None,
        types: Mapping[str, str] | None,
        stand_in_columns: Mapping[str, object] | None,
    ) -> dict[str, float]:
        """Upload a table; returns what the server says of its work."""
        check_key(key)
        own: dict[str, object] = {"Accept": "application/json", "Content-Type": content_type}
        if types:
            own["X-QCache-types"] = types
        if stand_in_columns:
            own["X-QCache-stand-in-columns"] = stand_in_columns
        headers = merge_headers(self._headers, own, post_headers)
        body = encode_content(content, content_type)
        if (
            self._compression is not None
            and len(body) >= _COMPRESS_FROM
            and "content-encoding" not in headers  # else the caller has packed it
        ):
            headers["content-encoding"] = self._compression.encode()
            if len(body) < _IN_A_THREAD:
                body = compress(body, self._compression)
            else:
                body = await call_blocking(compress, body, self._compression)
        headers["content-length"] = str(len(body)).encode()
        call = Call(
            f"post {key!r}",
            "POST",
            f"qcache/dataset/{key}",
            self._as_sent(headers),
            body,
            writes=True,
            aftermath=f"the node may hold no dataset {key!r} now: QCache drops the old one "
            "before it looks at the new one",
            read_timeout=self._upload_timeout(self._timeouts.read),
            write_timeout=self._upload_timeout(self._timeouts.write),
        )
        reply = await self._fleet.send(key, call)
        if reply.status != 201:
            raise refusal(call, reply)
        return request_statistics(reply.headers, "insert_")

    # Asking every node

    async def _of_all(self, ask: Callable[[str], Awaitable[T]]) -> list[T]:
        return await run_all([partial(ask, name) for name in self._fleet.nodes])

    async def _status_of(self, name: str) -> NodeStatus:
        call = self._plain_call("status", "GET", "qcache/status")
        try:
            reply = await self._fleet.send_to(name, call)
            if reply.status != 200:
                raise refusal(call, reply)
        except QClientException as error:
            return NodeStatus(name, ok=False, error=error)
        return NodeStatus(name, ok=True)

    async def _statistics_of(self, name: str) -> NodeReport:
        call = self._plain_call("statistics", "GET", "qcache/statistics")
        try:
            reply = await self._fleet.send_to(name, call)
            if reply.status != 200:
                raise refusal(call, reply)
            return NodeReport(name, parse_statistics(reply))
        except QClientException as error:
            return NodeReport(name, None, error)
