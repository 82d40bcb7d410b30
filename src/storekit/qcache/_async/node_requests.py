"""Sends a request to one node and reads the response, within limits of time and size."""

from collections import Counter
from collections.abc import Callable, Mapping
from io import BytesIO

import httpx

from storekit.core._async.transport import AsyncHTTPTransport
from storekit.core.seam._async import Guard, call_blocking
from storekit.core.shortage import raise_shortage
from storekit.observers import ConnectionState
from storekit.options import Timeouts
from storekit.qcache.compression import ContentTooLarge, decompress
from storekit.qcache.errors import ClientBusy, UnexpectedServerResponse
from storekit.qcache.nodes import Diagnosis, NodeAddress, NodeStatistics, diagnose
from storekit.qcache.wire import PreparedRequest, Reply, headers_of

__all__ = ["AsyncNodeRequests", "NodeFailed"]

_EMPTY = httpx.ByteStream(b"")

_IN_A_THREAD = 256 * 1024
"""Bytes: from this size, content is decompressed in a thread: it takes a millisecond or more."""

_DECOMPRESSED_AT_ONCE = 1024 * 1024
"""Bytes: content that decompresses to more is decompressed in a thread."""


class NodeFailed(Exception):
    """A request failed in a way that says that the node is not healthy."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.reason)
        self.diagnosis = diagnosis


class AsyncNodeRequests:
    """Sends requests to nodes, and counts events. Nodes in `embedded` have a transport each."""

    def __init__(
        self,
        nodes: Mapping[str, NodeAddress],
        transport: httpx.AsyncBaseTransport,
        embedded: Mapping[str, httpx.AsyncBaseTransport],
        *,
        timeouts: Timeouts,
        max_content_size: int,
        clock: Callable[[], float],
    ) -> None:
        self.nodes = nodes
        self._transport = transport
        self._embedded = embedded
        # Our transport takes the target separately: a URL with it takes 30 µs to make.
        self._takes_target = isinstance(transport, AsyncHTTPTransport)
        self._zoned = {name for name, node in nodes.items() if node.host != node.url.netloc}
        self._timeouts = timeouts
        self._max_content_size = max_content_size
        self._clock = clock
        self._guard = Guard()
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in nodes}

    def take_statistics(self) -> dict[str, NodeStatistics]:
        """Return the counts since the last call, and reset them."""
        with self._guard:
            counts, self._counts = self._counts, {name: Counter() for name in self.nodes}
        return {name: NodeStatistics(**counter) for name, counter in counts.items()}

    def connections(self) -> tuple[ConnectionState, ...]:
        """Return the connections to each server, if the transport is ours."""
        if not isinstance(self._transport, AsyncHTTPTransport):
            return ()
        most = self._transport.limits.max_size
        return tuple(
            ConnectionState(server, now.leased + now.connecting, now.idle, now.waiting, most)
            for server, now in self._transport.statistics().items()
        )

    def _count(self, name: str, event: str) -> None:
        with self._guard:
            self._counts[name][event] += 1

    async def _exchange(
        self, node: NodeAddress, request: PreparedRequest, until: float | None
    ) -> Reply:
        self._count(node.name, "requests")
        transport = self._embedded.get(node.name, self._transport)
        try:
            response = await transport.handle_async_request(self._build(node, request, until))
            content = await self._read(node, request, response, until)
        except httpx.PoolTimeout as error:
            raise ClientBusy(
                f"{request.operation}: {error}", node=node.name, reached=False
            ) from error
        except httpx.TransportError as error:
            raise_shortage(error, f"ask {node.name}")  # a caller's transport may not have done so
            raise NodeFailed(diagnose(node.name, error)) from error
        headers = headers_of(response.headers.raw)
        encoding = headers.pop("content-encoding", None)
        if encoding is not None and content:
            content = await self._decompress(node, request, response.status_code, encoding, content)
        return Reply(node.name, response.status_code, headers, content)

    def _build(
        self, node: NodeAddress, request: PreparedRequest, until: float | None
    ) -> httpx.Request:
        timeouts = self._timeouts
        extensions: dict[str, object] = {
            "timeout": {
                "connect": timeouts.connect,
                "read": request.read_timeout or timeouts.read,
                "write": request.write_timeout or timeouts.write,
                "pool": timeouts.pool,
            },
            "deadline": until,
            "idempotent": not request.writes,
        }
        url = node.url
        target = url.raw_path + request.target.encode()
        headers = request.headers
        if self._takes_target or node.name in self._embedded:
            extensions["target"] = target
        else:
            url = url.copy_with(raw_path=target)
        if url is not node.url or node.name in self._zoned:
            headers = httpx.Headers([(b"Host", node.host), *headers.raw])
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            stream=_stream(request),
            extensions=extensions,
        )

    async def _read(
        self,
        node: NodeAddress,
        request: PreparedRequest,
        response: httpx.Response,
        until: float | None,
    ) -> bytes:
        stream = response.stream
        if isinstance(stream, httpx.ByteStream):  # a small response, read as a whole
            content = b"".join(stream)
            self._check_size(node, request, response, len(content))
            return content
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("the stream of the transport's response is not an AsyncByteStream")
        # BytesIO grows in place, and getvalue() does not copy: a response of 50 MB takes about
        # 50 MB, where joining pieces takes twice that.
        buffer = BytesIO()
        pieces = stream.__aiter__()
        try:
            async for piece in pieces:
                self._check_size(node, request, response, buffer.tell() + len(piece))
                if until is not None and self._clock() >= until:
                    raise httpx.ReadTimeout("the total timeout passed", request=response.request)
                buffer.write(piece)
        finally:
            close = getattr(pieces, "aclose", None)  # of a generator that is not exhausted
            if close is not None:
                await close()
            await stream.aclose()
        return buffer.getvalue()

    def _check_size(
        self, node: NodeAddress, request: PreparedRequest, response: httpx.Response, size: int
    ) -> None:
        if size > self._max_content_size:
            raise UnexpectedServerResponse(
                f"{request.operation}: {node.name} sent more than {self._max_content_size} bytes; "
                "raise max_content_size= if that is expected",
                node=node.name,
                status=response.status_code,
            )

    async def _decompress(
        self,
        node: NodeAddress,
        request: PreparedRequest,
        status: int,
        encoding: str,
        content: bytes,
    ) -> bytes:
        most = self._max_content_size
        try:
            if len(content) < _IN_A_THREAD:
                try:
                    return decompress(content, encoding, min(most, _DECOMPRESSED_AT_ONCE))
                except ContentTooLarge:  # small, but large when decompressed
                    if most <= _DECOMPRESSED_AT_ONCE:
                        raise
            return await call_blocking(decompress, content, encoding, most)
        except ValueError as error:
            self._count(node.name, "unknown_error")
            raise UnexpectedServerResponse(
                f"{request.operation}: {node.name} sent content that cannot be decompressed: "
                f"{error}",
                node=node.name,
                status=status,
            ) from error


def _stream(request: PreparedRequest) -> httpx.AsyncByteStream:
    if request.stream is not None:
        if not isinstance(request.stream, httpx.AsyncByteStream):
            raise TypeError("the content of a request must be an AsyncByteStream")
        return request.stream
    return httpx.ByteStream(request.content) if request.content else _EMPTY
