"""What a query computes and asks of columns, as Python expressions. Pure: no I/O, no types of data.

Each object knows the form that QCache 0.9.3 has for it, and is refused where QCache has none: a
filter compares columns with values, columns or the result of another query; only a select computes.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn, Protocol

__all__ = [
    "Aliased",
    "Column",
    "Condition",
    "Expression",
    "LiteralValue",
    "SubQuery",
    "Value",
    "check_name",
    "check_value",
    "is_null",
    "operand",
]

Number = int | float
Value = Number | str

_COMPUTED_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPPOSITES = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class SubQuery(Protocol):
    """A query of which another one asks whether it has a value."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The columns of its result; None for those of the table."""

    def to_dict(self) -> dict[str, object]:
        """Return it as QCache takes it."""


def check_name(name: object, what: str) -> str:
    """Return a name that QCache takes for a new column. Raises `TypeError` and `ValueError`."""
    if not isinstance(name, str):
        raise TypeError(f"{what} must be text, not {name!r}")
    if not _COMPUTED_NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ValueError(
            f"{what} must be letters, digits and _, begin with no digit and be no keyword of "
            f"Python, not {name!r}: QCache can't compute with other names"
        )
    return name


class Expression:
    """Something with a value for each row. Combine with `+ - * / // % **` and comparisons."""

    __slots__ = ()

    def as_(self, name: str) -> Aliased:
        """Return this as a column of a result: letters, digits and `_`."""
        return Aliased(self, check_name(name, "the name of a column"))

    # What subclasses say

    def columns(self) -> Iterator[str]:
        """Yield the names of the columns it needs."""
        raise NotImplementedError

    def to_select(self) -> object:
        """Return the form inside of a select."""
        raise NotImplementedError

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
        raise TypeError(f"{type(self).__name__} has no items: .is_in(...) asks for one of several")

    __iter__ = None  # else Python would try to count it up by indices


class Column(Expression):
    """A column of the table or of the query that is asked. Made by `col`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a column must be text, not {name!r}")
        if not name:
            raise ValueError("the name of a column is empty")
        self.name: str = name

    def __repr__(self) -> str:
        return f"col({self.name!r})"

    def columns(self) -> Iterator[str]:
        """Yield its name."""
        yield self.name

    def to_select(self) -> object:
        """Return its name. Raises `ValueError` for one that QCache can't compute with."""
        return check_name(self.name, "a column that is computed with")

    def is_null(self) -> Condition:
        """Whether there is no value."""
        return is_null(self)

    def is_in(self, values: Iterable[Value | None] | SubQuery) -> Condition:
        """Whether the value is one of several, or that of a query in a column of this name."""
        return _is_in(self, values)

    def between(self, low: Value, high: Value) -> Condition:
        """Whether the value is from `low` to `high`, both included."""
        return (self >= low) & (self <= high)

    def like(self, pattern: str) -> Condition:
        """Whether a text matches: `%` at an end stands for any text there.

        What is between is a regular expression of Python, as QCache has it.
        """
        return Test("like", self, _quote(_text(pattern, "a pattern")))

    def ilike(self, pattern: str) -> Condition:
        """Whether a text matches, whatever the case of its letters; as `like` else."""
        return Test("ilike", self, _quote(_text(pattern, "a pattern")))

    def any_bits(self, bits: int) -> Condition:
        """Whether a whole number has at least one of these bits, and they make no negative one."""
        return Test("any_bits", self, _whole(bits))

    def all_bits(self, bits: int) -> Condition:
        """Whether a whole number has all of these bits."""
        return Test("all_bits", self, _whole(bits))

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

    def columns(self) -> Iterator[str]:
        """Yield no column."""
        return iter(())

    def to_select(self) -> object:
        """Return the value, a text in quotes."""
        return to_value(self.value)


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

    def columns(self) -> Iterator[str]:
        for each in self.arguments:
            yield from each.columns()

    def to_select(self) -> object:
        return [self.name, *(each.to_select() for each in self.arguments)]


