"""JSON to a table: a list of objects, each of them a row."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain

import polars as pl

from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading.limits import MAX_DEPTH, check_shape
from storekit.qcache.node.tables import BOOL, FLOAT, INT, TEXT, UINT, encode_mixed

__all__ = ["read_json"]

_SCANNER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_ROWS_AT_ONCE = 2000
"""Rows that are held as objects; they take several times the room that columns do."""

_DTYPES: dict[type, pl.DataType] = {int: INT, float: FLOAT, bool: BOOL, str: TEXT}
_MIN_INT = -(2**63)
_MAX_UINT = 2**64 - 1


class _Absent:
    """The type of what rows without a column have in it."""


def _single(kinds: set[type]) -> pl.DataType | None:
    """Return the dtype for values of one type that has its own; None for others."""
    return _DTYPES.get(next(iter(kinds))) if len(kinds) == 1 else None


def read_json(body: bytes) -> pl.DataFrame:
    """Return the table that `body` has, its columns in the order of their names.

    `BadTable` if it is no list of objects, is not UTF-8, has whole numbers beyond 64 bits,
    lone surrogates as text, or nests too deep.
    """
    columns: dict[str, _Column] = {}
    height = 0
    for rows in _batches(_text(body)):
        names = set(columns).union(*set(map(tuple, rows)))
        check_shape(height + len(rows), len(names), len(body))
        for name in names:
            if name not in columns:
                columns[name] = _Column(name)
                columns[name].skip(height)
            columns[name].add(rows)
        height += len(rows)
    return pl.DataFrame({name: columns[name].finish() for name in sorted(columns)}).rechunk()


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadTable(f"the JSON is not UTF-8: {error}") from error


def _batches(text: str) -> Iterator[list[dict[str, object]]]:
    position = _after_space(text, 0)
    if text[position : position + 1] != "[":
        raise BadTable("the JSON must be a list of objects, one for each row")
    position = _after_space(text, position + 1)
    end = text[position : position + 1]
    rows: list[dict[str, object]] = []
    if end != "]":
        end = ","
    while end == ",":
        row, position = _value(text, position)
        if not isinstance(row, dict):
            raise BadTable(f"the JSON must be a list of objects, but has {_named(row)} in it")
        rows.append(row)
        if len(rows) == _ROWS_AT_ONCE:
            yield rows
            rows = []
        position = _after_space(text, position)
        end = text[position : position + 1]
        if end == ",":
            position = _after_space(text, position + 1)
    if end != "]" or _after_space(text, position + 1) != len(text):
        raise BadTable(f"the JSON is not well-formed at character {position}")
    if rows:
        yield rows


def _after_space(text: str, position: int) -> int:
    # A search costs more than this look, and there mostly is no space.
    if position < len(text) and text[position] > " ":
        return position
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _value(text: str, position: int) -> tuple[object, int]:
    try:
        return _SCANNER.raw_decode(text, position)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # also a number of thousands of digits
        raise BadTable(f"the JSON is not well-formed: {error}") from error


def _named(value: object) -> str:
    return "null" if value is None else f"a value of type {type(value).__name__}"


def _too_deep() -> BadTable:
    return BadTable(f"the JSON nests deeper than {MAX_DEPTH} levels")


class _Column:
    """One column, while rows come in. What is of one type is packed at once."""

    def __init__(self, name: str) -> None:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise BadTable(f"the column name {name!a} has lone surrogates") from error
        self._name = name
        self._kinds: set[type] = set()
        self._pieces: list[pl.Series | list[object]] = []

    def skip(self, height: int) -> None:
        """Take in rows that do not have the column."""
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
        self._pieces.append(self._packed(values, _single(kinds)))

    def finish(self) -> pl.Series:
        """Return the whole column. `BadTable` if it has a number beyond 64 bits, or the like."""
        kinds = self._kinds - {type(None), _Absent}
        if not kinds:
            # As in the reference: null in all rows is an object, and absent is not a number.
            return self._concatenated(FLOAT if _Absent in self._kinds else TEXT)
        if kinds == {int}:
            return self._integers()
        if (dtype := _single(kinds)) is not None:
            column = self._concatenated(dtype)
            return column.fill_nan(None) if dtype == FLOAT else column
        values = list(self._values())
        if kinds == {int, float}:
            return self._floats(values)
        _check_values(values, MAX_DEPTH)
        values = [None if value != value else value for value in values]  # NaN is null
        if (dtype := _single(set(map(type, values)) - {type(None)})) is not None:
            return pl.Series(self._name, values, dtype=dtype)
        return encode_mixed(self._name, values)

    def _nulls(self, height: int) -> pl.Series:
        return pl.Series(self._name, [None], dtype=pl.Null).new_from_index(0, height)

    def _packed(self, values: list[object], dtype: pl.DataType | None) -> pl.Series | list[object]:
        if dtype is None:
            return values
        try:
            return pl.Series(self._name, values, dtype=dtype)
        except UnicodeEncodeError as error:
            raise BadTable(f"column {self._name!r} has text with lone surrogates") from error
        except (OverflowError, TypeError):  # beyond int64
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
            return encode_mixed(self._name, values)  # no type has them all
        return pl.Series(self._name, values, dtype=UINT)

    def _floats(self, values: list[object]) -> pl.Series:
        _check_values(values, MAX_DEPTH)
        floats = [float(value) if isinstance(value, int | float) else None for value in values]
        return pl.Series(self._name, floats, dtype=FLOAT).fill_nan(None)


def _check_values(values: Iterable[object], levels: int) -> None:
    """Raise `BadTable` for whole numbers beyond 64 bits and for deep nesting."""
    for value in values:
        if isinstance(value, int):
            if not _MIN_INT <= value <= _MAX_UINT:
                raise BadTable(f"the number {str(value)[:30]} in the JSON is beyond 64 bits")
        elif isinstance(value, list | dict):
            if not levels:
                raise _too_deep()
            _check_values(value.values() if isinstance(value, dict) else value, levels - 1)
