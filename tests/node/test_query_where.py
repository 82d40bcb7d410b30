"""Which rows a condition means."""

from __future__ import annotations

import polars as pl
import pytest

from storekit.qcache.node.tables import encode_mixed
from tests.node.queries import TABLE, ask, refusal, where

ALL = [1, 2, 3, -4]


# Comparisons with a value


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (["==", "i", 1], [1]),
        (["==", "i", 1.0], [1]),
        (["==", "i", 1.5], []),
        (["<", "i", 1.5], [1, -4]),
        ([">=", "i", True], [1, 2, 3]),
        (["==", "f", 3], [3]),
        (["<", "f", 2**70], [1, 3, -4]),
        (["<", "i", 2**70], ALL),
        ([">", "i", -(2**70)], ALL),
        (["==", "i", 2**70], []),
        (["!=", "i", 2**70], ALL),
        ([">", "f", -(10**400)], [1, 3, -4]),
        (["==", "b", 1], [1, 3]),
        (["==", "b", True], [1, 3]),
        (["<", "b", True], [2, -4]),
        (["<", "b", 1.5], ALL),
        (["<", "nb", 2**70], [1, 3, -4]),
        (["==", "s", "'x'"], [1]),
        (["==", "s", '"x"'], [1]),
        (["==", "s", "''"], []),
        (["<", "s", "'x'"], [-4]),
        (["==", "e", "'c'"], [1]),
        (["==", "e", "'nope'"], []),
    ],
)
def test_a_column_compares_with_a_value(condition, rows):
    assert where(*condition) == rows


@pytest.mark.parametrize("column", TABLE.columns)
def test_nothing_equals_null_and_everything_is_unequal_to_it(column):
    assert where("==", column, None) == []
    assert where("!=", column, None) == ALL


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_null_is_in_no_order(operator):
    assert where(operator, "i", None) == []
    assert 2 not in where(operator, "f", 0) + where(operator, "nb", 5)


def test_null_is_unequal_to_any_value():
    assert where("!=", "f", 1.5) == [2, 3, -4]
    assert where("!=", "s", "'x'") == [2, 3, -4]
    assert where("!=", "nb", True) == [2, 3]
    assert where("!=", "e", "'c'") == [2, 3, -4]


def test_text_and_numbers_are_unequal_and_numbers_come_first():
    assert where("==", "s", 5) == []
    assert where("!=", "s", 5) == ALL
    assert where("<", "s", 5) == []
    assert where(">", "s", 5) == [1, 2, -4]
    assert where("<", "i", "s") == [1, 2, -4]
    assert where(">", "i", "s") == []


@pytest.mark.parametrize("column", ["i", "f", "b"])
@pytest.mark.parametrize("operator", ["==", "!=", "<"])
def test_a_column_of_numbers_does_not_compare_with_text(operator, column):
    why = refusal({"where": [operator, column, "'x'"]})
    assert why == f"""Invalid type in argument: ["{operator}", "{column}", "'x'"]"""


def test_a_column_of_bools_with_nulls_does():
    assert where("==", "nb", "'x'") == []
    assert where("!=", "nb", "'x'") == ALL


@pytest.mark.parametrize("value", ["'a'", 1, None, {}, "s", "e"])
def test_an_enum_has_no_order(value):
    assert "Invalid type in argument" in refusal({"where": ["<", "e", value]})


def test_text_is_ordered_by_its_bytes():
    table = pl.DataFrame({"i": [1, 2, 3, 4], "s": ["a", "Z", "é", "日"]})
    assert where("<", "s", "'é'", table=table) == [1, 2]
    assert where(">", "s", "'é'", table=table) == [4]


def test_whole_numbers_above_the_signed_ones_compare():
    table = pl.DataFrame({"i": [1, 2], "u": pl.Series([2**64 - 1, 5], dtype=pl.UInt64)})
    assert where(">", "u", 2**63, table=table) == [1]
    assert where("==", "u", -1, table=table) == []
    assert where(">", "u", -1, table=table) == [1, 2]
    assert where("<", "i", "u", table=table) == [1, 2]