class Condition(Expression):
    """Something that is true or false for each row. Combine with `&`, `|` and `~`."""

    __slots__ = ()

    def to_where(self) -> object:
        """Return the form of a filter."""
        raise NotImplementedError

    def computed(self) -> Iterator[Expression]:
        """Yield what it compares that is no column: a filter of QCache has no place for it."""
        return iter(())

    def with_columns(self, names: Mapping[int, str]) -> Condition:  # noqa: ARG002 - for some
        """Return the same on columns in place of what is computed, by the `id` of that."""
        return self

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
    """A value before `&` or `|`: Python binds these before the comparison to the left.

    `col("a") > 5 & condition` is read as `col("a") > (5 & condition)`, which has no other meaning
    than `(col("a") > 5) & condition`, so the comparison takes it apart again.
    """

    __slots__ = ("condition", "operator", "value")

    def __init__(self, operator: str, value: Value, condition: Condition) -> None:
        self.operator: str = operator
        self.value: Value = value
        self.condition: Condition = condition


class Comparison(Condition):
    """Two values side by side."""

    __slots__ = ("left", "operator", "right")

    def __init__(self, operator: str, left: Expression, right: Expression) -> None:
        if isinstance(left, LiteralValue):
            operator, left, right = _OPPOSITES[operator], right, left
        if isinstance(left, LiteralValue):
            raise ValueError(f"{left!r} {operator} {right!r} compares no column")  # noqa: TRY004
        self.operator: str = operator
        self.left: Expression = left
        self.right: Expression = right

    def __repr__(self) -> str:
        return f"({self.left!r} {self.operator} {self.right!r})"

    def columns(self) -> Iterator[str]:
        yield from self.left.columns()
        yield from self.right.columns()

    def to_select(self) -> object:
        return [self.operator, self.left.to_select(), self.right.to_select()]

    def computed(self) -> Iterator[Expression]:
        for each in (self.left, self.right):
            if not isinstance(each, Column | LiteralValue):
                yield each

    def with_columns(self, names: Mapping[int, str]) -> Condition:
        left, right = (
            Column(names[id(each)]) if id(each) in names else each
            for each in (self.left, self.right)
        )
        return Comparison(self.operator, left, right)

    def to_where(self) -> object:
        if not isinstance(self.left, Column) or not isinstance(self.right, Column | LiteralValue):
            raise ValueError(  # noqa: TRY004 - of the query
                f"a filter of QCache compares columns, not {self!r}: name the columns of the "
                "result with select(...), or compute it in a query that from_(...) asks"
            )
        right = self.right
        return [
            self.operator,
            self.left.name,
            right.name if isinstance(right, Column) else to_value(right.value),
        ]


class Test(Condition):
    """A test of one column that is no comparison."""

    __slots__ = ("argument", "column", "name")

    def __init__(self, name: str, column: Column, *argument: object) -> None:
        self.name: str = name
        self.column: Column = column
        self.argument: tuple[object, ...] = argument

    def __repr__(self) -> str:
        return f"{self.column!r}.{self.name}({', '.join(map(repr, self.argument))})"

    def columns(self) -> Iterator[str]:
        yield self.column.name

    def to_where(self) -> object:
        return [self.name, self.column.name, *self.argument]

    def to_select(self) -> object:
        raise ValueError(f"{self!r} can filter, but QCache has no column of it")


class Flag(Condition):
    """A column of bools."""

    __slots__ = ("column",)

    def __init__(self, column: Column) -> None:
        self.column: Column = column

    def __repr__(self) -> str:
        return repr(self.column)

    def columns(self) -> Iterator[str]:
        yield self.column.name

    def to_where(self) -> object:
        return self.column.name

    def to_select(self) -> object:
        return self.column.to_select()


class Junction(Condition):
    """Several conditions, all or one of which must hold."""

    __slots__ = ("operator", "parts")

    def __init__(self, operator: str, parts: tuple[Condition, ...]) -> None:
        self.operator: str = operator
        self.parts: tuple[Condition, ...] = parts

    def __repr__(self) -> str:
        return f"({f' {self.operator} '.join(map(repr, self.parts))})"

    def columns(self) -> Iterator[str]:
        for each in self.parts:
            yield from each.columns()

    def computed(self) -> Iterator[Expression]:
        for each in self.parts:
            yield from each.computed()

    def with_columns(self, names: Mapping[int, str]) -> Condition:
        return Junction(self.operator, tuple(each.with_columns(names) for each in self.parts))

    def to_where(self) -> object:
        return [self.operator, *(each.to_where() for each in self.parts)]

    def to_select(self) -> object:
        found, *others = (each.to_select() for each in self.parts)
        for each in others:
            found = ["and" if self.operator == "&" else "or", found, each]
        return found


