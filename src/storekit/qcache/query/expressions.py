"""Calculations and conditions on columns, as Python expressions.

`qcache.query.forms` translates them to the form of QCache.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, Protocol

from storekit.qcache.query.values import (
    Value,
    check_name,
    check_text,
    check_value,
    check_whole,
    quote,
    split_list,
)

__all__ = [
    "Aliased",
    "Calculation",
    "Column",
    "Comparison",
    "Condition",
    "Expression",
    "Flag",
    "Junction",
    "LiteralValue",
    "Negation",
    "SubQuery",
    "Test",
    "is_null",
    "operand",
]

_OPPOSITES = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class SubQuery(Protocol):
    """A query in whose result `is_in` looks for values."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The columns of its result; None for those of the table."""

    def to_dict(self) -> dict[str, object]:
        """Return the query in the form of QCache."""


class Expression:
    """Something with a value for each row. Combine with `+ - * / // % **` and comparisons."""

    __slots__ = ()

    def as_(self, name: str) -> Aliased:
        """Return this as a column of the result, with a name of letters, digits and `_`.

        Raises `TypeError` and `ValueError`.
        """
        return Aliased(self, check_name(name, "the name of a column"))

    # Arithmetic

    def __add__(self, other: Expression | Value) -> Expression:
        return Calculation("+", (self, operand(other)))

    def __radd__(self, other: Value) -> Expression:
        return Calculation("+", (operand(other), self))

    def __sub__(self, other: Expression | Value) -> Expression:
        return Calculation("-", (self, operand(other)))

    def __rsub__(self, other: Value) -> Expression:
        return Calculation("-", (operand(other), self))

    def __mul__(self, other: Expression | Value) -> Expression:
        return Calculation("*", (self, operand(other)))

    def __rmul__(self, other: Value) -> Expression:
        return Calculation("*", (operand(other), self))

    def __truediv__(self, other: Expression | Value) -> Expression:
        return Calculation("/", (self, operand(other)))

    def __rtruediv__(self, other: Value) -> Expression:
        return Calculation("/", (operand(other), self))

    def __floordiv__(self, other: Expression | Value) -> Expression:
        return Calculation("//", (self, operand(other)))

    def __rfloordiv__(self, other: Value) -> Expression:
        return Calculation("//", (operand(other), self))

    def __mod__(self, other: Expression | Value) -> Expression:
        return Calculation("%", (self, operand(other)))

    def __rmod__(self, other: Value) -> Expression:
        return Calculation("%", (operand(other), self))

    def __pow__(self, other: Expression | Value) -> Expression:
        return Calculation("**", (self, operand(other)))

    def __rpow__(self, other: Value) -> Expression:
        return Calculation("**", (operand(other), self))

    def __neg__(self) -> Expression:
        return Calculation("-", (self,))

    def __abs__(self) -> Expression:
        return Calculation("abs", (self,))

    # Comparisons give conditions, not bools, as in SQL.

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return is_null(self) if other is None else _compare("==", self, other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return ~is_null(self) if other is None else _compare("!=", self, other)

    def __lt__(self, other: Expression | Value | _Unbound) -> Condition:
        return _compare("<", self, other)

    def __le__(self, other: Expression | Value | _Unbound) -> Condition:
        return _compare("<=", self, other)

    def __gt__(self, other: Expression | Value | _Unbound) -> Condition:
        return _compare(">", self, other)

    def __ge__(self, other: Expression | Value | _Unbound) -> Condition:
        return _compare(">=", self, other)

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "an expression is neither true nor false before the query runs: combine conditions "
            "with &, | and ~ in place of and, or and not, each comparison in parentheses"
        )

    def __contains__(self, value: object) -> NoReturn:
        raise TypeError(f"`in` does not work on a {type(self).__name__}: use .is_in(...)")

    __iter__ = None  # an expression cannot be iterated over


