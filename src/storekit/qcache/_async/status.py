"""Status and counters of each node."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from storekit.core.seam._async import call_blocking, run_all
from storekit.qcache._async.node_pool import AsyncNodePool
from storekit.qcache.error_mapping import error_of
from storekit.qcache.errors import QClientException
from storekit.qcache.nodes import NodeReport, NodeStatus
from storekit.qcache.operation import Operation
from storekit.qcache.requests import RequestBuilder
from storekit.qcache.wire import parse_statistics

__all__ = ["AsyncNodeReports"]

T = TypeVar("T")


class AsyncNodeReports:
    """Asks all nodes of a client at the same time. Failures are returned, not raised."""

    def __init__(self, nodes: AsyncNodePool, requests: RequestBuilder) -> None:
        self._nodes = nodes
        self._requests = requests

    async def status(self, operation: Operation) -> list[NodeStatus]:
        """Check the health of every node."""
        return await self._of_all(self._status_of, operation)

    async def statistics(self, operation: Operation) -> list[NodeReport]:
        """Fetch the counters of every node, which resets them."""
        return await self._of_all(self._statistics_of, operation)

    async def _of_all(
        self, ask: Callable[[str, Operation], Awaitable[T]], operation: Operation
    ) -> list[T]:
        nodes = self._nodes.nodes
        if operation.watch is not None and len(nodes) == 1:
            operation.watch.node = next(iter(nodes))
        return await run_all([partial(ask, node, operation) for node in nodes])

    async def _status_of(self, name: str, operation: Operation) -> NodeStatus:
        request = self._requests.plain("status", "GET", "qcache/status")
        try:
            reply = await self._nodes.send_to(name, request, operation.until)
            if reply.status != 200:
                raise error_of(request, reply)
        except QClientException as error:
            return NodeStatus(name, ok=False, error=error)
        return NodeStatus(name, ok=True)

    async def _statistics_of(self, name: str, operation: Operation) -> NodeReport:
        request = self._requests.plain("statistics", "GET", "qcache/statistics")
        try:
            reply = await self._nodes.send_to(name, request, operation.until)
            if reply.status != 200:
                raise error_of(request, reply)
            return NodeReport(name, await call_blocking(parse_statistics, reply))
        except QClientException as error:
            return NodeReport(name, None, error)
