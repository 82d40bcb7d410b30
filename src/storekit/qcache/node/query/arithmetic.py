"""The operators and functions of aliases on columns, as in pandas and numpy.

Whole numbers stay whole numbers of 64 bits; where that cannot be (division, or a zero to divide
by), the result is floats. What is not a number comes out as null.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import add, and_, floordiv, mod, mul, or_, sub, truediv, xor

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.comparing import (
    COMPARISONS,
    Incomparable,
    compare,
    compare_columns,
    mirrored,
)
from storekit.qcache.node.query.floats import without_nan
from storekit.qcache.node.query.masks import everywhere, settled
from storekit.qcache.node.query.refusing import shown
from storekit.qcache.node.query.whole_numbers import (
    absolute,
    broadcast,
    floor_divide,
    minus,
    modulo,
    negative,
    plus,
    power,
    times,
)
from storekit.qcache.node.tables import (
    BOOL,
    FLOAT,
    INT,
    TEXT,
    UINT,
    is_bool,
    is_integer,
    is_number,
    is_text,
)

__all__ = ["OPERATORS", "Operand", "apply", "constant", "size_of_result"]

_NUMBERS = 4 * 8  # bytes a row for a result, and for intermediate results
_PYTHON_ROWS = 50_000  # that are processed one by one in each step


@dataclass(frozen=True, slots=True)
class Operand:
    """A column, or a constant as a column of one row."""

    column: pl.Series
    constant: bool = False

    @property
    def size(self) -> int:
        """Bytes of the column."""
        return int(self.column.estimated_size())

    @property
    def is_numeric(self) -> bool:
        """Whether it is a number or bool."""
        return is_number(self.column.dtype) or is_bool(self.column.dtype)

    def at_height(self, height: int) -> pl.Series:
        """Return a column with as many rows as the table."""
        return self.column.new_from_index(0, height) if self.constant else self.column


Operator = Callable[[Sequence[Operand], Budget], pl.Series]
"""Computes a column from operands. Raises `_Unfit` for operands of other types."""


class _Unfit(Exception):
    """The operands have types that an operator does not support."""


def constant(value: float | str) -> Operand:
    """Return a number, bool or text as an operand. `BadQuery` for more than 64 bits."""
    if isinstance(value, bool):
        dtype: pl.DataType = BOOL
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise BadQuery(f"A number has more than 64 bits: {shown(str(value))}")
        dtype = INT if value < 2**63 else UINT
    else:
        dtype = FLOAT if isinstance(value, float) else TEXT
    return Operand(pl.Series([value], dtype=dtype), constant=True)


def size_of_result(operands: Sequence[Operand]) -> int:
    """Return the maximum size of a result in bytes: numbers, or concatenated texts."""
    rows = max(len(operand.column) for operand in operands)
    texts = sum(operand.size for operand in operands if is_text(operand.column.dtype))
    return _NUMBERS * rows + 2 * texts


def apply(name: str, operands: Sequence[Operand], budget: Budget) -> Operand:
    """Return the result of one of `OPERATORS`. `BadQuery` if the operands do not fit."""
    try:
        column = OPERATORS[name, len(operands)](operands, budget)
    except _Unfit:
        raise BadQuery(f"Invalid type in alias: {name} does not take such operands") from None
    return Operand(column, all(operand.constant for operand in operands))


# Comparisons and logic


def _compare(op: str, operands: Sequence[Operand], budget: Budget) -> pl.Series:
    left, right = operands
    try:
        if right.constant and not left.constant:
            mask = compare(op, left.column, right.column.item(), budget)
        elif left.constant and not right.constant:
            mask = compare(mirrored(op), right.column, left.column.item(), budget)
        else:
            mask = compare_columns(op, left.column, right.column, budget)
    except Incomparable:
        if op not in ("==", "!="):
            raise _Unfit from None
        length = len(right.column if left.constant else left.column)
        mask = everywhere(op == "!=", length)
    return settled(mask)


def _logical(
    join: Callable[[pl.Series, pl.Series], pl.Series], operands: Sequence[Operand], _: Budget
) -> pl.Series:
    left, right = operands
    a, b = left.column, right.column
    if a.dtype != b.dtype or left.constant != right.constant:
        raise _Unfit
    if is_bool(a.dtype):
        return join(settled(a), settled(b))
    if not is_integer(a.dtype) or left.constant:
        raise _Unfit
    return join(a, b)


# One operand


def _not(operands: Sequence[Operand], _: Budget) -> pl.Series:
    column = _python_number(operands[0])
    if is_integer(column.dtype) or (is_bool(column.dtype) and not column.null_count()):
        return ~column
    raise _Unfit


def _positive(operands: Sequence[Operand], _: Budget) -> pl.Series:
    operand = operands[0]
    if not operand.constant or not is_number(operand.column.dtype):
        raise _Unfit
    return operand.column


def _negative(operands: Sequence[Operand], _: Budget) -> pl.Series:
    column = _python_number(operands[0])
    if is_bool(column.dtype) and not column.null_count():
        return ~column
    column = _number(column)
    return negative(column) if is_integer(column.dtype) else -column


def _absolute(operands: Sequence[Operand], _: Budget) -> pl.Series:
    column = operands[0].column
    if is_bool(column.dtype) and not column.null_count():
        return column
    column = _number(column)
    return absolute(column) if is_integer(column.dtype) else column.abs()


def _python_number(operand: Operand) -> pl.Series:
    """Return the column; a constant bool as a number, as in Python."""
    column = operand.column
    return column.cast(INT) if operand.constant and is_bool(column.dtype) else column


def _number(column: pl.Series) -> pl.Series:
    if is_bool(column.dtype):
        return column.cast(FLOAT)
    if not is_number(column.dtype):
        raise _Unfit
    return column


def _function(
    function: Callable[[pl.Series], pl.Series], operands: Sequence[Operand], _: Budget
) -> pl.Series:
    if not operands[0].is_numeric:
        raise _Unfit
    return without_nan(function(operands[0].column.cast(FLOAT)))


def _expm1(column: pl.Series) -> pl.Series:
    half = column / 2
    small = half.exp() * half.sinh() * 2  # exact where exp(x) - 1 is not
    return small.zip_with(column.abs() < 1, column.exp() - 1)


# Two operands


def _arctan2(operands: Sequence[Operand], _: Budget) -> pl.Series:
    if not all(operand.is_numeric for operand in operands):
        raise _Unfit
    y, x = broadcast(*(operand.column.cast(FLOAT) for operand in operands))
    return without_nan(pl.select(pl.arctan2(pl.lit(y), pl.lit(x))).to_series())


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    """An operator on numbers: its functions of floats, whole numbers, and bools without nulls.

    `whole` is None where the result is floats; `bools` is None where bools are refused.
    """

    floats: Callable[[pl.Series, pl.Series, Budget], pl.Series]
    whole: Callable[[pl.Series, pl.Series], pl.Series] | None
    bools: Callable[[pl.Series, pl.Series], pl.Series] | None = None

    def __call__(self, operands: Sequence[Operand], budget: Budget) -> pl.Series:
        left, right = operands
        if not (left.is_numeric and right.is_numeric):
            raise _Unfit
        columns = [left.column, right.column]
        bools = [is_bool(column.dtype) for column in columns]
        if self.whole is None and any(bools):
            raise _Unfit
        if all(bools) and not any(column.null_count() for column in columns):
            if self.bools is None:
                raise _Unfit
            return self.bools(*columns)
        a, b = _same_type(left, right)
        if self.whole is None or a.dtype == FLOAT:
            return without_nan(self.floats(a.cast(FLOAT), b.cast(FLOAT), budget))
        return self.whole(a, b)


def _plus(operands: Sequence[Operand], budget: Budget) -> pl.Series:
    left, right = operands
    if not is_text(left.column.dtype) or left.column.dtype != right.column.dtype:
        return _ADDITION(operands, budget)
    if left.constant != right.constant:
        raise _Unfit  # the reference has this only for two columns
    return left.column + right.column


def _same_type(left: Operand, right: Operand) -> tuple[pl.Series, pl.Series]:
    a, b = _as_number(left.column), _as_number(right.column)
    if a.dtype == b.dtype:
        return a, b
    if {a.dtype, b.dtype} == {INT, UINT}:
        # As in numpy: a constant is converted if it fits, two columns become floats.
        if left.constant and a.item() >= 0 and a.item() < 2**63:
            return a.cast(b.dtype), b
        if right.constant and b.item() >= 0 and b.item() < 2**63:
            return a, b.cast(a.dtype)
    return a.cast(FLOAT), b.cast(FLOAT)


def _as_number(column: pl.Series) -> pl.Series:
    if not is_bool(column.dtype):
        return column
    return column.cast(FLOAT if column.null_count() else INT)


def _modulo_of_bools(a: pl.Series, b: pl.Series) -> pl.Series:
    return modulo(a.cast(INT), b.cast(INT))


def _float_power(a: pl.Series, b: pl.Series, _: Budget) -> pl.Series:
    a, b = broadcast(a, b)
    power = a**b
    if not power.null_count():
        return power
    # null ** 0 is 1, and 1 ** null is 1
    one = settled((b == 0) | (a == 1))
    return pl.Series([1.0]).new_from_index(0, len(power)).zip_with(one, power)


def _by_polars(
    function: Callable[[pl.Series, pl.Series], pl.Series], a: pl.Series, b: pl.Series, _: Budget
) -> pl.Series:
    return function(a, b)


def _by_python(
    function: Callable[[float, float], float], a: pl.Series, b: pl.Series, budget: Budget
) -> pl.Series:
    """Apply an operator of Python, whose floats are exact where those of Polars are not."""
    a, b = broadcast(a, b)
    parts = [
        pl.Series(
            [
                None if left is None or not right else function(left, right)
                for left, right in zip(a[rows].to_list(), b[rows].to_list(), strict=True)
            ],
            dtype=FLOAT,
        )
        for rows in budget.steps(len(a), _PYTHON_ROWS)
    ]
    return pl.concat(parts) if parts else a


_ADDITION = _Arithmetic(partial(_by_polars, add), plus, or_)

_FUNCTIONS: dict[str, Callable[[pl.Series], pl.Series]] = {
    "sin": pl.Series.sin,
    "cos": pl.Series.cos,
    "exp": pl.Series.exp,
    "log": pl.Series.log,
    "expm1": _expm1,
    "log1p": pl.Series.log1p,
    "sqrt": pl.Series.sqrt,
    "sinh": pl.Series.sinh,
    "cosh": pl.Series.cosh,
    "tanh": pl.Series.tanh,
    "arcsin": pl.Series.arcsin,
    "arccos": pl.Series.arccos,
    "arctan": pl.Series.arctan,
    "arccosh": pl.Series.arccosh,
    "arcsinh": pl.Series.arcsinh,
    "arctanh": pl.Series.arctanh,
}

OPERATORS: dict[tuple[str, int], Operator] = {
    ("not", 1): _not,
    ("+", 1): _positive,
    ("-", 1): _negative,
    ("abs", 1): _absolute,
    **{(name, 1): partial(_function, function) for name, function in _FUNCTIONS.items()},
    **{(name, 2): partial(_compare, name) for name in COMPARISONS},
    ("and", 2): partial(_logical, and_),
    ("or", 2): partial(_logical, or_),
    ("arctan2", 2): _arctan2,
    ("+", 2): _plus,
    ("-", 2): _Arithmetic(partial(_by_polars, sub), minus, xor),
    ("*", 2): _Arithmetic(partial(_by_polars, mul), times, and_),
    ("/", 2): _Arithmetic(partial(_by_polars, truediv), whole=None),
    ("//", 2): _Arithmetic(partial(_by_python, floordiv), floor_divide),
    ("%", 2): _Arithmetic(partial(_by_python, mod), modulo, _modulo_of_bools),
    ("**", 2): _Arithmetic(_float_power, power),
}
"""The operators and functions of aliases, by name and number of operands."""