class Column(Expression):
    """A column of the table, or of the inner query. Made by `col`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a column must be text, not {name!r}")
        if not name:
            raise ValueError("the name of a column is empty")
        self.name: str = name

    def __repr__(self) -> str:
        return f"col({self.name!r})"

    def is_null(self) -> Condition:
        """Whether there is no value."""
        return is_null(self)

    def is_in(self, values: Iterable[Value | None] | SubQuery) -> Condition:
        """Whether the value is one of `values`: a list, or the column of this name in a query."""
        return _is_in(self, values)

    def between(self, low: Value, high: Value) -> Condition:
        """Whether the value is from `low` to `high`, both included."""
        return (self >= low) & (self <= high)

    def like(self, pattern: str) -> Condition:
        """Whether a text matches a pattern.

        `%` at the start or the end of the pattern matches any text. The rest is a regular
        expression of Python, as in QCache.
        """
        return Test("like", self, quote(check_text(pattern, "a pattern")))

    def ilike(self, pattern: str) -> Condition:
        """Whether a text matches a pattern of `like`, ignoring case."""
        return Test("ilike", self, quote(check_text(pattern, "a pattern")))

    def any_bits(self, bits: int) -> Condition:
        """Whether `value & bits` is above 0: not if the sign bit is among the common ones."""
        return Test("any_bits", self, check_whole(bits))

    def all_bits(self, bits: int) -> Condition:
        """Whether a whole number has all of these bits."""
        return Test("all_bits", self, check_whole(bits))

    # A column of bools is a condition.

    def __and__(self, other: Condition | Column) -> Condition:
        return _join("&", self, other)

    def __or__(self, other: Condition | Column) -> Condition:
        return _join("|", self, other)

    def __invert__(self) -> Condition:
        return Negation(Flag(self))

    def __rand__(self, other: object) -> NoReturn:
        _refuse_unbound(other, "&", self)

    def __ror__(self, other: object) -> NoReturn:
        _refuse_unbound(other, "|", self)


class LiteralValue(Expression):
    """One value for all rows. Made by `lit`."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value: Value = check_value(value)

    def __repr__(self) -> str:
        return f"lit({self.value!r})"


class Calculation(Expression):
    """A function or an arithmetic operator."""

    __slots__ = ("arguments", "name")

    def __init__(self, name: str, arguments: tuple[Expression, ...]) -> None:
        self.name: str = name
        self.arguments: tuple[Expression, ...] = arguments

    def __repr__(self) -> str:
        if len(self.arguments) == 2:
            return f"({self.arguments[0]!r} {self.name} {self.arguments[1]!r})"
        return f"{self.name}({self.arguments[0]!r})"


class Condition(Expression):
    """Something that is true or false for each row. Combine with `&`, `|` and `~`."""

    __slots__ = ()

    def __and__(self, other: Condition | Column) -> Condition:
        return _join("&", self, other)

    def __or__(self, other: Condition | Column) -> Condition:
        return _join("|", self, other)

    def __invert__(self) -> Condition:
        return Negation(self)

    def __rand__(self, other: Value) -> _Unbound:
        return _Unbound("&", check_value(other), self)

    def __ror__(self, other: Value) -> _Unbound:
        return _Unbound("|", check_value(other), self)


class _Unbound:
    """The result of `value & condition` or `value | condition`.

    Python evaluates `col("a") > 5 & condition` as `col("a") > (5 & condition)`. The only meaning
    of that is `(col("a") > 5) & condition`, so the comparison makes that of it.
    """

    __slots__ = ("condition", "operator", "value")

    def __init__(self, operator: str, value: Value, condition: Condition) -> None:
        self.operator: str = operator
        self.value: Value = value
        self.condition: Condition = condition


class Comparison(Condition):
    """A comparison of two expressions, at least one of which is not a constant."""

    __slots__ = ("left", "operator", "right")

    def __init__(self, operator: str, left: Expression, right: Expression) -> None:
        if isinstance(left, LiteralValue):
            operator, left, right = _OPPOSITES[operator], right, left
        if isinstance(left, LiteralValue):
            raise ValueError(f"{left!r} {operator} {right!r} compares two constants")  # noqa: TRY004
        self.operator: str = operator
        self.left: Expression = left
        self.right: Expression = right

    def __repr__(self) -> str:
        return f"({self.left!r} {self.operator} {self.right!r})"


class Test(Condition):
    """A test of one column other than a comparison, e.g. `like`."""

    __slots__ = ("argument", "column", "name")

    def __init__(self, name: str, column: Column, *argument: object) -> None:
        self.name: str = name
        self.column: Column = column
        self.argument: tuple[object, ...] = argument

    def __repr__(self) -> str:
        return f"{self.column!r}.{self.name}({', '.join(map(repr, self.argument))})"


