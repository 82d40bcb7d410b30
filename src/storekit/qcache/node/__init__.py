"""A QCache node of one's own: in process, as an ASGI application, or served over HTTP.

Importing this is cheap; Polars is loaded on the first use of `Node`. It needs
`pip install 'storekit[embedded]'`.
"""

from typing import TYPE_CHECKING

from storekit.qcache.node.registry import require_polars

if TYPE_CHECKING:
    from storekit.qcache._async.embedded import AsyncEmbeddedTransport
    from storekit.qcache._sync.embedded import EmbeddedTransport
    from storekit.qcache.node.http.requests import Request, Response
    from storekit.qcache.node.node import Node

__all__ = [
    "AsyncEmbeddedTransport",
    "EmbeddedTransport",
    "Node",
    "Request",
    "Response",
    "node_at",
]


def __getattr__(name: str) -> object:
    if name == "Node":
        require_polars()
        from storekit.qcache.node.node import Node

        return Node
    if name in ("Request", "Response"):
        from storekit.qcache.node.http import requests

        return getattr(requests, name)
    if name == "AsyncEmbeddedTransport":
        from storekit.qcache._async.embedded import AsyncEmbeddedTransport

        return AsyncEmbeddedTransport
    if name == "EmbeddedTransport":
        from storekit.qcache._sync.embedded import EmbeddedTransport

        return EmbeddedTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
