"""Operations made one by one, by the methods of a session."""

from collections.abc import Callable
from typing import Any

from storekit.qdb.engine import Kind, Operation, Outcome, Session
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["call_alone", "run_alone"]


def call_alone(session: Session, operation: Operation) -> Any:  # noqa: ANN401 - as the methods
    """Make one operation by the method of a session; returns and raises what that does."""
    call = _CALLS.get(operation.kind)
    if call is None:
        raise error_for(ErrorCode.NOT_IMPLEMENTED)
    return call(session, operation)


def run_alone(session: Session, operation: Operation) -> Outcome:
    """Make one operation, and return its outcome. Errors not of the store are raised."""
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
    if kind is Kind.HAS_TAG:
        return Outcome(ErrorCode.OK if content else ErrorCode.TAG_NOT_SET)
    return Outcome(ErrorCode.OK, content)


def _text(content: Any) -> str:  # noqa: ANN401
    return str(content, "utf-8")


_UPDATES = frozenset(
    {
        Kind.BLOB_UPDATE,
        Kind.INT_UPDATE,
        Kind.DOUBLE_UPDATE,
        Kind.STRING_UPDATE,
        Kind.TIMESTAMP_UPDATE,
    }
)
_SWAPS = frozenset({Kind.BLOB_CAS, Kind.STRING_CAS})

# Contents are of the types that go with their kinds, which those of `Operation` don't say.
_Call = Callable[[Any, Any], Any]

_CALLS: dict[Kind, _Call] = {
    Kind.BLOB_GET: lambda s, o: s.blob_get(o.alias),
    Kind.BLOB_PUT: lambda s, o: s.blob_put(o.alias, o.content, o.expiry),
    Kind.BLOB_UPDATE: lambda s, o: s.blob_update(o.alias, o.content, o.expiry),
    Kind.BLOB_CAS: lambda s, o: s.blob_compare_and_swap(o.alias, o.content, o.comparand, o.expiry),
    Kind.BLOB_GET_AND_UPDATE: lambda s, o: s.blob_get_and_update(o.alias, o.content, o.expiry),
    Kind.BLOB_GET_AND_REMOVE: lambda s, o: s.blob_get_and_remove(o.alias),
    Kind.BLOB_REMOVE_IF: lambda s, o: s.blob_remove_if(o.alias, o.comparand),
    Kind.REMOVE: lambda s, o: s.remove(o.alias),
    Kind.HAS_TAG: lambda s, o: s.has_tag(o.alias, o.tag),
    Kind.GET_ENTRY_TYPE: lambda s, o: int(s.get_type(o.alias)),
    Kind.INT_PUT: lambda s, o: s.int_put(o.alias, o.content, o.expiry),
    Kind.INT_UPDATE: lambda s, o: s.int_update(o.alias, o.content, o.expiry),
    Kind.INT_GET: lambda s, o: s.int_get(o.alias),
    Kind.INT_ADD: lambda s, o: s.int_add(o.alias, o.content),
    Kind.DOUBLE_PUT: lambda s, o: s.double_put(o.alias, o.content, o.expiry),
    Kind.DOUBLE_UPDATE: lambda s, o: s.double_update(o.alias, o.content, o.expiry),
    Kind.DOUBLE_GET: lambda s, o: s.double_get(o.alias),
    Kind.DOUBLE_ADD: lambda s, o: s.double_add(o.alias, o.content),
    Kind.TIMESTAMP_PUT: lambda s, o: s.timestamp_put(o.alias, o.content, o.expiry),
    Kind.TIMESTAMP_UPDATE: lambda s, o: s.timestamp_update(o.alias, o.content, o.expiry),
    Kind.TIMESTAMP_GET: lambda s, o: s.timestamp_get(o.alias),
    Kind.TIMESTAMP_ADD: lambda s, o: s.timestamp_add(o.alias, o.content),
    Kind.STRING_GET: lambda s, o: s.string_get(o.alias),
    Kind.STRING_PUT: lambda s, o: s.string_put(o.alias, _text(o.content), o.expiry),
    Kind.STRING_UPDATE: lambda s, o: s.string_update(o.alias, _text(o.content), o.expiry),
    Kind.STRING_CAS: lambda s, o: s.string_compare_and_swap(
        o.alias, _text(o.content), _text(o.comparand), o.expiry
    ),
    Kind.STRING_GET_AND_UPDATE: lambda s, o: s.string_get_and_update(
        o.alias, _text(o.content), o.expiry
    ),
}
