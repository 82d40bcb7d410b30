"""The library itself: versions, handles, buffers, the last error, and connecting."""

# ruff: noqa: D103 - the header describes the functions

import re
from importlib import metadata

from storekit.qdb.errors import ErrorCode, error_for, make_error_string
from tools.qdb_library import handles
from tools.qdb_library.calls import call, check_places, content, define, signed, text
from tools.qdb_library.embedding import CData, ffi
from tools.qdb_library.handles import Handle, find

_VERSION = ffi.new("char[]", b"3.14.3")
_BUILD = ffi.new("char[]", f"storekit {metadata.version('storekit')}".encode())
_messages: dict[int, CData] = {}


@define
def version() -> CData:
    return _VERSION


@define
def build() -> CData:
    return _BUILD


@define
def error(code: int) -> CData:
    if code not in _messages:
        _messages[code] = ffi.new("char[]", make_error_string(code & 0xFFFFFFFF).encode())
    return _messages[code]


@define
def open(place: CData, protocol: int) -> int:  # noqa: A001 - the name of the C function
    if place == ffi.NULL:
        return signed(ErrorCode.INVALID_ARGUMENT)
    if protocol:
        return signed(ErrorCode.INVALID_PROTOCOL)
    place[0] = handles.open_handle().pointer
    return 0


@define
def open_tcp() -> CData:
    return handles.open_handle().pointer


@define
def close(pointer: CData) -> int:
    return 0 if handles.close_handle(pointer) else signed(ErrorCode.INVALID_HANDLE)


@define
def release(pointer: CData, buffer: CData) -> None:
    handle = find(pointer)
    if handle is not None:
        with handle.lock:
            handle.release(buffer)


@define
def get_last_error(pointer: CData, code: CData, message: CData) -> int:
    handle = find(pointer)
    if handle is None:
        return signed(ErrorCode.INVALID_HANDLE)
    with handle.lock:
        last, detail = handle.error
        if code != ffi.NULL:
            code[0] = signed(last)
        if message != ffi.NULL:
            raw = f"{make_error_string(last)} {detail}".strip().encode()
            head = ffi.sizeof("qdb_string_t")
            block = handle.allocate(head + len(raw) + 1)
            ffi.memmove(block + head, raw, len(raw))
            string = ffi.cast("qdb_string_t *", block)
            string.data, string.length = block + head, len(raw)
            message[0] = string
    return 0


@call
def connect(handle: Handle, uri: CData) -> None:
    match = re.fullmatch(r"qdb://([^\s,]+:\d+(?:,[^\s,]+:\d+)*)", text(uri, "URI"))
    if match is None:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "Not a URI of a cluster")
    handle.connect(match[1].split(","))


@call
def alloc_buffer(handle: Handle, size: int, out: CData) -> None:
    check_places(out)
    if not size:
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    out[0] = handle.allocate(size)


@call
def copy_alloc_buffer(handle: Handle, source: CData, size: int, out: CData) -> None:
    check_places(source, out)
    if not size:
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    out[0] = handle.hand_out(content(source, size))


@call
def cluster_endpoints(handle: Handle, out: CData, count: CData) -> None:
    check_places(out, count)
    _ = handle.session
    array = handle.allocate(ffi.sizeof("qdb_remote_node_t") * len(handle.nodes))
    nodes = ffi.cast("qdb_remote_node_t *", array)
    for node, place in zip(handle.nodes, nodes[0 : len(handle.nodes)], strict=True):
        host, _, port = node.rpartition(":")
        place.address, place.port = handle.hand_out(host.encode() + b"\0", owner=array), int(port)
    out[0], count[0] = nodes, len(handle.nodes)
