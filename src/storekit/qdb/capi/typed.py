"""Texts and timestamps. The oldest supported libraries lack some of the functions."""

from collections.abc import Callable

from storekit.qdb.capi.arguments import (
    INT64_MAX,
    alias_to_read,
    alias_to_write,
    as_count,
    as_expiry,
    as_text,
)
from storekit.qdb.capi.calls import UNMATCHED, Calls
from storekit.qdb.capi.library import CData
from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["Texts", "Timestamps"]

_SECOND = 10**9  # nanoseconds


class Texts(Calls):
    """Operations on entries that hold text."""

    def string_put(self, alias: str, content: str, expiry: int) -> None:
        """Create the entry."""
        raw, text = alias_to_write(alias), _utf8(content)
        self._do(self._function("qdb_string_put"), raw, text, len(text), as_expiry(expiry))

    def string_update(self, alias: str, content: str, expiry: int) -> bool:
        """Create or replace the entry, and return whether it was created."""
        raw, text = alias_to_write(alias), _utf8(content)
        call = self._function("qdb_string_update")
        return self._update(call, raw, text, len(text), as_expiry(expiry))

    def string_get(self, alias: str) -> str:
        """Return the text of the entry."""
        return self._text(self._function("qdb_string_get"), alias_to_read(alias))

    def string_get_and_remove(self, alias: str) -> str:
        """Remove the entry, and return its text."""
        return self._text(self._function("qdb_string_get_and_remove"), alias_to_write(alias))

    def string_get_and_update(self, alias: str, content: str, expiry: int) -> str:
        """Replace the text of the entry, and return the old text."""
        raw, text = alias_to_write(alias), _utf8(content)
        call = self._function("qdb_string_get_and_update")
        return self._text(call, raw, text, len(text), as_expiry(expiry))

    def string_compare_and_swap(
        self, alias: str, content: str, comparand: str, expiry: int
    ) -> str | None:
        """Replace the text if it equals `comparand` and return None; else return the text."""
        raw, new, old = alias_to_write(alias), _utf8(content), _utf8(comparand)
        checked = as_expiry(expiry)
        call = self._function("qdb_string_compare_and_swap")
        out, size = self._ffi.new("const char **"), self._size
        with self._handle as pointer:
            code = call(pointer, raw, new, len(new), old, len(old), checked, out, size)
            if code == UNMATCHED:
                return _decoded(self._handle.take_bytes(out, size[0]))
            self._handle.drop(out)
            if code:
                raise self._handle.failure(code)
        return None

    def string_remove_if(self, alias: str, comparand: str) -> None:
        """Remove the entry if its text equals `comparand`."""
        raw, text = alias_to_write(alias), _utf8(comparand)
        self._do(self._function("qdb_string_remove_if"), raw, text, len(text))

    def string_scan(self, pattern: str, max_count: int) -> list[str]:
        """Return aliases of texts that contain `pattern`."""
        raw = _utf8(pattern)
        return self._texts(self._function("qdb_string_scan"), raw, len(raw), as_count(max_count))

    def string_scan_regex(self, pattern: str, max_count: int) -> list[str]:
        """Return aliases of texts that match `pattern`."""
        raw = as_text(pattern, "regular expression")
        return self._texts(self._function("qdb_string_scan_regex"), raw, as_count(max_count))

    def _text(self, call: Callable[..., int], *arguments: CData) -> str:
        out, size = self._ffi.new("const char **"), self._size
        with self._handle as pointer:
            code = call(pointer, *arguments, out, size)
            if code:
                self._handle.drop(out)
                raise self._handle.failure(code)
            return _decoded(self._handle.take_bytes(out, size[0]))


class Timestamps(Calls):
    """Operations on entries that hold a point in time, in nanoseconds since the epoch."""

    def timestamp_put(self, alias: str, nanoseconds: int, expiry: int) -> None:
        """Create the entry."""
        raw, value = alias_to_write(alias), self._timespec(nanoseconds)
        self._do(self._function("qdb_timestamp_put"), raw, value, as_expiry(expiry))

    def timestamp_update(self, alias: str, nanoseconds: int, expiry: int) -> bool:
        """Create or replace the entry, and return whether it was created."""
        raw, value = alias_to_write(alias), self._timespec(nanoseconds)
        return self._update(self._function("qdb_timestamp_update"), raw, value, as_expiry(expiry))

    def timestamp_get(self, alias: str) -> int:
        """Return the point in time."""
        raw = alias_to_read(alias)
        return self._nanoseconds(self._function("qdb_timestamp_get"), raw)

    def timestamp_add(self, alias: str, nanoseconds: int) -> int:
        """Add to the entry, and return the sum."""
        raw, value = alias_to_write(alias), self._timespec(nanoseconds)
        return self._nanoseconds(self._function("qdb_timestamp_add"), raw, value)

    def _timespec(self, nanoseconds: int) -> CData:
        seconds, rest = divmod(nanoseconds, _SECOND)
        if not -INT64_MAX - 1 <= seconds <= INT64_MAX:
            raise error_for(ErrorCode.INVALID_ARGUMENT, "The point in time is out of range.")
        return self._ffi.new("qdb_timespec_t *", (seconds, rest))

    def _nanoseconds(self, call: Callable[..., int], *arguments: CData) -> int:
        place = self._ffi.new("qdb_timespec_t *")
        self._do(call, *arguments, place)
        return int(place.tv_sec) * _SECOND + int(place.tv_nsec)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        detail = "The text can't be written as UTF-8."
        raise error_for(ErrorCode.INVALID_ARGUMENT, detail) from None


def _decoded(content: bytes) -> str:
    # Other clients may store text that is not UTF-8, and removed text must not be lost.
    return content.decode(errors="surrogateescape")
