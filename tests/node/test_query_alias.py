"""What the expressions of aliases compute."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.tables import BOOL, FLOAT, INT, UINT, encode_mixed
from tests.node.queries import TABLE, alias, ask, refusal
from tests.node.roomy import run_query


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("i", [1, 2, 3, -4]),
        ("s", ["x", "y", None, "Z"]),
        ("e", ["c", "b", None, "a"]),
        (5, [5] * 4),
        (True, [True] * 4),
        (2.5, [2.5] * 4),
        ("'qux'", ["qux"] * 4),
        ('"q\'x"', ["q'x"] * 4),
        (r"'a\tb\\'", ["a\tb\\"] * 4),
        ("'ö'", ["ö"] * 4),
        ("True", [True] * 4),
        ("1e3", [1000.0] * 4),
        ("inf", [math.inf] * 4),
        ("(i)", [1, 2, 3, -4]),
    ],
)
def test_a_column_or_constant_is_an_expression(expression, values):
    assert alias(expression) == values


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        (["+", "i", "z"], [1, 4, 2, -4]),
        (["+", "i", "f"], [2.5, None, 6.0, -6.5]),
        (["-", 2, "i"], [1, 0, -1, 6]),
        (["*", "b", 2], [2, 0, 2, 0]),
        (["+", "b", "b"], [True, False, True, False]),
        (["-", "b", True], [False, True, False, True]),
        (["*", "b", "b"], [True, False, True, False]),
        (["/", "z", "i"], [0.0, 1.0, -1 / 3, 0.0]),
        (["/", "i", "z"], [math.inf, 1.0, -3.0, -math.inf]),
        (["//", "i", 2], [0, 1, 1, -2]),
        (["//", "i", "z"], [math.inf, 1.0, -3.0, -math.inf]),
        (["//", 0, "z"], [None, 0.0, 0.0, None]),
        (["//", "f", 0], [None] * 4),
        (["%", "i", 3], [1, 2, 0, 2]),
        (["%", 2, "i"], [0, 0, 2, -2]),
        (["%", "i", "z"], [None, 0.0, 0.0, None]),
        (["%", "f", 2], [1.5, None, 1.0, 1.5]),
        (["**", "i", 2], [1, 4, 9, 16]),
        (["**", 2, "b"], [2, 1, 2, 1]),
        (["**", "i", 0.5], [1.0, 2**0.5, 3**0.5, None]),
        (["**", "f", 0], [1.0] * 4),
        (["**", 1, "f"], [1.0] * 4),
        (["+", "s", "t"], ["xy", "yx", None, "ZZ"]),
        (["+", "'a'", "'b'"], ["ab"] * 4),
        (["-", "i"], [-1, -2, -3, 4]),
        (["-", "b"], [False, True, False, True]),
        (["not", "b"], [False, True, False, True]),
        (["~", "i"], [-2, -3, -4, 3]),
        (["+", ["*", "z", 2], "i"], [1, 6, 1, -4]),
        (["+", "nb", 1], [2.0, None, 1.0, 2.0]),
    ],
)
def test_arithmetic_is_that_of_pandas(expression, values):
    assert alias(expression) == values


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        (["==", "s", "'x'"], [True, False, False, False]),
        (["!=", "f", 1.5], [False, True, True, True]),
        (["==", "f", "f"], [True, False, True, True]),
        (["<", "i", "f"], [True, False, False, True]),
        (["<", 1, "i"], [False, True, True, False]),
        (["==", "i", "'x'"], [False] * 4),
        (["!=", "'x'", "i"], [True] * 4),
        (["<", "i", "s"], [True, True, False, True]),
        (["==", "e", "'c'"], [True, False, False, False]),
        (["and", "b", [">", "i", 0]], [True, False, True, False]),
        (["or", "nb", "b"], [True, False, True, True]),
        (["&", "i", "z"], [0, 2, 3, 0]),
        (["and", True, False], [False] * 4),
        (["<", 1, 2], [True] * 4),
    ],
)
def test_comparisons_make_bools_without_nulls(expression, values):
    assert alias(expression) == values


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("sin", math.sin),
        ("cos", math.cos),
        ("exp", math.exp),
        ("log", math.log),
        ("expm1", math.expm1),
        ("log1p", math.log1p),
        ("sqrt", math.sqrt),
        ("sinh", math.sinh),
        ("cosh", math.cosh),
        ("tanh", math.tanh),
        ("arcsin", math.asin),
        ("arccos", math.acos),
        ("arctan", math.atan),
        ("arccosh", math.acosh),
        ("arcsinh", math.asinh),
        ("arctanh", math.atanh),
        ("abs", abs),
    ],
)
def test_functions_are_those_of_numpy(name, function):
    numbers = [0.0, 1e-10, 0.25, 0.9, 1.0, 5.0, -0.5, -3.0, None]
    expected: list[object] = []
    for number in numbers:
        try:
            expected.append(None if number is None else function(number))
        except ValueError:  # infinity, or not a number
            infinite = (name == "log" and number == 0) or (name == "arctanh" and number == 1)
            expected.append(math.copysign(math.inf, number - 0.5) if infinite else None)
    values = alias([name, "f"], pl.DataFrame({"f": numbers}))
    assert values == [each if each is None else pytest.approx(each, rel=1e-14) for each in expected]


def test_abs_of_whole_numbers_and_bools_are_such():
    assert alias(["abs", "i"]) == [1, 2, 3, 4]
    assert alias(["abs", "b"]) == [True, False, True, False]
    assert alias(["abs", -5]) == [5] * 4


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("i + z*2", [1, 6, 1, -4]),
        ("(i + z)*2", [2, 8, 4, -8]),
        ("-i**2", [-1, -4, -9, -16]),
        ("2 ** 3 ** 2", [512] * 4),
        ("2**-1.0 + i", [1.5, 2.5, 3.5, -3.5]),
        ("--i", [1, 2, 3, -4]),
        ("7 // 2 * 2 - 1", [5] * 4),
        ("0 < i < 3", [True, True, False, False]),
        ("i > 0 & b", [True, False, True, False]),
        ("i > 2 | not b", [False, True, True, True]),
        ("not i > 0 and z == 0", [False, False, False, True]),
        ("~b", [False, True, False, True]),
        ("i <> 1", [False, True, True, True]),
        ("arctan2(z, 1) * 0", [0.0] * 4),
        ("sqrt( abs( i ) )", [1.0, 2**0.5, 3**0.5, 2.0]),
        (" 'a b' ", ["a b"] * 4),
        (".5 + 1.", [1.5] * 4),
    ],
)
def test_text_is_an_expression_with_the_precedence_of_pandas(text, values):
    assert alias(text) == values


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "i +",
            "+",
            "(i",
            "i)",
            "i z",
            "i = 1",
            "'a",
            "i,z",
            "1_000",
            "0x10",
            "1L",
            "010",
        ),
        *("i.max()", "s.str.upper()", "i.T", "i[0]", "[1,2]", "{}", "lambda: 1", "i if b else z"),
        *(
            "__import__('os')",
            "max(i)",
            "sin()",
            "sin(i, z)",
            "arctan2(i)",
            "i(z)",
            "i ^ 1",
            "i << 1",
        ),
        *(
            "i in [1]",
            "i is z",
            "i # c",
            "`i`",
            "f'{i}'",
            "i;z",
            "i := 1",
            "*i",
            "...",
            "$",
            "i @ z",
        ),
    ],
)
def test_text_that_is_no_expression_is_refused(text):
    assert refusal({"select": [["=", "x", text]]}).startswith("Unknown function in alias: ")


@pytest.mark.parametrize("name", ["nope", "index", "columns", "None", "__builtins__", "å", "@i"])
def test_only_columns_have_names(name):
    assert refusal({"select": [["=", "x", name]]}).endswith(f"'{name.lstrip('@')}' is not defined")


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (["=", 5, "i"], "Invalid alias, must be a string"),
        (["=", "", "i"], "Invalid alias, must match ^([A-Za-z0-9_-]+)$"),
        (["=", "å", "i"], "Invalid alias, must match ^([A-Za-z0-9_-]+)$"),
        (["=", "x y", "i"], "Invalid alias, must match ^([A-Za-z0-9_-]+)$"),
        (["=", "x-y", "i"], "Unknown function in alias"),
        (["=", "1x", "i"], "Unknown function in alias"),
        (["=", "for", "i"], "Unknown function in alias"),
        (["=", "print", "i"], "Unknown function in alias"),
        (["=", "x", None], "name 'None' is not defined"),
        (["=", "x", []], "Invalid number of arguments"),
        (["=", "x", ["+", 1, 2, 3]], "Invalid number of arguments"),
        (["=", "x", ["tan", "i"]], "Unknown function in alias"),
        (["=", "x", ["arctan2", "i", "z"]], "Unknown function in alias"),
        (["=", "x", [5, "i"]], "Unknown function in alias"),
        (["=", "x", ["^", "i", "z"]], "Unknown function in alias"),
        (["=", "x", {}], "Unknown function in alias"),
        (["=", "x", 2**64], "A number has more than 64 bits"),
        (["=", "x", ["**", "i", -1]], "Unknown function in alias"),
        (["=", "x", ["**", "i", 2**32]], "An exponent of a whole number is too large"),
        (["=", "x", ["+", "s", "'abc'"]], "Invalid type in alias"),
        (["=", "x", ["+", "s", "i"]], "Invalid type in alias"),
        (["=", "x", ["sqrt", "s"]], "Invalid type in alias"),
        (["=", "x", ["-", "e"]], "Invalid type in alias"),
        (["=", "x", ["+", "i"]], "Invalid type in alias"),
        (["=", "x", ["not", "f"]], "Invalid type in alias"),
        (["=", "x", ["not", "nb"]], "Invalid type in alias"),
        (["=", "x", ["/", "i", "b"]], "Invalid type in alias"),
        (["=", "x", ["//", "b", "b"]], "Invalid type in alias"),
        (["=", "x", ["<", "i", "'x'"]], "Invalid type in alias"),
        (["=", "x", ["<", "e", "'c'"]], "Invalid type in alias"),
        (["=", "x", ["and", "i", "b"]], "Invalid type in alias"),
        (["=", "x", ["&", "i", 1]], "Invalid type in alias"),
        (["=", "x", "arctan2(s, 1)"], "Invalid type in alias"),
        (["=", "x", "i" + "+i" * 100], "An expression in text has at most"),
        (["=", "x", "i" * 1001], "An expression in text has at most"),
        (["=", "x", "-" * 51 + "i"], "An expression in text is at most"),
        (["=", "x", "(" * 51 + "i" + ")" * 51], "An expression in text is at most"),
    ],
)
def test_an_alias_that_makes_no_sense_is_refused(part, why):
    assert refusal({"select": [part]}).startswith(why)


@pytest.mark.parametrize("name", ["class", "print", "in", "is", "lambda"])
def test_a_column_with_the_name_of_a_keyword_is_in_no_expression(name):
    table = pl.DataFrame({"i": [1], name: [2]})
    for expression in (name, f"i + {name}", ["+", "i", name]):
        why = refusal({"select": [["=", "x", expression]]}, table)
        assert why.startswith("Unknown function in alias: ")
    assert ask({"select": [name]}, table) == [{name: 2}]


def test_aliases_see_those_to_their_left():
    query = {"select": [["=", "i", "z"], ["=", "z", ["+", "i", 1]]], "limit": 2}
    assert ask(query) == [{"i": 0, "z": 1}, {"i": 2, "z": 3}]
    assert ask({"select": ["s", ["=", "x", "i"]], "limit": 1}) == [{"s": "x", "x": 1}]
    assert refusal({"select": [["=", "y", "x"], ["=", "x", "i"]]}) == "name 'x' is not defined"


def test_aliases_change_nothing_in_the_table():
    before = TABLE.clone()
    ask({"select": [["=", "i", 5]]})
    assert TABLE.equals(before)


@pytest.mark.parametrize(
    "expression",
    [
        *("i + 1", "i * 2", "i ** 2", "l - 1", "-l", "abs(l)", "l // -1", "i - l", "2**40 * 2**40"),
        *("3 ** 4294967295", "2**64", "-9223372036854775809", "10**30", 2**64, ["+", 2**64, 1.5]),
    ],
)
def test_whole_numbers_beyond_64_bits_are_refused(expression):
    table = pl.DataFrame({"i": [2**63 - 1, 0], "l": [-(2**63), 0]})
    assert "more than 64 bits" in refusal({"select": [["=", "x", expression]]}, table)


def test_whole_numbers_above_the_signed_ones():
    table = pl.DataFrame({"u": pl.Series([2**64 - 1, 3], dtype=UINT), "i": [1, -2]})
    assert alias(["-", "u", 1], table) == [2**64 - 2, 2]
    for beyond in (["+", "u", 1], ["-", "u"], ["-", "u", 4], ["*", "u", 2]):
        assert "more than 64 bits" in refusal({"select": [["=", "x", beyond]]}, table)
    assert alias(["-", "u"], table[1:]) == [-3]
    assert alias(["+", "u", "i"], table) == [2.0**64, 1.0]
    assert alias(["-", "u", -1], table) == [2.0**64, 4.0]
    assert alias(2**64 - 1, table) == [2**64 - 1] * 2


def test_a_table_without_rows_keeps_the_types():
    table = pl.DataFrame({"i": [], "f": []}, schema={"i": INT, "f": FLOAT})
    for text, dtype in [("i // 0", INT), ("i / 2", FLOAT), ("f ** 0", FLOAT), ("i > f", BOOL)]:
        answer = run_query(table, {"select": [["=", "x", text]]})
        assert answer.frame.schema == {"x": dtype}


def test_mixed_columns_are_copied_and_compared_only():
    table = pl.DataFrame([encode_mixed("m", [1, "x", None])])
    assert alias("m", table) == [1, "x", None]
    assert alias(["==", "m", 1], table) == [True, False, False]
    assert refusal({"select": [["=", "x", ["+", "m", 1]]]}, table).startswith(
        "Invalid type in alias"
    )


def test_text_that_is_doubled_again_and_again_is_refused():
    aliases = [["=", f"x{at + 1}", ["+", f"x{at}", f"x{at}"]] for at in range(60)]
    table = pl.DataFrame({"x0": ["0123456789"]})
    assert "Too much memory" in refusal({"select": aliases}, table)


def test_text_that_grows_inside_one_expression_is_refused():
    source: object = "x"
    for _ in range(11):
        source = ["+", source, source]
    assert "has at most" in refusal({"select": [["=", "y", source]]}, pl.DataFrame({"x": ["0"]}))
    table = pl.DataFrame({"x": ["0123456789" * 1000] * 1000})
    query = {"select": [["=", "y", " + ".join(["x"] * 100)]]}
    assert "Too much memory" in refusal(query, table)


def test_a_long_constant_is_refused_before_it_is_in_all_rows():
    source: object = f"'{'x' * 900}'"
    for _ in range(10):
        source = ["+", source, source]
    table = pl.DataFrame({"i": range(1_000_000)})
    assert "Too much memory" in refusal({"select": [["=", "y", source]]}, table)


def test_the_work_of_all_aliases_of_a_query_is_limited():
    sums = [["=", f"x{at}", "+".join("i" * 100)] for at in range(21)]
    assert len(ask({"select": sums[:20]})) == 4
    assert "at most 2000 operators and functions" in refusal({"select": sums})
    query: dict[str, object] = {"select": [*"i", sums[0]]}
    for _ in range(21):
        query = {"from": query, "select": ["i", sums[0]]}
    assert "at most 2000 operators and functions" in refusal(query)


_FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(st.tuples(_FLOATS, _FLOATS), min_size=1))
def test_floats_divide_as_exactly_as_those_of_python(pairs):
    table = pl.DataFrame({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]})
    expected = [None if b == 0 else a % b for a, b in pairs]
    assert alias(["%", "a", "b"], table) == expected
    expected = [None if b == 0 else a // b for a, b in pairs]
    assert alias(["//", "a", "b"], table) == expected


@given(
    st.lists(st.tuples(st.integers(-100, 100), st.integers(-5, 5)), min_size=1),
    st.sampled_from(["+", "-", "*", "//", "%"]),
)
def test_whole_numbers_are_computed_as_those_of_python(pairs, operator):
    table = pl.DataFrame({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]})
    compute = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "//": lambda a, b: a // b if b else math.copysign(math.inf, a) if a else None,
        "%": lambda a, b: a % b if b else None,
    }[operator]
    assert alias([operator, "a", "b"], table) == [compute(a, b) for a, b in pairs]
