"""Operations on blobs and numbers; removal, expiry and metadata of entries of all types."""

import math

from storekit.qdb.capi.arguments import (
    alias_to_read,
    alias_to_write,
    as_content,
    as_expiry,
    as_int64,
)
from storekit.qdb.capi.calls import UNMATCHED, Calls
from storekit.qdb.engine import Buffer, EntryType, Metadata
from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["Blobs", "Entries", "Numbers"]

_INT_MAX = 2**31 - 1


class Blobs(Calls):
    """Operations on entries that hold bytes."""

    def blob_get(self, alias: str) -> bytes | memoryview:
        """Return the content of the entry."""
        return self._handle.get(alias_to_read(alias), self._out, self._size)

    def blob_get_into(self, alias: str, place: memoryview) -> bytes | memoryview:  # noqa: ARG002 - the library always allocates the memory
        """Return the content of the entry."""
        return self.blob_get(alias)

    def blob_put(self, alias: str, content: Buffer, expiry: int) -> None:
        """Create the entry."""
        raw = alias_to_write(alias)
        data, size = as_content(self._ffi, content)
        self._do(self._lib.qdb_blob_put, raw, data, size, as_expiry(expiry))

    def blob_update(self, alias: str, content: Buffer, expiry: int) -> bool:
        """Create or replace the entry, and return whether it was created."""
        raw = alias_to_write(alias)
        data, size = as_content(self._ffi, content)
        return self._update(self._lib.qdb_blob_update, raw, data, size, as_expiry(expiry))

    def blob_get_and_remove(self, alias: str) -> bytes | memoryview:
        """Remove the entry, and return its content."""
        return self._content(self._lib.qdb_blob_get_and_remove, alias_to_write(alias))

    def blob_get_and_update(self, alias: str, content: Buffer, expiry: int) -> bytes | memoryview:
        """Replace the content of the entry, and return the old content."""
        raw = alias_to_write(alias)
        data, size = as_content(self._ffi, content)
        call = self._lib.qdb_blob_get_and_update
        return self._content(call, raw, data, size, as_expiry(expiry))

    def blob_compare_and_swap(
        self, alias: str, content: Buffer, comparand: Buffer, expiry: int
    ) -> bytes | memoryview | None:
        """Replace the content if it equals `comparand` and return None; else return the content."""
        raw = alias_to_write(alias)
        new, new_size = as_content(self._ffi, content)
        old, old_size = as_content(self._ffi, comparand)
        checked = as_expiry(expiry)
        out, size = self._out, self._size
        call = self._lib.qdb_blob_compare_and_swap
        with self._handle as pointer:
            code = call(pointer, raw, new, new_size, old, old_size, checked, out, size)
            if code == UNMATCHED:
                return self._handle.take(out, size[0])
            self._handle.drop(out)
            if code:
                raise self._handle.failure(code)
        return None

    def blob_remove_if(self, alias: str, comparand: Buffer) -> None:
        """Remove the entry if its content equals `comparand`."""
        raw = alias_to_write(alias)
        data, size = as_content(self._ffi, comparand)
        self._do(self._lib.qdb_blob_remove_if, raw, data, size)


class Numbers(Calls):
    """Operations on entries that hold an integer of 64 bits, or a double."""

    def int_put(self, alias: str, value: int, expiry: int) -> None:
        """Create the entry."""
        raw = alias_to_write(alias)
        self._do(self._lib.qdb_int_put, raw, as_int64(value), as_expiry(expiry))

    def int_update(self, alias: str, value: int, expiry: int) -> bool:
        """Create or replace the entry, and return whether it was created."""
        raw = alias_to_write(alias)
        return self._update(self._lib.qdb_int_update, raw, as_int64(value), as_expiry(expiry))

    def int_get(self, alias: str) -> int:
        """Return the number."""
        found: int = self._number(self._lib.qdb_int_get, self._int, alias_to_read(alias))
        return found

    def int_add(self, alias: str, addend: int) -> int:
        """Add to the entry, and return the sum."""
        raw = alias_to_write(alias)
        total: int = self._number(self._lib.qdb_int_add, self._int, raw, as_int64(addend))
        return total

    def double_put(self, alias: str, value: float, expiry: int) -> None:
        """Create the entry."""
        self._do(self._lib.qdb_double_put, alias_to_write(alias), value, as_expiry(expiry))

    def double_update(self, alias: str, value: float, expiry: int) -> bool:
        """Create or replace the entry, and return whether it was created."""
        raw = alias_to_write(alias)
        return self._update(self._lib.qdb_double_update, raw, value, as_expiry(expiry))

    def double_get(self, alias: str) -> float:
        """Return the number."""
        found: float = self._number(self._lib.qdb_double_get, self._double, alias_to_read(alias))
        return found

    def double_add(self, alias: str, addend: float) -> float:
        """Add to the entry, and return the sum."""
        raw = alias_to_write(alias)
        total: float = self._number(self._lib.qdb_double_add, self._double, raw, addend)
        return total


class Entries(Calls):
    """Operations on entries of any type."""

    def remove(self, alias: str) -> None:
        """Remove the entry."""
        self._do(self._lib.qdb_remove, alias_to_write(alias))

    def expires_at(self, alias: str, expiry: int) -> None:
        """Set the time of expiry: milliseconds since the epoch."""
        self._do(self._lib.qdb_expires_at, alias_to_write(alias), as_expiry(expiry))

    def expires_from_now(self, alias: str, milliseconds: int) -> None:
        """Set the time of expiry, counted from now."""
        raw = alias_to_write(alias)
        self._do(self._lib.qdb_expires_from_now, raw, as_int64(milliseconds))

    def get_expiry_time(self, alias: str) -> int:
        """Return milliseconds since the epoch, or 0 for never."""
        raw = alias_to_read(alias)
        found: int = self._number(self._lib.qdb_get_expiry_time, self._int, raw)
        return found

    def get_type(self, alias: str) -> EntryType:
        """Return the type of the entry."""
        place = self._ffi.new("int32_t *")
        return _entry_type(self._number(self._lib.qdb_get_type, place, alias_to_read(alias)))

    def get_metadata(self, alias: str) -> Metadata:
        """Return type, size and times of the entry."""
        raw = alias_to_read(alias)
        # Room for two: a later version of the library may have appended fields.
        place = self._ffi.new("qdb_entry_metadata_t[2]")
        self._do(self._lib.qdb_get_metadata, raw, place)
        found = place[0]
        first, second, third, fourth = found.reference.data
        return Metadata(
            type=_entry_type(found.type),
            size=found.size,
            modified=found.modification_time.tv_sec * 10**9 + found.modification_time.tv_nsec,
            expiry=found.expiry_time.tv_sec * 10**9 + found.expiry_time.tv_nsec,
            reference=(first, second, third, fourth),
        )

    def purge_all(self, timeout: float) -> None:
        """Remove every entry of the cluster within `timeout` seconds."""
        milliseconds = min(max(1, math.ceil(1000 * timeout)), _INT_MAX)
        self._do(self._lib.qdb_purge_all, milliseconds)


def _entry_type(number: int) -> EntryType:
    try:
        return EntryType(number)
    except ValueError:
        detail = f"The entry has type {number}, which storekit does not support."
        raise error_for(ErrorCode.INCOMPATIBLE_TYPE, detail) from None
