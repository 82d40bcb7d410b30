"""Helpers to define the functions of the C API: errors, arguments, results."""

import functools
import sys
import traceback
from collections.abc import Callable

from storekit.qdb.errors import ErrorCode, QuasardbException, error_for
from tools.qdb_library.embedding import CData, ffi
from tools.qdb_library.handles import Handle, find

__all__ = [
    "call",
    "check_places",
    "content",
    "define",
    "defined",
    "return_content",
    "return_texts",
    "signed",
    "text",
]

defined: set[str] = set()
"""Names of the C functions that are defined."""

_NO_CODE = {  # functions that do not return a code
    *("qdb_version", "qdb_build", "qdb_error", "qdb_open_tcp", "qdb_release", "qdb_run_batch"),
}


def signed(code: int) -> int:
    """Return a code as a signed number, as the C functions do."""
    return code - 2**32 if code >= 2**31 else code


def define(function: Callable[..., CData]) -> Callable[..., CData]:
    """Define the C function of the same name."""
    name = f"qdb_{function.__name__}"
    # The result in C if the Python function raises. The default 0 would mean success.
    failure = {} if name in _NO_CODE else {"error": signed(ErrorCode.INTERNAL_LOCAL)}
    ffi.def_extern(name=name, **failure)(function)
    defined.add(name)
    return function


def call(function: Callable[..., int | None]) -> Callable[..., int]:
    """Define a C function whose first argument is a handle; errors become codes."""

    @define
    @functools.wraps(function)
    def entry(pointer: CData, *arguments: CData) -> int:
        handle = find(pointer)
        if handle is None:
            return signed(ErrorCode.INVALID_HANDLE)
        with handle.lock:
            try:
                code, detail = function(handle, *arguments) or 0, ""
            except QuasardbException as exc:
                code, detail = exc.error_code, exc.detail or ""
            except Exception:  # noqa: BLE001 - C can't pass on a Python exception
                traceback.print_exc(file=sys.stderr)
                code, detail = ErrorCode.INTERNAL_LOCAL, ""
            handle.error = code, detail
        return signed(code)

    return entry


def text(pointer: CData, what: str = "alias") -> str:
    """Return a C string, e.g. an alias, as text."""
    if pointer == ffi.NULL:
        raise error_for(ErrorCode.INVALID_ARGUMENT, f"Got NULL {what}")
    try:
        return str(ffi.string(pointer), "utf-8")
    except UnicodeDecodeError:
        raise error_for(ErrorCode.INVALID_ARGUMENT, f"The {what} is not UTF-8") from None


def content(pointer: CData, size: int) -> bytes:
    """Return the content of an argument."""
    if not size:
        return b""
    if pointer == ffi.NULL:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "Got NULL content")
    return bytes(ffi.buffer(pointer, size))


def check_places(*places: CData) -> None:
    """Raise if a pointer for a result is NULL."""
    if any(place == ffi.NULL for place in places):
        raise error_for(ErrorCode.INVALID_ARGUMENT, "Got NULL place for a result")


def return_content(handle: Handle, out: CData, size: CData, data: bytes | memoryview) -> None:
    """Return content through pointers."""
    out[0] = handle.hand_out(data) if len(data) else ffi.NULL
    size[0] = len(data)


def return_texts(handle: Handle, out: CData, count: CData, texts: list[str]) -> None:
    """Return an array of strings through pointers, as one buffer."""
    raw = [each.encode() for each in texts]
    head = ffi.sizeof("char *") * len(raw)
    count[0] = len(raw)
    out[0] = ffi.NULL
    if not raw:
        return
    block = handle.allocate(head + sum(len(each) + 1 for each in raw))
    array = ffi.cast("const char **", block)
    end = block + head
    for i, each in enumerate(raw):
        array[i] = end
        ffi.memmove(end, each, len(each))
        end += len(each) + 1
    out[0] = array
