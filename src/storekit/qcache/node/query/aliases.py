"""`["=", alias, expression]`: columns that a query computes."""

import re
from collections.abc import Sequence

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.categories import as_text, is_coded
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.arithmetic import Operand, apply, constant, size_of_result
from storekit.qcache.node.query.expressions import (
    KEYWORDS,
    ColumnReference,
    Constant,
    Expression,
    FunctionCall,
    parse_expression,
)
from storekit.qcache.node.query.refusing import bad_query

__all__ = ["with_aliases"]

_WHAT = "the columns of aliases"
_VIEW = 16  # bytes of a row of text beside the text itself
_ALIAS = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def with_aliases(
    frame: pl.DataFrame, aliases: Sequence[list[object]], budget: Budget
) -> pl.DataFrame:
    """Return a table with computed columns, which replace existing ones of the same names.

    They are computed from left to right; later ones may use earlier ones.
    """
    if not aliases:
        return frame
    run = _AliasEvaluation(frame, budget)
    for alias in aliases:
        run.add(alias)
    return frame.with_columns(run.columns.values())


class _AliasEvaluation:
    def __init__(self, frame: pl.DataFrame, budget: Budget) -> None:
        self.columns: dict[str, pl.Series] = {}
        self._frame = frame
        self._budget = budget

    def add(self, alias: list[object]) -> None:
        name, expression = _parsed(alias)
        operand, height = self._evaluate(expression), self._frame.height
        # Its operands are given back; the column itself is held until the query ends.
        if operand.constant:
            self._budget.take(operand.size * height, _WHAT)
        elif isinstance(expression, FunctionCall):
            self._budget.take(operand.size, _WHAT)
        self.columns[name] = operand.at_height(height).alias(name)

    def _evaluate(self, expression: Expression) -> Operand:
        if isinstance(expression, Constant):
            return constant(expression.value)
        if isinstance(expression, ColumnReference):
            return Operand(self._text(self._column(expression.name)))
        self._budget.spend_operation()
        operands: list[Operand] = []
        held = 0
        for part in expression.operands:
            operand = self._evaluate(part)
            operands.append(operand)
            if isinstance(part, FunctionCall):
                self._budget.take(operand.size, _WHAT)
                held += operand.size
        with self._budget.lend(size_of_result(operands), _WHAT):
            result = apply(expression.name, operands, self._budget)
        self._budget.give_back(held)
        return result

    def _text(self, column: pl.Series) -> pl.Series:
        if is_coded(column.dtype):
            self._budget.take(_VIEW * len(column), _WHAT)
        return as_text(column)

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
