"""A QCache node of one's own: in process, as an ASGI application, or served over HTTP.

Importing this is cheap; Polars is loaded on the first use of `Node`. It needs
`pip install 'storekit[embedded]'`.
"""

from typing import TYPE_CHECKING

from storekit.qcache.embedded.naming import require_polars

if TYPE_CHECKING:
    from storekit.qcache._async.embedded import AsyncEmbeddedTransport
    from storekit.qcache._sync.embedded import EmbeddedTransport
    from storekit.qcache.embedded.node import Node
    from storekit.qcache.embedded.requests import Request, Response

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
        from storekit.qcache.embedded.node import Node

        return Node
    if name in ("Request", "Response"):
        from storekit.qcache.embedded import requests

        return getattr(requests, name)
    if name == "AsyncEmbeddedTransport":
        from storekit.qcache._async.embedded import AsyncEmbeddedTransport

        return AsyncEmbeddedTransport
    if name == "EmbeddedTransport":
        from storekit.qcache._sync.embedded import EmbeddedTransport

        return EmbeddedTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
