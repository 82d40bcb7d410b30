"""Checks arguments before anything is sent."""

# ruff: noqa: ANN401 - what is checked may be anything

import operator
import re
from typing import Any

from storekit.codecs.plain import as_bytes, as_int, as_text
from storekit.qdb.engine import MAX_ALIAS
from storekit.qdb.errors import ErrorCode, error_for

__all__ = [
    "check_alias",
    "check_content",
    "check_count",
    "check_double",
    "check_integer",
    "check_query",
    "check_string",
    "check_writable",
]

_RESERVED = ".."
_FIND = re.compile(r"\s*find\s*\(", re.IGNORECASE)


def check_alias(alias: object) -> str:
    """Return an alias or prefix as text that any store accepts.

    Raises:
        TypeError: It is neither text nor bytes.
        InvalidArgument: It is empty, has a NUL character, or is not valid UTF-8.
        AliasTooLong: It has more than 1024 bytes of UTF-8.

    """
    if type(alias) is not str:
        alias = _text(alias)
    if not alias:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An alias has at least one character.")
    if "\0" in alias:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "An alias can't contain a NUL character.")
    if alias.isascii():
        size = len(alias)
    else:
        try:
            size = len(alias.encode())
        except UnicodeEncodeError:
            raise error_for(
                ErrorCode.INVALID_ARGUMENT, "The alias can't be written as UTF-8."
            ) from None
    if size > MAX_ALIAS:
        detail = f"It has {size} bytes; at most {MAX_ALIAS} are allowed."
        raise error_for(ErrorCode.ALIAS_TOO_LONG, detail)
    return alias


def check_writable(alias: str) -> str:
    """Return an alias that may be written. Raises `ReservedAlias` for a reserved one."""
    if alias.startswith(_RESERVED):
        detail = "Aliases that start with '..' are reserved for the store."
        raise error_for(ErrorCode.RESERVED_ALIAS, detail)
    return alias


def _text(alias: object) -> str:
    if isinstance(alias, str):
        return as_text(alias)
    if not isinstance(alias, bytes):
        raise TypeError(f"an alias must be text, not {type(alias).__name__}")
    try:
        return as_bytes(alias).decode()
    except UnicodeDecodeError:
        raise error_for(
            ErrorCode.INVALID_ARGUMENT, "An alias given as bytes must be UTF-8."
        ) from None


def check_content(data: object) -> bytes:
    """Return content as bytes, which can't change during the call.

    Raises `TypeError` if it is neither bytes-like nor text, `ValueError` for text that can't be
    encoded as UTF-8.
    """
    if type(data) is bytes:
        return data
    if isinstance(data, str):
        return as_text(data).encode()
    if isinstance(data, bytes):
        return as_bytes(data)
    if isinstance(data, bytearray | memoryview):
        return bytes(memoryview(data))
    raise TypeError(
        f"content must be bytes-like or text, not {type(data).__name__}; "
        "a Client pickles other objects, a RawClient does not"
    )


def check_integer(value: Any) -> int:
    """Return an integer that fits into 64 bits. Raises `TypeError` and `ValueError`."""
    if isinstance(value, bool):
        raise TypeError("an integer entry holds an int, not bool")
    try:
        number = as_int(operator.index(value))
    except TypeError:
        raise TypeError(f"an integer entry holds an int, not {type(value).__name__}") from None
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{number} does not fit into 64 bits")
    return number


def check_double(value: Any) -> float:
    """Return a number as a double. Raises `TypeError` and `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a double entry holds a float, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("the number is beyond the range of a double") from None


def check_string(value: object) -> str:
    """Return text that can be encoded as UTF-8. Raises `TypeError` and `ValueError`."""
    if not isinstance(value, str):
        raise TypeError(f"a string entry holds text, not {type(value).__name__}")
    value.encode()  # UnicodeEncodeError is a ValueError that says where
    return str.__str__(value)


def check_query(query: object) -> str:
    """Return a query in the form that the store takes. Raises `TypeError` and `InvalidArgument`."""
    if not isinstance(query, str):
        raise TypeError(f"a query is text such as find(tag='a'), not {type(query).__name__}")
    if "\0" in query:
        raise error_for(ErrorCode.INVALID_QUERY, "A query can't contain a NUL character.")
    return str.__str__(query) if _FIND.match(query) else f"find({query})"


def check_count(max_count: object) -> None:
    """Raise `TypeError` or `ValueError` if this is not a positive whole number."""
    if isinstance(max_count, bool) or not isinstance(max_count, int):
        raise TypeError(f"max_count must be a whole number, not {type(max_count).__name__}")
    if max_count < 1:
        raise ValueError(f"max_count must be 1 or more, not {max_count}")
