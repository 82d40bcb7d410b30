"""The forms that QCache 0.9.3 has for expressions and conditions.

A filter compares columns with values, columns or the result of another query; only a select
computes. What QCache has no form for is refused.
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
    """Yield the names of the columns that an expression needs."""
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
    """Return the form inside of a select.

    Raises `ValueError` for a column that QCache can't compute with, and for a test.
    """
    match expression:
        case Column():
            return check_name(expression.name, "a column that is computed with")
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
            raise ValueError(f"{expression!r} can filter, but QCache has no column of it")


def to_where(condition: Condition) -> object:
    """Return the form of a filter. Raises `ValueError` for what compares more than columns."""
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
            raise TypeError(f"{condition!r} is no condition of a query")


def _compared(condition: Comparison) -> object:
    left, right = condition.left, condition.right
    if not isinstance(left, Column) or not isinstance(right, Column | LiteralValue):
        raise ValueError(  # noqa: TRY004 - of the query
            f"a filter of QCache compares columns, not {condition!r}: name the columns of the "
            "result with select(...), or compute it in a query that from_(...) asks"
        )
    value = right.name if isinstance(right, Column) else to_value(right.value)
    return [condition.operator, left.name, value]


def computed_in(condition: Condition) -> Iterator[Expression]:
    """Yield what it compares that is no column: a filter of QCache has no place for it."""
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
    """Return the same on columns in place of what is computed, by the `id` of that."""
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
