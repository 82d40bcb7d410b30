"""Converts values of subclasses of str, int, float and bytes to these types."""

import enum

__all__ = ["as_bytes", "as_float", "as_int", "as_text", "carries_state"]

# By the methods of the built-in types, since a subclass may override them.


def as_text(value: str) -> str:
    """Return a plain str, also if the class overrides `__str__`."""
    return str.__str__(value)


def as_int(value: int) -> int:
    """Return a plain int."""
    return int.__int__(value)


def as_float(value: float) -> float:
    """Return a plain float."""
    return float.__float__(value)


def as_bytes(value: bytes) -> bytes:
    """Return plain bytes."""
    return bytes.__getitem__(value, slice(None))


def carries_state(value: object) -> bool:
    """Return whether a value of such a subclass has attributes, which a plain value would lose.

    Attributes of enumeration members belong to the class, and do not count.
    """
    return not isinstance(value, enum.Enum) and object.__getstate__(value) is not None
