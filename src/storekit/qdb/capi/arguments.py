"""Checks and conversions of arguments before a call."""

from storekit.qdb.capi.library import CData
from storekit.qdb.engine import MAX_ALIAS, PRESERVE, Buffer
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = [
    "INT64_MAX",
    "TIMESTAMPS",
    "alias_to_read",
    "alias_to_write",
    "as_content",
    "as_count",
    "as_expiry",
    "as_int64",
    "as_text",
]

INT64_MAX = 2**63 - 1
TIMESTAMPS = range(-(2**63) * 10**9, 2**63 * 10**9)
"""The range of timestamps in nanoseconds: their seconds must fit into 64 bits."""
_RESERVED = b".."


def alias_to_read(alias: str) -> bytes:
    """Return an alias (or prefix, suffix, tag) as bytes for the C library. Raises if malformed."""
    try:
        raw = alias.encode()
    except UnicodeEncodeError:
        raise _refused("The alias is not valid Unicode.") from None
    if raw and len(raw) <= MAX_ALIAS and b"\0" not in raw:
        return raw
    raise _why_not(raw)


def alias_to_write(alias: str) -> bytes:
    """Return the alias for an operation that writes. Raises also for a reserved one."""
    raw = alias_to_read(alias)
    if raw.startswith(_RESERVED):
        # Libraries before 3.13 leave this to the server.
        raise error_for(ErrorCode.RESERVED_ALIAS)
    return raw


def _why_not(raw: bytes) -> QuasardbException:
    if len(raw) > MAX_ALIAS:
        return error_for(ErrorCode.ALIAS_TOO_LONG)
    return _refused("The alias is empty." if not raw else "The alias has a NUL character.")


def as_content(ffi: CData, content: Buffer) -> tuple[CData, int]:
    """Return a pointer and a size to pass. The first must live until the call is over."""
    if type(content) is bytes:
        return content, len(content)
    if not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(f"content must be bytes-like, not {type(content).__name__}")
    if isinstance(content, memoryview) and not content.contiguous:
        content = bytes(content)
    pinned = ffi.from_buffer(content)
    return pinned, len(pinned)


def as_expiry(expiry: int) -> int:
    """Return the time of expiry. Raises if it is out of range."""
    if not PRESERVE <= expiry <= INT64_MAX:
        raise _refused("The time of expiry is out of range.")
    return expiry


def as_int64(value: int) -> int:
    """Return the number. Raises if it does not fit into 64 bits."""
    if not -INT64_MAX - 1 <= value <= INT64_MAX:
        raise _refused("The number does not fit into 64 bits.")
    return value


def as_count(max_count: int) -> int:
    """Return the largest number of results to ask for; the C library has no number for "all"."""
    return min(as_int64(max_count) if max_count <= 0 else max_count, INT64_MAX)


def as_text(text: str, what: str) -> bytes:
    """Return other text, e.g. a node or a regular expression, as bytes for the C library."""
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise _refused(f"The {what} is not valid Unicode.") from None
    if b"\0" in raw:
        raise _refused(f"The {what} has a NUL character.")
    return raw


def _refused(detail: str) -> QuasardbException:
    return error_for(ErrorCode.INVALID_ARGUMENT, detail)