# Comparisons of columns


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (["==", "i", "z"], [2]),
        (["<", "z", "i"], [1, 3]),
        (["==", "i", "f"], [3]),
        (["==", "b", "nb"], [1]),
        (["<", "b", "i"], [2, 3]),
        (["==", "s", "t"], [-4]),
        (["<", "s", "t"], [1]),
        (["!=", "s", "t"], [1, 2, 3]),
        (["==", "f", "f"], [1, 3, -4]),
        (["==", "i", "s"], []),
        (["!=", "i", "s"], ALL),
        (["==", "e", "e"], [1, 2, -4]),
        (["==", "e", "s"], []),
        (["==", "b", ["!", "b"]], []),
        (["==", "b", [">", "i", 1]], [3, -4]),
    ],
)
def test_a_column_compares_with_another(condition, rows):
    assert where(*condition) == rows


def test_an_enum_compares_with_text_by_its_own_text():
    table = TABLE.with_columns(s=pl.Series(["c", "a", None, "a"]))
    assert where("==", "e", "s", table=table) == [1, -4]
    assert where("!=", "s", "e", table=table) == [2, 3]


def test_enums_of_different_categories_do_not_compare():
    table = TABLE.with_columns(o=pl.Series(["c"] * 4, dtype=pl.Enum(["c", "d"])))
    assert "Invalid type in argument" in refusal({"where": ["==", "e", "o"]}, table)


# And, or, not


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (["&", ["==", "i", 1]], [1]),
        (["&", [">", "i", 1], "b"], [3]),
        (["|", ["==", "i", 1], ["==", "i", 2], ["==", "i", 3]], [1, 2, 3]),
        (["!", "b"], [2, -4]),
        (["!", [">", "f", 1]], [2, -4]),
        (["!", ["like", "s", "'x'"]], [2, 3, -4]),
        (["!", ["!", [">", "f", 1]]], [1, 3]),
        (["&", "b", "nb"], [1]),
        (["|", "b", "nb"], [1, 3, -4]),
        (["&", [">", "i", 1], True], [2, 3]),
        (["|", [">", "i", 1], False], [2, 3]),
        (["&", False, [">", "i", 1]], []),
    ],
)
def test_conditions_are_joined(condition, rows):
    assert where(*condition) == rows


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (["&"], "Invalid number of arguments"),
        (["!"], "! is a single arity operator, invalid number of arguments"),
        (["!", ["==", "i", 1], "b"], "! is a single arity operator, invalid number of arguments"),
        (["!", "i"], "Invalid type in argument"),
        (["!", "nb"], "Invalid type in argument"),
        (["!", True], "Invalid type in argument"),
        (["&", "i"], "Invalid type in argument"),
        (["&", "b", "s"], "Invalid type in argument"),
        (["&", "b", None], "Invalid type in argument"),
        (["&", "b", "nope"], "Unknown column"),
        (["&", "b", []], "Empty expression not allowed"),
        (["not", "b"], "Unknown operator"),
        (["<>", "i", 1], "Unknown operator"),
        ([None], "Unknown operator"),
        ([[]], "Invalid type in argument"),
        (["==", "i"], "Invalid number of arguments"),
        (["==", "i", 1, 2], "Invalid number of arguments"),
        (["==", "nope", 1], "Column is not defined"),
        (["==", "'x'", "s"], "Column is not defined"),
        (["==", "i", "nope"], "Unknown column"),
        (["==", "i", "'"], "Unknown column"),
        (["==", 5, 1], "Column is not defined"),
        (["==", {}, 1], "Invalid type in argument"),
        (["isnull"], "isnull is a single arity operator, invalid number of arguments"),
        (["isnull", "'x'"], "Column is not defined"),
        ("i", "Invalid format for where"),
        ({"a": 1}, "Invalid format for where"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(condition, why):
    assert refusal({"where": condition}).partition(":")[0] == why


@pytest.mark.parametrize("nothing", [None, [], {}, "", 0, False])
def test_a_where_that_is_nothing_chooses_all(nothing):
    assert len(ask({"where": nothing})) == 4


# isnull and bits


def test_nulls_are_found_in_every_type():
    assert where("isnull", "i") == []
    assert where("isnull", "f") == [2]
    assert where("isnull", "s") == [3]
    assert where("isnull", "nb") == [2]
    assert where("isnull", "e") == [3]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (["any_bits", "i", 1], [1, 3]),
        (["any_bits", "i", 6], [2, 3, -4]),
        (["any_bits", "i", -1], [1, 2, 3]),  # what is negative has its highest bit set
        (["any_bits", "i", 0], []),
        (["all_bits", "i", 3], [3]),
        (["all_bits", "i", 0], ALL),
        (["all_bits", "i", -4], [-4]),
        (["any_bits", "b", True], [1, 3]),
        (["any_bits", "b", -1], [1, 3]),
        (["all_bits", "b", -1], []),
        (["all_bits", "b", 2**70], []),
        (["all_bits", "nb", 1], [1, -4]),
    ],
)
def test_bits_are_looked_at(condition, rows):
    assert where(*condition) == rows


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (["any_bits", "i", 1.0], "Invalid argument type, must be an integer:"),
        (["any_bits", "i", "1"], "Invalid argument type, must be an integer:"),
        (["any_bits", "nope", None], "Invalid argument type, must be an integer:"),
        (["any_bits", "nope", 1], "Column is not defined"),
        (["any_bits", "f", 1], "Invalid column type, must be an integer"),
        (["all_bits", "s", 1], "Invalid column type, must be an integer"),
        (["all_bits", "i", 2**63], "Invalid column type, must be an integer"),
        (["any_bits", "i", 1, 2], "Invalid number of arguments"),
    ],
)
def test_bits_want_whole_numbers(condition, why):
    assert refusal({"where": condition}).startswith(why)


