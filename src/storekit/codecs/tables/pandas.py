"""Tables as data frames of pandas."""

from __future__ import annotations

import csv
import datetime
import io
import sys
from typing import TYPE_CHECKING, Any

from storekit._extras import require_installed
from storekit.codecs.tables.base import (
    CSV,
    JSON,
    TableContent,
    check_columns,
    check_integers,
    check_text,
    errors_name,
    media_type,
)
from storekit.codecs.tables.reading import columns_of, read_json_rows
from storekit.errors import CodecError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PandasTable"]

_OF_OBJECTS = {
    "string": "string", "empty": "string", "date": "string", "time": "string",
    "boolean": None, "integer": None,
    "floating": "float", "mixed-integer-float": "float", "decimal": "float",
}  # fmt: skip
"""The type for QCache by what `infer_dtype` returns for a column of objects."""


class PandasTable:
    """Tables as `pandas.DataFrame`.

    Uploads are CSV, with column types for text and for categories of text, which become enums in
    QCache. An index is stored as a column if it has a name, and left out if not. Dates and times
    become text in ISO 8601, those with a time zone in UTC; decimals become floats; NaN becomes
    null. **Empty text becomes null**: QCache's CSV does not distinguish them. Results are JSON.
    """

    name: str = "pandas"
    content_type: str = CSV
    accept: str = JSON
    packages: tuple[str, ...] = ("pandas",)

    def __init__(self) -> None:
        require_installed("the codec pandas", "pandas", "pandas")

    def encode(self, table: pd.DataFrame, /) -> TableContent:
        """Return the frame as CSV. `TypeError` or `ValueError` for what QCache can't store."""
        import pandas as pd

        if not isinstance(table, pd.DataFrame):
            raise TypeError(f"the codec pandas takes pandas.DataFrame, not {type(table).__name__}")
        named = [name for name in table.index.names if name is not None]
        if named:
            check_columns([*named, *table.columns])
            table = table.reset_index(level=named)
        names = check_columns(table.columns)
        types: dict[str, str] = {}
        columns: dict[str, pd.Series] = {}
        for name in names:
            with errors_name(name):
                columns[name], kind = _prepare(table[name])
            if kind is not None:
                types[name] = kind
        # pandas quotes only text with a character of the line terminator, and for QCache both \r
        # and \n end a line, hence "\r\n". QCache skips blank lines, so all text of a single column
        # is quoted.
        quoting = csv.QUOTE_ALL if len(columns) == 1 and types else csv.QUOTE_MINIMAL
        try:
            content: bytes = (
                pd.DataFrame(columns)
                .to_csv(index=False, lineterminator="\r\n", quoting=quoting)
                .encode()
            )
        except UnicodeEncodeError:
            for name, column in columns.items():
                check_text(name, column)
            raise
        return TableContent(content, CSV, types)

    def decode(self, content: bytes | memoryview, content_type: str, /) -> pd.DataFrame:
        """Return a result as a frame. Raises `CodecError`.

        The column types of a CSV result are guessed: the text "007" becomes a number.
        """
        import pandas as pd

        kind = media_type(content_type)
        try:
            if kind == JSON:
                return pd.DataFrame(columns_of(read_json_rows(content, self.name), self.name))
            if kind == CSV:
                return pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values=[""])
        except CodecError:
            raise
        except Exception as error:
            raise CodecError(
                f"the result can't be read by pandas ({type(error).__name__})", codec=self.name
            ) from error
        raise CodecError(f"the result is {kind[:60]!r}, neither JSON nor CSV", codec=self.name)

    def skip(self, table: pd.DataFrame, rows: int, /) -> pd.DataFrame:
        """Return a frame without its first rows, with an index that starts at 0."""
        return table.iloc[rows:].reset_index(drop=True)


def _prepare(column: pd.Series) -> tuple[pd.Series, str | None]:
    """Return a column in the form to be written, and its type for QCache."""
    import pandas as pd
    from pandas.api import types as is_

    name, dtype = column.name, column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        prepared, kind = _prepare(_plain(column, dtype.categories.dtype))
        return prepared, "enum" if is_.infer_dtype(dtype.categories) == "string" else kind
    if is_.is_bool_dtype(dtype):
        return column, None
    if is_.is_integer_dtype(dtype):
        return _integers(column), None
    if is_.is_float_dtype(dtype):
        return _floats(column), "float"
    is_arrow = isinstance(dtype, pd.ArrowDtype)
    if is_.is_datetime64_any_dtype(dtype) and not (is_arrow and dtype.type is datetime.date):
        return _moments(column), "string"
    if is_.is_object_dtype(dtype) or is_.is_string_dtype(dtype) or is_arrow:
        found = is_.infer_dtype(column, skipna=True)
        if found not in _OF_OBJECTS:
            raise TypeError(
                f"column {name!r}: QCache has no type for values that are {found}; cast it"
            )
        if found == "integer":
            return _integers(column), None
        if found in ("floating", "mixed-integer-float", "decimal"):
            return _floats(column.astype("Float64")), "float"
        if found in ("date", "time"):
            column = column.map(lambda value: value.isoformat(), na_action="ignore")
        elif found == "string" and column.str.contains("\0", regex=False).any():
            raise ValueError(f"column {name!r} has text with a NUL, where QCache cuts it off")
        return column, _OF_OBJECTS[found]
    raise TypeError(f"column {name!r}: QCache has no type for {dtype}; cast it")


def _plain(column: pd.Series, dtype: Any) -> pd.Series:  # noqa: ANN401 - pandas has no types
    """Return the values of a categorical column, whose categories have this type."""
    if dtype.kind in "iub" and column.hasnans and not hasattr(dtype, "numpy_dtype"):
        # NumPy's types of integers and bools have no missing values.
        dtype = {"b": "boolean", "i": "Int64", "u": "UInt64"}[dtype.kind]
    return column.astype(dtype)


def _integers(column: pd.Series) -> pd.Series:
    known = column.dropna()
    if len(known):
        check_integers(
            str(column.name),
            int(known.min()),
            int(known.max()),
            with_nulls=len(known) < len(column),
        )
    return column


def _floats(column: pd.Series) -> pd.Series:
    # In fewer than 64 bits, it would be rounded to infinity.
    if getattr(column.dtype, "itemsize", 8) >= 8 and (column.abs() == sys.float_info.max).any():
        raise ValueError(f"column {column.name!r}: QCache can't read the largest float")
    return column


def _moments(column: pd.Series) -> pd.Series:
    import numpy as np
    import pandas as pd

    zone = ""
    if column.dt.tz is not None:
        column, zone = column.dt.tz_convert("UTC").dt.tz_localize(None), "+00:00"
    text = np.datetime_as_string(column.to_numpy(dtype="datetime64")).astype(object) + zone
    return pd.Series(text, index=column.index, name=column.name).where(column.notna(), None)
