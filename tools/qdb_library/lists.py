"""Lists of aliases, and iterators."""

# ruff: noqa: D103 - the header describes the functions

import itertools

from storekit.qdb.engine import Session
from storekit.qdb.errors import ErrorCode, QuasardbException
from tools.qdb_library.calls import call, check_places, content, define, return_texts, signed, text
from tools.qdb_library.embedding import CData, ffi
from tools.qdb_library.handles import Handle, address, find

_CHUNK = 64  # entries that an iterator reads at a time
_COPIED = 4096  # content of fewer bytes is copied
_tokens = itertools.count(1)


@call
def prefix_get(handle: Handle, prefix: CData, limit: int, out: CData, count: CData) -> None:
    check_places(out, count)
    return_texts(handle, out, count, handle.session.prefix_get(text(prefix), limit))


@call
def suffix_get(handle: Handle, suffix: CData, limit: int, out: CData, count: CData) -> None:
    check_places(out, count)
    return_texts(handle, out, count, handle.session.suffix_get(text(suffix), limit))


@call
def prefix_count(handle: Handle, prefix: CData, place: CData) -> None:
    check_places(place)
    place[0] = handle.session.prefix_count(text(prefix))


@call
def suffix_count(handle: Handle, suffix: CData, place: CData) -> None:
    check_places(place)
    place[0] = handle.session.suffix_count(text(suffix))


@call
def blob_scan(
    handle: Handle, pattern: CData, size: int, limit: int, out: CData, count: CData
) -> None:
    check_places(out, count)
    return_texts(handle, out, count, handle.session.blob_scan(content(pattern, size), limit))


@call
def blob_scan_regex(handle: Handle, pattern: CData, limit: int, out: CData, count: CData) -> None:
    check_places(out, count)
    found = handle.session.blob_scan_regex(text(pattern, "pattern"), limit)
    return_texts(handle, out, count, found)


@call
def query_find(handle: Handle, query: CData, out: CData, count: CData) -> None:
    check_places(out, count)
    return_texts(handle, out, count, handle.session.find(text(query, "query")))


class _Iterator:
    """The state of a C iterator."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cursor: object = None
        self._entries: list[tuple[str, bytes]] = []
        self._more = True
        self._current: CData = None  # keeps the memory that the C structure points to

    def advance(self, place: CData) -> int:
        """Move to the next entry."""
        while not self._entries and self._more:
            self._entries, self._cursor = self._session.scan(self._cursor, _CHUNK)
            self._more = self._cursor is not None
            self._entries.reverse()
        if not self._entries:
            return ErrorCode.ITERATOR_END
        alias, data = self._entries.pop()
        large = len(data) >= _COPIED  # returned without a copy
        held = ffi.from_buffer("char[]", data) if large else ffi.new("char[]", data)
        self._current = ffi.new("char[]", alias.encode()), held
        place.alias, place.content = self._current
        place.content_size = len(data)
        return ErrorCode.OK

    def close(self) -> None:
        """Close the cursor, if it has not reached the end."""
        if self._more and self._cursor is not None:
            self._session.scan_close(self._cursor)


@call
def iterator_begin(handle: Handle, place: CData) -> int:
    check_places(place)
    iterator = _Iterator(handle.session)
    code = iterator.advance(place)
    if code == ErrorCode.OK:
        token = next(_tokens)
        handle.iterators[token] = iterator
        place.handle = handle.pointer
        place.token = ffi.cast("void *", token)
    return code


def _iterator(place: CData) -> tuple[Handle, _Iterator] | None:
    handle = None if place == ffi.NULL or place.handle == ffi.NULL else find(place.handle)
    if handle is None:
        return None
    iterator = handle.iterators.get(address(place.token))
    return None if iterator is None else (handle, iterator)


@define
def iterator_next(place: CData) -> int:
    found = _iterator(place)
    if found is None:  # the vendor's library would crash here
        return signed(ErrorCode.INVALID_ITERATOR)
    handle, iterator = found
    with handle.lock:
        try:
            return signed(iterator.advance(place))
        except QuasardbException as exc:
            handle.error = exc.error_code, exc.detail or ""
            return signed(exc.error_code)


@define
def iterator_close(place: CData) -> int:
    found = _iterator(place)
    if found is None:
        return signed(ErrorCode.INVALID_ITERATOR)
    handle, iterator = found
    with handle.lock:
        del handle.iterators[address(place.token)]
        iterator.close()
    place.handle = place.token = ffi.NULL
    return 0
