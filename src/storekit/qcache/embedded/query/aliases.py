"""`["=", alias, expression]`: columns that a query computes."""

import keyword
import re

import polars as pl

from storekit.qcache.embedded.coding import as_text
from storekit.qcache.embedded.errors import BadQuery
from storekit.qcache.embedded.query.arithmetic import Operand, apply, constant
from storekit.qcache.embedded.query.expressions import (
    Column,
    Constant,
    Expression,
    parse_expression,
)
from storekit.qcache.embedded.query.refusing import bad_query

__all__ = ["with_aliases"]

# What aliases may take: text that is added to itself doubles with each of them.
_BYTES = 2**28
_TABLES = 8  # or so many times the size of the table, if that is more
_ALIAS = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# The aliases are targets of an assignment in the reference, which is Python 2.
_KEYWORDS = frozenset(keyword.kwlist) - {"True", "False", "async", "await", "nonlocal"} | {
    "exec",
    "print",
}


def with_aliases(frame: pl.DataFrame, aliases: list[list[object]]) -> pl.DataFrame:
    """Return a table with more columns, or other ones of those names.

    They are computed from left to right; later ones may be made of earlier ones.
    """
    size, most = 0, max(_BYTES, _TABLES * int(frame.estimated_size()))
    for alias in aliases:
        column = _column(frame, alias)
        size += int(column.estimated_size())
        if size > most:
            raise BadQuery("The columns of the aliases take too much memory")
        frame = frame.with_columns(column)
    return frame


def _column(frame: pl.DataFrame, alias: list[object]) -> pl.Series:
    _, name, source = alias
    if not isinstance(name, str):
        raise bad_query("Invalid alias, must be a string", alias)
    if not _ALIAS.fullmatch(name):
        raise bad_query("Invalid alias, must match ^([A-Za-z0-9_-]+)$", alias)
    expression = parse_expression(source)
    if not _PLAIN.fullmatch(name) or name in _KEYWORDS:
        raise bad_query("Unknown function in alias", source)
    return _evaluate(expression, frame).at_height(frame.height).alias(name)


def _evaluate(expression: Expression, frame: pl.DataFrame) -> Operand:
    if isinstance(expression, Constant):
        return constant(expression.value)
    if isinstance(expression, Column):
        try:
            return Operand(as_text(frame.get_column(expression.name)))
        except pl.exceptions.ColumnNotFoundError:
            raise BadQuery(f"name '{expression.name}' is not defined") from None
    return apply(expression.name, [_evaluate(each, frame) for each in expression.operands])
