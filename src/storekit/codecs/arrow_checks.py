"""Checks of Arrow streams that are written or read.

Arrow's own checks prevent reads outside of its buffers. They do not prevent content of few bytes
that is a very large table: compressed buffers, columns of type null, and runs and views that refer
to the same bytes many times. These checks do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["find_unfit_column", "is_compressed", "stands_for_too_much"]

_SPARE = 2**16
"""Number of values that are allowed in content of any size."""

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3


def find_unfit_column(schema: pa.Schema) -> tuple[str, str] | None:
    """Return the name and type of the first column of an unsupported type, if there is one."""
    for field in schema:
        if unfit := next(_unfit(field.type, nested=False), None):
            return field.name, unfit
    return None


def _unfit(kind: pa.DataType, *, nested: bool) -> Iterator[str]:
    import pyarrow.types as is_

    if _is_extension(kind):
        yield from _unfit(kind.storage_type, nested=nested)
    elif is_.is_dictionary(kind):
        values = kind.value_type
        plain = is_.is_primitive(values) or is_.is_string(values) or is_.is_large_string(values)
        if nested or not plain:
            yield str(kind)
    elif is_.is_run_end_encoded(kind):
        yield str(kind)
    elif is_.is_nested(kind):
        if is_.is_union(kind) or is_.is_list_view(kind) or is_.is_large_list_view(kind):
            yield str(kind)
        for index in range(kind.num_fields):
            field = kind.field(index)
            if "\0" in field.name:  # raises if the name is not UTF-8
                yield str(kind)
            yield from _unfit(field.type, nested=True)
    elif is_.is_string_view(kind) or is_.is_binary_view(kind):
        yield str(kind)


def _is_extension(kind: pa.DataType) -> bool:
    import pyarrow

    return isinstance(kind, pyarrow.BaseExtensionType)


def stands_for_too_much(table: pa.Table, size: int) -> bool:
    """Return whether a table has more values than `size` bytes have bits."""
    left = size * 8 + _SPARE
    for column in table.columns:
        for chunk in column.chunks:
            left -= _count(chunk)
            if left < 0:
                return True
    return False


def _count(array: pa.Array) -> int:
    """Count the values of an array with all that is nested in it."""
    import pyarrow.types as is_

    kind = array.type
    if _is_extension(kind):
        return _count(array.storage)
    if is_.is_struct(kind) and kind.num_fields:
        return sum(_count(array.field(index)) for index in range(kind.num_fields))
    if is_.is_map(kind):
        return len(array) + _count(array.keys) + _count(array.items)
    if is_.is_list(kind) or is_.is_large_list(kind):
        return len(array) + _count(array.values)
    if is_.is_fixed_size_list(kind):
        return (len(array) if kind.list_size == 0 else 0) + _count(array.values)
    return len(array)


def is_compressed(metadata: bytes | memoryview) -> bool:
    """Return whether the buffers of a message with this flatbuffer are compressed.

    pyarrow does not offer this, and unpacks buffers to any size that they state. It has checked
    the flatbuffer; `struct.error` is raised if it is broken nevertheless.
    """
    message = _Table(metadata, _follow(metadata, 0))
    kind = message.byte(1)
    if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return False
    batch = message.table(2)
    if batch is not None and kind == _DICTIONARY_BATCH:
        batch = batch.table(1)
    return batch is not None and bool(batch.find(3))


class _Table:
    """A table of a flatbuffer."""

    def __init__(self, data: bytes | memoryview, at: int) -> None:
        self._data = data
        self._at = at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        if self._fields < 0:
            raise struct.error("a table has its fields before the beginning of the content")

    def find(self, field: int) -> int:
        """Return the offset of a field; 0 if the field is absent."""
        entry = 4 + 2 * field
        if entry + 2 > struct.unpack_from("<H", self._data, self._fields)[0]:
            return 0
        offset: int = struct.unpack_from("<H", self._data, self._fields + entry)[0]
        return self._at + offset if offset else 0

    def byte(self, field: int) -> int:
        at = self.find(field)
        return int(struct.unpack_from("<B", self._data, at)[0]) if at else 0

    def table(self, field: int) -> _Table | None:
        at = self.find(field)
        return _Table(self._data, _follow(self._data, at)) if at else None


def _follow(data: bytes | memoryview, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])
