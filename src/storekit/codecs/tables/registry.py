"""The codecs of QCache's tables, by name and by type of table."""

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar, overload

from storekit.codecs.names import Names
from storekit.codecs.tables.base import TableCodec

__all__ = ["TableRegistry"]

T = TypeVar("T")


class TableRegistry(Names[TableCodec[Any]]):
    """The codecs of tables that a client finds by name.

    ```python
    from storekit.codecs.tables import TableRegistry

    registry = TableRegistry.default()
    assert registry.get("rows").decode(b'[{"a":1}]', "application/json") == [{"a": 1}]
    assert registry.of([{"a": 1}]).name == "rows"
    ```
    """

    _group = "storekit.tables"

    def __init__(self, makers: Mapping[str, Callable[[], TableCodec[Any]]] | None = None) -> None:
        """Make a registry of functions that make the codecs; without arguments, an empty one."""
        super().__init__({} if makers is None else makers)

    @classmethod
    def default(cls) -> Self:
        """Return a registry of csv, rows, polars, pandas and arrow.

        Packages that they need are loaded on first use.
        """
        return cls(_BUILT_IN)

    @overload
    def get(self, codec: str) -> TableCodec[Any]: ...
    @overload
    def get(self, codec: TableCodec[T]) -> TableCodec[T]: ...
    def get(self, codec: str | TableCodec[Any]) -> TableCodec[Any]:
        """Return the codec with a name; a codec is returned unchanged.

        Raises:
            TypeError: `codec` is neither a name nor a codec.
            ValueError: There is no such codec; the message lists those that there are.
            ModuleNotFoundError: A package is missing; the message says what to install.
            ImportError: The codec of a package can't be loaded.

        """
        if not isinstance(codec, str):
            if isinstance(codec, type) or not hasattr(codec, "accept"):
                raise TypeError(
                    f"need a codec of tables, e.g. Rows(), or the name of one, not {codec!r}"
                )
            return codec
        found = self._find(codec)
        if found is None:
            raise ValueError(
                f"there is no codec of tables named {codec[:100]!r}; "
                f"there are {', '.join(self.names)}"
            )
        return found

    def of(self, table: object) -> TableCodec[Any]:
        """Return the codec for a table by its type: a data frame, rows, text or bytes.

        Raises `TypeError` if this registry has no codec for its type.
        """
        for kind in type(table).__mro__:
            name = _BY_TYPE.get((kind.__module__.partition(".")[0], kind.__name__))
            if name is not None and name in self._makers:
                return self.get(name)
        raise TypeError(
            f"a table must be str, bytes, a list of dicts, or a frame of polars, pandas or "
            f"pyarrow; not {type(table).__name__}"
        )


_BY_TYPE = {
    ("builtins", "str"): "csv",
    ("builtins", "bytes"): "csv",
    ("builtins", "bytearray"): "csv",
    ("builtins", "memoryview"): "csv",
    ("builtins", "list"): "rows",
    ("builtins", "tuple"): "rows",
    ("polars", "DataFrame"): "polars",
    ("polars", "LazyFrame"): "polars",
    ("pandas", "DataFrame"): "pandas",
    ("pyarrow", "Table"): "arrow",
}
"""By names of modules and classes, so that no package is imported to find a codec."""


def _csv() -> TableCodec[Any]:
    from storekit.codecs.tables.csv import Csv

    return Csv()


def _rows() -> TableCodec[Any]:
    from storekit.codecs.tables.rows import Rows

    return Rows()


def _polars() -> TableCodec[Any]:
    from storekit.codecs.tables.polars import PolarsTable

    return PolarsTable()


def _pandas() -> TableCodec[Any]:
    from storekit.codecs.tables.pandas import PandasTable

    return PandasTable()


def _arrow() -> TableCodec[Any]:
    from storekit.codecs.tables.arrow import ArrowTable

    return ArrowTable()


_BUILT_IN: Mapping[str, Callable[[], TableCodec[Any]]] = {
    "csv": _csv,
    "rows": _rows,
    "polars": _polars,
    "pandas": _pandas,
    "arrow": _arrow,
}
