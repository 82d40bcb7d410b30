"""`["=", alias, expression]`: columns that a query computes."""

import re

import polars as pl

from storekit.qcache.node.categories import as_text
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.arithmetic import Operand, apply, constant
from storekit.qcache.node.query.expressions import (
    KEYWORDS,
    Column,
    Constant,
    Expression,
    parse_expression,
)
from storekit.qcache.node.query.refusing import Allowance, bad_query

__all__ = ["with_aliases"]

# What aliases may take: text that is added to itself doubles with each of them.
_BYTES = 2**28
_TABLES = 8  # or so many times the size of the table, if that is more
_ALIAS = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def with_aliases(
    frame: pl.DataFrame, aliases: list[list[object]], operations: Allowance
) -> pl.DataFrame:
    """Return a table with more columns, or other ones of those names.

    They are computed from left to right; later ones may be made of earlier ones.
    """
    if not aliases:
        return frame
    run = _Run(frame, operations)
    for alias in aliases:
        run.add(alias)
    return frame.with_columns(run.columns.values())


class _Run:
    def __init__(self, frame: pl.DataFrame, operations: Allowance) -> None:
        self.columns: dict[str, pl.Series] = {}
        self._frame = frame
        self._operations = operations
        self._left = max(_BYTES, _TABLES * int(frame.estimated_size()))

    def add(self, alias: list[object]) -> None:
        name, expression = _parsed(alias)
        operand, height = self._evaluate(expression), self._frame.height
        size = int(operand.column.estimated_size()) * (height if operand.constant else 1)
        self._check(size)
        self._left -= size
        self.columns[name] = operand.at_height(height).alias(name)

    def _check(self, size: float) -> None:
        if size > self._left:
            raise BadQuery("The columns of the aliases take too much memory")

    def _evaluate(self, expression: Expression) -> Operand:
        if isinstance(expression, Constant):
            return constant(expression.value)
        if isinstance(expression, Column):
            return Operand(as_text(self._column(expression.name)))
        self._operations.spend()
        operands = [self._evaluate(each) for each in expression.operands]
        # no result is larger than these: text that is added to text is as long as both
        self._check(sum(operand.column.estimated_size() for operand in operands))
        return apply(expression.name, operands)

    def _column(self, name: str) -> pl.Series:
        made = self.columns.get(name)
        if made is not None:
            return made
        try:
            return self._frame.get_column(name)
        except pl.exceptions.ColumnNotFoundError:
            raise BadQuery(f"name '{name}' is not defined") from None


def _parsed(alias: list[object]) -> tuple[str, Expression]:
    _, name, source = alias
    if not isinstance(name, str):
        raise bad_query("Invalid alias, must be a string", alias)
    if not _ALIAS.fullmatch(name):
        raise bad_query("Invalid alias, must match ^([A-Za-z0-9_-]+)$", alias)
    expression = parse_expression(source)
    if not _PLAIN.fullmatch(name) or name in KEYWORDS:
        raise bad_query("Unknown function in alias", source)
    return name, expression
