"""Questions to every node."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from storekit.core.seam._async import run_all
from storekit.observers import Watch
from storekit.qcache._async.base import AsyncBaseClient
from storekit.qcache.error_mapping import error_of
from storekit.qcache.errors import QClientException
from storekit.qcache.nodes import NodeReport, NodeStatistics, NodeStatus
from storekit.qcache.tables import R
from storekit.qcache.wire import parse_statistics

__all__ = ["AsyncNodes"]

T = TypeVar("T")


class AsyncNodes(AsyncBaseClient[R]):
    """How nodes are, what they tell of themselves, and what this client met with."""

    async def status(self) -> dict[str, NodeStatus]:
        """Ask every node whether it is well. Failures are in the answer, not raised."""
        return {status.node: status for status in await self._of_all("status", self._status_of)}

    async def statistics(self) -> dict[str, NodeReport]:
        """Fetch the counters of every node.

        **The server resets its counters when they are read.** Failures are in the answer,
        not raised: what was read from the other nodes would be lost.
        """
        reports = await self._of_all("statistics", self._statistics_of)
        return {report.node: report for report in reports}

    def get_statistics(self) -> dict[str, NodeStatistics]:
        """Return what this client met with at each node since the last call of this."""
        return self._nodes.take_statistics()

    async def _of_all(self, operation: str, ask: Callable[[str], Awaitable[T]]) -> list[T]:
        if self._observers:
            return await self._watched(operation, None, partial(self._ask_all, ask))
        return await self._ask_all(ask)

    async def _ask_all(
        self, ask: Callable[[str], Awaitable[T]], watch: Watch | None = None
    ) -> list[T]:
        if watch is not None and len(self._nodes.nodes) == 1:
            watch.node = next(iter(self._nodes.nodes))
        return await run_all([partial(ask, name) for name in self._nodes.nodes])

    async def _status_of(self, name: str) -> NodeStatus:
        call = self._plain_call("status", "GET", "qcache/status")
        try:
            reply = await self._nodes.send_to(name, call)
            if reply.status != 200:
                raise error_of(call, reply)
        except QClientException as error:
            return NodeStatus(name, ok=False, error=error)
        return NodeStatus(name, ok=True)

    async def _statistics_of(self, name: str) -> NodeReport:
        call = self._plain_call("statistics", "GET", "qcache/statistics")
        try:
            reply = await self._nodes.send_to(name, call)
            if reply.status != 200:
                raise error_of(call, reply)
            return NodeReport(name, parse_statistics(reply))
        except QClientException as error:
            return NodeReport(name, None, error)
