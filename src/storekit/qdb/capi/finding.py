"""Finding entries by prefix, suffix, content or tag, and scanning all blobs."""

from collections.abc import Sequence

from storekit.errors import ClientClosed
from storekit.qdb.capi.arguments import (
    alias_to_read,
    alias_to_write,
    as_content,
    as_count,
    as_text,
)
from storekit.qdb.capi.calls import TAG_NOT_SET, Calls
from storekit.qdb.capi.library import CData
from storekit.qdb.engine import Buffer
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["Finding", "Scanning", "Tags"]

_CHUNK = 4 << 20  # bytes of content after which a chunk ends, whatever its number of entries
_END = frozenset({ErrorCode.ITERATOR_END, ErrorCode.ALIAS_NOT_FOUND})  # the latter in 1.x


class Finding(Calls):
    """Lists of aliases."""

    def prefix_get(self, prefix: str, max_count: int) -> list[str]:
        """Return aliases that start with `prefix`, in ascending order of their bytes."""
        return self._sorted(self._lib.qdb_prefix_get, prefix, max_count)

    def suffix_get(self, suffix: str, max_count: int) -> list[str]:
        """Return aliases that end with `suffix`, in ascending order of their bytes."""
        return self._sorted(self._lib.qdb_suffix_get, suffix, max_count)

    def prefix_count(self, prefix: str) -> int:
        """Return how many aliases start with `prefix`."""
        raw = alias_to_read(prefix)
        found: int = self._number(self._lib.qdb_prefix_count, self._uint, raw)
        return found

    def suffix_count(self, suffix: str) -> int:
        """Return how many aliases end with `suffix`."""
        raw = alias_to_read(suffix)
        found: int = self._number(self._lib.qdb_suffix_count, self._uint, raw)
        return found

    def blob_scan(self, pattern: Buffer, max_count: int) -> list[str]:
        """Return aliases of blobs whose content contains `pattern`."""
        data, size = as_content(self._ffi, pattern)
        return self._texts(self._lib.qdb_blob_scan, data, size, as_count(max_count))

    def blob_scan_regex(self, pattern: str, max_count: int) -> list[str]:
        """Return aliases of blobs whose content matches `pattern`."""
        raw = as_text(pattern, "regular expression")
        return self._texts(self._lib.qdb_blob_scan_regex, raw, as_count(max_count))

    def find(self, query: str) -> list[str]:
        """Return aliases of entries that match a query of tags and types."""
        return self._texts(self._function("qdb_query_find"), as_text(query, "query"))

    def _sorted(self, call: CData, text: str, max_count: int) -> list[str]:
        found = self._texts(call, alias_to_read(text), as_count(max_count))
        # Each node sorts only its own. Code points sort in the same order as UTF-8.
        found.sort()
        return found


class Tags(Calls):
    """Tags of entries."""

    def attach_tag(self, alias: str, tag: str) -> None:
        """Attach a tag."""
        self._do(self._lib.qdb_attach_tag, alias_to_write(alias), alias_to_write(tag))

    def detach_tag(self, alias: str, tag: str) -> None:
        """Detach a tag."""
        self._do(self._lib.qdb_detach_tag, alias_to_write(alias), alias_to_write(tag))

    def attach_tags(self, alias: str, tags: Sequence[str]) -> None:
        """Attach those of the tags that are not attached yet."""
        self._with_tags(self._lib.qdb_attach_tags, alias, tags)

    def detach_tags(self, alias: str, tags: Sequence[str]) -> None:
        """Detach those of the tags that are attached."""
        self._with_tags(self._lib.qdb_detach_tags, alias, tags)

    def has_tag(self, alias: str, tag: str) -> bool:
        """Return whether the entry has the tag."""
        raw, raw_tag = alias_to_read(alias), alias_to_read(tag)
        with self._handle as pointer:
            code = self._lib.qdb_has_tag(pointer, raw, raw_tag)
            if code and code != TAG_NOT_SET:
                raise self._handle.failure(code)
        return not code

    def get_tags(self, alias: str) -> list[str]:
        """Return the tags of the entry."""
        raw = alias_to_read(alias)
        out, count = self._aliases, self._count
        with self._handle as pointer:
            code = self._lib.qdb_get_tags(pointer, raw, out, count)
            if code:  # unlike for lists of aliases, also if the entry is not found
                self._handle.drop(out)
                raise self._handle.failure(code)
            return self._handle.take_texts(out, count[0])

    def get_tagged(self, tag: str) -> list[str]:
        """Return aliases of entries that have the tag."""
        return self._texts(self._lib.qdb_get_tagged, alias_to_read(tag))

    def get_tagged_count(self, tag: str) -> int:
        """Return how many entries have the tag."""
        raw = alias_to_read(tag)
        found: int = self._number(self._lib.qdb_get_tagged_count, self._uint, raw)
        return found

    def _with_tags(self, call: CData, alias: str, tags: Sequence[str]) -> None:
        raw = alias_to_write(alias)
        texts = [self._ffi.new("char[]", alias_to_write(tag)) for tag in tags]
        array = self._ffi.new("const char *[]", texts)  # does not keep the texts alive
        self._do(call, raw, array, len(texts))


