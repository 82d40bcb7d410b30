"""Client for QCache: HTTP servers that hold tables and answer queries on them.

`AsyncQClient` is for asyncio and trio, `QClient` for scripts and threads. Importing this
package loads neither: each is imported on first use.
"""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names
from storekit.core.tls import Cert, Verify
from storekit.qcache.compression import Compression
from storekit.qcache.errors import (
    AuthenticationFailed,
    CircularLoad,
    ClientBusy,
    ConnectionLost,
    DatasetChanged,
    DatasetMissing,
    GarbledResponse,
    MalformedQueryException,
    NoCacheAvailable,
    NodeTimeout,
    NodeUnreachable,
    QClientException,
    ServerBusy,
    ServerError,
    TLSFailure,
    TooManyConsecutiveErrors,
    TruncatedResponse,
    UnexpectedServerResponse,
    UnsupportedAcceptType,
    UnsupportedContentType,
)
from storekit.qcache.nodes import NodeReport, NodeStatistics, NodeStatus
from storekit.qcache.result import QueryResult, Row
from storekit.qcache.wire import Content, Frame, Headers, Table

if TYPE_CHECKING:
    from storekit.qcache._async.client import AsyncQClient
    from storekit.qcache._sync.client import QClient
else:
    __getattr__, __dir__ = lazy_names(
        __name__, {"AsyncQClient": "._async.client", "QClient": "._sync.client"}
    )

__all__ = [
    "AsyncQClient",
    "AuthenticationFailed",
    "Cert",
    "CircularLoad",
    "ClientBusy",
    "Compression",
    "ConnectionLost",
    "Content",
    "DatasetChanged",
    "DatasetMissing",
    "Frame",
    "GarbledResponse",
    "Headers",
    "MalformedQueryException",
    "NoCacheAvailable",
    "NodeReport",
    "NodeStatistics",
    "NodeStatus",
    "NodeTimeout",
    "NodeUnreachable",
    "QClient",
    "QClientException",
    "QueryResult",
    "Row",
    "ServerBusy",
    "ServerError",
    "TLSFailure",
    "Table",
    "TooManyConsecutiveErrors",
    "TruncatedResponse",
    "UnexpectedServerResponse",
    "UnsupportedAcceptType",
    "UnsupportedContentType",
    "Verify",
]
