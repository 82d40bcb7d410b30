"""Functions and aggregates of queries."""

from __future__ import annotations

from typing import Literal, get_args

from storekit.qcache.query.expressions import (
    Calculation,
    Column,
    Expression,
    LiteralValue,
    operand,
)
from storekit.qcache.query.values import Value, check_name

__all__ = [
    "Aggregate",
    "FunctionName",
    "col",
    "count",
    "first",
    "fn",
    "last",
    "lit",
    "max_",
    "mean",
    "median",
    "min_",
    "nunique",
    "std",
    "sum_",
    "var",
]

FunctionName = Literal[
    "sin", "cos", "exp", "log", "expm1", "log1p", "sqrt", "sinh", "cosh", "tanh", "arcsin",
    "arccos", "arctan", "arccosh", "arcsinh", "arctanh", "abs",
]  # fmt: skip
_FUNCTIONS = frozenset(get_args(FunctionName))


class Aggregate:
    """One value computed from many rows. Made by functions such as `sum_` and `count`."""

    __slots__ = ("argument", "function", "name")

    def __init__(self, function: str, argument: Expression | None, name: str) -> None:
        self.function: str = function
        self.argument: Expression | None = argument
        self.name: str = name

    def __repr__(self) -> str:
        return f"{self.function}({'' if self.argument is None else repr(self.argument)})"

    def as_(self, name: str) -> Aggregate:
        """Return this aggregate under a name; the default is the name of its column.

        Raises `TypeError` and `ValueError`.
        """
        return Aggregate(self.function, self.argument, check_name(name, "the name of a column"))


def col(name: str) -> Column:
    """Return a column, for conditions and expressions."""
    return Column(name)


def lit(value: Value) -> Expression:
    """Return a number, bool or text as an expression."""
    return LiteralValue(value)


def fn(name: FunctionName, expression: Expression | str) -> Expression:
    """Apply a function to an expression, or to a column by its name. Raises `ValueError`."""
    if name not in _FUNCTIONS:
        raise ValueError(f"QCache has no function {name!r}; it has {', '.join(sorted(_FUNCTIONS))}")
    return Calculation(name, (_of_column(expression),))


def sum_(expression: Expression | str) -> Aggregate:
    """Return the sum; null if all values are null."""
    return _aggregate("sum", expression)


def mean(expression: Expression | str) -> Aggregate:
    """Return the mean of the values that are not null."""
    return _aggregate("mean", expression)


def min_(expression: Expression | str) -> Aggregate:
    """Return the smallest value; for text, null if any value is null."""
    return _aggregate("min", expression)


def max_(expression: Expression | str) -> Aggregate:
    """Return the greatest value."""
    return _aggregate("max", expression)


def std(expression: Expression | str) -> Aggregate:
    """Return the sample standard deviation."""
    return _aggregate("std", expression)


def var(expression: Expression | str) -> Aggregate:
    """Return the sample variance."""
    return _aggregate("var", expression)


def median(expression: Expression | str) -> Aggregate:
    """Return the median of the values that are not null."""
    return _aggregate("median", expression)


def nunique(expression: Expression | str) -> Aggregate:
    """Return the number of distinct values, without null."""
    return _aggregate("nunique", expression)


def first(expression: Expression | str) -> Aggregate:
    """Return the first value of a group that is not null."""
    return _aggregate("first", expression)


def last(expression: Expression | str) -> Aggregate:
    """Return the last value of a group that is not null."""
    return _aggregate("last", expression)


def count(expression: Expression | str | None = None) -> Aggregate:
    """Return the number of rows, or of rows in which an expression is not null."""
    return (
        Aggregate("count", None, "count") if expression is None else _aggregate("count", expression)
    )


def _aggregate(function: str, expression: Expression | str) -> Aggregate:
    argument = _of_column(expression)
    return Aggregate(
        function, argument, argument.name if isinstance(argument, Column) else function
    )


def _of_column(expression: Expression | str) -> Expression:
    return Column(expression) if isinstance(expression, str) else operand(expression)
