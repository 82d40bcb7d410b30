"""What every client is made of: a pool of nodes, headers, observers, and a codec of its own."""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx

from storekit.codecs.tables.base import TableCodec
from storekit.codecs.tables.registry import TableRegistry
from storekit.observers import Observer, Watch
from storekit.options import RetryPolicy, Timeouts
from storekit.qcache._async.node_pool import AsyncNodePool
from storekit.qcache.compression import Compression
from storekit.qcache.tables import OWN, Own, R
from storekit.qcache.wire import Call, merge_headers

__all__ = ["AsyncBaseClient"]

T = TypeVar("T")


class AsyncBaseClient(Generic[R]):
    """What the operations of a client stand on. Its results are of the type `R`."""

    _nodes: AsyncNodePool
    _timeouts: Timeouts
    _retry: RetryPolicy
    _compression: Compression | None
    _observers: tuple[Observer, ...]
    _tables: TableRegistry
    _codec: TableCodec[Any] | None  # of results, where a call has no other
    _headers: dict[str, str]  # of every request
    _owned_transports: list[httpx.AsyncBaseTransport]

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
            await self._nodes.aclose()
        finally:  # also when this is cancelled: closing connections does not wait
            for transport in self._owned_transports:
                await transport.aclose()

    async def _watched(
        self, operation: str, key: str | None, work: Callable[[Watch], Awaitable[T]]
    ) -> T:
        """Do the work of an operation, and tell observers of it."""
        with Watch(self._observers, "qcache", operation, None, key) as watch:
            return await work(watch)

    def _result_codec(self, codec: TableCodec[Any] | str | Own | None) -> TableCodec[Any] | None:
        if codec is OWN:
            return self._codec
        return None if codec is None else self._tables.get(codec)

    @staticmethod
    def _as_sent(headers: Mapping[str, bytes]) -> httpx.Headers:
        return httpx.Headers([(name.encode(), value) for name, value in headers.items()])

    def _plain_call(self, operation: str, method: str, target: str) -> Call:
        headers = merge_headers(self._headers, {"Accept": "application/json"})
        return Call(operation, method, target, self._as_sent(headers))
