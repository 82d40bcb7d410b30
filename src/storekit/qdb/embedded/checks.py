"""What the store refuses before it looks at any entry."""

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
"""Most bytes of a content: SQLite's limit for a row, less alias and figures."""

LARGE = 1 << 16
"""Contents above this many bytes are not left behind in prepared statements."""

_GRACE = 5 * 60 * 1000  # ms; older times of expiry are taken for a mistake of unit
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_LAST, _BEFORE_SURROGATES, _AFTER_SURROGATES = 0x10FFFF, 0xD7FF, 0xE000


def check_alias(alias: str) -> None:
    """Refuse what can't be an alias, a prefix or a suffix."""
    if alias.isascii() and 0 < len(alias) <= MAX_ALIAS and "\0" not in alias:
        return
    if not alias:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An alias has at least one character.")
    try:
        size = len(alias.encode())
    except UnicodeEncodeError:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An alias must be valid in UTF-8.") from None
    if size > MAX_ALIAS:
        raise error_for(ErrorCode.ALIAS_TOO_LONG, f"It has {size} bytes, {MAX_ALIAS} are allowed.")
    if "\0" in alias:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An alias holds no NUL character.")


def check_name(alias: str) -> None:
    """Refuse also what is reserved: for all but the reading of blobs and searches."""
    check_alias(alias)
    if alias.startswith(".."):
        raise error_for(ErrorCode.RESERVED_ALIAS, "Aliases with a leading '..' are reserved.")


def check_limit(max_count: int) -> int:
    """Return how many results to look for at most."""
    if max_count <= 0:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "The greatest count is at least 1.")
    return min(max_count, _INT_MAX)


def plain(content: Buffer) -> Buffer:
    """Return contiguous bytes that SQLite stores as they are, or `ENTRY_TOO_LARGE`."""
    if type(content) is not bytes:
        view = memoryview(content)
        # an empty buffer may have no address, which SQLite would take for NULL
        content = view.cast("B") if view.c_contiguous and view.nbytes else view.tobytes()
    if len(content) > MAX_CONTENT:
        raise error_for(
            ErrorCode.ENTRY_TOO_LARGE, f"It has {len(content)} bytes, {MAX_CONTENT} are allowed."
        )
    return content


def integer(value: int) -> int:
    """Return the value if 64 bits hold it; `TypeError` if it is no integer."""
    value = operator.index(value)
    if not _INT_MIN <= value <= _INT_MAX:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An integer has 64 bits.")
    return value


def deadline(expiry: int, now: int) -> int:
    """Return the time of expiry if it is one; both in milliseconds since the epoch."""
    if expiry in (NEVER, PRESERVE):
        return expiry
    if not now - _GRACE <= expiry <= _INT_MAX:
        raise error_for(
            ErrorCode.INVALID_ARGUMENT,
            "The time of expiry, in milliseconds since the epoch, is more than five minutes past."
            if expiry < now
            else "The time of expiry is too far away.",
        )
    return max(expiry, 1)  # 0 and less have a meaning of their own


def above(prefix: str) -> str | None:
    """Return the least text that follows all texts with this prefix, None if there is none.

    The order of code points is the order of bytes in UTF-8.
    """
    for end in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[end])
        if point != _LAST:
            following = _AFTER_SURROGATES if point == _BEFORE_SURROGATES else point + 1
            return prefix[:end] + chr(following)
    return None
