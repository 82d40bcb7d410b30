"""What values of subclasses of str, int, float and bytes are, apart from their class."""

import enum

__all__ = ["as_bytes", "as_float", "as_int", "as_text", "carries_state"]

# By the methods of the built-in types themselves: a subclass may have others by these names.


def as_text(value: str) -> str:
    """Return the characters of a text, whatever its class makes of `str()`."""
    return str.__str__(value)


def as_int(value: int) -> int:
    """Return a whole number without its class."""
    return int.__int__(value)


def as_float(value: float) -> float:
    """Return a floating-point number without its class."""
    return float.__float__(value)


def as_bytes(value: bytes) -> bytes:
    """Return bytes without their class."""
    return bytes.__getitem__(value, slice(None))


def carries_state(value: object) -> bool:
    """Tell whether a value of such a subclass has attributes that would be lost without it.

    Members of enumerations have none that are their own.
    """
    return not isinstance(value, enum.Enum) and object.__getstate__(value) is not None
