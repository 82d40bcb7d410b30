"""Checks of arguments that need no access to the store."""

import operator

from storekit.qdb.engine import MAX_ALIAS, NEVER, PRESERVE, Buffer
from storekit.qdb.errors import ErrorCode, error_for

__all__ = [
    "LARGE",
    "MAX_CONTENT",
    "above",
    "check_alias",
    "check_limit",
    "check_name",
    "deadline",
    "integer",
    "plain",
]

MAX_CONTENT = 1_000_000_000 - 4096
"""The largest content, in bytes: SQLite's limit for a row, less alias and numbers."""

LARGE = 1 << 16
"""Contents above this many bytes are not kept in prepared statements."""

_GRACE = 5 * 60 * 1000  # ms; an older time of expiry is probably in a wrong unit
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_LAST, _BEFORE_SURROGATES, _AFTER_SURROGATES = 0x10FFFF, 0xD7FF, 0xE000


def check_alias(alias: str) -> None:
    """Raise for a malformed alias, prefix or suffix."""
    if alias.isascii() and 0 < len(alias) <= MAX_ALIAS and "\0" not in alias:
        return
    if not alias:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An alias has at least one character.")
    try:
        size = len(alias.encode())
    except UnicodeEncodeError:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An alias must be valid in UTF-8.") from None
    if size > MAX_ALIAS:
        detail = f"It has {size} bytes; at most {MAX_ALIAS} are allowed."
        raise error_for(ErrorCode.ALIAS_TOO_LONG, detail)
    if "\0" in alias:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An alias can't contain a NUL character.")


def check_name(alias: str) -> None:
    """Raise also for a reserved alias. All operations but gets of blobs and searches use this."""
    check_alias(alias)
    if alias.startswith(".."):
        raise error_for(ErrorCode.RESERVED_ALIAS, "Aliases with a leading '..' are reserved.")


def check_limit(max_count: int) -> int:
    """Return the largest number of results, as SQLite accepts it. Raises if it is less than 1."""
    if max_count <= 0:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "The largest count must be at least 1.")
    return min(max_count, _INT_MAX)


def plain(content: Buffer) -> Buffer:
    """Return contiguous bytes that SQLite stores unchanged. Raises `ENTRY_TOO_LARGE`."""
    if type(content) is not bytes:
        view = memoryview(content)
        # An empty buffer may have no address, which SQLite would store as NULL.
        content = view.cast("B") if view.c_contiguous and view.nbytes else view.tobytes()
    if len(content) > MAX_CONTENT:
        raise error_for(
            ErrorCode.ENTRY_TOO_LARGE,
            f"It has {len(content)} bytes; at most {MAX_CONTENT} are allowed.",
        )
    return content


def integer(value: int) -> int:
    """Return the value. Raises if it does not fit into 64 bits, `TypeError` for a non-integer."""
    value = operator.index(value)
    if not _INT_MIN <= value <= _INT_MAX:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "The integer does not fit into 64 bits.")
    return value


def deadline(expiry: int, now: int) -> int:
    """Return a checked time of expiry. Both are in milliseconds since the epoch."""
    if expiry in (NEVER, PRESERVE):
        return expiry
    if not now - _GRACE <= expiry <= _INT_MAX:
        raise error_for(
            ErrorCode.INVALID_ARGUMENT,
            "The time of expiry, in milliseconds since the epoch, is more than five minutes ago."
            if expiry < now
            else "The time of expiry is too far away.",
        )
    return max(expiry, 1)  # 0 and -1 are NEVER and PRESERVE


def above(prefix: str) -> str | None:
    """Return the least text that sorts after all texts with this prefix, None if there is none.

    Code points sort in the same order as UTF-8.
    """
    for end in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[end])
        if point != _LAST:
            following = _AFTER_SURROGATES if point == _BEFORE_SURROGATES else point + 1
            return prefix[:end] + chr(following)
    return None
