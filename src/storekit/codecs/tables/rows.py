"""Tables as lists of dicts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from storekit.codecs.tables.base import CSV, JSON, TableContent, check_text, media_type
from storekit.codecs.tables.reading import read_csv_rows, read_json_rows
from storekit.errors import CodecError

__all__ = ["Rows"]


class Rows:
    """Tables as a list of dicts, one for each row.

    Uploads are JSON: QCache sorts the columns by name, distinguishes empty text from null, and
    gets no column types. NaN becomes null. The values of a CSV result are all text.
    """

    name: str = "rows"
    content_type: str = JSON
    accept: str = JSON

    def encode(self, table: Sequence[Mapping[str, Any]], /) -> TableContent:
        """Return the rows as JSON. `TypeError` or `ValueError` for what JSON can't express."""
        if not isinstance(table, list | tuple):
            raise TypeError(f"the codec rows takes a list of dicts, not {type(table).__name__}")
        for row in table:
            if not isinstance(row, Mapping):
                raise TypeError(
                    "the codec rows takes a list of dicts, one for each row, but this list has a "
                    f"{type(row).__name__}; e.g. [dict(zip(names, row)) for row in rows]"
                )
        try:
            content = json.dumps(table, separators=(",", ":"), default=_plain)
        except (TypeError, ValueError) as error:
            column = next((name for row in table for name in row if _is_unfit(row[name])), None)
            raise type(error)(f"column {column!r} can't be written as JSON: {error}") from error
        except RecursionError as error:
            raise ValueError("the rows are nested too deeply for JSON") from error
        if "\\ud" in content:  # a pair of surrogates, or a lone one
            _check_surrogates(table)
        return TableContent(content.encode(), JSON)

    def decode(self, content: bytes | memoryview, content_type: str, /) -> list[dict[str, Any]]:
        """Return the rows of a result. Raises `CodecError`."""
        kind = media_type(content_type)
        if kind == JSON:
            return read_json_rows(content, self.name)
        if kind == CSV:
            return read_csv_rows(content, self.name)
        raise CodecError(f"the result is {kind[:60]!r}, neither JSON nor CSV", codec=self.name)


def _check_surrogates(table: Sequence[Mapping[str, Any]]) -> None:
    for row in table:
        for name in row:
            text = json.dumps({name: row[name]}, ensure_ascii=False, default=_plain)
            check_text(name, [text])


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _is_unfit(value: object) -> bool:
    try:
        json.dumps(value, default=_plain)
    except (TypeError, ValueError):
        return True
    return False
