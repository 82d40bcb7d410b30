"""Operations on single entries: blobs, numbers, expiry, metadata, tags; and on nodes."""

# ruff: noqa: D103 - the header describes the functions

from collections.abc import Callable

from storekit.qdb.engine import Metadata
from storekit.qdb.errors import ErrorCode, error_for
from tools.qdb_library.calls import call, check_places, content, return_content, return_texts, text
from tools.qdb_library.embedding import CData, ffi
from tools.qdb_library.handles import Handle

_UPDATED = (ErrorCode.OK, ErrorCode.OK_CREATED)

# Blobs


@call
def blob_get(handle: Handle, alias: CData, out: CData, size: CData) -> None:
    check_places(out, size)
    return_content(handle, out, size, handle.session.blob_get(text(alias)))


@call
def blob_get_noalloc(handle: Handle, alias: CData, place: CData, size: CData) -> int:
    check_places(place, size)
    data = handle.session.blob_get(text(alias))
    room, size[0] = size[0], len(data)
    if len(data) > room:
        return ErrorCode.BUFFER_TOO_SMALL
    ffi.memmove(place, data, len(data))
    return ErrorCode.OK


@call
def blob_put(handle: Handle, alias: CData, data: CData, size: int, expiry: int) -> None:
    handle.session.blob_put(text(alias), content(data, size), expiry)


@call
def blob_update(handle: Handle, alias: CData, data: CData, size: int, expiry: int) -> int:
    created = handle.session.blob_update(text(alias), content(data, size), expiry)
    return _UPDATED[created]


@call
def blob_get_and_remove(handle: Handle, alias: CData, out: CData, size: CData) -> None:
    check_places(out, size)
    return_content(handle, out, size, handle.session.blob_get_and_remove(text(alias)))


@call
def blob_get_and_update(
    handle: Handle, alias: CData, data: CData, n: int, expiry: int, out: CData, size: CData
) -> None:
    check_places(out, size)
    old = handle.session.blob_get_and_update(text(alias), content(data, n), expiry)
    return_content(handle, out, size, old)


