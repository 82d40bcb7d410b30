# Generated from src/storekit/core/_async/transport.py by tools/generate_sync.py; do not edit.

"""An httpx transport with a pool of connections for each server."""

import random
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType

import httpx

from storekit.core._sync.connection import ExchangeLimits, HTTPConnection
from storekit.core._sync.pool import Pool
from storekit.core._sync.pool_state import PoolStatistics
from storekit.core._sync.stream import SocketStream
from storekit.core.http1 import MAX_HEAD_SIZE, TruncatedReply
from storekit.core.places import Lease
from storekit.core.seam._sync import monotonic
from storekit.core.shortage import shortages_raised
from storekit.core.tls import Cert, Verify, create_tls_context
from storekit.errors import ClientClosed, PoolError
from storekit.options import PoolLimits

__all__ = ["HTTPTransport"]

_PORTS = {"http": 80, "https": 443}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_Lease = Lease[HTTPConnection]


class HTTPTransport(httpx.BaseTransport):
    """HTTP/1.1 with keep-alive, for use by itself or as `transport` of an httpx client.

    `verify` and `cert` are as for `create_tls_context`; `limits` apply to each server
    (scheme, host and port); `max_head_size` is in bytes. Request extensions understood: httpx's
    `timeout` and `target`; `deadline`, a time of `time.monotonic` by which the whole exchange must
    be done; and `idempotent`, True if a request with a method that is not safe may be sent a second
    time when a connection that was kept open turns out to be closed.

    Raises the errors of httpx, `ClientClosed`, `OwnerMismatch`, and `OutOfResources` when this
    machine has no file descriptor, port or thread left. A cancelled or failed call closes its
    connection; none is ever reused in an unknown state. Replies are streamed: read one to its
    end, or close it.
    """

    def __init__(
        self,
        *,
        verify: Verify = True,
        cert: Cert | None = None,
        limits: PoolLimits | None = None,
        max_head_size: int = MAX_HEAD_SIZE,
        clock: Callable[[], float] = monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._verify = verify
        self._cert = cert
        self._limits = limits if limits is not None else PoolLimits()
        self._max_head_size = max_head_size
        self._clock = clock
        self._rng = rng
        self._tls: ssl.SSLContext | None = None
        self._pools: dict[tuple[str, str, int], Pool[HTTPConnection]] = {}
        self._closed = False

    def __repr__(self) -> str:
        servers = ", ".join(
            f"{server} ({pool.idle} idle, {pool.leased} leased)"
            for server, pool in self.statistics().items()
        )
        return f"<{type(self).__name__}: {servers or 'no connections'}>"

    @property
    def limits(self) -> PoolLimits:
        """The limits on connections to each server."""
        return self._limits

    def statistics(self) -> dict[str, PoolStatistics]:
        """Return the state of each pool by its server, e.g. `http://host:9401`."""
        return {
            f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}": pool.statistics()
            for (scheme, host, port), pool in list(self._pools.items())
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return once the head of the reply has arrived."""
        pool = self._pool_for(request)
        limits = ExchangeLimits(request)
        while True:
            lease = _acquire(pool, request, limits)
            connection = lease.connection
            kept_open = connection.exchanges > 0
            try:
                connection.send(request, limits)
            except BaseException as error:
                pool.release(lease, reuse=False)
                if kept_open and _was_closed_unseen(error, connection) and _repeatable(request):
                    continue
                raise
            return self._respond(pool, lease, request, limits)

    def _respond(
        self,
        pool: Pool[HTTPConnection],
        lease: _Lease,
        request: httpx.Request,
        limits: ExchangeLimits,
    ) -> httpx.Response:
        parser = lease.connection.parser
        status, reason, headers = parser.status, parser.reason, parser.headers
        stream: httpx.SyncByteStream
        if parser.done:
            # The usual small reply: the connection is given back before the caller reads it.
            stream = httpx.ByteStream(b"".join(parser.take_content()))
            pool.release(lease, reuse=lease.connection.reusable)
        else:
            stream = _ReplyStream(pool, lease, request, limits)
        return httpx.Response(
            status,
            headers=headers,
            stream=stream,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": reason},
            request=request,
        )

    def warm_up(self, url: httpx.URL | str, connect_timeout: float | None = None) -> None:
        """Open the connections to a server that `PoolLimits.min_size` asks for.

        Raises as a request would.
        """
        request = httpx.Request("GET", url, extensions={"timeout": {"connect": connect_timeout}})
        pool = self._pool_for(request)
        try:
            pool.fill(connect_timeout=connect_timeout)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error

    def _pool_for(self, request: httpx.Request) -> Pool[HTTPConnection]:
        url = request.url
        scheme, host = url.scheme, url.host
        key = (scheme, host, url.port or _PORTS.get(scheme, 0))
        pool = self._pools.get(key)
        if pool is None:
            if self._closed:
                raise ClientClosed("the transport is closed; make a new one")
            if scheme not in _PORTS or not host:
                raise httpx.UnsupportedProtocol(f"{scheme!r} is not http or https", request=request)
            pool = self._pools.setdefault(key, self._new_pool(*key))
            if self._closed:  # another thread closed the transport and may have missed this pool
                raise ClientClosed("the transport is closed; make a new one")
        return pool

    def _new_pool(self, scheme: str, host: str, port: int) -> Pool[HTTPConnection]:
        def connect(until: float | None) -> HTTPConnection:
            with shortages_raised(f"connect to {host}:{port}"):
                tls = self._tls_context() if scheme == "https" else None
                stream = SocketStream.connect(host, port, tls, until)
            return HTTPConnection(stream, self._max_head_size)

        return Pool(
            connect,
            HTTPConnection.close,
            limits=self._limits,
            is_usable=HTTPConnection.is_usable,
            name=f"{host}:{port}",
            clock=self._clock,
            rng=self._rng,
        )

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:  # made on first use: reading the CA certificates takes 20 ms
            self._tls = create_tls_context(self._verify, self._cert)
        return self._tls

    def close(self) -> None:
        """Close all connections; those in use once their replies are read or closed."""
        self._closed = True
        for pool in list(self._pools.values()):
            pool.close()

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()


class _ReplyStream(httpx.SyncByteStream):
    """The rest of a reply, read as it is asked for."""

    def __init__(
        self,
        pool: Pool[HTTPConnection],
        lease: _Lease,
        request: httpx.Request,
        limits: ExchangeLimits,
    ) -> None:
        self._pool = pool
        self._lease: _Lease | None = lease
        self._request = request
        self._limits = limits
        self._content: deque[bytes] = deque()

    # Not a generator, which every caller that stops in the middle would have to close.

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._content:
            lease = self._lease
            if lease is None:
                raise StopIteration
            parser = lease.connection.parser
            try:
                if not (parser.content or parser.done):
                    lease.connection.receive(self._request, self._limits)
            except BaseException:
                self.close()
                raise
            self._content.extend(parser.take_content())
            if parser.done:
                self._lease = None
                self._pool.release(lease, reuse=lease.connection.reusable)
        return self._content.popleft()

    def close(self) -> None:
        """Drop the rest of the reply, and close the connection if there was any."""
        self._content.clear()
        lease, self._lease = self._lease, None
        if lease is not None:
            self._pool.release(lease, reuse=False)


def _acquire(pool: Pool[HTTPConnection], request: httpx.Request, limits: ExchangeLimits) -> _Lease:
    try:
        return pool.acquire(
            timeout=limits.pool, connect_timeout=limits.connect, until=limits.deadline
        )
    except PoolError as error:
        raise httpx.PoolTimeout(str(error), request=request) from error
    except TimeoutError as error:
        raise httpx.ConnectTimeout("no connection in time", request=request) from error
    except OSError as error:  # includes ssl.SSLError and socket.gaierror
        raise httpx.ConnectError(str(error), request=request) from error


def _was_closed_unseen(error: BaseException, connection: HTTPConnection) -> bool:
    """Whether the server closed a kept-open connection before it saw the request."""
    return not connection.parser.started and isinstance(
        error, httpx.ReadError | httpx.WriteError | TruncatedReply
    )


def _repeatable(request: httpx.Request) -> bool:
    safe = request.method in _SAFE_METHODS or request.extensions.get("idempotent") is True
    return safe and isinstance(request.stream, httpx.ByteStream)
