"""The client of QCache: its options, its parts, opening and closing."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack, overload

import httpx

from storekit import _extras
from storekit.codecs.tables.base import TableCodec
from storekit.codecs.tables.registry import TableRegistry
from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.core._async.transport import AsyncHTTPTransport
from storekit.core.clocks import MovedClock
from storekit.core.seam._async import run_all
from storekit.core.tls import Cert, Verify, create_tls_context
from storekit.errors import OutOfResources
from storekit.observers import Observer, attach_client, check_observers
from storekit.options import PoolLimits, RetryPolicy, Timeouts
from storekit.qcache._async.node_pool import AsyncNodePool
from storekit.qcache._async.operations import AsyncOperations
from storekit.qcache.addresses import authorization, check_node
from storekit.qcache.arguments import check_count, check_type
from storekit.qcache.compression import Compression, require
from storekit.qcache.errors import CircularLoad
from storekit.qcache.requests import RequestBuilder
from storekit.qcache.result import QueryResult
from storekit.qcache.ring import HashRing
from storekit.qcache.tables import R

__all__ = ["AsyncQClient", "AsyncQClientOptions"]

_log = logging.getLogger("storekit")


def _embedded(address: str) -> httpx.AsyncBaseTransport:
    # Clients import the node only here, since it needs an extra.
    _extras.require(f"the address {address!r}", "embedded", "polars")
    from storekit.qcache.node import AsyncEmbeddedTransport, node_at  # noqa: PLC0415

    return AsyncEmbeddedTransport(node_at(address))


async def _warm_up(
    transport: AsyncHTTPTransport, url: httpx.URL, connect_timeout: float | None
) -> None:
    """Open `min_size` connections to a node. If that fails, the client is opened all the same."""
    try:
        await transport.warm_up(url, connect_timeout)
    except (httpx.TransportError, OutOfResources) as error:
        _log.info("connections to %s could not be opened in advance: %s", url.host, error)


class AsyncQClientOptions(TypedDict, total=False):
    """Keyword arguments of `AsyncQClient`, which describes them."""

    write_timeout: float | None
    pool_timeout: float | None
    total_timeout: float | None
    limits: PoolLimits | None
    retry: RetryPolicy | None
    compression: Compression | None
    max_content_size: int
    transport: httpx.AsyncBaseTransport | None
    tables: TableRegistry | None
    observers: Iterable[Observer]
    clock: MovedClock | None


class AsyncQClient(AsyncOperations[R]):
    """Client for a ring of QCache nodes.

    ```python
    from storekit.qcache import AsyncQClient

    async with AsyncQClient(["http://host1:9401", "http://host2:9401"]) as client:
        result = await client.get("someKey", {"select": ["col1"], "where": ["<", "col2", 1]})
    ```

    A client serves any number of concurrent callers. It keeps connections to each node. A
    node that fails is taken out of the ring until it answers a probe; meanwhile, requests
    go to the next node. A failed request is repeated there if that is safe.

    Cancelling a call returns at once and closes its connection. A post or delete that was
    cancelled may or may not have happened.
    """

    @overload
    def __init__(
        self: "AsyncQClient[QueryResult]",
        node_list: Iterable[str],
        connect_timeout: float | None = 1.0,
        read_timeout: float | None = 2.0,
        verify: Verify = True,
        cert: Cert | None = None,
        auth: tuple[str, str] | None = None,
        consecutive_error_count_limit: int = 10,
        *,
        codec: None = None,
        **options: Unpack[AsyncQClientOptions],
    ) -> None: ...
    @overload
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
        codec: TableCodec[R],
        **options: Unpack[AsyncQClientOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: "AsyncQClient[Any]",
        node_list: Iterable[str],
        connect_timeout: float | None = 1.0,
        read_timeout: float | None = 2.0,
        verify: Verify = True,
        cert: Cert | None = None,
        auth: tuple[str, str] | None = None,
        consecutive_error_count_limit: int = 10,
        *,
        codec: str,
        **options: Unpack[AsyncQClientOptions],
    ) -> None: ...
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
        codec: TableCodec[Any] | str | None = None,
        tables: TableRegistry | None = None,
        observers: Iterable[Observer] = (),
        clock: MovedClock | None = None,
    ) -> None:
        """Create a client; nothing is sent yet.

        Args:
            node_list: Addresses of the nodes, e.g. `["http://host1:9401"]`. Clients that
                share nodes must write them alike: the ring hashes the text.
                `embedded:` is a node in this process that belongs to this client, and
                `embedded:NAME` one that clients share by its name (needs
                `storekit[embedded]`).
            connect_timeout: Seconds to look up the host, connect and set up TLS.
            read_timeout: Seconds to wait for the response, or the next part of it, to
                arrive; ten times as long for uploads.
            verify: For https: True, False, a path to CA certificates, or an
                `ssl.SSLContext`.
            cert: Client certificate: a file with certificate and key, or a tuple of
                certificate file, key file and password, the last if needed.
            auth: User name and password for basic authentication.
            consecutive_error_count_limit: Attempts of one operation before it fails; has no
                effect if `retry` is given.
            write_timeout: Seconds to wait until the next part of a request can be sent; ten
                times as long for uploads.
            pool_timeout: Seconds to wait for a free connection.
            total_timeout: Seconds for a whole operation with all its requests, attempts and
                pauses, such as a `query` that loads, all pages of a result, or `status` of
                all nodes. The time that load functions, codecs, and the caller between two
                pages take does not count. A `transport` of the caller is told the deadline,
                but not interrupted by it.
            limits: How many connections to one node, and for how long. `min_size` of them are
                opened when the client is entered, and kept.
            retry: When and how operations are repeated.
            compression: Request compressed responses and compress uploads: "gzip" or "lz4"
                (needs `storekit[lz4]`). On a fast network both cost more than they save.
            max_content_size: Largest body of a response in bytes, before and after
                decompression.
            transport: An httpx transport to send requests through, except those to embedded
                nodes. `verify`, `cert` and `limits` then have no effect, and the caller
                closes the transport.
            codec: Default codec that decodes results to tables: e.g. "polars" or
                `PolarsTable()`. Without one, results are `QueryResult`.
            tables: The codecs that can be given by name, and that encode posted frames.
            observers: Observers that are notified of calls; see `storekit.observers`.
            clock: A clock that tests control, `storekit.testing.Clock`. Pauses advance it and
                take no real time, and nodes that failed are probed by it.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: A node is neither an http(s) URL nor `embedded:`, the list is empty, a
                value is out of range, or a certificate file cannot be used.
            ModuleNotFoundError: `compression="lz4"` without the lz4 package, a codec
                without the packages that it needs, or an embedded node without Polars.

        """
        if isinstance(node_list, str | bytes):
            raise TypeError(
                "node_list must be a list of addresses, not a single one: "
                f"write [{'...' if '@' in str(node_list) else repr(node_list)}]"
            )
        check_type("limits", limits, PoolLimits)
        check_type("retry", retry, RetryPolicy)
        check_type("transport", transport, httpx.AsyncBaseTransport)
        check_type("tables", tables, TableRegistry)
        check_type("clock", clock, MovedClock)
        check_count("max_content_size", max_content_size)
        check_count("consecutive_error_count_limit", consecutive_error_count_limit)
        names = list(node_list)
        if not names:
            raise ValueError("node_list is empty: name at least one node")
        nodes = {name: check_node(name) for name in names}
        require(compression)
        self._observers = check_observers(observers)
        self._tables = tables if tables is not None else TableRegistry.default()
        self._codec = None if codec is None else self._tables.get(codec)
        self._timeouts = Timeouts(
            connect=connect_timeout,
            read=read_timeout,
            write=write_timeout,
            pool=pool_timeout,
            total=total_timeout,
        )
        headers = {"accept-encoding": compression or "identity", "user-agent": "storekit"}
        if auth is not None:
            headers["authorization"] = authorization(auth)
        self._requests = RequestBuilder(headers, self._timeouts, compression)
        self._retry = (
            retry if retry is not None else RetryPolicy(attempts=consecutive_error_count_limit)
        )
        self._owned_transports: list[httpx.AsyncBaseTransport] = []
        self._warm_ups: list[Callable[[], Awaitable[None]]] = []  # open `min_size` connections
        if transport is None:
            if any(url.scheme == "https" for url in nodes.values()):
                verify = create_tls_context(verify, cert)  # raises here if a path is wrong
            transport = AsyncHTTPTransport(verify=verify, limits=limits)
            self._owned_transports.append(transport)
            if limits is not None and limits.min_size:
                self._warm_ups = [
                    partial(_warm_up, transport, url, connect_timeout)
                    for url in nodes.values()
                    if url.scheme != "embedded"
                ]
        embedded = {
            name: _embedded(name) for name, url in nodes.items() if url.scheme == "embedded"
        }
        self._owned_transports += embedded.values()
        self._nodes = AsyncNodePool(
            nodes,
            HashRing(names),
            transport,
            timeouts=self._timeouts,
            retry=self._retry,
            probe=self._requests.plain("status", "GET", "qcache/status"),
            max_content_size=max_content_size,
            embedded=embedded,
            moved=clock,
        )
        attach_client(self._observers, self._nodes)
        self._loads = AsyncSingleFlight[str, None](CircularLoad)

    async def __aenter__(self) -> Self:
        try:
            await run_all(self._warm_ups)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client and its connections. Calls that wait for one raise `ClientClosed`."""
        try:
            await self._nodes.aclose()
        finally:  # also when this is cancelled: closing connections does not wait
            for transport in self._owned_transports:
                await transport.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._nodes!r})"