def test_bits_of_whole_numbers_above_the_signed_ones():
    table = pl.DataFrame({"i": [1, 2], "u": pl.Series([2**64 - 1, 5], dtype=pl.UInt64)})
    assert where("any_bits", "u", 2**63, table=table) == [1]
    assert where("all_bits", "u", 2**64 - 1, table=table) == [1]
    assert where("all_bits", "u", 5, table=table) == [1, 2]
    for condition in (["any_bits", "u", -1], ["all_bits", "u", -1], ["all_bits", "u", 2**64]):
        assert refusal({"where": condition}, table).startswith("Invalid column type")


# in


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (["in", "i", [1, 2]], [1, 2]),
        (["in", "i", []], []),
        (["in", "i", [1.9, "2", True]], [1, 2]),
        (["in", "i", [1, "x", "2"]], [1]),  # what cannot be cast keeps all from it
        (["in", "i", ["1.5"]], []),
        (["in", "i", [" 1 "]], [1]),
        (["in", "i", [None]], []),
        (["in", "f", [1.5, 3]], [1, 3]),
        (["in", "f", ["1.5"]], [1]),
        (["in", "f", [None]], [2]),
        (["in", "f", [None, "x"]], []),
        (["in", "s", ["x", None]], [1]),
        (["in", "s", [1]], []),
        (["in", "e", ["c", "nope", 1]], [1]),
        (["in", "b", [1.9]], [1, 3]),
        (["in", "b", ["0"]], [2, -4]),
        (["in", "b", [2**63, -1]], []),
        (["in", "nb", [True]], [1, -4]),
        (["in", "nb", [1.9, None]], []),
        (["in", "i", list(range(2, 100))], [2, 3]),
        (["in", "f", [*range(100)]], [3]),
        (["in", "s", [chr(at) for at in range(97, 123)]], [1, 2]),
    ],
)
def test_a_column_is_looked_for_in_a_list(condition, rows):
    assert where(*condition) == rows


def test_many_rows_are_looked_for_in_a_list_alike():
    table = pl.concat([TABLE] * 1000)
    for values in ([1], [1, 2], [1, 2, 3, 5, 6], [9, 8, 7, 6, 5, 4]):
        assert where("in", "i", values, table=table) == where("in", "i", values) * 1000


