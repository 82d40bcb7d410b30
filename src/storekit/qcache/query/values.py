"""Checks of values and names, and the form that QCache expects of them."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Sequence

__all__ = [
    "Value",
    "check_name",
    "check_text",
    "check_value",
    "check_whole",
    "quote",
    "split_list",
    "to_value",
]

Number = int | float
Value = Number | str

_COMPUTED_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_name(name: object, what: str) -> str:
    """Return a name that QCache takes for a new column. Raises `TypeError` and `ValueError`."""
    if not isinstance(name, str):
        raise TypeError(f"{what} must be text, not {name!r}")
    if not _COMPUTED_NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ValueError(
            f"{what} must be letters, digits and _, without a digit at the start, and not a Python "
            f"keyword; QCache cannot compute with {name!r}"
        )
    return name


def to_value(value: Value) -> object:
    """Return a value in the form of QCache, where text without quotes would be a column."""
    return quote(value) if isinstance(value, str) else value


def check_value(value: object) -> Value:
    """Return a value if QCache supports it. Raises `TypeError` and `ValueError`."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return check_whole(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"QCache compares only with finite numbers, not {value!r}")
        return value
    raise TypeError(
        f"QCache supports numbers, bools and text, not {type(value).__name__}: {value!r}; "
        "give a time as the text or the number that the table has"
    )


def check_whole(value: object) -> int:
    """Return a whole number if QCache supports it. Raises `TypeError` and `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number is needed, not {value!r}")
    if not -(2**63) <= value < 2**64:
        raise ValueError(f"{value} does not fit into 64 bits")
    return value


def check_text(value: object, what: str) -> str:
    """Return a text. Raises `TypeError`."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, not {value!r}")
    return value


def quote(text: str) -> str:
    """Return a text in quotes, which tell it from the name of a column."""
    return f"'{text}'"


def split_list(
    values: Sequence[Value | None],
) -> tuple[list[list[Value]], list[Value | None]]:
    """Return lists of values for `in`, and the values that need a comparison each.

    In a list, QCache 0.9.3 never finds text that is not ASCII, finds null in some columns only,
    and truncates a float to a whole number if the column has whole numbers.
    """
    numbers: list[Value] = []
    texts: list[Value] = []
    others: list[Value | None] = []
    for each in values:
        if isinstance(each, str) and each.isascii():
            texts.append(each)
        elif isinstance(each, int):
            numbers.append(each)
        else:
            others.append(each)
    return [each for each in (numbers, texts) if each], others
