"""Operations of a batch run one by one, by the methods of a session."""

from collections.abc import Callable
from typing import Any

from storekit.qdb.engine import BatchOperation, OperationKind, Outcome, Session
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["call_alone", "run_alone"]


def call_alone(session: Session, operation: BatchOperation) -> Any:  # noqa: ANN401 - as the methods
    """Run one operation by its session method; returns and raises what the method does."""
    call = _CALLS.get(operation.kind)
    if call is None:
        raise error_for(ErrorCode.NOT_IMPLEMENTED)
    return call(session, operation)


def run_alone(session: Session, operation: BatchOperation) -> Outcome:
    """Run one operation and return its outcome. Other errors than the store's are raised."""
    kind = operation.kind
    call = _CALLS.get(kind)
    try:
        if call is None:
            raise error_for(ErrorCode.NOT_IMPLEMENTED)
        content = call(session, operation)
    except QuasardbException as error:
        return Outcome(error.error_code, None, error.detail)
    if kind in _UPDATES:
        return Outcome(ErrorCode.OK_CREATED if content else ErrorCode.OK)
    if isinstance(content, str):
        content = content.encode()
    if kind in _SWAPS and content is not None:
        return Outcome(ErrorCode.UNMATCHED_CONTENT, content)
    if kind is OperationKind.HAS_TAG:
        return Outcome(ErrorCode.OK if content else ErrorCode.TAG_NOT_SET)
    return Outcome(ErrorCode.OK, content)


def _text(content: Any) -> str:  # noqa: ANN401
    return str(content, "utf-8")


_UPDATES = frozenset(
    {
        OperationKind.BLOB_UPDATE,
        OperationKind.INT_UPDATE,
        OperationKind.DOUBLE_UPDATE,
        OperationKind.STRING_UPDATE,
        OperationKind.TIMESTAMP_UPDATE,
    }
)
_SWAPS = frozenset({OperationKind.BLOB_CAS, OperationKind.STRING_CAS})

# Any: the type of the content depends on the kind, which `BatchOperation` can't express.
_Call = Callable[[Any, Any], Any]

_CALLS: dict[OperationKind, _Call] = {
    OperationKind.BLOB_GET: lambda s, o: s.blob_get(o.alias),
    OperationKind.BLOB_PUT: lambda s, o: s.blob_put(o.alias, o.content, o.expiry),
    OperationKind.BLOB_UPDATE: lambda s, o: s.blob_update(o.alias, o.content, o.expiry),
    OperationKind.BLOB_CAS: lambda s, o: s.blob_compare_and_swap(
        o.alias, o.content, o.comparand, o.expiry
    ),
    OperationKind.BLOB_GET_AND_UPDATE: lambda s, o: s.blob_get_and_update(
        o.alias, o.content, o.expiry
    ),
    OperationKind.BLOB_GET_AND_REMOVE: lambda s, o: s.blob_get_and_remove(o.alias),
    OperationKind.BLOB_REMOVE_IF: lambda s, o: s.blob_remove_if(o.alias, o.comparand),
    OperationKind.REMOVE: lambda s, o: s.remove(o.alias),
    OperationKind.HAS_TAG: lambda s, o: s.has_tag(o.alias, o.tag),
    OperationKind.GET_ENTRY_TYPE: lambda s, o: int(s.get_type(o.alias)),
    OperationKind.INT_PUT: lambda s, o: s.int_put(o.alias, o.content, o.expiry),
    OperationKind.INT_UPDATE: lambda s, o: s.int_update(o.alias, o.content, o.expiry),
    OperationKind.INT_GET: lambda s, o: s.int_get(o.alias),
    OperationKind.INT_ADD: lambda s, o: s.int_add(o.alias, o.content),
    OperationKind.DOUBLE_PUT: lambda s, o: s.double_put(o.alias, o.content, o.expiry),
    OperationKind.DOUBLE_UPDATE: lambda s, o: s.double_update(o.alias, o.content, o.expiry),
    OperationKind.DOUBLE_GET: lambda s, o: s.double_get(o.alias),
    OperationKind.DOUBLE_ADD: lambda s, o: s.double_add(o.alias, o.content),
    OperationKind.TIMESTAMP_PUT: lambda s, o: s.timestamp_put(o.alias, o.content, o.expiry),
    OperationKind.TIMESTAMP_UPDATE: lambda s, o: s.timestamp_update(o.alias, o.content, o.expiry),
    OperationKind.TIMESTAMP_GET: lambda s, o: s.timestamp_get(o.alias),
    OperationKind.TIMESTAMP_ADD: lambda s, o: s.timestamp_add(o.alias, o.content),
    OperationKind.STRING_GET: lambda s, o: s.string_get(o.alias),
    OperationKind.STRING_PUT: lambda s, o: s.string_put(o.alias, _text(o.content), o.expiry),
    OperationKind.STRING_UPDATE: lambda s, o: s.string_update(o.alias, _text(o.content), o.expiry),
    OperationKind.STRING_CAS: lambda s, o: s.string_compare_and_swap(
        o.alias, _text(o.content), _text(o.comparand), o.expiry
    ),
    OperationKind.STRING_GET_AND_UPDATE: lambda s, o: s.string_get_and_update(
        o.alias, _text(o.content), o.expiry
    ),
}
