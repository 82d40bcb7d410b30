# Generated from src/storekit/qcache/_async/status.py by tools/generate_sync.py; do not edit.

"""Status and counters of each node."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from storekit.core.seam._sync import call_blocking, run_all
from storekit.qcache._sync.node_pool import NodePool
from storekit.qcache.error_mapping import error_of
from storekit.qcache.errors import QClientException
from storekit.qcache.nodes import NodeReport, NodeStatus
from storekit.qcache.operation import Operation
from storekit.qcache.requests import RequestBuilder
from storekit.qcache.wire import parse_statistics

__all__ = ["NodeReports"]

T = TypeVar("T")


class NodeReports:
    """Asks all nodes of a client at the same time. Failures are returned, not raised."""

    def __init__(self, nodes: NodePool, requests: RequestBuilder) -> None:
        self._nodes = nodes
        self._requests = requests

    def status(self, operation: Operation) -> list[NodeStatus]:
        """Check the health of every node."""
        return self._of_all(self._status_of, operation)

    def statistics(self, operation: Operation) -> list[NodeReport]:
        """Fetch the counters of every node, which resets them."""
        return self._of_all(self._statistics_of, operation)

    def _of_all(self, ask: Callable[[str, Operation], T], operation: Operation) -> list[T]:
        nodes = self._nodes.nodes
        if operation.watch is not None and len(nodes) == 1:
            operation.watch.node = next(iter(nodes))
        return run_all([partial(ask, node, operation) for node in nodes])

    def _status_of(self, name: str, operation: Operation) -> NodeStatus:
        request = self._requests.plain("status", "GET", "qcache/status")
        try:
            reply = self._nodes.send_to(name, request, operation.until)
            if reply.status != 200:
                raise error_of(request, reply)
        except QClientException as error:
            return NodeStatus(name, ok=False, error=error)
        return NodeStatus(name, ok=True)

    def _statistics_of(self, name: str, operation: Operation) -> NodeReport:
        request = self._requests.plain("statistics", "GET", "qcache/statistics")
        try:
            reply = self._nodes.send_to(name, request, operation.until)
            if reply.status != 200:
                raise error_of(request, reply)
            return NodeReport(name, call_blocking(parse_statistics, reply))
        except QClientException as error:
            return NodeReport(name, None, error)
