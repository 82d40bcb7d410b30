"""Questions to single nodes of a cluster."""

import json
from typing import Any

from storekit.qdb._async.base import AsyncBaseClient
from storekit.qdb.errors import ErrorCode, error_for
from storekit.qdb.values import RemoteNode, parse_node

__all__ = ["AsyncNodes"]


class AsyncNodes(AsyncBaseClient):
    """What nodes tell of themselves."""

    async def node_status(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the status of a node."""
        node = _node(remote_node)
        return _parsed(
            await self._call(
                "node_status", None, lambda s: s.node_status(node), reads=True, node=node
            )
        )

    async def node_config(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the configuration of a node."""
        node = _node(remote_node)
        return _parsed(
            await self._call(
                "node_config", None, lambda s: s.node_config(node), reads=True, node=node
            )
        )

    async def node_topology(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the topology as a node sees it."""
        node = _node(remote_node)
        return _parsed(
            await self._call(
                "node_topology", None, lambda s: s.node_topology(node), reads=True, node=node
            )
        )

    async def stop_node(self, remote_node: RemoteNode | str, reason: str) -> None:
        """Stop a node, which others then have to do without.

        Clusters refuse unless configured to do it: `OperationDisabled`.
        """
        node = _node(remote_node)
        if not isinstance(reason, str):
            raise TypeError(f"reason must be text, not {type(reason).__name__}")
        await self._call("stop_node", None, lambda s: s.node_stop(node, reason), node=node)


def _node(remote_node: object) -> str:
    if isinstance(remote_node, RemoteNode):
        return remote_node.authority
    if isinstance(remote_node, str):
        return parse_node(remote_node).authority
    raise TypeError(
        f'a node is a RemoteNode or text such as "host:2836", not {type(remote_node).__name__}'
    )


def _parsed(answer: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(bytes(answer).rstrip(b"\0"))
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise error_for(ErrorCode.INVALID_REPLY, "The node's description of itself is no JSON.")
    return parsed
