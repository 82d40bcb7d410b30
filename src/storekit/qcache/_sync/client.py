# Generated from src/storekit/qcache/_async/client.py by tools/generate_sync.py; do not edit.

"""The qcache client."""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack, overload

import httpx

from storekit import _extras
from storekit.codecs.tables.base import TableCodec
from storekit.codecs.tables.registry import TableRegistry
from storekit.core._sync.single_flight import SingleFlight
from storekit.core._sync.transport import HTTPTransport
from storekit.core.clocks import MovedClock
from storekit.core.seam._sync import run_all
from storekit.core.tls import Cert, Verify, create_tls_context
from storekit.errors import OutOfResources
from storekit.observers import Observer, attach_client, check_observers
from storekit.options import PoolLimits, RetryPolicy, Timeouts
from storekit.qcache._sync.node_pool import NodePool
from storekit.qcache._sync.operations import Operations
from storekit.qcache.addresses import authorization, check_node
from storekit.qcache.arguments import check_count, check_type
from storekit.qcache.compression import Compression, require
from storekit.qcache.errors import CircularLoad
from storekit.qcache.requests import RequestBuilder
from storekit.qcache.result import QueryResult
from storekit.qcache.ring import HashRing
from storekit.qcache.tables import R

__all__ = ["QClient", "QClientOptions"]

_log = logging.getLogger("storekit")


def _embedded(address: str) -> httpx.BaseTransport:
    # The only way from a client to the node, which is an extra.
    _extras.require(f"the address {address!r}", "embedded", "polars")
    from storekit.qcache.node import EmbeddedTransport, node_at  # noqa: PLC0415

    return EmbeddedTransport(node_at(address))


def _open_kept(transport: HTTPTransport, url: httpx.URL, connect_timeout: float | None) -> None:
    """Open the connections to a node that `min_size` asks for. A node may be out meanwhile."""
    try:
        transport.warm_up(url, connect_timeout)
    except (httpx.TransportError, OutOfResources) as error:
        _log.info("connections to %s could not be made ahead: %s", url.host, error)


class QClientOptions(TypedDict, total=False):
    """The keyword arguments of a client, which describes them."""

    write_timeout: float | None
    pool_timeout: float | None
    total_timeout: float | None
    limits: PoolLimits | None
    retry: RetryPolicy | None
    compression: Compression | None
    max_content_size: int
    transport: httpx.BaseTransport | None
    tables: TableRegistry | None
    observers: Iterable[Observer]
    clock: MovedClock | None


class QClient(Operations[R]):
    """Client for a ring of QCache nodes.

    ```python
    from storekit.qcache import QClient

    with QClient(["http://host1:9401", "http://host2:9401"]) as client:
        result = client.get("someKey", {"select": ["col1"], "where": ["<", "col2", 1]})
    ```

    One client serves any number of concurrent callers, and is closed once. It keeps
    connections to each node, takes a node that fails out of the ring, asks the next one
    where that is safe, and puts the node back when it answers a probe.

    Cancelling a call returns at once and closes its connection. A post or delete that was
    cancelled may or may not have happened.
    """

    @overload
    def __init__(
        self: "QClient[QueryResult]",
        node_list: Iterable[str],
        connect_timeout: float | None = 1.0,
        read_timeout: float | None = 2.0,
        verify: Verify = True,
        cert: Cert | None = None,
        auth: tuple[str, str] | None = None,
        consecutive_error_count_limit: int = 10,
        *,
        codec: None = None,
        **options: Unpack[QClientOptions],
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
        **options: Unpack[QClientOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: "QClient[Any]",
        node_list: Iterable[str],
        connect_timeout: float | None = 1.0,
        read_timeout: float | None = 2.0,
        verify: Verify = True,
        cert: Cert | None = None,
        auth: tuple[str, str] | None = None,
        consecutive_error_count_limit: int = 10,
        *,
        codec: str,
        **options: Unpack[QClientOptions],
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
        transport: httpx.BaseTransport | None = None,
        codec: TableCodec[Any] | str | None = None,
        tables: TableRegistry | None = None,
        observers: Iterable[Observer] = (),
        clock: MovedClock | None = None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            node_list: Addresses of the nodes, e.g. `["http://host1:9401"]`. Clients that
                share nodes must write them alike: the ring hashes the text.
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
            total_timeout: Seconds for a whole operation, with all its requests, attempts and
                pauses: also for a `query` that loads, for all pages, for all nodes. Load
                functions, codecs, and what the caller does between two pages do not count.
                Of another transport it is asked, but not enforced while that waits.
            limits: How many connections to one node, and for how long. `min_size` of them are
                opened when the client is entered, and kept.
            retry: When and how operations are repeated.
            compression: Ask for compressed answers and compress uploads: "gzip" or "lz4"
                (needs `storekit[lz4]`). On a fast network both cost more than they save.
            max_content_size: Most bytes of an answer, packed or unpacked.
            transport: Another httpx transport to send requests through, but for those to
                embedded nodes. `verify`, `cert` and `limits` are then its own business,
                and so is closing it.
            codec: What makes tables of results, where a call does not say otherwise: e.g.
                "polars" or `PolarsTable()`. Without one, results are `QueryResult`.
            tables: The codecs that are known by name, and that frames are posted with.
            observers: Who is told of calls; see `storekit.observers`.
            clock: A clock that tests move, `storekit.testing.Clock`. Pauses move it and take no
                time, and nodes that failed are asked again when it says so.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: A node is no http(s) URL and no `embedded:`, the list is empty, a
                value is out of range, or a certificate file cannot be used.
            ModuleNotFoundError: `compression="lz4"` without the lz4 package, a codec
                without what it stands on, or an embedded node without Polars.

        """
        if isinstance(node_list, str | bytes):
            raise TypeError(
                "node_list must be a list of addresses, not a single one: "
                f"write [{'...' if '@' in str(node_list) else repr(node_list)}]"
            )
        check_type("limits", limits, PoolLimits)
        check_type("retry", retry, RetryPolicy)
        check_type("transport", transport, httpx.BaseTransport)
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
        self._owned_transports: list[httpx.BaseTransport] = []
        self._kept: list[Callable[[], None]] = []  # what opens `min_size` connections
        if transport is None:
            if any(url.scheme == "https" for url in nodes.values()):
                verify = create_tls_context(verify, cert)  # here, where a bad path is noticed
            transport = HTTPTransport(verify=verify, limits=limits)
            self._owned_transports.append(transport)
            if limits is not None and limits.min_size:
                self._kept = [
                    partial(_open_kept, transport, url, connect_timeout)
                    for url in nodes.values()
                    if url.scheme != "embedded"
                ]
        embedded = {
            name: _embedded(name) for name, url in nodes.items() if url.scheme == "embedded"
        }
        self._owned_transports += embedded.values()
        self._nodes = NodePool(
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
        self._loads = SingleFlight[str, None](CircularLoad)

    def __enter__(self) -> Self:
        try:
            run_all(self._kept)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the client and its connections. Calls that wait for one get `ClientClosed`."""
        try:
            self._nodes.close()
        finally:  # also when this is cancelled: closing connections does not wait
            for transport in self._owned_transports:
                transport.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._nodes!r})"
