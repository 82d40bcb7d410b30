"""Conversion of the operations of a batch or transaction to C structures, and of their results."""

from collections.abc import Callable, Sequence

from storekit.qdb.capi.arguments import (
    TIMESTAMPS,
    alias_to_read,
    alias_to_write,
    as_content,
    as_expiry,
    as_int64,
)
from storekit.qdb.capi.library import CData
from storekit.qdb.engine import BatchOperation, OperationKind, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException

__all__ = ["SEPARATE", "OperationArray", "validate"]

SEPARATE = frozenset(
    {OperationKind.BLOB_GET_AND_REMOVE, OperationKind.BLOB_REMOVE_IF, OperationKind.REMOVE}
)
"""Kinds that C batches do not support."""

_GETS = frozenset({OperationKind.BLOB_GET, OperationKind.STRING_GET})
_WRITES = frozenset(
    {
        OperationKind.BLOB_PUT,
        OperationKind.BLOB_UPDATE,
        OperationKind.STRING_PUT,
        OperationKind.STRING_UPDATE,
    }
)
_REPLACES = frozenset({OperationKind.BLOB_GET_AND_UPDATE, OperationKind.STRING_GET_AND_UPDATE})
_SWAPS = frozenset({OperationKind.BLOB_CAS, OperationKind.STRING_CAS})
_BYTES = _WRITES | _REPLACES | _SWAPS
_COMPARED = _SWAPS | {OperationKind.BLOB_REMOVE_IF}
_TEXTS = frozenset(
    {
        OperationKind.STRING_PUT,
        OperationKind.STRING_UPDATE,
        OperationKind.STRING_CAS,
        OperationKind.STRING_GET_AND_UPDATE,
    }
)
_INTS = frozenset({OperationKind.INT_PUT, OperationKind.INT_UPDATE, OperationKind.INT_ADD})
_DOUBLES = frozenset(
    {OperationKind.DOUBLE_PUT, OperationKind.DOUBLE_UPDATE, OperationKind.DOUBLE_ADD}
)
_TIMESTAMPS = frozenset({OperationKind.TIMESTAMP_PUT, OperationKind.TIMESTAMP_UPDATE})
_NANOSECONDS = _TIMESTAMPS | {OperationKind.TIMESTAMP_ADD}
_ADDENDS = frozenset({OperationKind.INT_ADD, OperationKind.DOUBLE_ADD})
_NUMBERS = (_INTS | _DOUBLES) - _ADDENDS
_CREATED = ErrorCode.OK_CREATED
_BUFFER = bytes | bytearray | memoryview


def validate(operation: BatchOperation) -> int:
    """Return `OK`, or the error code of a malformed operation.

    The library skips the whole batch if one operation is malformed, and does not always report
    which one it was.
    """
    try:
        kind = OperationKind(operation.kind)
        # The library refuses reserved aliases for all kinds but these.
        (alias_to_read if kind in _GETS else alias_to_write)(operation.alias)
        as_expiry(operation.expiry)
        if kind is OperationKind.HAS_TAG:
            alias_to_write(operation.tag or "")
        content = operation.content
        if kind in _TEXTS and isinstance(content, _BUFFER):
            str(content, "utf-8")
        well_formed = (
            (kind not in _BYTES or isinstance(content, _BUFFER))
            and (kind not in _COMPARED or isinstance(operation.comparand, _BUFFER))
            and (kind not in _INTS or (isinstance(content, int) and as_int64(content) == content))
            and (kind not in _NANOSECONDS or (isinstance(content, int) and content in TIMESTAMPS))
            and (kind not in _DOUBLES or isinstance(content, int | float))
        )
    except QuasardbException as exc:
        return exc.error_code
    except (
        ValueError,
        TypeError,
        AttributeError,
    ):  # unknown kind, alias that is not text, text that is not UTF-8
        return ErrorCode.INVALID_ARGUMENT
    return ErrorCode.OK if well_formed else ErrorCode.INVALID_ARGUMENT


