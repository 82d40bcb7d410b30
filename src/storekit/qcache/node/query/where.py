"""`where`: which rows of a table are meant."""

from collections.abc import Callable, Mapping

import polars as pl

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.categories import as_text, by_value, is_coded
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.comparing import (
    COMPARISONS,
    Incomparable,
    compare,
    compare_columns,
)
from storekit.qcache.node.query.masks import everywhere, settled
from storekit.qcache.node.query.membership import is_in_column, is_in_values
from storekit.qcache.node.query.mixed import text_of
from storekit.qcache.node.query.patterns import Kind, Pattern, parse_pattern
from storekit.qcache.node.query.refusing import Allowance, bad_query
from storekit.qcache.node.tables import (
    INT,
    LIMITS,
    TEXT,
    is_bool,
    is_enum,
    is_integer,
    is_mixed,
    is_text,
)

__all__ = ["Conditions", "is_quoted"]


class Conditions:
    """Turns the conditions of a query into masks.

    `run` answers a sub-query; it does so on the stored table, whatever `frame` is.
    `allowance` is for conditions.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        run: Callable[[Mapping[str, object]], Answer],
        allowance: Allowance,
    ) -> None:
        self._frame = frame
        self._run = run
        self._allowance = allowance
        self._columns = frozenset(frame.columns)
        self._operators: dict[object, Callable[[list[object]], pl.Series]] = {
            **dict.fromkeys(COMPARISONS, self._compare),
            "&": self._join,
            "|": self._join,
            "!": self._not,
            "isnull": self._is_null,
            "in": self._in,
            "like": self._like,
            "ilike": self._like,
            "any_bits": self._bits,
            "all_bits": self._bits,
        }

    def rows(self, condition: object) -> pl.Series:
        """Return the mask of a whole `where`. Nulls in it are false."""
        if not isinstance(condition, list):
            raise bad_query("Invalid format for where", condition)
        return self._mask(condition, condition)

    def _mask(self, condition: object, parent: list[object]) -> pl.Series:
        """Return the mask of a condition, or of a column of bools that stands for itself."""
        value = self._value(condition)
        if not isinstance(value, pl.Series) or not is_bool(value.dtype):
            raise bad_query("Invalid type in argument", parent)
        return value

    def _value(self, part: object) -> object:
        """Return a column, or a value of JSON; of quoted text, what is in the quotes."""
        if isinstance(part, str):
            if is_quoted(part):
                return part[1:-1]
            if part not in self._columns:
                raise bad_query("Unknown column", part)
            return self._frame.get_column(part)
        if not isinstance(part, list):
            return part
        if not part:
            raise bad_query("Empty expression not allowed", part)
        operator = part[0]
        if isinstance(operator, list | dict):
            raise bad_query("Invalid type in argument", part)
        handle = self._operators.get(operator)
        if handle is None:
            raise bad_query("Unknown operator", part)
        self._allowance.spend()
        try:
            return handle(part)
        except Incomparable:
            raise bad_query("Invalid type in argument", part) from None

    def _column(self, name: object, condition: list[object]) -> pl.Series:
        if isinstance(name, dict):
            raise Incomparable
        if not isinstance(name, str) or name not in self._columns:
            raise bad_query("Column is not defined", condition)
        return self._frame.get_column(name)

    def _compare(self, condition: list[object]) -> pl.Series:
        _check_length(condition, 3)
        operator, name, argument = condition
        column = self._column(name, condition)
        value = self._value(argument)
        if not isinstance(value, pl.Series):
            return by_value(column, lambda part: compare(str(operator), part, value))
        if isinstance(argument, list):
            value = settled(value)
        return compare_columns(str(operator), as_text(column), as_text(value))

    def _join(self, condition: list[object]) -> pl.Series:
        if len(condition) < 2:
            raise bad_query("Invalid number of arguments", condition)
        if len(condition) == 2:
            return self._mask(condition[1], condition)
        mask = self._operand(condition[1], condition)
        for part in condition[2:]:
            operand = self._operand(part, condition)
            mask = mask & operand if condition[0] == "&" else mask | operand
        return mask

    def _operand(self, part: object, condition: list[object]) -> pl.Series:
        if isinstance(part, int):  # a bool as a rule; of other numbers, their bits count
            holds = bool(part & 1) if condition[0] == "&" else part != 0
            return everywhere(holds, self._frame.height)
        return self._mask(part, condition)

    def _not(self, condition: list[object]) -> pl.Series:
        _check_length(condition, 2, "! is a single arity operator, invalid number of arguments")
        mask = self._mask(condition[1], condition)
        if mask.null_count():
            if isinstance(condition[1], str):
                raise Incomparable  # a stored column with nulls has no opposite
            mask = settled(mask)
        return ~mask

    def _is_null(self, condition: list[object]) -> pl.Series:
        _check_length(
            condition, 2, "isnull is a single arity operator, invalid number of arguments"
        )
        return self._column(condition[1], condition).is_null()

    def _in(self, condition: list[object]) -> pl.Series:
        _check_length(condition, 3)
        _, name, values = condition
        if isinstance(values, Mapping):
            answer = self._run(values)
            if name not in answer.header:
                raise bad_query(f'Unknown column "{name}"', condition)
            found = answer.frame.to_series(answer.header.index(str(name)))
            if is_coded(found.dtype):
                found = as_text(found.unique())
            return by_value(self._column(name, condition), lambda part: is_in_column(part, found))
        if not isinstance(values, list):
            raise bad_query("Second argument must be a list", condition)
        return by_value(self._column(name, condition), lambda part: is_in_values(part, values))

    def _like(self, condition: list[object]) -> pl.Series:
        _check_length(condition, 3)
        operator, name, argument = condition
        if argument is None or isinstance(argument, int | float):
            raise Incomparable
        if not isinstance(argument, str) or not is_quoted(argument):
            raise bad_query("like expects a quoted string as second argument", condition)
        column = self._column(name, condition)
        if is_mixed(column.dtype):
            column = text_of(column)
        elif is_enum(column.dtype):
            column = column.cast(TEXT)
        if not is_text(column.dtype) and not is_coded(column.dtype):
            raise bad_query("Invalid column type for (i)like", condition)
        pattern = parse_pattern(argument[1:-1], ignore_case=operator == "ilike")
        return by_value(column, lambda part: _matches(part, pattern))

    def _bits(self, condition: list[object]) -> pl.Series:
        _check_length(condition, 3)
        operator, name, bits = condition
        if not isinstance(bits, int):
            raise bad_query("Invalid argument type, must be an integer:", condition)
        column = self._column(name, condition)
        if is_bool(column.dtype):
            if operator == "all_bits" and bits not in (0, 1):
                return everywhere(False, len(column))
            column, bits = column.cast(INT), bits & 1
        elif not is_integer(column.dtype):
            if not len(column):
                return everywhere(False, 0)  # a table without rows has columns of any type
            raise bad_query("Invalid column type, must be an integer", condition)
        least, most = LIMITS[column.dtype]
        if not least <= bits <= most:
            raise bad_query("Invalid column type, must be an integer of more bits", condition)
        common = column & int(bits)
        return common > 0 if operator == "any_bits" else common == int(bits)


def is_quoted(text: str) -> bool:
    """Whether text is in quotes, and so no name of a column."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""


def _check_length(
    condition: list[object], length: int, message: str = "Invalid number of arguments"
) -> None:
    if len(condition) != length:
        raise bad_query(message, condition)


def _matches(column: pl.Series, pattern: Pattern) -> pl.Series:
    wanted = pattern.text
    if pattern.kind is Kind.WHOLE:
        return (column == wanted) | (column == wanted + "\n")
    if pattern.kind is Kind.START:
        return column.str.starts_with(wanted)
    if pattern.kind is Kind.END:
        return column.str.ends_with(wanted) | column.str.ends_with(wanted + "\n")
    if pattern.kind is Kind.INSIDE:
        return column.str.contains(wanted, literal=True)
    try:
        return column.str.contains(wanted)
    except pl.exceptions.ComputeError as error:
        raise BadQuery(f"like: no regular expression that can be used: {error}") from error