@call
def blob_compare_and_swap(
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
    new, old = content(data, n), content(comparand, m)
    found = handle.session.blob_compare_and_swap(text(alias), new, old, expiry)
    if found is None:
        out[0], size[0] = ffi.NULL, 0
        return ErrorCode.OK
    return_content(handle, out, size, found)
    return ErrorCode.UNMATCHED_CONTENT


@call
def blob_remove_if(handle: Handle, alias: CData, comparand: CData, size: int) -> None:
    handle.session.blob_remove_if(text(alias), content(comparand, size))


# Numbers


@call
def int_put(handle: Handle, alias: CData, value: int, expiry: int) -> None:
    handle.session.int_put(text(alias), value, expiry)


@call
def int_update(handle: Handle, alias: CData, value: int, expiry: int) -> int:
    return _UPDATED[handle.session.int_update(text(alias), value, expiry)]


@call
def int_get(handle: Handle, alias: CData, place: CData) -> None:
    check_places(place)
    place[0] = handle.session.int_get(text(alias))


@call
def int_add(handle: Handle, alias: CData, addend: int, place: CData) -> None:
    total = handle.session.int_add(text(alias), addend)
    if place != ffi.NULL:
        place[0] = total


@call
def double_put(handle: Handle, alias: CData, value: float, expiry: int) -> None:
    handle.session.double_put(text(alias), value, expiry)


@call
def double_update(handle: Handle, alias: CData, value: float, expiry: int) -> int:
    return _UPDATED[handle.session.double_update(text(alias), value, expiry)]


@call
def double_get(handle: Handle, alias: CData, place: CData) -> None:
    check_places(place)
    place[0] = handle.session.double_get(text(alias))


@call
def double_add(handle: Handle, alias: CData, addend: float, place: CData) -> None:
    total = handle.session.double_add(text(alias), addend)
    if place != ffi.NULL:
        place[0] = total


# All types


@call
def remove(handle: Handle, alias: CData) -> None:
    handle.session.remove(text(alias))


@call
def expires_at(handle: Handle, alias: CData, expiry: int) -> None:
    handle.session.expires_at(text(alias), expiry)


@call
def expires_from_now(handle: Handle, alias: CData, milliseconds: int) -> None:
    handle.session.expires_from_now(text(alias), milliseconds)


@call
def get_expiry_time(handle: Handle, alias: CData, place: CData) -> None:
    check_places(place)
    place[0] = handle.session.get_expiry_time(text(alias))


@call
def get_type(handle: Handle, alias: CData, place: CData) -> None:
    check_places(place)
    place[0] = handle.session.get_type(text(alias))


@call
def get_metadata(handle: Handle, alias: CData, place: CData) -> None:
    check_places(place)
    found: Metadata = handle.session.get_metadata(text(alias))
    ffi.memmove(place, bytes(ffi.sizeof("qdb_entry_metadata_t")), 96)
    place.reference.data = list(found.reference)
    place.type, place.size = found.type, found.size
    for time, nanoseconds in (
        (place.modification_time, found.modified),
        (place.expiry_time, found.expiry),
    ):
        time.tv_sec, time.tv_nsec = divmod(nanoseconds, 10**9)


@call
def purge_all(handle: Handle, timeout: int) -> None:
    if timeout <= 0:
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    handle.session.purge_all(timeout / 1000)


# Tags


@call
def attach_tag(handle: Handle, alias: CData, tag: CData) -> None:
    handle.session.attach_tag(text(alias), text(tag, "tag"))


@call
def detach_tag(handle: Handle, alias: CData, tag: CData) -> None:
    handle.session.detach_tag(text(alias), text(tag, "tag"))


@call
def has_tag(handle: Handle, alias: CData, tag: CData) -> int:
    found = handle.session.has_tag(text(alias), text(tag, "tag"))
    return ErrorCode.OK if found else ErrorCode.TAG_NOT_SET


@call
def attach_tags(handle: Handle, alias: CData, tags: CData, count: int) -> None:
    handle.session.attach_tags(text(alias), [text(tags[i], "tag") for i in range(count)])


@call
def detach_tags(handle: Handle, alias: CData, tags: CData, count: int) -> None:
    handle.session.detach_tags(text(alias), [text(tags[i], "tag") for i in range(count)])


@call
def get_tags(handle: Handle, alias: CData, out: CData, count: CData) -> None:
    check_places(out, count)
    return_texts(handle, out, count, handle.session.get_tags(text(alias)))


@call
def get_tagged(handle: Handle, tag: CData, out: CData, count: CData) -> None:
    check_places(out, count)
    return_texts(handle, out, count, handle.session.get_tagged(text(tag, "tag")))


@call
def get_tagged_count(handle: Handle, tag: CData, place: CData) -> None:
    check_places(place)
    place[0] = handle.session.get_tagged_count(text(tag, "tag"))


# Nodes


def _reply(
    handle: Handle, ask: Callable[[str], bytes], node: CData, out: CData, size: CData
) -> None:
    check_places(out, size)
    return_content(handle, out, size, ask(text(node, "node").removeprefix("qdb://")))


@call
def node_status(handle: Handle, node: CData, out: CData, size: CData) -> None:
    _reply(handle, handle.session.node_status, node, out, size)


@call
def node_config(handle: Handle, node: CData, out: CData, size: CData) -> None:
    _reply(handle, handle.session.node_config, node, out, size)


@call
def node_topology(handle: Handle, node: CData, out: CData, size: CData) -> None:
    _reply(handle, handle.session.node_topology, node, out, size)


@call
def node_stop(handle: Handle, node: CData, reason: CData) -> None:
    handle.session.node_stop(text(node, "node").removeprefix("qdb://"), text(reason, "reason"))