class _Cursor:
    """An iterator of the library, at the next entry to return."""

    def __init__(self, handle: object, iterator: CData) -> None:
        self.handle = handle
        self.iterator: CData = iterator  # None when it is closed
        self.failure: QuasardbException | None = None  # the error that ended the scan


class Scanning(Calls):
    """Scanning all blobs, a chunk at a time.

    The library checks nothing here: moving an iterator that has not begun, or has ended, crashes
    the process. So the C iterator is closed at its end, at the first error, or with the session,
    and a cursor with a closed iterator is refused. After an error the position of the iterator
    is unknown, so the scan ends there: each further step raises that error again.
    """

    def scan(self, cursor: object, count: int) -> tuple[list[tuple[str, bytes]], object]:
        """Return up to `count` blobs, and a cursor to continue from, None at the end.

        Fewer are returned if they are large. Blobs that were found before an error are
        returned; the next step raises it.
        """
        if count < 1:
            raise error_for(ErrorCode.INVALID_ARGUMENT, "The count is not positive.")
        entries: list[tuple[str, bytes]] = []
        with self._handle as pointer:
            at = self._begin(pointer) if cursor is None else self._known(cursor)
            if at is None:
                return entries, None
            iterator = at.iterator
            size = 0
            try:
                while len(entries) < count and size < _CHUNK:
                    entries.append(self._entry(iterator))
                    size += len(entries[-1][1])
                    code = self._lib.qdb_iterator_next(iterator)
                    if code:
                        if code & 0xFFFFFFFF not in _END:
                            at.failure = self._handle.failure(code)
                        self._end(at)
                        return entries, at if at.failure else None
            except BaseException:
                self._end(at)
                raise
        return entries, at

    def scan_close(self, cursor: object) -> None:
        """Close the cursor, if it is still open."""
        if isinstance(cursor, _Cursor) and cursor.iterator is not None:
            try:
                with self._handle:
                    self._end(self._known(cursor))
            except ClientClosed:
                pass  # the session closed it

    def _begin(self, pointer: CData) -> _Cursor | None:
        # Room for two: a later version of the library may have appended fields.
        iterator = self._ffi.new("qdb_const_iterator_t[2]")
        code = self._lib.qdb_iterator_begin(pointer, iterator)
        if code:
            error = None if code & 0xFFFFFFFF in _END else self._handle.failure(code)
            self._lib.qdb_iterator_close(iterator)  # safe after a failure
            if error is not None:
                raise error
            return None
        cursor = _Cursor(self._handle, iterator)
        self._handle.before_close(cursor, lambda: self._end(cursor))
        return cursor

    def _known(self, cursor: object) -> _Cursor:
        if isinstance(cursor, _Cursor) and cursor.failure is not None:
            raise error_for(cursor.failure.error_code, cursor.failure.detail)
        if (
            not isinstance(cursor, _Cursor)
            or cursor.handle is not self._handle
            or cursor.iterator is None
        ):
            detail = "It is not an open cursor of this session."
            raise error_for(ErrorCode.INVALID_ITERATOR, detail)
        return cursor

    def _end(self, cursor: _Cursor) -> None:
        iterator, cursor.iterator = cursor.iterator, None
        self._handle.forget(cursor)
        if iterator is not None:
            self._lib.qdb_iterator_close(iterator)

    def _entry(self, iterator: CData) -> tuple[str, bytes]:
        entry = iterator[0]
        alias = self._ffi.string(entry.alias).decode(errors="surrogateescape")
        # Copies: the memory belongs to the iterator, and is valid until its next step.
        size = entry.content_size
        return alias, self._ffi.buffer(entry.content, size)[:] if size else b""
