"""Joining calls for single entries that wait at the same time into one call.

An item is a `BatchOperation`, or just the alias for a get of a blob, the most frequent call.
The result of an item is what the session method of a single call returns, except that an update
that created no entry may return None.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from storekit.core.threads.call import Batching
from storekit.qdb.alone import call_alone
from storekit.qdb.engine import BatchOperation, OperationKind, Outcome, Session
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["BRIEF", "JOINABLE", "JOINED", "LARGEST_JOINED", "ONE_AT_A_TIME"]

LARGEST_JOINED = 64 * 1024
"""The largest content, in bytes, of a call that is joined with others."""

BRIEF = frozenset(
    {
        "attach_tag",
        "blob_get_and_remove",
        "blob_remove_if",
        "detach_tag",
        "expires_at",
        "expires_from_now",
        "get_expiry_time",
        "get_metadata",
        "get_type",
        "has_tag",
        "string_get_and_remove",
        "string_remove_if",
        "timestamp_add",
        "timestamp_get",
        "timestamp_put",
        "timestamp_update",
    }
)
"""Methods of a session that are not joined, and concern one entry only."""

Item = str | BatchOperation

# The errors of items when one of them makes the whole batch fail.
_SPOILT = frozenset({ErrorCode.SKIPPED, ErrorCode.INVALID_ARGUMENT, ErrorCode.ALIAS_TOO_LONG})
_CREATED = ErrorCode.OK_CREATED
_UNMATCHED = ErrorCode.UNMATCHED_CONTENT
_CONVERTED = frozenset(
    {OperationKind.STRING_GET, OperationKind.STRING_CAS, OperationKind.STRING_GET_AND_UPDATE}
)


JOINABLE: dict[str, Callable[..., tuple[Item, int]]] = {
    "blob_get": lambda alias: (alias, 0),
    "blob_put": lambda alias, content, expiry: (
        BatchOperation(OperationKind.BLOB_PUT, alias, content, None, expiry),
        len(content),
    ),
    "blob_update": lambda alias, content, expiry: (
        BatchOperation(OperationKind.BLOB_UPDATE, alias, content, None, expiry),
        len(content),
    ),
    "blob_get_and_update": lambda alias, content, expiry: (
        BatchOperation(OperationKind.BLOB_GET_AND_UPDATE, alias, content, None, expiry),
        len(content),
    ),
    "blob_compare_and_swap": lambda alias, content, comparand, expiry: (
        BatchOperation(OperationKind.BLOB_CAS, alias, content, comparand, expiry),
        len(content) + len(comparand),
    ),
    "remove": lambda alias: (BatchOperation(OperationKind.REMOVE, alias), 0),
    "int_get": lambda alias: (BatchOperation(OperationKind.INT_GET, alias), 0),
    "int_put": lambda alias, value, expiry: (
        BatchOperation(OperationKind.INT_PUT, alias, value, None, expiry),
        0,
    ),
    "int_update": lambda alias, value, expiry: (
        BatchOperation(OperationKind.INT_UPDATE, alias, value, None, expiry),
        0,
    ),
    "int_add": lambda alias, addend: (BatchOperation(OperationKind.INT_ADD, alias, addend), 0),
    "double_get": lambda alias: (BatchOperation(OperationKind.DOUBLE_GET, alias), 0),
    "double_put": lambda alias, value, expiry: (
        BatchOperation(OperationKind.DOUBLE_PUT, alias, value, None, expiry),
        0,
    ),
    "double_update": lambda alias, value, expiry: (
        BatchOperation(OperationKind.DOUBLE_UPDATE, alias, value, None, expiry),
        0,
    ),
    "double_add": lambda alias, addend: (
        BatchOperation(OperationKind.DOUBLE_ADD, alias, addend),
        0,
    ),
    "string_get": lambda alias: (BatchOperation(OperationKind.STRING_GET, alias), 0),
    "string_put": lambda alias, text, expiry: _string(
        OperationKind.STRING_PUT, alias, text, expiry
    ),
    "string_update": lambda alias, text, expiry: _string(
        OperationKind.STRING_UPDATE, alias, text, expiry
    ),
    "string_get_and_update": lambda alias, text, expiry: _string(
        OperationKind.STRING_GET_AND_UPDATE, alias, text, expiry
    ),
    "string_compare_and_swap": lambda alias, text, comparand, expiry: _string(
        OperationKind.STRING_CAS, alias, text, expiry, comparand.encode()
    ),
}
"""Methods of a session whose calls can be joined, with functions from arguments to an item.

They also return the size of its content in bytes: above `LARGEST_JOINED`, it is called alone.
"""


def _string(
    kind: OperationKind, alias: str, text: str, expiry: int, comparand: bytes | None = None
) -> tuple[Item, int]:
    content = text.encode()
    return BatchOperation(kind, alias, content, comparand, expiry), len(content) + len(
        comparand or b""
    )


def _alone(session: Session, item: Item) -> Any:  # noqa: ANN401 - as the methods of a session
    return session.blob_get(item) if isinstance(item, str) else call_alone(session, item)


def _together(session: Session, items: Sequence[Any]) -> Sequence[Any]:
    if all(isinstance(item, str) for item in items):
        return _get_many(session, items)
    operations = [
        BatchOperation(OperationKind.BLOB_GET, item) if isinstance(item, str) else item
        for item in items
    ]
    outcomes = session.run_joined(operations)
    return [
        # `_value` is not called where there is nothing to convert: the call would take a tenth
        # of the time of an operation.
        _value(operation.kind, outcome)
        if outcome.error or operation.kind in _CONVERTED
        else outcome.content
        for operation, outcome in zip(operations, outcomes, strict=True)
    ]


def _value(kind: OperationKind, outcome: Outcome) -> object:
    """Return what the method of a single call would return, or the error that it would raise."""
    code = outcome.error
    if code == _CREATED:
        return True
    if code and code != _UNMATCHED:
        return error_for(code, outcome.detail)
    content = outcome.content
    return str(content, "utf-8") if isinstance(content, bytes) and kind in _CONVERTED else content


def _get_many(session: Session, aliases: Sequence[str]) -> Sequence[Any]:
    """Get many blobs in one batch; each has its own outcome."""
    found: Sequence[bytes | memoryview | QuasardbException]
    try:
        found = session.blob_get_many(aliases)
    except QuasardbException as error:
        if error.error_code not in _SPOILT:
            raise
        found = [error]
    if all(isinstance(each, QuasardbException) and each.error_code in _SPOILT for each in found):
        # The batch failed as a whole: get them one by one, so that each has its own outcome.
        return [_get_alone(session, alias) for alias in aliases]
    return found


def _get_alone(session: Session, alias: str) -> bytes | memoryview | QuasardbException:
    try:
        return session.blob_get(alias)
    except QuasardbException as error:
        return error


def _copy(error: Exception) -> Exception:
    if isinstance(error, QuasardbException):
        return error_for(error.error_code, error.detail)
    return error


JOINED: Batching[Session, Item, Any] = Batching(_alone, _together, _copy)
"""How clients make calls that can be joined."""

ONE_AT_A_TIME: Batching[Session, Item, Any] = replace(JOINED, most_batches=1)
"""The same for stores that serialize the writes of all sessions."""
