"""Client for QuasarDB: a distributed key-value store.

`AsyncClient` and `AsyncRawClient` are for asyncio and trio, `Client` and `RawClient` for
scripts and threads. The clients, the C library and sqlite3 are loaded on first use, not by
importing this module.
"""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names
from storekit.qdb.batches import ManyResult
from storekit.qdb.codec import ClassNotAllowed, UnreadableValue
from storekit.qdb.documents.manifest import (
    DocumentConflict,
    DocumentDamaged,
    DocumentIncomplete,
    DocumentInfo,
)
from storekit.qdb.documents.progress import Progress, bar
from storekit.qdb.engine import EntryType, SessionOptions
from storekit.qdb.errors import (
    AccessDenied,
    AliasAlreadyExists,
    AliasNotFound,
    AliasTooLong,
    BufferTooSmall,
    Conflict,
    ConnectionFailed,
    DataCorruption,
    EntryTooLarge,
    ErrorCode,
    IncompatibleType,
    InvalidArgument,
    InvalidQuery,
    NoSpaceLeft,
    NotImplementedByStore,
    OperationDisabled,
    OutOfRange,
    QuasardbException,
    ReservedAlias,
    ResourceLocked,
    Skipped,
    StoreClosed,
    StoreTimeout,
    TagAlreadySet,
    TagNotSet,
    UnmatchedContent,
    make_error_string,
)
from storekit.qdb.times import PRESERVE_EXPIRY, ExpiryRule, TimeZone, tz
from storekit.qdb.values import BatchRequest, BatchResult, EntryMetadata, Operations, RemoteNode

if TYPE_CHECKING:
    from storekit.qdb._async.client import AsyncClient, AsyncRawClient
    from storekit.qdb._async.iterator import AsyncForwardIterator, AsyncRawForwardIterator
    from storekit.qdb._sync.client import Client, RawClient
    from storekit.qdb._sync.iterator import ForwardIterator, RawForwardIterator
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AsyncClient": "._async.client",
            "AsyncForwardIterator": "._async.iterator",
            "AsyncRawClient": "._async.client",
            "AsyncRawForwardIterator": "._async.iterator",
            "Client": "._sync.client",
            "ForwardIterator": "._sync.iterator",
            "RawClient": "._sync.client",
            "RawForwardIterator": "._sync.iterator",
        },
    )

__all__ = [
    "PRESERVE_EXPIRY",
    "AccessDenied",
    "AliasAlreadyExists",
    "AliasNotFound",
    "AliasTooLong",
    "AsyncClient",
    "AsyncForwardIterator",
    "AsyncRawClient",
    "AsyncRawForwardIterator",
    "BatchRequest",
    "BatchResult",
    "BufferTooSmall",
    "ClassNotAllowed",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "DataCorruption",
    "DocumentConflict",
    "DocumentDamaged",
    "DocumentIncomplete",
    "DocumentInfo",
    "EntryMetadata",
    "EntryTooLarge",
    "EntryType",
    "ErrorCode",
    "ExpiryRule",
    "ForwardIterator",
    "IncompatibleType",
    "InvalidArgument",
    "InvalidQuery",
    "ManyResult",
    "NoSpaceLeft",
    "NotImplementedByStore",
    "Operation",
    "OperationDisabled",
    "Operations",
    "OutOfRange",
    "Progress",
    "QuasardbException",
    "RawClient",
    "RawForwardIterator",
    "RemoteNode",
    "ReservedAlias",
    "ResourceLocked",
    "SessionOptions",
    "Skipped",
    "StoreClosed",
    "StoreTimeout",
    "TagAlreadySet",
    "TagNotSet",
    "TimeZone",
    "UnmatchedContent",
    "UnreadableValue",
    "bar",
    "build",
    "make_error_string",
    "tz",
    "version",
]

Operation = Operations
"""The name of `Operations` in the 1.x library."""


def version() -> str:
    """Return the version of the C library, or of storekit if there is no C library."""
    from storekit.qdb.location import library  # noqa: PLC0415 - loads more on first use

    return library().version()


def build() -> str:
    """Return the build tag and date of the C library; without one, the version of SQLite."""
    from storekit.qdb.location import library  # noqa: PLC0415 - loads more on first use

    return library().build()