class OperationArray:
    """Operations in C, and all memory that they point to. They must have been validated."""

    def __init__(self, ffi: CData, lib: CData, operations: Sequence[BatchOperation]) -> None:
        self._ffi = ffi
        self._kinds = [operation.kind for operation in operations]
        self._keep: list[CData] = []
        # One more: the library needs an address even for no operations.
        self.array: CData = ffi.new("qdb_operation_t[]", len(operations) + 1)
        lib.qdb_init_operations(self.array, len(operations))
        for place, operation in zip(self.array, operations, strict=False):
            place.type = operation.kind
            place.alias = self._text(operation.alias)
            _FILL.get(operation.kind, _nothing)(self, place, operation)

    def __len__(self) -> int:
        return len(self._kinds)

    def codes(self) -> list[int]:
        """Return the code of each, unsigned."""
        return [self.array[i].error & 0xFFFFFFFF for i in range(len(self))]

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes, with copies of all contents."""
        return [self._outcome(kind, self.array[i]) for i, kind in enumerate(self._kinds)]

    def _outcome(self, kind: OperationKind, place: CData) -> Outcome:
        code = place.error & 0xFFFFFFFF
        content: bytes | int | float | None = None
        if code == ErrorCode.UNMATCHED_CONTENT and kind in _SWAPS:
            cas = place.blob_cas
            content = self._bytes(cas.original_content, cas.original_content_size)
        elif code in (ErrorCode.OK, _CREATED):
            if kind in _GETS:
                content = self._bytes(place.blob_get.content, place.blob_get.content_size)
            elif kind in _REPLACES:
                old = place.blob_get_and_update
                content = self._bytes(old.original_content, old.original_content_size)
            elif kind in (OperationKind.TIMESTAMP_GET, OperationKind.TIMESTAMP_ADD):
                result = place.timestamp_get.result  # the first field of both
                content = int(result.tv_sec) * 10**9 + int(result.tv_nsec)
            elif kind in (OperationKind.INT_GET, OperationKind.INT_ADD):
                content = place.int_get.result  # the first field of both
            elif kind in (OperationKind.DOUBLE_GET, OperationKind.DOUBLE_ADD):
                content = place.double_get.result
            elif kind is OperationKind.GET_ENTRY_TYPE:
                content = place.get_entry_type.type
        return Outcome(code, content)

    def _bytes(self, pointer: CData, size: int) -> bytes:
        copy: bytes = self._ffi.buffer(pointer, size)[:] if size else b""
        return copy

    def _text(self, text: str) -> CData:
        pointer = self._ffi.new("char[]", text.encode())
        self._keep.append(pointer)
        return pointer

    def _data(self, content: CData) -> tuple[CData, int]:
        pinned, size = as_content(self._ffi, content)
        pointer = self._ffi.from_buffer(pinned) if isinstance(pinned, bytes) else pinned
        self._keep.append(pointer)
        return pointer, size

    def _fill_blob(self, place: CData, operation: BatchOperation) -> None:
        field = place.blob_put
        field.content, field.content_size = self._data(operation.content)
        field.expiry_time = operation.expiry

    def _fill_get_and_update(self, place: CData, operation: BatchOperation) -> None:
        field = place.blob_get_and_update
        field.new_content, field.new_content_size = self._data(operation.content)
        field.expiry_time = operation.expiry

    def _fill_cas(self, place: CData, operation: BatchOperation) -> None:
        field = place.blob_cas
        field.new_content, field.new_content_size = self._data(operation.content)
        field.comparand, field.comparand_size = self._data(operation.comparand)
        field.expiry_time = operation.expiry

    def _fill_number(self, place: CData, operation: BatchOperation) -> None:
        integer = operation.kind in _INTS
        field = place.int_put if integer else place.double_put
        field.value = operation.content
        field.expiry_time = operation.expiry

    def _fill_timestamp(self, place: CData, operation: CData) -> None:
        field = place.timestamp_put
        field.value.tv_sec, field.value.tv_nsec = divmod(operation.content, 10**9)
        field.expiry_time = operation.expiry

    def _fill_span(self, place: CData, operation: CData) -> None:
        addend = place.timestamp_add.addend
        addend.tv_sec, addend.tv_nsec = divmod(operation.content, 10**9)

    def _fill_addend(self, place: CData, operation: BatchOperation) -> None:
        field = place.int_add if operation.kind is OperationKind.INT_ADD else place.double_add
        field.addend = operation.content

    def _fill_tag(self, place: CData, operation: BatchOperation) -> None:
        place.has_tag.tag = self._text(operation.tag or "")


def _nothing(operations: OperationArray, place: CData, operation: BatchOperation) -> None:
    """Fill in nothing: the operation has only a kind and an alias."""


_FILL: dict[OperationKind, Callable[[OperationArray, CData, BatchOperation], None]] = {
    **dict.fromkeys(_WRITES, OperationArray._fill_blob),  # noqa: SLF001 - a table of its methods
    **dict.fromkeys(_SWAPS, OperationArray._fill_cas),  # noqa: SLF001
    **dict.fromkeys(_REPLACES, OperationArray._fill_get_and_update),  # noqa: SLF001
    **dict.fromkeys(_NUMBERS, OperationArray._fill_number),  # noqa: SLF001
    **dict.fromkeys(_ADDENDS, OperationArray._fill_addend),  # noqa: SLF001
    **dict.fromkeys(_TIMESTAMPS, OperationArray._fill_timestamp),  # noqa: SLF001
    OperationKind.TIMESTAMP_ADD: OperationArray._fill_span,  # noqa: SLF001
    OperationKind.HAS_TAG: OperationArray._fill_tag,  # noqa: SLF001
}
