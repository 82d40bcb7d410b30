"""Whole numbers at the edges of 64 bits, and beyond, in every place of a query.

They keep sign and value, or the query is refused. Floats are right where QCache has floats, too:
then they are the nearest ones.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.tables import INT, UINT
from tests.node.queries import ask

EDGES = (0, 1, 2, 7, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**70)
_AROUND = st.sampled_from(EDGES).flatmap(lambda edge: st.integers(edge - 2, edge + 2))
_NUMBERS = _AROUND | _AROUND.map(operator.neg)
_COLUMNS = st.lists(_NUMBERS.filter(lambda n: -(2**63) <= n < 2**63), min_size=1, max_size=4) | (
    st.lists(_NUMBERS.filter(lambda n: 0 <= n < 2**64), min_size=1, max_size=4)
)

ARITHMETIC: dict[str, Callable[[int, int], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def column(numbers: list[int]) -> pl.DataFrame:
    fits = all(-(2**63) <= number < 2**63 for number in numbers)
    return pl.DataFrame({"i": pl.Series(numbers, dtype=INT if fits else UINT)})


def answers(query: object, numbers: list[int]) -> list[Any] | None:
    """Return the values of the only column of an answer, None if the query is refused."""
    try:
        return [value for row in ask(query, column(numbers)) for value in row.values()]
    except BadQuery:
        return None


def assert_right(found: list[Any] | None, exact: list[Any]) -> None:
    if found is None:
        return
    for one, right in zip(found, exact, strict=True):
        if isinstance(one, float):
            assert one == pytest.approx(float(right), rel=1e-15, abs=2.0**12)
        else:
            assert (one, type(one)) == (right, type(right))


@settings(deadline=None)
@given(_COLUMNS, st.sampled_from(list(ARITHMETIC)), _NUMBERS, st.booleans(), st.booleans())
def test_arithmetic(numbers, name, constant, first, as_text):
    if name in ("//", "%") and (0 in numbers if first else not constant):
        return
    sides = (constant, "i") if first else ("i", constant)
    expression = f"{sides[0]} {name} {sides[1]}" if as_text else [name, *sides]
    function = ARITHMETIC[name]
    exact = [function(constant, n) if first else function(n, constant) for n in numbers]
    found = answers({"select": [["=", "x", expression]]}, numbers)
    if name in ("//", "%") and found and isinstance(found[0], float):
        return  # of floats, as in the reference
    assert_right(found, exact)


@settings(deadline=None)
@given(st.sampled_from(list(ARITHMETIC)), _NUMBERS, _NUMBERS)
def test_arithmetic_of_constants(name, left, right):
    if name in ("//", "%") and not right:
        return
    exact = ARITHMETIC[name](left, right)
    found = answers({"select": [["=", "x", f"{left} {name} {right}"]]}, [1])
    assert found == ([exact] if -(2**63) <= exact < 2**64 else None)


@settings(deadline=None)
@given(_COLUMNS)
def test_signs(numbers):
    assert_right(answers({"select": [["=", "x", ["-", "i"]]]}, numbers), [-n for n in numbers])
    assert_right(answers({"select": [["=", "x", ["abs", "i"]]]}, numbers), [*map(abs, numbers)])


@settings(deadline=None)
@given(_COLUMNS, st.sampled_from(list(COMPARISONS)), _NUMBERS)
def test_comparisons(numbers, name, constant):
    exact = [COMPARISONS[name](number, constant) for number in numbers]
    assert_right(answers({"select": [["=", "x", f"i {name} {constant}"]]}, numbers), exact)
    chosen = [number for number, holds in zip(numbers, exact, strict=True) if holds]
    assert_right(answers({"where": [name, "i", constant]}, numbers), chosen)


@settings(deadline=None)
@given(_COLUMNS, st.lists(_NUMBERS, max_size=5))
def test_membership(numbers, wanted):
    found = answers({"where": ["in", "i", wanted]}, numbers)
    assert found is None or found == [number for number in numbers if number in wanted]


@settings(deadline=None)
@given(_COLUMNS, _NUMBERS)
def test_bits(numbers, bits):
    every = answers({"where": ["all_bits", "i", bits]}, numbers)
    assert every is None or every == [number for number in numbers if number & bits == bits]
    some = answers({"where": ["any_bits", "i", bits]}, numbers)
    # A common bit that is the sign is none, as in the reference.
    assert some is None or some == [number for number in numbers if number & bits > 0]


@settings(deadline=None)
@given(_COLUMNS)
def test_aggregates(numbers):
    product = 1
    for number in numbers:
        product *= number
    for name, exact in (
        ("sum", sum(numbers)),
        ("prod", product),
        ("min", min(numbers)),
        ("max", max(numbers)),
    ):
        found = answers({"select": [[name, "i"]]}, numbers)
        assert found is None or (found, type(found[0])) == ([exact], int)
        table = column(numbers).with_columns(g=pl.lit("g"))
        (row,) = ask({"select": [[name, "i"]], "group_by": ["g"]}, table)
        assert row["i"] == (exact if isinstance(row["i"], int) else pytest.approx(float(exact)))


@settings(deadline=None)
@given(_COLUMNS, _NUMBERS, st.sampled_from(["offset", "limit"]))
def test_slices(numbers, number, clause):
    found = answers({clause: number}, numbers)
    right = numbers[number:] if clause == "offset" else numbers[: number or None]
    assert found == right
