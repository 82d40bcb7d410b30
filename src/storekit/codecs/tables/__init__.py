"""Codecs of QCache's tables: for uploads, with column types, and for the results of queries."""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names
from storekit.codecs.tables.base import TableCodec, TableContent

if TYPE_CHECKING:
    from storekit.codecs.tables.arrow import ArrowTable
    from storekit.codecs.tables.csv import Csv
    from storekit.codecs.tables.pandas import PandasTable
    from storekit.codecs.tables.polars import PolarsTable
    from storekit.codecs.tables.registry import TableRegistry
    from storekit.codecs.tables.rows import Rows
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ArrowTable": ".arrow",
            "Csv": ".csv",
            "PandasTable": ".pandas",
            "PolarsTable": ".polars",
            "Rows": ".rows",
            "TableRegistry": ".registry",
        },
    )

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