class Flag(Condition):
    """A column of bools."""

    __slots__ = ("column",)

    def __init__(self, column: Column) -> None:
        self.column: Column = column

    def __repr__(self) -> str:
        return repr(self.column)


class Junction(Condition):
    """Several conditions of which all (`&`) or at least one (`|`) must hold."""

    __slots__ = ("operator", "parts")

    def __init__(self, operator: str, parts: tuple[Condition, ...]) -> None:
        self.operator: str = operator
        self.parts: tuple[Condition, ...] = parts

    def __repr__(self) -> str:
        return f"({f' {self.operator} '.join(map(repr, self.parts))})"


class Negation(Condition):
    """The opposite of a condition. A comparison with null is false, so its opposite is true."""

    __slots__ = ("part",)

    def __init__(self, part: Condition) -> None:
        self.part: Condition = part

    def __repr__(self) -> str:
        return f"~{self.part!r}"


class Aliased:
    """An expression with a name. Made by `Expression.as_`."""

    __slots__ = ("expression", "name")

    def __init__(self, expression: Expression, name: str) -> None:
        self.expression: Expression = expression
        self.name: str = name

    def __repr__(self) -> str:
        return f"{self.expression!r}.as_({self.name!r})"


def is_null(expression: Expression) -> Condition:
    """Return the condition that a column is null. Raises `ValueError` for other expressions."""
    if not isinstance(expression, Column):
        raise ValueError(f"QCache tests only columns for null, not {expression!r}")  # noqa: TRY004
    return Test("isnull", expression)


def operand(value: object) -> Expression:
    """Return an operand of a Python operator as an expression. Raises as `check_value` does."""
    if isinstance(value, Expression):
        return value
    return LiteralValue(check_value(value))


def _compare(operator: str, left: Expression, right: object) -> Condition:
    if isinstance(right, _Unbound):
        return _join(right.operator, _compare(operator, left, right.value), right.condition)
    if right is None:
        raise TypeError(f"{left!r} {operator} None: only ==, != and is_null() test for null")
    if isinstance(left, Condition) or isinstance(right, Condition):
        raise TypeError(
            f"{operator} compares values, not the condition {left!r}: put each comparison in "
            "parentheses, as in (col('a') > 1) & (col('b') > 2)"
        )
    return Comparison(operator, left, operand(right))


def _join(operator: str, left: Condition | Column, right: object) -> Condition:
    parts: list[Condition] = []
    for each in (left, right):
        if isinstance(each, Junction) and each.operator == operator:
            parts += each.parts
        elif isinstance(each, Column):
            parts.append(Flag(each))
        elif isinstance(each, Condition):
            parts.append(each)
        else:
            raise TypeError(
                f"{operator} combines conditions, not {each!r}: put each comparison in "
                f"parentheses, as in (col('a') > 1) {operator} (col('b') > 2); for bits there are "
                "any_bits and all_bits"
            )
    return Junction(operator, tuple(parts))


def _refuse_unbound(value: object, operator: str, column: Column) -> NoReturn:
    raise TypeError(
        f"Python evaluates {value!r} {operator} {column!r} first: put each comparison in "
        f"parentheses, as in (col('a') > {value!r}) {operator} ({column!r} > 2)"
    )


def _is_in(column: Column, values: object) -> Condition:
    if isinstance(values, str | bytes | Expression):
        raise TypeError(f"is_in takes several values or a query, not {values!r}")
    if hasattr(values, "to_dict") and hasattr(values, "names"):
        names = values.names
        if names is not None and column.name not in names:
            raise ValueError(
                f"the query in {column!r}.is_in(...) must have a column {column.name!r}, which "
                f"QCache compares with; it has {', '.join(names)}"
            )
        return Test("in", column, values.to_dict())
    if not isinstance(values, Iterable):
        raise TypeError(f"is_in takes several values or a query, not {values!r}")
    lists, others = split_list([None if each is None else check_value(each) for each in values])
    parts: list[Condition] = [Test("in", column, each) for each in lists]
    parts += [is_null(column) if each is None else _compare("==", column, each) for each in others]
    if not parts:
        return Test("in", column, [])
    return parts[0] if len(parts) == 1 else Junction("|", tuple(parts))
