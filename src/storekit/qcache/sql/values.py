"""Translates expressions and conditions of SQL to those of a query.

SQL has three truth values and QCache two: in QCache, a comparison with null is false, and its
negation is true. So negations are moved down to the comparisons, and a test for null is added where
QCache would select a row with a null that SQL does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from storekit.qcache.query import Column, Condition, Expression, fn, lit
from storekit.qcache.query.expressions import Flag, is_null
from storekit.qcache.query.forms import columns_of
from storekit.qcache.sql.errors import Refused

if TYPE_CHECKING:
    from storekit.qcache.query import FunctionName, Query

__all__ = ["FUNCTIONS", "Scope"]

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "==",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_COMPARE: dict[str, Callable[[Expression, Expression], Condition]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_ARITHMETIC: dict[type[exp.Expr], Callable[[Expression, Expression], Expression]] = {
    exp.Add: lambda left, right: left + right,
    exp.Sub: lambda left, right: left - right,
    exp.Mul: lambda left, right: left * right,
    exp.Div: lambda left, right: left / right,
    exp.Pow: lambda left, right: left**right,
}
FUNCTIONS: dict[type[exp.Expr], FunctionName] = {
    exp.Abs: "abs",
    exp.Sqrt: "sqrt",
    exp.Exp: "exp",
    exp.Ln: "log",
    exp.Sin: "sin",
    exp.Cos: "cos",
    exp.Asin: "arcsin",
    exp.Acos: "arccos",
    exp.Atan: "arctan",
    exp.Sinh: "sinh",
    exp.Cosh: "cosh",
    exp.Tanh: "tanh",
    exp.Asinh: "arcsinh",
    exp.Acosh: "arccosh",
    exp.Atanh: "arctanh",
}
_READ: dict[type[exp.Expr], frozenset[str]] = {
    exp.Column: frozenset({"this", "table"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Div: frozenset({"this", "expression", "typed", "safe"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.ILike: frozenset({"this", "expression", "negate"}),
}
"""The arguments of nodes that are translated, if these are not just the operands."""
_OPERANDS = frozenset({"this", "expression"})

_ANY = r"[\s\S]"
"""Any character, a line break included."""


class Scope:
    """The names that one SELECT can refer to, and the function that translates sub-queries."""

    def __init__(
        self, table: str, key: str, subquery: Callable[[exp.Expr], tuple[str, Query]]
    ) -> None:
        self._table = table
        self._key = key
        self._subquery = subquery
        self.replaced: dict[exp.Expr, Column] = {}
        """Aggregates that an inner query has computed as columns."""
        self.groups: set[str] | None = None
        """The columns of GROUP BY: a group has several values of any other column."""

    # Expressions

    def expression(self, node: exp.Expr) -> Expression:
        """Return the expression for a select. Raises `Refused`."""
        if isinstance(node, exp.AggFunc) and node in self.replaced:
            return self.replaced[node]
        _check_read(node)
        if isinstance(node, exp.Paren):
            return self.expression(node.this)
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Literal | exp.Boolean):
            return lit(_constant(node))
        if isinstance(node, exp.Neg):
            if isinstance(node.this, exp.Literal):
                return lit(_constant(node))
            return -self.expression(node.this)
        if isinstance(node, exp.Binary) and type(node) in _ARITHMETIC:
            left, right = self.expression(node.left), self.expression(node.right)
            return _ARITHMETIC[type(node)](left, right)
        if isinstance(node, exp.Mod | exp.IntDiv):
            return self._divide_whole(node)
        if type(node) in FUNCTIONS:
            return fn(FUNCTIONS[type(node)], self.expression(node.this))
        if isinstance(node, exp.AggFunc):
            raise Refused(node, "an aggregate cannot be used here")
        raise Refused(node, f"QCache has no equivalent of {_kind(node)}")

    def column(self, node: exp.Expr) -> Column:
        """Return the column that a node is. Raises `Refused` if it is something else."""
        if isinstance(node, exp.AggFunc) and node in self.replaced:
            return self.replaced[node]
        while isinstance(node, exp.Paren):
            node = node.this
        if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
            raise Refused(node, "QCache tests only columns; compute this in a sub-query first")
        if node.table and node.table not in (self._table, self._key):
            raise Refused(node, f"there is no table {node.table!r}; it is {self._table!r}")
        if self.groups is not None and node.name not in self.groups:
            raise Refused(node, "it has many values for a group: GROUP BY it, or aggregate it")
        return Column(node.name)

    def _divide_whole(self, node: exp.Mod | exp.IntDiv) -> Expression:
        """Round towards zero, as in SQL; QCache rounds down, as Python does."""
        divisor = _number(node.right)
        if not divisor or not isinstance(divisor, int):
            raise Refused(node, "the divisor must be a constant whole number other than 0")
        value = self.expression(node.left)
        sign = (value >= 0) * 2 - 1
        if isinstance(node, exp.Mod):
            return abs(value) % abs(divisor) * sign
        return abs(value) // abs(divisor) * (sign if divisor > 0 else -sign)

    # Conditions

    def condition(self, node: exp.Expr, *, negated: bool = False) -> Condition:
        """Return a condition that is true where a node is, or if `negated`, where it is false.

        Raises `Refused`.
        """
        _check_read(node)
        if isinstance(node, exp.Paren):
            return self.condition(node.this, negated=negated)
        if isinstance(node, exp.Not):
            return self.condition(node.this, negated=not negated)
        if isinstance(node, exp.And | exp.Or):
            left = self.condition(node.left, negated=negated)
            right = self.condition(node.right, negated=negated)
            return left & right if isinstance(node, exp.And) != negated else left | right
        if type(node) in _COMPARISONS:
            return self._comparison(node, negated)
        if isinstance(node, exp.Between):
            return self._between(node, negated)
        if isinstance(node, exp.Is):
            return self._is(node, negated)
        if isinstance(node, exp.In):
            return self._in(node, negated)
        if isinstance(node, exp.Like | exp.ILike):
            return self._like(node, negated != bool(node.args.get("negate")))
        if isinstance(node, exp.Column):
            return _not_null(Flag(self.column(node)), negated)
        raise Refused(node, f"QCache has no filter that is equivalent to {_kind(node)}")

    def _comparison(self, node: exp.Expr, negated: bool) -> Condition:
        operator = _COMPARISONS[type(node)]
        if negated:
            operator = _NEGATED[operator]
        for side in (node.args["this"], node.expression):
            if isinstance(side, exp.Null):
                raise Refused(node, "a comparison with NULL is never true: use IS NULL")
        left, right = self.expression(node.args["this"]), self.expression(node.expression)
        found = _COMPARE[operator](left, right)
        constant = isinstance(node.expression, exp.Literal) or isinstance(
            node.args["this"], exp.Literal
        )
        if operator != "!=" and (constant or operator in "<>"):
            return found
        # In QCache, null is unequal to any value, and may be equal to another null.
        for name in dict.fromkeys(columns_of(found)):
            found = found & ~is_null(Column(name))
        return found

    def _between(self, node: exp.Between, negated: bool) -> Condition:
        value = self.expression(node.this)
        low, high = self.expression(node.args["low"]), self.expression(node.args["high"])
        return (value < low) | (value > high) if negated else (value >= low) & (value <= high)

    def _is(self, node: exp.Is, negated: bool) -> Condition:
        if isinstance(node.expression, exp.Null):
            found = is_null(self.column(node.this))
            return ~found if negated else found
        if isinstance(node.expression, exp.Boolean) and not negated:
            return self.condition(node.this, negated=not node.expression.this)
        raise Refused(node, f"QCache has no equivalent of {_kind(node)}")

    def _in(self, node: exp.In, negated: bool) -> Condition:
        column = self.column(node.this)
        if (subquery := node.args.get("query")) is not None:
            return self._in_query(node, column, subquery, negated)
        values = [
            None if isinstance(each, exp.Null) else _constant(each) for each in node.expressions
        ]
        if negated and None in values:
            raise Refused(node, "NOT IN with a NULL among the values is never true")
        found = column.is_in([each for each in values if each is not None])
        return _not_null(found, negated)

    def _in_query(
        self, node: exp.In, column: Column, subquery: exp.Expr, negated: bool
    ) -> Condition:
        key, query = self._subquery(subquery)
        if key != self._key:
            raise Refused(
                node, f"a sub-query must be on the same table: {self._key!r}, not {key!r}"
            )
        names = query.names
        if names is None or len(names) != 1:
            raise Refused(node, "a sub-query of IN must have one column")
        if names[0] != column.name:
            from storekit.qcache.query import Query, col  # noqa: PLC0415 - the type is above

            query = Query().from_(query).select(col(names[0]).as_(column.name))
        found = column.is_in(query)
        if not negated:
            return found & ~is_null(column)  # for QCache, null is in a list that has a null
        if not _without_null(subquery):
            raise Refused(
                node,
                "NOT IN a sub-query with a NULL is never true: add WHERE ... IS NOT NULL to it",
            )
        return ~found & ~is_null(column)

    def _like(self, node: exp.Like | exp.ILike, negated: bool) -> Condition:
        column = self.column(node.this)
        if not isinstance(node.expression, exp.Literal) or not node.expression.is_string:
            raise Refused(node, "QCache matches text with a constant pattern")
        pattern = node.expression.name
        if pattern.strip("%") == "" and pattern:
            return is_null(column) & ~is_null(column) if negated else ~is_null(column)
        found = column.like(_pattern(pattern))
        if isinstance(node, exp.ILike):
            found = column.ilike(_pattern(pattern))
        return _not_null(found, negated)


def _not_null(condition: Condition, negated: bool) -> Condition:
    """Return a condition, or its negation, that is false for null in either case."""
    if not negated:
        return condition
    found = ~condition
    for name in dict.fromkeys(columns_of(condition)):
        found = found & ~is_null(Column(name))
    return found


def _pattern(like: str) -> str:
    """Translate a LIKE pattern: in QCache, what is not `%` at the ends is a regular expression."""
    inner = like.strip("%")
    begin = "%" if like.startswith("%") else ""
    end = "%" if like.endswith("%") else ""
    written = {"%": f"{_ANY}*", "_": _ANY}
    return begin + "".join(written.get(each) or re.escape(each) for each in inner) + end


def _constant(node: exp.Expr) -> int | float | str:
    if isinstance(node, exp.Literal) and node.is_string:
        return node.name
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    number = _number(node)
    if number is None:
        raise Refused(node, "QCache takes a constant number or text here")
    return number


def _number(node: exp.Expr) -> int | float | None:
    if isinstance(node, exp.Paren):
        return _number(node.this)
    if isinstance(node, exp.Neg):
        number = _number(node.this)
        return None if number is None else -number
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    text = node.name
    return int(text) if text.isdecimal() else float(text)


def _without_null(subquery: exp.Expr) -> bool:
    """Whether a sub-query has the condition that its column is not null."""
    while isinstance(subquery, exp.Subquery):
        subquery = subquery.this
    where, selected = subquery.args.get("where"), subquery.expressions[0]
    column = selected.this if isinstance(selected, exp.Alias) else selected
    if where is None:
        return False
    parts = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    return any(
        isinstance(part, exp.Not)
        and isinstance(part.this, exp.Is)
        and isinstance(part.this.expression, exp.Null)
        and part.this.this == column
        for part in parts
    )


def _check_read(node: exp.Expr) -> None:
    """Raise `Refused` if a node of sqlglot has arguments that the translation would ignore."""
    read = _READ.get(type(node), _OPERANDS)
    more = [name for name, value in node.args.items() if value and name not in read]
    if more:
        raise Refused(node, f"QCache has no equivalent of {_kind(node)} with {more[0].upper()}")


def _kind(node: exp.Expr) -> str:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__)
    return node.name if isinstance(node, exp.Anonymous) else name.upper()
