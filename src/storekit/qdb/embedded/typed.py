"""Operations on entries of one type: blobs, numbers, strings and timestamps."""

from collections.abc import Sequence

from storekit.qdb.embedded.checks import check_alias, check_name, integer, plain
from storekit.qdb.embedded.connection import Connection
from storekit.qdb.embedded.entries import Entries
from storekit.qdb.embedded.finding import Finding
from storekit.qdb.embedded.regex import Regex
from storekit.qdb.embedded.rows import Content
from storekit.qdb.engine import PRESERVE, Buffer, EntryType
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["TypedOperations"]

# plain numbers, which sqlite3 binds faster than members of an enumeration
_BLOB = int(EntryType.BLOB)
_INTEGER = int(EntryType.INTEGER)
_DOUBLE = int(EntryType.DOUBLE)
_TIMESTAMP = int(EntryType.TIMESTAMP)
_STRING = int(EntryType.STRING)
_NAN = float("nan")
_STAMP_BYTES = 16
_STAMPS = range(-(1 << 63) * 10**9, (1 << 63) * 10**9)  # as many seconds as 64 bits hold


class TypedOperations:
    """The half of a session that knows what entries hold."""

    _connection: Connection
    _entries: Entries
    _finding: Finding

    # Blobs

    def blob_put(self, alias: str, content: Buffer, expiry: int) -> None:
        """Make a blob."""
        self._put(_BLOB, alias, plain(content), expiry)

    def blob_update(self, alias: str, content: Buffer, expiry: int) -> bool:
        """Make or replace a blob; return whether it was created."""
        return self._update(_BLOB, alias, plain(content), expiry)

    def blob_get(self, alias: str) -> bytes | memoryview:
        """Return the content of a blob."""
        check_alias(alias)
        with self._connection.lock:
            return self._entries.get(alias, _BLOB)  # type: ignore[return-value]

    def blob_get_into(self, alias: str, place: memoryview) -> bytes | memoryview:
        """Return the content of a blob; a large one in this memory, if it fits."""
        check_alias(alias)
        with self._connection.lock:
            return self._entries.get(alias, _BLOB, place)  # type: ignore[return-value]

    def blob_get_many(self, aliases: Sequence[str]) -> list[bytes | memoryview | QuasardbException]:
        """Return the content of each blob, or its error."""
        found: list[bytes | memoryview | QuasardbException] = []
        with self._connection.lock, self._connection.transaction("BEGIN"):
            for alias in aliases:
                try:
                    check_alias(alias)
                    found.append(self._entries.get(alias, _BLOB))  # type: ignore[arg-type]
                except QuasardbException as error:
                    # Its traceback would hold this frame, and the frame all that was found.
                    found.append(error.with_traceback(None))
        return found

    def blob_get_and_remove(self, alias: str) -> bytes:
        """Remove a blob and return its content."""
        return self._take(_BLOB, alias)

    def blob_get_and_update(self, alias: str, content: Buffer, expiry: int) -> bytes:
        """Replace a blob and return the former content."""
        return self._replace(_BLOB, alias, plain(content), expiry)

    def blob_compare_and_swap(
        self, alias: str, content: Buffer, comparand: Buffer, expiry: int
    ) -> bytes | None:
        """Replace a blob if it matches: return None, else the content that is there."""
        return self._swap(_BLOB, alias, plain(content), plain(comparand), expiry)

    def blob_remove_if(self, alias: str, comparand: Buffer) -> None:
        """Remove a blob if it matches; `UNMATCHED_CONTENT` is raised."""
        self._remove_if(_BLOB, alias, plain(comparand))

    def blob_scan(self, pattern: Buffer, max_count: int) -> list[str]:
        """Return up to so many aliases of blobs that contain the pattern, in ascending order."""
        return self._containing(_BLOB, bytes(plain(pattern)), max_count)

    def blob_scan_regex(self, pattern: str, max_count: int) -> list[str]:
        """Return up to so many aliases of blobs in which the expression matches, in order.

        The time is proportional to the contents; see `storekit.qdb.embedded.regex`.
        """
        return self._matching(_BLOB, pattern, max_count)

    # Numbers

    def int_put(self, alias: str, value: int, expiry: int) -> None:
        """Make an integer of 64 bits."""
        self._put(_INTEGER, alias, integer(value), expiry)

    def int_update(self, alias: str, value: int, expiry: int) -> bool:
        """Make or set an integer; return whether it was created."""
        return self._update(_INTEGER, alias, integer(value), expiry)

    def int_get(self, alias: str) -> int:
        """Return an integer."""
        return self._get(_INTEGER, alias)  # type: ignore[return-value]  # as stored

    def int_add(self, alias: str, addend: int) -> int:
        """Add to an integer and return the sum; `OVERFLOW` and `UNDERFLOW` change nothing."""
        check_name(alias)
        with self._connection.lock:
            return self._entries.add(alias, addend)

    def double_put(self, alias: str, value: float, expiry: int) -> None:
        """Make a double."""
        self._put(_DOUBLE, alias, float(value), expiry)

    def double_update(self, alias: str, value: float, expiry: int) -> bool:
        """Make or set a double; return whether it was created."""
        return self._update(_DOUBLE, alias, float(value), expiry)

    def double_get(self, alias: str) -> float:
        """Return a double."""
        content = self._get(_DOUBLE, alias)
        return _NAN if content is None else content  # type: ignore[return-value]  # as stored

    def double_add(self, alias: str, addend: float) -> float:
        """Add to a double and return the sum, which may be infinite."""
        check_name(alias)
        with self._connection.lock:
            total = self._entries.add_double(alias, addend)
        return _NAN if total is None else total  # type: ignore[return-value]  # as stored

    # Strings

    def string_put(self, alias: str, content: str, expiry: int) -> None:
        """Make a string."""
        self._put(_STRING, alias, _encoded(content), expiry)

    def string_update(self, alias: str, content: str, expiry: int) -> bool:
        """Make or replace a string; return whether it was created."""
        return self._update(_STRING, alias, _encoded(content), expiry)

    def string_get(self, alias: str) -> str:
        """Return a string."""
        check_alias(alias)
        with self._connection.lock:
            content = self._entries.get(alias, _STRING)
        return str(content, "utf-8")  # type: ignore[arg-type]  # as stored

    def string_get_and_remove(self, alias: str) -> str:
        """Remove a string and return it."""
        return self._take(_STRING, alias).decode()

    def string_get_and_update(self, alias: str, content: str, expiry: int) -> str:
        """Replace a string and return the former one."""
        return self._replace(_STRING, alias, _encoded(content), expiry).decode()

    def string_compare_and_swap(
        self, alias: str, content: str, comparand: str, expiry: int
    ) -> str | None:
        """Replace a string if it matches: return None, else the one that is there."""
        there = self._swap(_STRING, alias, _encoded(content), _encoded(comparand), expiry)
        return None if there is None else there.decode()

    def string_remove_if(self, alias: str, comparand: str) -> None:
        """Remove a string if it matches; `UNMATCHED_CONTENT` is raised."""
        self._remove_if(_STRING, alias, _encoded(comparand))

    def string_scan(self, pattern: str, max_count: int) -> list[str]:
        """Return up to so many aliases of strings that contain the pattern."""
        return self._containing(_STRING, bytes(_encoded(pattern)), max_count)

    def string_scan_regex(self, pattern: str, max_count: int) -> list[str]:
        """Return up to so many aliases of strings in which the expression matches."""
        return self._matching(_STRING, pattern, max_count)

    # Timestamps, in nanoseconds since the epoch

    def timestamp_put(self, alias: str, nanoseconds: int, expiry: int) -> None:
        """Make a timestamp."""
        self._put(_TIMESTAMP, alias, _stamp(nanoseconds), expiry)

    def timestamp_update(self, alias: str, nanoseconds: int, expiry: int) -> bool:
        """Make or set a timestamp; return whether it was created."""
        return self._update(_TIMESTAMP, alias, _stamp(nanoseconds), expiry)

    def timestamp_get(self, alias: str) -> int:
        """Return a timestamp."""
        content = self._get(_TIMESTAMP, alias)
        return int.from_bytes(content, "big", signed=True)  # type: ignore[arg-type]  # as stored

    def timestamp_add(self, alias: str, nanoseconds: int) -> int:
        """Add to a timestamp and return the sum."""
        check_name(alias)
        with self._connection.lock, self._connection.transaction():
            stored = self._entries.get(alias, _TIMESTAMP)
            total = nanoseconds + int.from_bytes(stored, "big", signed=True)  # type: ignore[arg-type]  # as stored
            if total not in _STAMPS:
                raise error_for(ErrorCode.OVERFLOW if total > 0 else ErrorCode.UNDERFLOW)
            self._entries.update(alias, _TIMESTAMP, _stamp(total), PRESERVE)
        return total

    # What the types have in common

    def _put(self, kind: int, alias: str, content: Content, expiry: int) -> None:
        check_name(alias)
        with self._connection.lock:
            self._entries.put(alias, kind, content, expiry)

    def _update(self, kind: int, alias: str, content: Content, expiry: int) -> bool:
        check_name(alias)
        with self._connection.lock:
            return self._entries.update(alias, kind, content, expiry)

    def _get(self, kind: int, alias: str) -> Content:
        check_name(alias)
        with self._connection.lock:
            return self._entries.get(alias, kind)

    def _take(self, kind: int, alias: str) -> bytes:
        check_name(alias)
        with self._connection.lock:
            return self._entries.get_and_remove(alias, kind)  # type: ignore[return-value]

    def _replace(self, kind: int, alias: str, content: Buffer, expiry: int) -> bytes:
        check_name(alias)
        with self._connection.lock:
            return self._entries.get_and_update(  # type: ignore[return-value]
                alias, kind, content, expiry
            )

    def _swap(
        self, kind: int, alias: str, content: Buffer, comparand: Buffer, expiry: int
    ) -> bytes | None:
        check_name(alias)
        with self._connection.lock:
            return self._entries.compare_and_swap(  # type: ignore[return-value]
                alias, kind, content, comparand, expiry
            )

    def _remove_if(self, kind: int, alias: str, comparand: Buffer) -> None:
        check_name(alias)
        with self._connection.lock:
            self._entries.remove_if(alias, kind, comparand)

    def _containing(self, kind: int, pattern: bytes, max_count: int) -> list[str]:
        if not pattern or max_count < 0:
            raise error_for(ErrorCode.INVALID_ARGUMENT)
        with self._connection.lock:
            return self._finding.containing(pattern, kind, max_count)

    def _matching(self, kind: int, pattern: str, max_count: int) -> list[str]:
        expression = Regex(pattern)
        if max_count < 0:
            raise error_for(ErrorCode.INVALID_ARGUMENT)
        found: list[str] = []
        after, complete = "", False
        while len(found) < max_count and not complete:
            with self._connection.lock:  # not while matching: others go on meanwhile
                contents, complete = self._finding.contents(after, kind)
            for alias, content in contents:
                if expression.search(content):
                    found.append(alias)
                    if len(found) == max_count:
                        break
                after = alias
        return found


def _encoded(text: str) -> Buffer:
    try:
        return plain(text.encode())
    except UnicodeEncodeError:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "A string must be valid in UTF-8.") from None


def _stamp(nanoseconds: int) -> bytes:
    if nanoseconds not in _STAMPS:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "A timestamp has 64 bits of seconds.")
    return nanoseconds.to_bytes(_STAMP_BYTES, "big", signed=True)
