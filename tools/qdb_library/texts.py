"""Operations on entries that hold text or a timestamp."""

# ruff: noqa: D103 - the header describes the functions

from storekit.qdb.errors import ErrorCode, error_for
from tools.qdb_library.calls import call, check_places, content, return_content, return_texts, text
from tools.qdb_library.embedding import CData, ffi
from tools.qdb_library.handles import Handle

_UPDATED = (ErrorCode.OK, ErrorCode.OK_CREATED)
_NS = 10**9

# Texts


def _text(data: CData, size: int) -> str:
    try:
        return content(data, size).decode()
    except UnicodeDecodeError:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "The content is not UTF-8") from None


@call
def string_get(handle: Handle, alias: CData, out: CData, size: CData) -> None:
    check_places(out, size)
    return_content(handle, out, size, handle.session.string_get(text(alias)).encode())


@call
def string_put(handle: Handle, alias: CData, data: CData, size: int, expiry: int) -> None:
    handle.session.string_put(text(alias), _text(data, size), expiry)


@call
def string_update(handle: Handle, alias: CData, data: CData, size: int, expiry: int) -> int:
    return _UPDATED[handle.session.string_update(text(alias), _text(data, size), expiry)]


@call
def string_get_and_remove(handle: Handle, alias: CData, out: CData, size: CData) -> None:
    check_places(out, size)
    return_content(handle, out, size, handle.session.string_get_and_remove(text(alias)).encode())


@call
def string_get_and_update(
    handle: Handle, alias: CData, data: CData, n: int, expiry: int, out: CData, size: CData
) -> None:
    check_places(out, size)
    old = handle.session.string_get_and_update(text(alias), _text(data, n), expiry)
    return_content(handle, out, size, old.encode())


@call
def string_compare_and_swap(
    handle: Handle,
    alias: CData,
    data: CData,
    n: int,
    comparand: CData,
    m: int,
    expiry: int,
    out: CData,
    size: CData,
) -> int:
    check_places(out, size)
    new, old = _text(data, n), _text(comparand, m)
    found = handle.session.string_compare_and_swap(text(alias), new, old, expiry)
    return_content(handle, out, size, (found or "").encode())
    return ErrorCode.OK if found is None else ErrorCode.UNMATCHED_CONTENT


@call
def string_remove_if(handle: Handle, alias: CData, comparand: CData, size: int) -> None:
    handle.session.string_remove_if(text(alias), _text(comparand, size))


@call
def string_scan(
    handle: Handle, pattern: CData, size: int, limit: int, out: CData, count: CData
) -> None:
    check_places(out, count)
    return_texts(handle, out, count, handle.session.string_scan(_text(pattern, size), limit))


@call
def string_scan_regex(handle: Handle, pattern: CData, limit: int, out: CData, count: CData) -> None:
    check_places(out, count)
    found = handle.session.string_scan_regex(text(pattern, "pattern"), limit)
    return_texts(handle, out, count, found)


# Times


def _nanoseconds(place: CData) -> int:
    check_places(place)
    return int(place.tv_sec * _NS + place.tv_nsec)


def _return_time(place: CData, nanoseconds: int) -> None:
    place.tv_sec, place.tv_nsec = divmod(nanoseconds, _NS)


@call
def timestamp_put(handle: Handle, alias: CData, value: CData, expiry: int) -> None:
    handle.session.timestamp_put(text(alias), _nanoseconds(value), expiry)


@call
def timestamp_update(handle: Handle, alias: CData, value: CData, expiry: int) -> int:
    return _UPDATED[handle.session.timestamp_update(text(alias), _nanoseconds(value), expiry)]


@call
def timestamp_get(handle: Handle, alias: CData, place: CData) -> None:
    check_places(place)
    _return_time(place, handle.session.timestamp_get(text(alias)))


@call
def timestamp_add(handle: Handle, alias: CData, addend: CData, place: CData) -> None:
    total = handle.session.timestamp_add(text(alias), _nanoseconds(addend))
    if place != ffi.NULL:
        _return_time(place, total)
