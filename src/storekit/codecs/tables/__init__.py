"""Codecs of QCache's tables: for uploads, with column types, and for the answers to queries."""

from importlib import import_module
from typing import TYPE_CHECKING

from storekit.codecs.tables.base import TableCodec, TableContent

if TYPE_CHECKING:
    from storekit.codecs.tables.arrow import ArrowTable
    from storekit.codecs.tables.csv import Csv
    from storekit.codecs.tables.pandas import PandasTable
    from storekit.codecs.tables.polars import PolarsTable
    from storekit.codecs.tables.registry import TableRegistry
    from storekit.codecs.tables.rows import Rows

__all__ = [
    "ArrowTable",
    "Csv",
    "PandasTable",
    "PolarsTable",
    "Rows",
    "TableCodec",
    "TableContent",
    "TableRegistry",
]

_HOMES = {
    "ArrowTable": "arrow",
    "Csv": "csv",
    "PandasTable": "pandas",
    "PolarsTable": "polars",
    "Rows": "rows",
    "TableRegistry": "registry",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"storekit.codecs.tables.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
