"""Tables of pyarrow, polars and pandas as Arrow IPC streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from storekit._extras import require_installed
from storekit.codecs.arrow_checks import find_unfit_column, is_compressed, stands_for_too_much
from storekit.errors import CodecError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["Arrow"]

T = TypeVar("T")

_END = b"\xff\xff\xff\xff\0\0\0\0"

_NAMES = {"pyarrow": "arrow", "polars": "polars", "pandas": "pandas"}


class Arrow(Generic[T]):
    """Tables of the library that `kind` names, as Arrow IPC streams.

    A decoded `pyarrow.Table` or polars frame uses the memory of the content, without a copy.
    Columns of types whose values can be much larger than their bytes are not supported: unions,
    run-end encoding, views, and dictionaries of other values than text and numbers, or inside
    lists. For polars, columns of Python objects and of extension types are not supported either.
    Compressed streams of other programs can't be read; to compress, use `Zstd(Arrow())`.
    """

    name: str
    content_type: str = "application/vnd.apache.arrow.stream"

    @overload
    def __init__(self: Arrow[pa.Table], kind: Literal["pyarrow"] = ...) -> None: ...
    @overload
    def __init__(self: Arrow[pl.DataFrame], kind: Literal["polars"]) -> None: ...
    @overload
    def __init__(self: Arrow[pd.DataFrame], kind: Literal["pandas"]) -> None: ...
    def __init__(self, kind: str = "pyarrow") -> None:
        """Make a codec of `pyarrow.Table`, or of the data frames of polars or pandas.

        Raises `ValueError` for another `kind`, `ModuleNotFoundError` if a package is missing.
        """
        if kind not in _NAMES:
            raise ValueError(f"kind must be 'pyarrow', 'polars' or 'pandas', not {kind!r}")
        self.name = _NAMES[kind]
        _require_packages(f"the codec {self.name}", kind)
        self._kind = kind
        self.packages: tuple[str, ...] = tuple(dict.fromkeys(("pyarrow", kind)))

    def encode(self, value: T, /) -> bytes:
        """Return a table as a stream.

        Raises `TypeError` if `value` is not such a table, or has a column of a type that is not
        supported; `ValueError` for columns that pyarrow can't convert.
        """
        import pyarrow as pa

        table = self._to_arrow(value)
        if unfit := find_unfit_column(table.schema):
            raise TypeError(f"column {unfit[0]!r} is {unfit[1]}, which can't be stored; cast it")
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            if table.num_rows:
                writer.write_table(table)
            else:  # write_table would write no batch, and lose the categories of columns
                writer.write_batch(_empty_batch(table))
        data: bytes = sink.getvalue().to_pybytes()
        # A slice counts with its whole buffers until it is written, so check what was written, too.
        if stands_for_too_much(table, len(data)) and stands_for_too_much(
            pa.ipc.open_stream(data).read_all(), len(data)
        ):
            raise ValueError("the table has too many rows in columns of type null; cast them")
        return data

    def decode(self, data: bytes | memoryview, /) -> T:
        """Return the table. Raises `CodecError` if the content is damaged or not such a table."""
        import pyarrow as pa

        try:
            table = self._read(pa.py_buffer(data))
        except CodecError:
            raise
        except Exception as error:  # ArrowInvalid, OSError, KeyError, UnicodeDecodeError ...
            raise self._error("the content is not a valid Arrow stream", error) from error
        try:
            value: T = self._from_arrow(table)
        except Exception as error:
            raise self._error(f"the content can't be read by {self._kind}", error) from error
        except _panics(self._kind) as error:
            raise self._error(f"the content can't be read by {self._kind}", error) from error
        return value

    def _read(self, content: pa.Buffer) -> pa.Table:
        import pyarrow as pa

        source = pa.BufferReader(content)
        for message in pa.ipc.MessageReader.open_stream(source):
            if is_compressed(memoryview(message.metadata)):
                raise CodecError(
                    "the Arrow stream is compressed: its size in memory has no limit",
                    codec=self.name,
                )
        # pyarrow accepts a stream that was cut between two batches, without the end marker.
        if source.tell() != content.size or bytes(content[-len(_END) :]) != _END:
            raise CodecError(
                "the Arrow stream is incomplete, or more bytes follow it", codec=self.name
            )
        options = pa.ipc.IpcReadOptions(ensure_alignment=pa.ipc.Alignment.DataTypeSpecific)
        with pa.ipc.open_stream(content, options=options) as reader:
            if find_unfit_column(reader.schema):
                raise CodecError("the table has a column of an unsupported type", codec=self.name)
            table: pa.Table = reader.read_all()
        table.validate(full=True)
        if stands_for_too_much(table, content.size):
            raise CodecError(
                "the table has more values than its size in bytes allows", codec=self.name
            )
        return table

    def _to_arrow(self, value: Any) -> pa.Table:  # noqa: ANN401 - checked here
        import pyarrow as pa

        if self._kind == "polars":
            import polars as pl

            _check_instance(self.name, value, pl.DataFrame)
            return _of_polars(value)
        if self._kind == "pandas":
            import pandas as pd

            _check_instance(self.name, value, pd.DataFrame)
            try:
                return pa.Table.from_pandas(value)
            except (pa.ArrowException, TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"the codec {self.name} can't write this frame: {error}") from error
        _check_instance(self.name, value, pa.Table)
        table: pa.Table = value
        return table

    def _from_arrow(self, table: pa.Table) -> Any:  # noqa: ANN401 - as `kind` says
        if self._kind == "polars":
            return _to_polars(table)
        if self._kind == "pandas":
            return table.to_pandas()
        return table

    def _error(self, reason: str, error: BaseException) -> CodecError:
        return CodecError(f"{reason} ({type(error).__name__})", codec=self.name)

    def __repr__(self) -> str:
        return f"Arrow({self._kind!r})"


def _require_packages(codec: str, kind: str) -> None:
    try:
        require_installed(codec, "arrow", "pyarrow")
    except ModuleNotFoundError:
        if kind != "pyarrow":
            require_installed(
                codec, "tables", kind
            )  # if both are missing, this extra installs both
        raise
    require_installed(codec, _NAMES[kind], kind)


def _check_instance(codec: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(
            f"the codec {codec} takes {kind.__module__.partition('.')[0]}.{kind.__name__}, "
            f"not {type(value).__name__}"
        )


def _empty_batch(table: pa.Table) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [
        column.chunk(0) if column.num_chunks else pa.array([], column.type)
        for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def _of_polars(frame: pl.DataFrame) -> pa.Table:
    import polars as pl

    for column in frame.iter_columns():
        # polars would write them as addresses in this process.
        if "Object" in str(column.dtype):
            raise TypeError(f"column {column.name!r} has Python objects, which can't be stored")
    if frame.width == 0 and frame.height:
        raise ValueError("a frame without columns can't keep its height")
    table: pa.Table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return table


def _to_polars(table: pa.Table) -> pl.DataFrame:
    import polars as pl
    import pyarrow as pa

    if any(_has_metadata(field.type) for field in table.schema):
        raise ValueError("extension types are not supported")
    # Remove the metadata, which polars trusts, even addresses of objects in it. The only part of it
    # that is needed, the categories of an Enum, is in the dictionary, too.
    fields = [field.remove_metadata() for field in table.schema]
    bare = pa.Table.from_arrays(table.columns, schema=pa.schema(fields))
    enums: dict[str, pl.Enum] = {}
    if any(pa.types.is_dictionary(field.type) and field.type.ordered for field in fields):
        bare = bare.unify_dictionaries()
        for field, column in zip(fields, bare.columns, strict=True):
            if pa.types.is_dictionary(field.type) and field.type.ordered:
                known = column.chunk(0).dictionary if column.num_chunks else []
                enums[field.name] = pl.Enum([str(category) for category in known])
    frame = pl.from_arrow(bare, rechunk=False)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("not a table")
    return frame.with_columns(pl.col(name).cast(kind) for name, kind in enums.items())


def _has_metadata(kind: pa.DataType) -> bool:
    """Return whether a type is an extension, or has fields with metadata, which polars trusts."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return True
    if pa.types.is_dictionary(kind):
        return False
    return any(
        kind.field(index).metadata or _has_metadata(kind.field(index).type)
        for index in range(kind.num_fields)
    )


def _panics(kind: str) -> tuple[type[BaseException], ...]:
    """Return the exception for panics in polars, which is a BaseException."""
    if kind != "polars":
        return ()
    import polars as pl

    return (pl.exceptions.PanicException,)
