"""Tables as data frames of polars."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from storekit._extras import require_installed
from storekit.codecs.tables.base import (
    CSV,
    JSON,
    TableContent,
    check_columns,
    check_integers,
    errors_name,
    media_type,
)
from storekit.codecs.tables.reading import columns_of, read_json_rows
from storekit.errors import CodecError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PolarsTable"]


class PolarsTable:
    """Tables as `polars.DataFrame`.

    Uploads are CSV, with column types for text and for Enum and Categorical columns, which become
    enums in QCache. Dates and times become text in ISO 8601, those with a time zone in UTC;
    decimals become floats; NaN becomes null. **Empty text becomes null**: QCache's CSV does not
    distinguish them. Results are JSON; columns of mixed values become text.
    """

    name: str = "polars"
    content_type: str = CSV
    accept: str = JSON
    packages: tuple[str, ...] = ("polars",)

    def __init__(self) -> None:
        require_installed("the codec polars", "polars", "polars")

    def encode(self, table: pl.DataFrame, /) -> TableContent:
        """Return the frame as CSV. `TypeError` or `ValueError` for what QCache can't store."""
        import polars as pl

        if not isinstance(table, pl.DataFrame):
            raise TypeError(
                f"the codec polars takes polars.DataFrame, not {type(table).__name__}"
                + ("; collect() it" if isinstance(table, pl.LazyFrame) else "")
            )
        check_columns(table.columns)
        types: dict[str, str] = {}
        columns: list[pl.Series] = []
        for column in table.iter_columns():
            with errors_name(column.name):
                content, kind = _prepare(column)
            columns.append(content)
            if kind is not None:
                types[column.name] = kind
        if len(columns) > 1:
            text = pl.DataFrame(columns).write_csv()
        else:  # QCache skips blank lines, so all values are quoted
            column = columns[0].cast(pl.String).fill_null("")
            text = pl.DataFrame([column]).write_csv(quote_style="always")
        return TableContent(text.encode(), CSV, types)

    def decode(self, content: bytes | memoryview, content_type: str, /) -> pl.DataFrame:
        """Return a result as a frame. Raises `CodecError`.

        The column types of a CSV result are guessed: the text "007" becomes a number.
        """
        import polars as pl

        kind = media_type(content_type)
        try:
            if kind == JSON:
                columns = columns_of(read_json_rows(content, self.name), self.name)
                return pl.DataFrame(columns, strict=False)
            if kind == CSV:
                text = str(content, "utf-8")  # polars would accept column names that are not UTF-8
                return pl.read_csv(io.StringIO(text), infer_schema_length=None)
        except (CodecError, MemoryError):
            raise
        except (Exception, pl.exceptions.PanicException) as error:
            raise CodecError(
                f"the result can't be read by polars ({type(error).__name__})", codec=self.name
            ) from error
        raise CodecError(f"the result is {kind[:60]!r}, neither JSON nor CSV", codec=self.name)

    def skip(self, table: pl.DataFrame, rows: int, /) -> pl.DataFrame:
        """Return a frame without its first rows."""
        return table.slice(rows)


def _prepare(column: pl.Series) -> tuple[pl.Series, str | None]:
    """Return a column in the form to be written, and its type for QCache."""
    import polars as pl

    name, kind = column.name, column.dtype
    if kind in (pl.Boolean, pl.Null):
        return column, None
    if kind.is_integer():
        if column.len() > column.null_count():
            smallest, largest = int(column.min()), int(column.max())  # type: ignore[arg-type]
            check_integers(name, smallest, largest, with_nulls=column.null_count() > 0)
        return column, None
    if kind.is_float():
        # In 32 bits, it would be rounded to infinity.
        if kind == pl.Float64 and (column.abs() == sys.float_info.max).any():
            raise ValueError(f"column {name!r}: QCache can't read the largest float")
        return column.fill_nan(None), "float"
    if kind.is_decimal():
        return column.cast(pl.Float64), "float"
    if isinstance(kind, pl.Enum | pl.Categorical):
        text, kind_name = column.cast(pl.String), "enum"
    elif kind == pl.String:
        text, kind_name = column, "string"
    elif isinstance(kind, pl.Date | pl.Datetime | pl.Time):
        if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
            column = column.dt.convert_time_zone("UTC")  # so that the text sorts by time
        return column.dt.to_string("iso:strict"), "string"
    else:
        raise TypeError(f"column {name!r}: QCache has no type for {kind}; cast it")
    if text.str.contains("\0", literal=True).any():
        raise ValueError(f"column {name!r} has text with a NUL, where QCache cuts it off")
    return text, kind_name