def test_text_beyond_ascii_is_found():
    table = pl.DataFrame({"i": [1, 2], "s": ["räksmörgås", "abc"]})
    assert where("in", "s", ["räksmörgås"], table=table) == [1]


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (["in", "i", [[1]]], "Invalid type in argument"),
        (["in", "s", [{}]], "Invalid type in argument"),
        (["in", "i", "x"], "Second argument must be a list"),
        (["in", "i", None], "Second argument must be a list"),
        (["in", "i"], "Invalid number of arguments"),
        (["in", "nope", [1]], "Column is not defined"),
        (["in", "i", [2**70]], "in"),
        (["in", "i", [float("inf")]], "in"),
        (["in", "nope", {}], 'Unknown column "nope"'),
        (["in", "i", {"select": ["f"]}], 'Unknown column "i"'),
        (["in", "i", {"nope": 1}], "Unknown query clauses"),
        (["in", "s", {"select": [["=", "s", "i"]]}], "Invalid type in argument"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(condition, why):
    assert refusal({"where": condition}).partition(":")[0] == why


@pytest.mark.parametrize(
    ("column", "expression", "rows"),
    [
        ("i", "z", [2]),
        ("i", "f", [1, 3]),  # floats are cut off
        ("i", "'1'", [1]),
        ("i", "s", []),
        ("f", "i", [3]),
        ("f", "f", ALL),
        ("f", "nb", [2]),
        ("s", "t", ALL),  # null is in it as null
        ("s", "nb", [3]),
        ("s", "e", [3]),
        ("e", "e", ALL),
        ("e", "'a'", [-4]),
        ("b", "z", [2, -4]),
        ("nb", "nb", ALL),
    ],
)
def test_a_column_is_looked_for_in_another_query(column, expression, rows):
    sub_query = {"select": [["=", column, expression]]}
    assert where("in", column, sub_query) == rows


def test_bools_with_nulls_are_looked_for_among_those_without():
    assert where("in", "nb", {"where": ["==", "i", 1]}) == [1, -4]
    assert where("in", "nb", {"where": ["==", "i", 99]}) == []
    assert where("in", "nb", {"select": [["=", "nb", "b"]]}) == [1, 3, -4]


def test_a_sub_query_is_about_the_stored_table():
    query = {
        "from": {"where": ["<", "i", 3]},
        "where": ["in", "i", {"where": [">", "i", 1]}],
        "select": ["i"],
    }
    assert ask(query) == [{"i": 2}]
    nested = {"from": {"select": ["i"]}, "where": ["in", "i", {"where": ["==", "s", "'y'"]}]}
    assert ask(nested) == [{"i": 2}]


def test_the_conditions_of_a_query_are_limited():
    assert where("|", *[["==", "i", 1]] * 4999) == [1]
    why = refusal({"where": ["|", *[["==", "i", 1]] * 5000]})
    assert why == "A query has at most 5000 conditions"
    query: dict[str, object] = {"select": ["i"]}
    for _ in range(13):  # each has the one before twice
        query = {"where": ["&", ["in", "i", query], ["in", "i", query]]}
    assert refusal(query) == why


# Mixed columns

MIXED = pl.DataFrame(
    [
        pl.Series("i", [1, 2, 3, 4, 5, 6]),
        encode_mixed("m", [1, "x", None, True, [1], {"a": 1}]),
    ]
)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (["==", "m", 1], [1, 4]),
        (["!=", "m", 1], [2, 3, 5, 6]),
        (["==", "m", "'x'"], [2]),
        (["<", "m", "'x'"], [1, 4, 5, 6]),
        ([">", "m", 0], [1, 2, 4, 5, 6]),
        ([">=", "m", "i"], [1, 2, 5, 6]),
        (["==", "m", "m"], [1, 2, 4, 5, 6]),
        (["in", "m", ["x", 1.0]], [1, 2, 4]),
        (["in", "m", [None]], [3]),
        (["in", "i", {"select": [["=", "i", "m"]], "where": ["==", "i", 1]}], [1]),
        (["in", "m", {"where": ["<", "i", 4]}], [1, 2, 3, 4]),
        (["isnull", "m"], [3]),
        (["like", "m", "'x'"], [2]),
    ],
)
def test_a_mixed_column_is_compared_value_by_value(condition, rows):
    assert where(*condition, table=MIXED) == rows


def test_tables_without_rows_take_every_condition():
    table = pl.DataFrame({"i": [], "s": []}, schema={"i": pl.String, "s": pl.String})
    for condition in (["==", "i", 1], ["<", "i", "s"], ["any_bits", "i", 1], ["in", "i", [1]]):
        assert where(*condition, table=table) == []
