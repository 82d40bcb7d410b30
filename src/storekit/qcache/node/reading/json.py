"""Parses JSON to a table: a list of objects, each of which is a row."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading.json_text import rows_of_json, too_deep
from storekit.qcache.node.reading.limits import MAX_DEPTH, check_shape, take_cells
from storekit.qcache.node.tables import BOOL, FLOAT, INT, MIXED, TEXT, UINT, encode_mixed

__all__ = ["read_json"]

_OBJECT = 64
"""Bytes of a value that is held as an object, with its reference in a list."""

_AT_ONCE = 50_000
"""Number of objects that are converted in one step."""

_DTYPES: dict[type, pl.DataType] = {int: INT, float: FLOAT, bool: BOOL, str: TEXT}
_NESTED = frozenset({list, dict})
_MIN_INT = -(2**63)
_MAX_UINT = 2**64 - 1


class _Absent:
    """The type of missing values, in rows that do not have the column."""


def _single(kinds: set[type]) -> pl.DataType | None:
    """Return the dtype for values of a single type; None if there is none."""
    return _DTYPES.get(next(iter(kinds))) if len(kinds) == 1 else None


def read_json(body: bytes, budget: Budget) -> pl.DataFrame:
    """Parse a table; its columns are in the order of their names.

    `BadTable` if it is not a list of objects, is not UTF-8, has whole numbers beyond 64 bits,
    lone surrogates in text, or is nested too deep. `TooLarge` if the budget does not suffice.
    """
    columns: dict[str, _JsonColumn] = {}
    height = cells = 0
    for rows in rows_of_json(_text(body, budget), budget):
        names = set(columns).union(*set(map(tuple, rows)))
        height += len(rows)
        check_shape(height, len(names), len(body))
        take_cells(height * len(names) - cells, budget)
        cells = height * len(names)
        for name in names:
            if name not in columns:
                columns[name] = _JsonColumn(name, budget)
                columns[name].skip(height - len(rows))
            columns[name].add(rows)
    budget.check()
    return pl.DataFrame({name: columns[name].finish() for name in sorted(columns)}).rechunk()


def _text(body: bytes, budget: Budget) -> str:
    # If a single character needs four bytes, all of them take four.
    budget.take(len(body) * (1 if body.isascii() else 4), "the text of the JSON")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadTable(f"the JSON is not UTF-8: {error}") from error


class _JsonColumn:
    """Collects one column. Values of one type are packed at once."""

    def __init__(self, name: str, budget: Budget) -> None:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise BadTable(f"the column name {name!a} has lone surrogates") from error
        self._name = name
        self._budget = budget
        self._kinds: set[type] = set()
        self._pieces: list[pl.Series | list[object]] = []

    def skip(self, height: int) -> None:
        """Add rows that do not have the column."""
        if height:
            self._kinds.add(_Absent)
            self._pieces.append(self._nulls(height))

    def add(self, rows: list[dict[str, object]]) -> None:
        name = self._name
        values = [row.get(name) for row in rows]
        kinds = set(map(type, values))
        if kinds == {type(None)}:
            self._kinds.add(type(None) if all(name in row for row in rows) else _Absent)
            self._pieces.append(self._nulls(len(values)))
            return
        kinds.discard(type(None))
        self._kinds |= kinds
        self._pieces.append(self._packed(values, kinds))

    def finish(self) -> pl.Series:
        """Return the whole column. `BadTable` if it has a number beyond 64 bits, or the like."""
        kinds = self._kinds - {type(None), _Absent}
        if not kinds:
            # As in QCache: null in all rows is an object column, and missing values are NaN.
            return self._concatenated(FLOAT if _Absent in self._kinds else TEXT)
        if kinds == {int}:
            return self._integers()
        if (dtype := _single(kinds)) is not None:
            column = self._concatenated(dtype)
            return column.fill_nan(None) if dtype == FLOAT else column
        if kinds == {int, float}:
            return self._floats(self._values())
        if kinds.isdisjoint(_NESTED):
            values = [None if value != value else value for value in self._values()]  # NaN is null
            _check_values(values, MAX_DEPTH)
            if (dtype := _single(set(map(type, values)) - {type(None)})) is not None:
                return pl.concat([self._series(part, dtype) for part in self._parts(values)])
        return pl.concat([self._mixed(piece) for piece in self._pieces])

    def _mixed(self, piece: pl.Series | list[object]) -> pl.Series:
        if isinstance(piece, pl.Series) and piece.dtype in (MIXED, pl.Null):
            return piece.cast(MIXED)
        self._budget.check()
        if isinstance(piece, list):
            _check_values(piece, MAX_DEPTH)
        return encode_mixed(self._name, piece)

    def _series(self, values: Sequence[object], dtype: pl.DataType) -> pl.Series:
        return pl.Series(self._name, values, dtype=dtype)

    def _parts(self, values: Sequence[object]) -> Iterator[Sequence[object]]:
        for rows in self._budget.steps(len(values), _AT_ONCE):
            yield values[rows]

    def _nulls(self, height: int) -> pl.Series:
        return pl.Series(self._name, [None], dtype=pl.Null).new_from_index(0, height)

    def _packed(self, values: list[object], kinds: set[type]) -> pl.Series | list[object]:
        dtype = _single(kinds)
        try:
            if dtype is not None:
                return self._series(values, dtype)
        except UnicodeEncodeError as error:
            raise BadTable(f"column {self._name!r} has text with lone surrogates") from error
        except (OverflowError, TypeError):  # beyond int64
            pass
        if not kinds.isdisjoint(_NESTED):  # then the column is mixed
            _check_values(values, MAX_DEPTH)
            column = encode_mixed(self._name, values)
            self._budget.take(column.estimated_size(), "lists and objects")
            return column
        self._budget.take(_OBJECT * len(values), "values of several types")
        return values

    def _concatenated(self, dtype: pl.DataType) -> pl.Series:
        pieces = [piece for piece in self._pieces if isinstance(piece, pl.Series)]
        return pl.concat([piece.cast(dtype) for piece in pieces])

    def _values(self) -> Iterator[object]:
        return chain.from_iterable(self._pieces)

    def _integers(self) -> pl.Series:
        if all(isinstance(piece, pl.Series) for piece in self._pieces):
            whole = self._concatenated(INT)
            return whole.cast(FLOAT) if whole.null_count() else whole
        values = list(self._values())
        if None in values:
            return self._floats(values)
        _check_values(values, MAX_DEPTH)
        if any(isinstance(value, int) and value < 0 for value in values):
            return encode_mixed(self._name, values)  # no single type can hold them
        return pl.concat([self._series(part, UINT) for part in self._parts(values)])

    def _floats(self, values: Iterable[object]) -> pl.Series:
        numbers = [*values]
        _check_values(numbers, MAX_DEPTH)
        floats = [float(value) if isinstance(value, int | float) else None for value in numbers]
        columns = [self._series(part, FLOAT) for part in self._parts(floats)]
        return pl.concat(columns).fill_nan(None)


def _check_values(values: Iterable[object], levels: int) -> None:
    """Raise `BadTable` for whole numbers beyond 64 bits and for deep nesting."""
    for value in values:
        if isinstance(value, int):
            if not _MIN_INT <= value <= _MAX_UINT:
                raise BadTable(f"the number {str(value)[:30]} in the JSON is beyond 64 bits")
        elif isinstance(value, list | dict):
            if not levels:
                raise too_deep()
            _check_values(value.values() if isinstance(value, dict) else value, levels - 1)
