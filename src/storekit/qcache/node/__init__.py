"""A QCache node of one's own: in process, as an ASGI application, or served over HTTP.

Importing this is cheap; Polars is loaded on the first use of a name. It needs
`pip install 'storekit[node]'`.
"""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names
from storekit.qcache.node.registry import node_at, require_polars

if TYPE_CHECKING:
    from storekit.qcache.node._async.transport import AsyncEmbeddedTransport
    from storekit.qcache.node._sync.transport import EmbeddedTransport
    from storekit.qcache.node.http.asgi import Application, application
    from storekit.qcache.node.http.requests import Request, Response
    from storekit.qcache.node.node import Node
else:
    _load, __dir__ = lazy_names(
        __name__,
        {
            "Application": ".http.asgi",
            "AsyncEmbeddedTransport": "._async.transport",
            "EmbeddedTransport": "._sync.transport",
            "Node": ".node",
            "Request": ".http.requests",
            "Response": ".http.requests",
            "application": ".http.asgi",
        },
    )

    def __getattr__(name: str) -> object:
        if name in __all__:
            require_polars()  # says what to install
        return _load(name)


__all__ = [
    "Application",
    "AsyncEmbeddedTransport",
    "EmbeddedTransport",
    "Node",
    "Request",
    "Response",
    "application",
    "node_at",
]
