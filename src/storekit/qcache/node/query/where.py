"""`where`: selects rows of a table."""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import and_, or_

import polars as pl

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.budget import Budget
from storekit.qcache.node.categories import as_text, by_value, is_coded
from storekit.qcache.node.query.comparing import (
    COMPARISONS,
    Incomparable,
    compare,
    compare_columns,
)
from storekit.qcache.node.query.masks import everywhere, settled
from storekit.qcache.node.query.membership import is_in_column, is_in_values
from storekit.qcache.node.query.mixed import text_of
from storekit.qcache.node.query.patterns import matches, parse_pattern
from storekit.qcache.node.query.refusing import bad_query
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

__all__ = ["OPERATORS", "Conditions", "is_quoted"]


class Conditions:
    """Evaluates the conditions of a query to masks.

    `run` runs a sub-query, always on the stored table.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        run: Callable[[Mapping[str, object]], Answer],
        budget: Budget,
    ) -> None:
        self.frame = frame
        self.run = run
        self.budget = budget
        self._columns = frozenset(frame.columns)

    def rows(self, condition: object) -> pl.Series:
        """Return the mask of a whole `where`. Nulls in it are false."""
        if not isinstance(condition, list):
            raise bad_query("Invalid format for where", condition)
        return self.mask(condition, condition)

    def mask(self, condition: object, parent: list[object]) -> pl.Series:
        """Return the mask of a condition, which may be the name of a column of bools."""
        value = self.value(condition)
        if not isinstance(value, pl.Series) or not is_bool(value.dtype):
            raise bad_query("Invalid type in argument", parent)
        return value

    def value(self, part: object) -> object:
        """Return a column, or a value of JSON; quoted text without its quotes."""
        if isinstance(part, str):
            if is_quoted(part):
                return part[1:-1]
            if part not in self._columns:
                raise bad_query("Unknown column", part)
            return self.frame.get_column(part)
        if not isinstance(part, list):
            return part
        if not part:
            raise bad_query("Empty expression not allowed", part)
        operator = part[0]
        if isinstance(operator, list | dict):
            raise bad_query("Invalid type in argument", part)
        handle = OPERATORS.get(operator)
        if handle is None:
            raise bad_query("Unknown operator", part)
        self.budget.spend_condition()
        try:
            return handle(self, part)
        except Incomparable:
            raise bad_query("Invalid type in argument", part) from None

    def column(self, name: object, condition: list[object]) -> pl.Series:
        """Return the column of a condition."""
        if isinstance(name, dict):
            raise Incomparable
        if not isinstance(name, str) or name not in self._columns:
            raise bad_query("Column is not defined", condition)
        return self.frame.get_column(name)


# Operators. They raise `Incomparable` for operands that they do not support.


def _compare(conditions: Conditions, condition: list[object]) -> pl.Series:
    _check_length(condition, 3)
    operator, name, argument = str(condition[0]), condition[1], condition[2]
    column = conditions.column(name, condition)
    value = conditions.value(argument)
    budget = conditions.budget
    if not isinstance(value, pl.Series):
        return by_value(column, lambda part: compare(operator, part, value, budget))
    if isinstance(argument, list):
        value = settled(value)
    return compare_columns(operator, as_text(column), as_text(value), budget)


def _and(conditions: Conditions, condition: list[object]) -> pl.Series:
    # A constant usually is a bool; of other numbers, the lowest bit counts.
    return _joined(conditions, condition, and_, lambda number: bool(number & 1))


def _or(conditions: Conditions, condition: list[object]) -> pl.Series:
    return _joined(conditions, condition, or_, bool)


def _joined(
    conditions: Conditions,
    condition: list[object],
    join: Callable[[pl.Series, pl.Series], pl.Series],
    holds: Callable[[int], bool],
) -> pl.Series:
    if len(condition) < 2:
        raise bad_query("Invalid number of arguments", condition)
    if len(condition) == 2:
        return conditions.mask(condition[1], condition)
    masks = (
        everywhere(holds(part), conditions.frame.height)
        if isinstance(part, int)
        else conditions.mask(part, condition)
        for part in condition[1:]
    )
    return reduce(join, masks)


def _not(conditions: Conditions, condition: list[object]) -> pl.Series:
    _check_length(condition, 2, "! is a single arity operator, invalid number of arguments")
    mask = conditions.mask(condition[1], condition)
    if mask.null_count():
        if isinstance(condition[1], str):
            raise Incomparable  # as in QCache, a stored column with nulls can't be negated
        mask = settled(mask)
    return ~mask


def _is_null(conditions: Conditions, condition: list[object]) -> pl.Series:
    _check_length(condition, 2, "isnull is a single arity operator, invalid number of arguments")
    return conditions.column(condition[1], condition).is_null()


def _in(conditions: Conditions, condition: list[object]) -> pl.Series:
    _check_length(condition, 3)
    _, name, values = condition
    budget = conditions.budget
    if isinstance(values, Mapping):
        answer = conditions.run(values)
        if name not in answer.header:
            raise bad_query(f'Unknown column "{name}"', condition)
        found = answer.frame.to_series(answer.header.index(str(name)))
        if is_coded(found.dtype):
            found = as_text(found.unique())
        column = conditions.column(name, condition)
        return by_value(column, lambda part: is_in_column(part, found, budget))
    if not isinstance(values, list):
        raise bad_query("Second argument must be a list", condition)
    column = conditions.column(name, condition)
    return by_value(column, lambda part: is_in_values(part, values, budget))


def _like(conditions: Conditions, condition: list[object]) -> pl.Series:
    return _matching(conditions, condition, ignore_case=False)


def _ilike(conditions: Conditions, condition: list[object]) -> pl.Series:
    return _matching(conditions, condition, ignore_case=True)


def _matching(conditions: Conditions, condition: list[object], *, ignore_case: bool) -> pl.Series:
    _check_length(condition, 3)
    _, name, argument = condition
    if argument is None or isinstance(argument, int | float):
        raise Incomparable
    if not isinstance(argument, str) or not is_quoted(argument):
        raise bad_query("like expects a quoted string as second argument", condition)
    column = conditions.column(name, condition)
    if is_mixed(column.dtype):
        column = text_of(column, conditions.budget)
    elif is_enum(column.dtype):
        column = column.cast(TEXT)
    if not is_text(column.dtype) and not is_coded(column.dtype):
        raise bad_query("Invalid column type for (i)like", condition)
    pattern = parse_pattern(argument[1:-1], ignore_case=ignore_case)
    return by_value(column, lambda part: matches(part, pattern, conditions.budget))


def _any_bits(conditions: Conditions, condition: list[object]) -> pl.Series:
    column, bits = _bits(conditions, condition)
    return (column & bits) > 0


def _all_bits(conditions: Conditions, condition: list[object]) -> pl.Series:
    column, bits = _bits(conditions, condition)
    return (column & bits) == bits


def _bits(conditions: Conditions, condition: list[object]) -> tuple[pl.Series, int]:
    """Return a column of whole numbers, and the bits to test in it."""
    _check_length(condition, 3)
    _, name, bits = condition
    if not isinstance(bits, int):
        raise bad_query("Invalid argument type, must be an integer:", condition)
    column = conditions.column(name, condition)
    if is_bool(column.dtype):
        # All bits above the lowest are alike to a bool: it has none of them.
        return column.cast(INT), bits & 1 if bits in (0, 1) else bits & 1 | 2
    if not is_integer(column.dtype):
        if not len(column):
            return column.cast(INT), 0  # of any type, since there are no rows
        raise bad_query("Invalid column type, must be an integer", condition)
    least, most = LIMITS[column.dtype]
    if not least <= bits <= most:
        raise bad_query("Invalid column type, must be an integer of more bits", condition)
    return column, int(bits)


OPERATORS: dict[object, Callable[[Conditions, list[object]], pl.Series]] = {
    **dict.fromkeys(COMPARISONS, _compare),
    "&": _and,
    "|": _or,
    "!": _not,
    "isnull": _is_null,
    "in": _in,
    "like": _like,
    "ilike": _ilike,
    "any_bits": _any_bits,
    "all_bits": _all_bits,
}
"""The operators of conditions."""


def is_quoted(text: str) -> bool:
    """Whether text is quoted, and so not the name of a column."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""


def _check_length(
    condition: list[object], length: int, message: str = "Invalid number of arguments"
) -> None:
    if len(condition) != length:
        raise bad_query(message, condition)
