"""What both stores use: pool, retries, HTTP transport, and the interface to the event loops."""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names

if TYPE_CHECKING:
    from storekit.core._async.transport import AsyncHTTPTransport
    from storekit.core._sync.transport import HTTPTransport
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {"AsyncHTTPTransport": "._async.transport", "HTTPTransport": "._sync.transport"},
    )

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]