class Negation(Condition):
    """The opposite of a condition. A comparison with null is false, so its opposite is true."""

    __slots__ = ("part",)

    def __init__(self, part: Condition) -> None:
        self.part: Condition = part

    def __repr__(self) -> str:
        return f"~{self.part!r}"

    def columns(self) -> Iterator[str]:
        yield from self.part.columns()

    def computed(self) -> Iterator[Expression]:
        yield from self.part.computed()

    def with_columns(self, names: Mapping[int, str]) -> Condition:
        return Negation(self.part.with_columns(names))

    def to_where(self) -> object:
        return ["!", self.part.to_where()]

    def to_select(self) -> object:
        return ["not", self.part.to_select()]


class Aliased:
    """An expression with a name. Made by `Expression.as_`."""

    __slots__ = ("expression", "name")

    def __init__(self, expression: Expression, name: str) -> None:
        self.expression: Expression = expression
        self.name: str = name

    def __repr__(self) -> str:
        return f"{self.expression!r}.as_({self.name!r})"


def is_null(expression: Expression) -> Condition:
    """Return whether a column has no value."""
    if not isinstance(expression, Column):
        raise ValueError(f"QCache asks columns for null, not {expression!r}")  # noqa: TRY004 - as above
    return Test("isnull", expression)


def operand(value: object) -> Expression:
    """Return what an operator of Python was given as an expression."""
    if isinstance(value, Expression):
        return value
    return LiteralValue(check_value(value))


def to_value(value: Value) -> object:
    """Return the form that QCache has for a value: a text without quotes would be a column."""
    return _quote(value) if isinstance(value, str) else value


def _compare(operator: str, left: Expression, right: object) -> Condition:
    if isinstance(right, _Unbound):
        return _join(right.operator, _compare(operator, left, right.value), right.condition)
    if right is None:
        raise TypeError(f"{left!r} {operator} None: only == and != and is_null() ask for null")
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
        f"Python reads {value!r} {operator} {column!r} first: put each comparison in parentheses, "
        f"as in (col('a') > {value!r}) {operator} ({column!r} > 2)"
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
    return _is_in_list(column, [None if each is None else check_value(each) for each in values])


def _is_in_list(column: Column, values: Sequence[Value | None]) -> Condition:
    """Ask one by one for what QCache 0.9.3 gets wrong in a list.

    It never finds text that is not ASCII, finds null in some columns only, and cuts a float down
    to a whole number where the column has these.
    """
    plain = [each for each in values if _is_safe_in_list(each)]
    others = [each for each in values if not _is_safe_in_list(each)]
    numbers = [each for each in plain if not isinstance(each, str)]
    texts = [each for each in plain if isinstance(each, str)]
    parts: list[Condition] = [Test("in", column, each) for each in (numbers, texts) if each]
    parts += [is_null(column) if each is None else _compare("==", column, each) for each in others]
    if not parts:
        return Test("in", column, [])
    return parts[0] if len(parts) == 1 else Junction("|", tuple(parts))


def _is_safe_in_list(value: Value | None) -> bool:
    return value.isascii() if isinstance(value, str) else isinstance(value, int)


def check_value(value: object) -> Value:
    """Return a value that QCache has. Raises `TypeError` and `ValueError`."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"QCache compares with finite numbers, not {value!r}")
        return value
    raise TypeError(
        f"QCache has numbers, bools and text, not {type(value).__name__}: {value!r}; "
        "a time is text or a number, as the table has it"
    )


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"it must be a whole number, not {value!r}")
    if not -(2**63) <= value < 2**64:
        raise ValueError(f"{value} does not fit into 64 bits")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, not {value!r}")
    return value


def _quote(text: str) -> str:
    return f"'{text}'"
