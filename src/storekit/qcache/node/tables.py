"""How the node holds a table: a plain frame, whose dtypes tell what pandas would have.

| in pandas | dtype here |
|---|---|
| int64, uint64 | `Int64`, `UInt64`, never null |
| float64, also whole numbers with nulls | `Float64`; NaN is held as null, never as NaN |
| bool, also with nulls | `Boolean` |
| text | `String` |
| category | `pl.Enum` of the sorted categories of the stored table |
| objects of several types, or nested | `Binary`: the JSON text of each value |

Columns are in stored order. A table without columns has no rows either.
"""

import json
from collections.abc import Container, Iterable

import polars as pl

__all__ = [
    "BOOL",
    "FLOAT",
    "INT",
    "LIMITS",
    "MIXED",
    "TEXT",
    "UINT",
    "decode_mixed",
    "encode_mixed",
    "encode_value",
    "enum_of",
    "is_bool",
    "is_enum",
    "is_integer",
    "is_mixed",
    "is_number",
    "is_text",
    "unused_name",
]

INT = pl.Int64()
UINT = pl.UInt64()
FLOAT = pl.Float64()
BOOL = pl.Boolean()
TEXT = pl.String()
MIXED = pl.Binary()

LIMITS: dict[pl.DataType, tuple[int, int]] = {INT: (-(2**63), 2**63 - 1), UINT: (0, 2**64 - 1)}
"""The least and the largest whole number of the types that have them."""

# ASCII only, so that a lone surrogate of the upload has a form. Infinity stays a literal.
_VALUE = json.JSONEncoder(separators=(",", ":"))


def is_number(dtype: pl.DataType) -> bool:
    """Whether a column is of whole numbers or floats; a bool is neither."""
    return dtype == FLOAT or is_integer(dtype)


def is_integer(dtype: pl.DataType) -> bool:
    """Whether a column is of whole numbers."""
    return dtype in (INT, UINT)


def is_bool(dtype: pl.DataType) -> bool:
    """Whether a column is of bools."""
    return dtype == BOOL


def is_text(dtype: pl.DataType) -> bool:
    """Whether a column is of text that is no enum."""
    return dtype == TEXT


def is_enum(dtype: pl.DataType) -> bool:
    """Whether a column is an enum."""
    return isinstance(dtype, pl.Enum)


def is_mixed(dtype: pl.DataType) -> bool:
    """Whether a column is of values of several types, or nested ones, as JSON."""
    return dtype == MIXED


def enum_of(text: pl.Series) -> pl.Series:
    """Return a text column as an enum of the values that it has, in byte order."""
    return text.cast(pl.Enum(text.drop_nulls().unique().sort()))


def encode_value(value: object) -> bytes | None:
    """Return a value (what `json` decodes to) as an item of a mixed column. NaN is null."""
    if value is None or value != value:
        return None
    return _VALUE.encode(value).encode()


def encode_mixed(name: str, values: Iterable[object]) -> pl.Series:
    """Return values as a mixed column."""
    return pl.Series(name, [encode_value(value) for value in values], dtype=MIXED)


def decode_mixed(column: pl.Series) -> list[object]:
    """Return the values of a mixed column: what `json` decodes to, None for null."""
    loads = json.loads
    return [None if value is None else loads(value) for value in column.to_list()]


def unused_name(taken: Container[str], stem: str = "column") -> str:
    """Return a name for an internal column that is not in `taken`."""
    name, number = stem, 0
    while name in taken:
        number += 1
        name = f"{stem}.{number}"
    return name
