"""What operators and functions of aliases do with columns, as pandas and numpy do it.

Whole numbers stay whole numbers of 64 bits and wrap around; where that cannot be (division, or
a zero to divide by), the result is floats. What is not a number comes out as null.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

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

__all__ = ["Operand", "apply", "constant"]

_EXPONENT = 2**32  # Polars has no larger ones for whole numbers


@dataclass(frozen=True, slots=True)
class Operand:
    """A column, or a constant as a column of one row."""

    column: pl.Series
    constant: bool = False

    def at_height(self, height: int) -> pl.Series:
        """Return a column of as many rows as the table has."""
        return self.column.new_from_index(0, height) if self.constant else self.column


def constant(value: float | str) -> Operand:
    """Return a number, bool or text as an operand."""
    if isinstance(value, bool):
        dtype: pl.DataType = BOOL
    elif isinstance(value, int):
        dtype = INT if value < 2**63 else UINT
    else:
        dtype = FLOAT if isinstance(value, float) else TEXT
    return Operand(pl.Series([value], dtype=dtype), constant=True)


def apply(name: str, operands: list[Operand]) -> Operand:
    """Return the result of an operator or function. `BadQuery` if the operands do not fit."""
    is_constant = all(operand.constant for operand in operands)
    if len(operands) == 1:
        return Operand(_unary(name, operands[0]), is_constant)
    left, right = operands
    if name in COMPARISONS:
        return Operand(_compare(name, left, right), is_constant)
    if name in ("and", "or"):
        return Operand(_logical(name, left, right), is_constant)
    if name == "arctan2":
        return Operand(_arctan2(left.column, right.column), is_constant)
    if name == "+" and is_text(left.column.dtype) and left.column.dtype == right.column.dtype:
        if left.constant != right.constant:
            raise _unfit(name)  # the reference has this only for two columns
        return Operand(left.column + right.column, is_constant)
    return Operand(_arithmetic(name, left, right), is_constant)


def _unfit(name: str) -> BadQuery:
    return BadQuery(f"Invalid type in alias: {name} does not take such operands")


def _compare(name: str, left: Operand, right: Operand) -> pl.Series:
    try:
        if right.constant and not left.constant:
            mask = compare(name, left.column, right.column.item())
        elif left.constant and not right.constant:
            mask = compare(mirrored(name), right.column, left.column.item())
        else:
            mask = compare_columns(name, left.column, right.column)
    except Incomparable:
        if name not in ("==", "!="):
            raise _unfit(name) from None
        length = len(right.column if left.constant else left.column)
        mask = everywhere(name == "!=", length)
    return settled(mask)


def _logical(name: str, left: Operand, right: Operand) -> pl.Series:
    a, b = left.column, right.column
    if a.dtype != b.dtype or left.constant != right.constant:
        raise _unfit(name)
    if is_bool(a.dtype):
        a, b = settled(a), settled(b)
    elif not is_integer(a.dtype) or left.constant:
        raise _unfit(name)
    return a & b if name == "and" else a | b


def _unary(name: str, operand: Operand) -> pl.Series:
    column = operand.column
    if operand.constant and is_bool(column.dtype) and name in ("-", "not"):
        column = column.cast(INT)  # to Python, True is a number
    if name == "not":
        if is_integer(column.dtype) or (is_bool(column.dtype) and not column.null_count()):
            return ~column
    elif name == "+":
        if operand.constant and is_number(column.dtype):
            return column
    elif name in ("-", "abs"):
        return _signed(name, column)
    elif is_number(column.dtype) or is_bool(column.dtype):
        return without_nan(_FUNCTIONS[name](column.cast(FLOAT)))
    raise _unfit(name)


def _signed(name: str, column: pl.Series) -> pl.Series:
    if is_bool(column.dtype):
        if column.null_count():
            column = column.cast(FLOAT)
        else:
            return ~column if name == "-" else column
    if not is_number(column.dtype):
        raise _unfit(name)
    if column.dtype == UINT:
        return 0 - column if name == "-" else column
    return -column if name == "-" else column.abs()


def _expm1(column: pl.Series) -> pl.Series:
    half = column / 2
    small = half.exp() * half.sinh() * 2  # exact where exp(x) - 1 is not
    return small.zip_with(column.abs() < 1, column.exp() - 1)


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


def _arctan2(left: pl.Series, right: pl.Series) -> pl.Series:
    sides = [left, right]
    if not all(is_number(side.dtype) or is_bool(side.dtype) for side in sides):
        raise _unfit("arctan2")
    y, x = _broadcast(left.cast(FLOAT), right.cast(FLOAT))
    return without_nan(pl.select(pl.arctan2(pl.lit(y), pl.lit(x))).to_series())


def _arithmetic(name: str, left: Operand, right: Operand) -> pl.Series:
    sides = [left.column, right.column]
    if not all(is_number(side.dtype) or is_bool(side.dtype) for side in sides):
        raise _unfit(name)
    bools = [is_bool(side.dtype) for side in sides]
    if any(bools) and name == "/":
        raise _unfit(name)
    if all(bools) and not any(side.null_count() for side in sides):
        if name in _BOOLEAN:
            return _BOOLEAN[name](*sides)
        if name in ("//", "**"):
            raise _unfit(name)
    a, b = _same_type(left, right)
    if a.dtype == FLOAT or name == "/":
        return without_nan(_FLOATS[name](a.cast(FLOAT), b.cast(FLOAT)))
    return _WHOLE[name](a, b)


def _broadcast(a: pl.Series, b: pl.Series) -> tuple[pl.Series, pl.Series]:
    if len(a) == len(b):
        return a, b
    return (a.new_from_index(0, len(b)), b) if len(a) == 1 else (a, b.new_from_index(0, len(a)))


def _same_type(left: Operand, right: Operand) -> tuple[pl.Series, pl.Series]:
    a, b = _as_number(left.column), _as_number(right.column)
    if a.dtype == b.dtype:
        return a, b
    if {a.dtype, b.dtype} == {INT, UINT}:
        # As in numpy: a constant fits in if it can, two columns become floats.
        if left.constant and a.item() >= 0 and a.item() < 2**63:
            return a.cast(b.dtype), b
        if right.constant and b.item() >= 0 and b.item() < 2**63:
            return a, b.cast(a.dtype)
    return a.cast(FLOAT), b.cast(FLOAT)


def _as_number(column: pl.Series) -> pl.Series:
    if not is_bool(column.dtype):
        return column
    return column.cast(FLOAT if column.null_count() else INT)


def _floor_divide(a: pl.Series, b: pl.Series) -> pl.Series:
    quotient = a // b
    if not quotient.null_count():
        return quotient
    a, b = _broadcast(a.cast(FLOAT), b.cast(FLOAT))
    return without_nan((a / b).zip_with(b == 0, quotient.cast(FLOAT)))


def _modulo(a: pl.Series, b: pl.Series) -> pl.Series:
    rest = a % b
    return rest.cast(FLOAT) if rest.null_count() else rest  # by zero it is null


def _power(a: pl.Series, b: pl.Series) -> pl.Series:
    least, most = b.min(), b.max()
    if isinstance(least, int) and least < 0:
        raise BadQuery("Unknown function in alias: a whole number to the power of a negative one")
    if isinstance(most, int) and most >= _EXPONENT:
        raise BadQuery("An exponent of a whole number is too large")
    return a**b


def _float_power(a: pl.Series, b: pl.Series) -> pl.Series:
    a, b = _broadcast(a, b)
    power = a**b
    if not power.null_count():
        return power
    # to the power of 0 even null is 1, and so is 1 to the power of null
    one = settled((b == 0) | (a == 1))
    return pl.Series([1.0]).new_from_index(0, len(power)).zip_with(one, power)


def _python_floats(
    function: Callable[[float, float], float], a: pl.Series, b: pl.Series
) -> pl.Series:
    """Apply an operator of Python: its floats are exact where those of Polars are not."""
    a, b = _broadcast(a, b)
    values = [
        None if left is None or not right else function(left, right)
        for left, right in zip(a.to_list(), b.to_list(), strict=True)
    ]
    return pl.Series(values, dtype=FLOAT)


_Binary = Callable[[pl.Series, pl.Series], pl.Series]

_BOOLEAN: dict[str, _Binary] = {
    "+": lambda a, b: a | b,
    "-": lambda a, b: a ^ b,
    "*": lambda a, b: a & b,
}
_WHOLE: dict[str, _Binary] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": _floor_divide,
    "%": _modulo,
    "**": _power,
}
_FLOATS: dict[str, _Binary] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": partial(_python_floats, lambda a, b: a // b),
    "%": partial(_python_floats, lambda a, b: a % b),
    "**": _float_power,
}
