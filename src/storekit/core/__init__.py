"""What all stores stand on: pool, retries, HTTP transport, and the seam to the event loops."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storekit.core._async.transport import AsyncHTTPTransport
    from storekit.core._sync.transport import HTTPTransport

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]


def __getattr__(name: str) -> object:
    if name == "AsyncHTTPTransport":
        from storekit.core._async.transport import AsyncHTTPTransport

        return AsyncHTTPTransport
    if name == "HTTPTransport":
        from storekit.core._sync.transport import HTTPTransport

        return HTTPTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
