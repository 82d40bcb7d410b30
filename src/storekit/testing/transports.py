"""httpx transports to nodes of QCache in this process, with injected faults."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import httpx

from storekit.testing.faults import Faults

if TYPE_CHECKING:
    from storekit.qcache.node import Node

__all__ = ["AsyncFaultyTransport", "FaultyTransport"]


class FaultyTransport(httpx.BaseTransport):
    """Sends requests to nodes by host name; they fail or are delayed according to `faults`."""

    def __init__(self, nodes: "Mapping[str, Node]", faults: Faults) -> None:
        self._nodes = nodes
        self._faults = faults

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response of the node, or an injected one; or raise an injected error."""
        from storekit.qcache.node import EmbeddedTransport  # noqa: PLC0415 - loads Polars

        seconds, error = _fault(self._faults, request)
        if seconds:
            time.sleep(seconds)
        failed = _failed(error, request)
        if failed is not None:
            return failed
        # A new transport each time, since the node may have been replaced by an empty one.
        return EmbeddedTransport(self._nodes[request.url.host]).handle_request(request)


class AsyncFaultyTransport(httpx.AsyncBaseTransport):
    """Sends requests to nodes by host name; they fail or are delayed according to `faults`."""

    def __init__(self, nodes: "Mapping[str, Node]", faults: Faults) -> None:
        self._nodes = nodes
        self._faults = faults

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response of the node, or an injected one; or raise an injected error."""
        from storekit.core.seam._async import sleep  # noqa: PLC0415 - loads anyio
        from storekit.qcache.node import AsyncEmbeddedTransport  # noqa: PLC0415 - loads Polars

        seconds, error = _fault(self._faults, request)
        if seconds:
            await sleep(seconds)
        failed = _failed(error, request)
        if failed is not None:
            return failed
        transport = AsyncEmbeddedTransport(self._nodes[request.url.host])
        return await transport.handle_async_request(request)


def _fault(faults: Faults, request: httpx.Request) -> tuple[float, Exception | int | None]:
    target: bytes = request.extensions.get("target", request.url.raw_path)
    parts = target.decode("latin-1").partition("?")[0].strip("/").split("/")
    key = parts[2] if len(parts) > 2 and parts[1] == "dataset" else None
    if key is None:
        operation = parts[-1]
    elif request.method == "POST":
        operation = "get" if parts[-1] == "q" and len(parts) > 3 else "post"
    else:
        operation = request.method.lower()
    return faults.take("qcache", operation, key, request.url.host)


def _failed(error: Exception | int | None, request: httpx.Request) -> httpx.Response | None:
    if isinstance(error, Exception):
        raise error
    if error is None:
        return None
    return httpx.Response(error, stream=httpx.ByteStream(b""), request=request)
