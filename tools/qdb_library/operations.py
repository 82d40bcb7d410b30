"""Batches and transactions."""

# ruff: noqa: D103 - the header describes the functions

import sys
import traceback
from collections.abc import Sequence

from storekit.qdb.engine import BatchOperation, OperationKind, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException
from tools.qdb_library.calls import call, check_places, content, define, signed, text
from tools.qdb_library.embedding import CData, ffi
from tools.qdb_library.handles import Handle, find

_SUCCESSES = (ErrorCode.OK, ErrorCode.OK_CREATED)
_NOT_IN_C = (OperationKind.BLOB_GET_AND_REMOVE, OperationKind.BLOB_REMOVE_IF, OperationKind.REMOVE)


@define
def init_operations(places: CData, count: int) -> int:
    if places == ffi.NULL:
        return signed(ErrorCode.INVALID_ARGUMENT)
    size = ffi.sizeof("qdb_operation_t") * count
    ffi.memmove(places, bytes(size), size)
    for i in range(count):
        places[i].type, places[i].error = -1, signed(ErrorCode.UNINITIALIZED)
    return 0


@define
def run_batch(pointer: CData, places: CData, count: int) -> int:
    handle = find(pointer)
    if handle is None:
        return 0
    with handle.lock:
        try:
            outcomes = handle.session.run_batch(_read(places, count))
            _write(handle, places, outcomes)
            handle.error = 0, ""
        except QuasardbException as exc:
            _fail(places, count, ErrorCode.SKIPPED)
            handle.error = exc.error_code, exc.detail or ""
            return 0
        except Exception:  # noqa: BLE001 - C can't pass on a Python exception
            traceback.print_exc(file=sys.stderr)
            _fail(places, count, ErrorCode.INTERNAL_LOCAL)
            handle.error = ErrorCode.INTERNAL_LOCAL, ""
            return 0
    return sum(outcome.error in _SUCCESSES for outcome in outcomes)


@call
def run_transaction(handle: Handle, places: CData, count: int, failed: CData) -> int:
    check_places(failed)
    code, failed[0], outcomes = handle.session.run_transaction(_read(places, count))
    _write(handle, places, outcomes)
    return code


def _read(places: CData, count: int) -> list[BatchOperation]:
    return [_operation(places[i]) for i in range(count)]


def _operation(place: CData) -> BatchOperation:
    kind = OperationKind(place.type) if place.type in set(OperationKind) - set(_NOT_IN_C) else None
    try:
        alias = text(place.alias)
    except QuasardbException:
        alias = ""  # malformed, too
    if kind is None:
        return BatchOperation(OperationKind.BLOB_GET, "")
    data: CData = None
    comparand: bytes | None = None
    expiry, tag = 0, None
    if kind in (
        OperationKind.BLOB_PUT,
        OperationKind.BLOB_UPDATE,
        OperationKind.STRING_PUT,
        OperationKind.STRING_UPDATE,
    ):
        put = place.blob_put
        data, expiry = content(put.content, put.content_size), put.expiry_time
    elif kind in (OperationKind.BLOB_CAS, OperationKind.STRING_CAS):
        cas = place.blob_cas
        data, expiry = content(cas.new_content, cas.new_content_size), cas.expiry_time
        comparand = content(cas.comparand, cas.comparand_size)
    elif kind in (OperationKind.BLOB_GET_AND_UPDATE, OperationKind.STRING_GET_AND_UPDATE):
        new = place.blob_get_and_update
        data, expiry = content(new.new_content, new.new_content_size), new.expiry_time
    elif kind in (OperationKind.INT_PUT, OperationKind.INT_UPDATE):
        data, expiry = place.int_put.value, place.int_put.expiry_time
    elif kind in (OperationKind.DOUBLE_PUT, OperationKind.DOUBLE_UPDATE):
        data, expiry = place.double_put.value, place.double_put.expiry_time
    elif kind in (OperationKind.TIMESTAMP_PUT, OperationKind.TIMESTAMP_UPDATE):
        put = place.timestamp_put
        data, expiry = put.value.tv_sec * 10**9 + put.value.tv_nsec, put.expiry_time
    elif kind is OperationKind.TIMESTAMP_ADD:
        addend = place.timestamp_add.addend
        data = addend.tv_sec * 10**9 + addend.tv_nsec
    elif kind is OperationKind.INT_ADD:
        data = place.int_add.addend
    elif kind is OperationKind.DOUBLE_ADD:
        data = place.double_add.addend
    elif kind is OperationKind.HAS_TAG:
        tag = text(place.has_tag.tag, "tag")
    return BatchOperation(kind, alias, content=data, comparand=comparand, expiry=expiry, tag=tag)


def _fail(places: CData, count: int, code: ErrorCode) -> None:
    for i in range(count):
        places[i].error = signed(code)


def _write(handle: Handle, places: CData, outcomes: Sequence[Outcome]) -> None:
    for i, outcome in enumerate(outcomes):
        place = places[i]
        place.error = signed(outcome.error)
        value = outcome.content
        if value is None:
            continue
        if isinstance(value, bytes | memoryview):
            # One release of the operations releases all of them.
            pointer = handle.hand_out(value, owner=places) if len(value) else ffi.NULL
            if place.type in (OperationKind.BLOB_GET, OperationKind.STRING_GET):
                place.blob_get.content, place.blob_get.content_size = pointer, len(value)
            else:  # the first two fields of all other operations that return content
                cas = place.blob_cas
                cas.original_content, cas.original_content_size = pointer, len(value)
        elif place.type == OperationKind.GET_ENTRY_TYPE:
            place.get_entry_type.type = int(value)
        elif place.type in (OperationKind.TIMESTAMP_GET, OperationKind.TIMESTAMP_ADD):
            result = place.timestamp_get.result  # the first field of both
            result.tv_sec, result.tv_nsec = divmod(int(value), 10**9)
        elif isinstance(value, int):
            place.int_get.result = value
        else:
            place.double_get.result = value
