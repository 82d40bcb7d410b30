"""An httpx transport to a node in this process, without a socket."""

from dataclasses import replace

import httpx

from storekit.core.forks import fork_count
from storekit.core.seam._async import call_blocking
from storekit.errors import ClientClosed, OwnerMismatch
from storekit.qcache.node.http.requests import Request, fold_headers
from storekit.qcache.node.node import Node

__all__ = ["AsyncEmbeddedTransport"]


class AsyncEmbeddedTransport(httpx.AsyncBaseTransport):
    r"""Sends requests for any host to a node in this process.

    ```python
    from storekit.qcache import AsyncQClient
    from storekit.qcache.node import AsyncEmbeddedTransport, Node

    transport = AsyncEmbeddedTransport(Node(size=100_000_000))
    async with AsyncQClient(["http://tables"], transport=transport) as client:
        await client.post("cities", "city\nUppsala\n")
    ```

    If there is an event loop, requests are processed in threads. Cancelling returns at once, and
    the thread ends its work at the next step: a cancelled upload may have been stored. Timeouts
    have no effect. Closing does not affect other users of the node.

    Raises `ClientClosed`, and `OwnerMismatch` in a forked process.
    """

    def __init__(self, node: Node) -> None:
        if not isinstance(node, Node):
            raise TypeError(f"node must be a Node, not {type(node).__name__}")
        self._node: Node | None = node
        self._forks = fork_count()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve a request by the node; return the complete response."""
        node = self._node
        if node is None:
            raise ClientClosed("the transport to an embedded node is closed; make a new one")
        if self._forks != fork_count():
            raise OwnerMismatch(
                "this process inherited an embedded node through a fork, where its threads are "
                "not; make the client after the fork"
            )
        body = await request.aread()
        target: bytes = request.extensions.get("target", request.url.raw_path)
        path, _, query = target.partition(b"?")
        asked = Request(request.method, path, query, fold_headers(request.headers.raw), body)
        budget = node.budget_for(asked)
        asked = replace(asked, budget=budget)
        try:
            quick = node.is_quick(asked)
            answer = node.handle(asked) if quick else await call_blocking(node.handle, asked)
        except BaseException:
            budget.cancel()
            raise
        return httpx.Response(
            answer.status,
            headers=[*answer.headers],
            stream=httpx.ByteStream(answer.body),
            extensions={"http_version": b"HTTP/1.1"},
            request=request,
        )

    async def aclose(self) -> None:
        """Close the transport. Requests in progress are served."""
        self._node = None
