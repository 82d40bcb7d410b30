"""The paths of a node."""

import re

from storekit.qcache.node.http.requests import Request

__all__ = ["Route", "is_upload", "route_of"]

Route = re.Match[bytes]
"""Groups: 1 "status" or "statistics"; 2 the key of a table; 3 whether its path is that of posted
queries; 4 "health" or "metrics"."""

_PATH = re.compile(
    rb"/(?:qcache/(?:(status|statistics)|dataset/([A-Za-z0-9_-]+)(?:(/q)|/?))|(health|metrics))"
)


def route_of(request: Request) -> Route | None:
    """Match the path of a request; None if there is no such path."""
    return _PATH.fullmatch(request.path)


def is_upload(request: Request, path: Route | None) -> bool:
    """Whether a request uploads a table."""
    return request.method == "POST" and path is not None and bool(path[2]) and not path[3]
