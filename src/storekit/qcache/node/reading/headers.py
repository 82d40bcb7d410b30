"""The two request headers about columns: their types, and stand-ins for missing ones."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.tables import FLOAT, INT, TEXT

__all__ = ["StandIn", "add_stand_ins", "parse_stand_ins", "parse_types"]

_WHAT = "stand-in columns"
_VIEW = 16
_TYPES = ("string", "enum", "float")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class StandIn:
    """A column that is added to a table if there is none of that name."""

    name: str
    value: str
    """The name of a column to copy, or else a number or text for all rows."""


def parse_types(header: str) -> dict[str, str]:
    """Return the columns of `X-QCache-types` with their types. `BadTable` if it is malformed."""
    types = dict(_pairs("X-QCache-types", header))
    for name, kind in types.items():
        if kind not in _TYPES:
            raise BadTable(
                f"X-QCache-types: column {name!r} cannot be {kind!r}, only {', '.join(_TYPES)}"
            )
    return types


def parse_stand_ins(header: str) -> list[StandIn]:
    """Return the columns of `X-QCache-stand-in-columns`. `BadTable` if it is malformed."""
    return [StandIn(name, value) for name, value in _pairs("X-QCache-stand-in-columns", header)]


def _pairs(header: str, text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in text.split(";") if text else ():
        name, *value = (half.strip() for half in part.split("="))
        if len(value) != 1:
            raise BadTable(f"{header}: {part!r} is not NAME=VALUE (; is only between two of them)")
        pairs.append((name, value[0]))
    return pairs


def add_stand_ins(
    frame: pl.DataFrame, stand_ins: Sequence[StandIn], budget: Budget
) -> pl.DataFrame:
    """Add the missing columns to a table; later ones can copy earlier ones.

    `BadTable` for a whole number beyond int64.
    """
    columns = {column.name: column for column in frame}
    for stand_in in stand_ins:
        if stand_in.name not in columns:
            columns[stand_in.name] = _column(columns, frame.height, stand_in, budget)
    return pl.DataFrame([*columns.values()])


def _column(
    columns: Mapping[str, pl.Series], height: int, stand_in: StandIn, budget: Budget
) -> pl.Series:
    name, value = stand_in.name, stand_in.value
    if value in columns:
        budget.take(columns[value].estimated_size(), _WHAT)
        return columns[value].alias(name)
    # A view for each row is needed at least, and later steps may copy the text for each row.
    budget.take((len(value.encode()) + _VIEW) * height, _WHAT)
    if _WHOLE.fullmatch(value):
        one = pl.Series(name, [_int64(stand_in)], dtype=INT)
    elif _DECIMAL.fullmatch(value):
        one = pl.Series(name, [float(value)], dtype=FLOAT).fill_nan(None)
    else:
        one = pl.Series(name, [_unquoted(value)], dtype=TEXT)
    return one.new_from_index(0, height)


def _int64(stand_in: StandIn) -> int:
    digits = stand_in.value.lstrip("+-").lstrip("0")
    number = int(digits[:20] or "0")
    number = -number if stand_in.value.startswith("-") else number
    if not -(2**63) <= number < 2**63:
        raise BadTable(f"stand-in column {stand_in.name!r}: {stand_in.value[:30]} is beyond int64")
    return number


def _unquoted(text: str) -> str:
    # Each end separately: they need not match.
    if text.startswith(("'", '"')):
        text = text[1:]
    if text.endswith(("'", '"')):
        text = text[:-1]
    return text
