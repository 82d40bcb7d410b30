"""Translates expressions and conditions to the form of QCache 0.9.3.

A filter compares columns with values, columns or the result of another query; only a select can
compute. Anything else raises `ValueError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from storekit.qcache.query.expressions import (
    Calculation,
    Column,
    Comparison,
    Condition,
    Expression,
    Flag,
    Junction,
    LiteralValue,
    Negation,
    Test,
)
from storekit.qcache.query.values import check_name, to_value

__all__ = ["columns_of", "computed_in", "to_select", "to_where", "with_columns"]


def columns_of(expression: Expression) -> Iterator[str]:
    """Yield the names of the columns that an expression refers to."""
    match expression:
        case Column():
            yield expression.name
        case Test() | Flag():
            yield expression.column.name
        case _:
            for part in _parts_of(expression):
                yield from columns_of(part)


def _parts_of(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Calculation():
            return expression.arguments
        case Comparison():
            return expression.left, expression.right
        case Junction():
            return expression.parts
        case Negation():
            return (expression.part,)
        case _:
            return ()


def to_select(expression: Expression) -> object:
    """Return the form for a select.

    Raises `ValueError` for a column that QCache cannot compute with, and for a test.
    """
    match expression:
        case Column():
            return check_name(expression.name, "a column in a calculation")
        case LiteralValue():
            return to_value(expression.value)
        case Calculation():
            return [expression.name, *map(to_select, expression.arguments)]
        case Comparison():
            return [expression.operator, to_select(expression.left), to_select(expression.right)]
        case Flag():
            return to_select(expression.column)
        case Negation():
            return ["not", to_select(expression.part)]
        case Junction():
            operator = "and" if expression.operator == "&" else "or"
            found, *others = map(to_select, expression.parts)
            for each in others:
                found = [operator, found, each]
            return found
        case _:
            raise ValueError(f"QCache can filter by {expression!r}, but not select it")


def to_where(condition: Condition) -> object:
    """Return the form for a filter. Raises `ValueError` for a comparison of calculations."""
    match condition:
        case Comparison():
            return _compared(condition)
        case Test():
            return [condition.name, condition.column.name, *condition.argument]
        case Flag():
            return condition.column.name
        case Negation():
            return ["!", to_where(condition.part)]
        case Junction():
            return [condition.operator, *map(to_where, condition.parts)]
        case _:
            raise TypeError(f"{condition!r} is not a condition of a query")


def _compared(condition: Comparison) -> object:
    left, right = condition.left, condition.right
    if not isinstance(left, Column) or not isinstance(right, Column | LiteralValue):
        raise ValueError(  # noqa: TRY004 - the query is wrong, not an argument
            f"a filter of QCache compares only columns, not {condition!r}: name the columns of the "
            "result with select(...), or compute it in an inner query, with from_(...)"
        )
    value = right.name if isinstance(right, Column) else to_value(right.value)
    return [condition.operator, left.name, value]


def computed_in(condition: Condition) -> Iterator[Expression]:
    """Yield the calculations in a condition, which a filter of QCache cannot have."""
    match condition:
        case Comparison():
            for each in (condition.left, condition.right):
                if not isinstance(each, Column | LiteralValue):
                    yield each
        case Junction():
            for part in condition.parts:
                yield from computed_in(part)
        case Negation():
            yield from computed_in(condition.part)


def with_columns(condition: Condition, names: Mapping[int, str]) -> Condition:
    """Return a condition with columns in place of calculations; `names` are by `id` of these."""
    match condition:
        case Comparison():
            left, right = (
                Column(names[id(each)]) if id(each) in names else each
                for each in (condition.left, condition.right)
            )
            return Comparison(condition.operator, left, right)
        case Junction():
            parts = tuple(with_columns(each, names) for each in condition.parts)
            return Junction(condition.operator, parts)
        case Negation():
            return Negation(with_columns(condition.part, names))
        case _:
            return condition
