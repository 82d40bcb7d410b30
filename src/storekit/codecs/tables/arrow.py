"""Tables of pyarrow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from storekit._extras import is_installed, require_installed
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
    import pyarrow as pa

__all__ = ["ArrowTable"]


class ArrowTable:
    """Tables as `pyarrow.Table`.

    Uploads are CSV, with column types for text and for dictionaries of text, which become enums
    in QCache. Dates and times become text in ISO 8601, those with a time zone in UTC; decimals
    become floats; NaN becomes null. **Empty text becomes null**: QCache's CSV does not distinguish
    them. Results are JSON; columns of mixed values can't be decoded.
    """

    name: str = "arrow"
    content_type: str = CSV
    accept: str = JSON

    def __init__(self) -> None:
        require_installed("the codec arrow", "arrow", "pyarrow")
        # If pandas is installed, pyarrow imports it to make a column of Python values.
        pandas = ("pandas",) if is_installed("pandas") else ()
        self.packages: tuple[str, ...] = ("pyarrow", *pandas)

    def encode(self, table: pa.Table, /) -> TableContent:
        """Return the table as CSV. `TypeError` or `ValueError` for what QCache can't store."""
        import pyarrow as pa
        from pyarrow import csv

        if not isinstance(table, pa.Table):
            raise TypeError(f"the codec arrow takes pyarrow.Table, not {type(table).__name__}")
        names = check_columns(table.column_names)
        types: dict[str, str] = {}
        columns: list[pa.ChunkedArray] = []
        for name, column in zip(names, table.columns, strict=True):
            with errors_name(name):
                content, kind = _prepare(name, column)
            columns.append(content)
            if kind is not None:
                types[name] = kind
        if len(columns) == 1:  # QCache skips empty lines, but not "": write all values as text
            columns = [columns[0].cast(pa.string()).fill_null("")]
        sink = pa.BufferOutputStream()
        csv.write_csv(pa.table(columns, names=names), sink)
        return TableContent(sink.getvalue().to_pybytes(), CSV, types)

    def decode(self, content: bytes | memoryview, content_type: str, /) -> pa.Table:
        """Return a result as a table. Raises `CodecError`.

        The column types of a CSV result are guessed: the text "007" becomes a number.
        """
        import pyarrow as pa
        from pyarrow import csv

        kind = media_type(content_type)
        try:
            if kind == JSON:
                return pa.table(columns_of(read_json_rows(content, self.name), self.name))
            if kind == CSV:
                options = csv.ConvertOptions(null_values=[""], strings_can_be_null=True)
                return csv.read_csv(pa.BufferReader(content), convert_options=options)
        except CodecError:
            raise
        except Exception as error:
            raise CodecError(
                f"the result can't be read by pyarrow ({type(error).__name__})", codec=self.name
            ) from error
        raise CodecError(f"the result is {kind[:60]!r}, neither JSON nor CSV", codec=self.name)

    def skip(self, table: pa.Table, rows: int, /) -> pa.Table:
        """Return a table without its first rows."""
        return table.slice(rows)


def _prepare(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str | None]:
    """Return a column in the form to be written, and its type for QCache."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as is_

    kind = column.type
    if is_.is_dictionary(kind):
        prepared, given = _prepare(name, column.cast(kind.value_type))
        return prepared, "enum" if _is_text(kind.value_type) else given
    if is_.is_boolean(kind) or is_.is_null(kind):
        return column, None
    if is_.is_integer(kind):
        bounds = pc.min_max(column).as_py()
        if bounds["min"] is not None:
            with_nulls = column.null_count > 0
            check_integers(name, bounds["min"], bounds["max"], with_nulls=with_nulls)
        return column, None
    if is_.is_floating(kind) or is_.is_decimal(kind):
        floats = column.cast(pa.float64())
        if pc.any(pc.equal(pc.abs(floats), sys.float_info.max)).as_py():
            raise ValueError(f"column {name!r}: QCache can't read the largest float")
        return pc.if_else(pc.is_nan(floats), None, floats), "float"
    if is_.is_string_view(kind):  # the functions below don't support it
        column = column.cast(pa.large_string())
    if _is_text(kind):
        column.validate(full=True)  # for UTF-8: arrays can be made of any bytes
        if pc.any(pc.match_substring(column, "\0")).as_py():
            raise ValueError(f"column {name!r} has text with a NUL, where QCache cuts it off")
        return column, "string"
    if is_.is_date(kind) or is_.is_time(kind):
        return column.cast(pa.string()), "string"
    if is_.is_timestamp(kind):
        if kind.tz is not None:
            column = column.cast(pa.timestamp(kind.unit, "UTC"))
        text = pc.replace_substring(column.cast(pa.string()), " ", "T")
        return pc.replace_substring(text, "Z", "+00:00"), "string"
    raise TypeError(f"column {name!r}: QCache has no type for {kind}; cast it")


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as is_

    return bool(is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind))
