"""Estimates whether encoding a value may take long, without looking at all of it.

Clients encode such values in a thread, so that the event loop is not blocked. The time depends on
the number of objects in a value and on the length of its texts, at any depth.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any
from uuid import UUID

__all__ = ["LARGE", "is_large", "unpacks"]

LARGE = 256 * 1024
"""Bytes or characters that take a millisecond or more to encode or to decode."""

_PART = 64
"""Bytes that count as a part of a value."""

_MOST_PARTS = LARGE // _PART
"""So many parts take a millisecond or less to encode."""

_SCALARS = frozenset(
    {bool, float, complex, type(None), date, datetime, time, timedelta, Decimal, UUID}
)
_CONTAINERS = (dict, list, tuple, set, frozenset, deque)
_BY_NAME = (type, Enum, FunctionType, BuiltinFunctionType)
"""Types whose objects are encoded as a name only."""

_SIZES_BY_NAME: dict[tuple[str, str], Callable[[Any], int]] = {
    ("numpy", "ndarray"): lambda array: array.nbytes,
    ("pyarrow.lib", "Table"): lambda table: table.nbytes,
    ("polars.dataframe.frame", "DataFrame"): lambda frame: frame.estimated_size(),
    # Without the objects in columns of objects, since counting these would take long itself.
    ("pandas.core.frame", "DataFrame"): lambda frame: frame.memory_usage().sum(),
    ("pandas", "DataFrame"): lambda frame: frame.memory_usage().sum(),  # from pandas 3 on
}
"""Functions that return the size of values in bytes. By name, since packages may be missing."""


def is_large(value: object) -> bool:
    """Return whether encoding a value may take long. Looks at a few thousand parts at most."""
    left = _MOST_PARTS
    stack: list[Any] = [value]
    while stack:
        part = stack.pop()
        kind = type(part)
        left -= 1
        if kind in _SCALARS:
            pass
        elif kind is str or kind is bytes or kind is bytearray:
            left -= len(part) // _PART
        elif kind is dict:
            left -= 2 * len(part)
            if left >= 0:
                stack.extend(part)
                stack.extend(part.values())
        elif kind is list or kind is tuple:
            left -= len(part)
            if left >= 0:
                stack.extend(part)
        elif kind is int:
            left -= part.bit_length() // (8 * _PART)
        else:
            size, parts = _measure_other(part, kind, left)
            left -= size
            stack.extend(parts)
        if left < 0:
            return True
    return False


def _measure_other(part: Any, kind: type, most: int) -> tuple[int, Iterable[Any]]:  # noqa: ANN401
    """Return how many parts an object counts as, and the objects in it that are to be counted."""
    if isinstance(part, _BY_NAME):
        return 0, ()
    try:
        size_of = _SIZES_BY_NAME.get((kind.__module__, kind.__name__))
        if size_of is not None:
            return size_of(part) // _PART, ()
        size = part.nbytes if kind is memoryview else sys.getsizeof(part)
        parts: list[Any] = []
        if isinstance(part, _CONTAINERS):
            if len(part) > most:
                return len(part), ()
            parts.extend(part)
            parts.extend(part.values() if isinstance(part, dict) else ())
        if (attributes := getattr(part, "__dict__", None)) is not None:
            parts.append(attributes)
        for base in kind.__mro__:
            slots = base.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                parts.append(getattr(part, name, None))  # noqa: PERF401 - a loop in a loop
    except Exception:  # noqa: BLE001 - its codec will report the error
        return 0, ()
    return size // _PART, parts


def unpacks(codec: object) -> bool:
    """Return whether a codec unpacks content, so that the value may be much larger."""
    while codec is not None:
        if getattr(codec, "unpacks", False):
            return True
        codec = getattr(codec, "_inner", None)
    return False
