"""Operations made one by one, by the methods of a session, with their outcomes as values."""

from collections.abc import Callable
from typing import Any

from storekit.qdb.engine import Kind, Operation, Outcome, Session
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["run_alone"]


def run_alone(session: Session, operation: Operation) -> Outcome:
    """Make one operation by the method that a single call of a client uses.

    Content that is given out may be a view, as from the method itself. Errors other than
    those of the store are raised.
    """
    run = _RUN.get(operation.kind)
    try:
        if run is None:
            raise error_for(ErrorCode.NOT_IMPLEMENTED)
        return run(session, operation)
    except QuasardbException as error:
        return Outcome(error.error_code, None, error.detail)


def _done(_: None) -> Outcome:
    return Outcome(ErrorCode.OK)


def _written(created: bool) -> Outcome:
    return Outcome(ErrorCode.OK_CREATED if created else ErrorCode.OK)


def _found(content: Any) -> Outcome:  # noqa: ANN401 - whatever an entry holds
    return Outcome(ErrorCode.OK, content.encode() if isinstance(content, str) else content)


def _swapped(content: bytes | memoryview | str | None) -> Outcome:
    if content is None:
        return Outcome(ErrorCode.OK)
    found = content.encode() if isinstance(content, str) else content
    return Outcome(ErrorCode.UNMATCHED_CONTENT, found)


def _tagged(has_tag: bool) -> Outcome:
    return Outcome(ErrorCode.OK if has_tag else ErrorCode.TAG_NOT_SET)


def _text(content: Any) -> str:  # noqa: ANN401
    return str(content, "utf-8")


# Contents are of the types that go with their kinds, which those of `Operation` don't say.
_Run = Callable[[Any, Any], Outcome]

_RUN: dict[Kind, _Run] = {
    Kind.BLOB_GET: lambda s, o: _found(s.blob_get(o.alias)),
    Kind.BLOB_PUT: lambda s, o: _done(s.blob_put(o.alias, o.content, o.expiry)),
    Kind.BLOB_UPDATE: lambda s, o: _written(s.blob_update(o.alias, o.content, o.expiry)),
    Kind.BLOB_CAS: lambda s, o: _swapped(
        s.blob_compare_and_swap(o.alias, o.content, o.comparand, o.expiry)
    ),
    Kind.BLOB_GET_AND_UPDATE: lambda s, o: _found(
        s.blob_get_and_update(o.alias, o.content, o.expiry)
    ),
    Kind.BLOB_GET_AND_REMOVE: lambda s, o: _found(s.blob_get_and_remove(o.alias)),
    Kind.BLOB_REMOVE_IF: lambda s, o: _done(s.blob_remove_if(o.alias, o.comparand)),
    Kind.REMOVE: lambda s, o: _done(s.remove(o.alias)),
    Kind.HAS_TAG: lambda s, o: _tagged(s.has_tag(o.alias, o.tag)),
    Kind.GET_ENTRY_TYPE: lambda s, o: _found(int(s.get_type(o.alias))),
    Kind.INT_PUT: lambda s, o: _done(s.int_put(o.alias, o.content, o.expiry)),
    Kind.INT_UPDATE: lambda s, o: _written(s.int_update(o.alias, o.content, o.expiry)),
    Kind.INT_GET: lambda s, o: _found(s.int_get(o.alias)),
    Kind.INT_ADD: lambda s, o: _found(s.int_add(o.alias, o.content)),
    Kind.DOUBLE_PUT: lambda s, o: _done(s.double_put(o.alias, o.content, o.expiry)),
    Kind.DOUBLE_UPDATE: lambda s, o: _written(s.double_update(o.alias, o.content, o.expiry)),
    Kind.DOUBLE_GET: lambda s, o: _found(s.double_get(o.alias)),
    Kind.DOUBLE_ADD: lambda s, o: _found(s.double_add(o.alias, o.content)),
    Kind.STRING_GET: lambda s, o: _found(s.string_get(o.alias)),
    Kind.STRING_PUT: lambda s, o: _done(s.string_put(o.alias, _text(o.content), o.expiry)),
    Kind.STRING_UPDATE: lambda s, o: _written(s.string_update(o.alias, _text(o.content), o.expiry)),
    Kind.STRING_CAS: lambda s, o: _swapped(
        s.string_compare_and_swap(o.alias, _text(o.content), _text(o.comparand), o.expiry)
    ),
    Kind.STRING_GET_AND_UPDATE: lambda s, o: _found(
        s.string_get_and_update(o.alias, _text(o.content), o.expiry)
    ),
}
