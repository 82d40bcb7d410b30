"""Columns, aggregates, groups and distinct rows."""

from __future__ import annotations

import statistics
import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.tables import BOOL, FLOAT, INT, TEXT, encode_mixed, enum_of
from tests.node.queries import ask, refusal
from tests.node.roomy import run_query

TABLE = pl.DataFrame(
    {
        "g": ["b", "a", "b", None, "a", "b"],
        "h": ["x", "y", "x", "y", "x", "y"],
        "i": [1, 2, 3, 4, 5, 6],
        "f": [1.5, 2.5, None, 4.5, 5.5, 0.5],
        "s": ["p", "q", "r", None, "t", "u"],
        "d": ["5", "7", "9", "5", "6", "5"],
        "b": [True, False, True, True, False, True],
        "nb": [True, None, False, None, True, True],
        "w": pl.Series([None] * 6, dtype=FLOAT),
    }
).with_columns(enum_of(pl.Series("e", ["c", "b", None, "a", "c", "c"])))

NOTHING = ["==", "i", 99]


def aggregate(function: str, column: str, condition: object = None) -> object:
    query = {"select": [[function, column]], "where": condition}
    (row,) = ask(query, TABLE)
    return row[column]


def grouped(function: str, column: str, key: str = "g") -> dict[object, object]:
    rows = ask({"select": [key, [function, column]], "group_by": [key]}, TABLE)
    return {row[key]: row[column] for row in rows}


# Columns


def test_columns_come_in_the_order_of_the_select():
    (row,) = ask({"select": ["i", "g"], "limit": 1}, TABLE)
    assert list(row.items()) == [("i", 1), ("g", "b")]


@pytest.mark.parametrize("nothing", [None, [], {}, "", 0, False])
def test_a_select_of_nothing_is_of_all(nothing):
    assert list(ask({"select": nothing}, TABLE)[0]) == TABLE.columns


def test_a_column_may_be_selected_twice():
    answer = run_query(TABLE, {"select": ["g", "i", "g", ["=", "x", "i"]]})
    assert answer.header == ("g", "i", "g", "x")
    assert [column.to_list()[:1] for column in answer.frame] == [["b"], [1], ["b"], [1]]


@pytest.mark.parametrize(
    ("select", "why"),
    [
        (5, "Invalid format for project: 5"),
        ("g", "Invalid format for project: g"),
        ({"g": 1}, 'Invalid format for project: {"g": 1}'),
        (["g", "nope"], 'Selected columns not in table: ["nope"]'),
        (["*"], 'Selected columns not in table: ["*"]'),
        ([5], "Selected columns not in table: [5]"),
        ([{}], "Selected columns not in table: [{}]"),
        ([None, True], "Selected columns not in table: [null, true]"),
        ([[]], "Invalid expression in select: []"),
        ([["g"]], 'Invalid expression in select: ["g"]'),
        ([["=", "x", "i", "f"]], 'Invalid expression in select: ["=", "x", "i", "f"]'),
        ([["count"], ["max", "i"]], 'Invalid expression in select: ["count"]'),
        ([["=", "x", "i"], ["max", "i"]], "Cannot mix aliasing and aggregation functions"),
        (["g"] * 2000, "A select has at most 1010 parts for this table"),
    ],
)
def test_a_select_that_makes_no_sense_is_refused(select, why):
    assert refusal({"select": select}, TABLE).startswith(why)


# Aggregates of the table


@pytest.mark.parametrize(
    ("function", "column", "value"),
    [
        ("sum", "i", 21),
        ("sum", "f", 14.5),
        ("sum", "b", 4),
        ("sum", "nb", 3.0),
        ("sum", "h", "xyxyxy"),
        ("sum", "d", 579565.0),  # what reads as a number becomes one
        ("sum", "w", None),
        ("mean", "i", 3.5),
        ("mean", "b", 2 / 3),
        ("mean", "w", None),
        ("min", "i", 1),
        ("min", "h", "x"),
        ("min", "s", None),  # to pandas, null is below all text
        ("min", "e", None),
        ("min", "d", 5.0),
        ("min", "b", False),
        ("min", "nb", 0.0),
        ("max", "s", "u"),
        ("max", "e", "c"),
        ("max", "nb", 1.0),
        ("max", "w", None),
        ("count", "f", 5),
        ("count", "w", 0),
        ("std", "i", pytest.approx(1.8708286934)),
        ("var", "f", pytest.approx(4.3)),
        ("median", "f", 2.5),
        ("nunique", "s", 5),
        ("nunique", "w", 0),
        ("prod", "i", 720),
        ("product", "f", 46.40625),
        ("prod", "w", None),
        ("sem", "f", pytest.approx(0.9273618495)),
        ("mad", "f", pytest.approx(1.68)),
        ("skew", "f", pytest.approx(0.2355139364)),
        ("skew", "b", pytest.approx(-0.9682458366)),
        ("kurt", "i", pytest.approx(-1.2)),
        ("kurtosis", "f", pytest.approx(-1.963223364)),
        ("quantile", "i", 3.5),
        ("any", "w", False),
        ("any", "s", True),
        ("all", "f", True),
        ("all", "b", False),
        ("idxmax", "f", 4),
        ("idxmin", "f", 5),
        ("idxmin", "b", 1),
        ("idxmax", "w", None),
    ],
)
def test_a_function_makes_one_value_of_a_column(function, column, value):
    assert aggregate(function, column) == value


@pytest.mark.parametrize("column", ["i", "f", "s", "b"])
def test_of_no_rows_only_sums_and_counts_are_known(column):
    assert aggregate("sum", column, NOTHING) == 0
    assert aggregate("count", column, NOTHING) == 0
    assert aggregate("any", column, NOTHING) is False
    assert aggregate("all", column, NOTHING) is True
    for function in ["mean", "min", "max", "std", "median", "nunique", "prod"]:
        assert aggregate(function, column, NOTHING) is None


def test_of_one_row_there_is_no_deviation():
    for function in ["std", "var", "sem", "skew", "kurt"]:
        assert aggregate(function, "i", ["==", "i", 1]) is None
    assert aggregate("skew", "i", ["in", "i", [1, 2]]) is None


def test_labels_are_the_rows_before_where():
    assert aggregate("idxmax", "f", ["<", "i", 5]) == 3
    query = {"select": [["idxmin", "i"]], "distinct": [], "where": ["==", "g", "'a'"]}
    assert ask(query, TABLE) == [{"i": 1}]


def test_results_come_sorted_by_column():
    (row,) = ask({"select": [["max", "s"], ["min", "i"], ["count", "f"]]}, TABLE)
    assert list(row.items()) == [("f", 5), ("i", 1), ("s", "u")]


def test_rows_are_counted():
    assert ask({"select": [["count"]]}, TABLE) == [{"count": 6}]
    assert ask({"select": [["count"]], "where": [">", "i", 2]}, TABLE) == [{"count": 4}]
    assert ask({"select": [["count"]], "distinct": ["g"]}, TABLE) == [{"count": 3}]
    assert ask({"select": [["count"]]}, pl.DataFrame()) == [{"count": 0}]


@pytest.mark.parametrize(
    ("select", "why"),
    [
        ([["size", "i"]], "Unknown aggregation function"),
        ([["first", "i"]], "Unknown aggregation function"),
        ([["nope", "i"]], "Unknown aggregation function"),
        ([["=", "i"]], "Unknown aggregation function"),
        ([["to_csv", "i"]], "Unknown aggregation function"),
        ([[5, "i"]], "Unknown aggregation function"),
        ([["sum", "nope"]], "Aggregated column not in table"),
        ([["sum", ["i"]]], "Aggregated column not in table"),
        ([["sum", "i"], "g"], "Cannot mix aggregation functions and columns without group_by"),
        ([["sum", "i"], ["max", "i"]], "Cannot mix aggregation functions and columns"),
        ([["mean", "s"]], "Invalid type in aggregation"),
        ([["std", "e"]], "Invalid type in aggregation"),
        ([["sum", "s"]], "Invalid type in aggregation"),  # text and a null
    ],
)
def test_an_aggregate_that_makes_no_sense_is_refused(select, why):
    assert refusal({"select": select}, TABLE).startswith(why)


def test_there_is_no_label_in_a_table_without_rows():
    assert "no rows" in refusal({"select": [["idxmax", "i"]], "where": NOTHING}, TABLE)


# Groups


@pytest.mark.parametrize(
    ("function", "column", "values"),
    [
        ("sum", "i", {"a": 7, "b": 10}),
        ("sum", "b", {"a": 0.0, "b": 3.0}),
        ("sum", "s", {"a": "qt", "b": "pru"}),
        ("sum", "d", {"a": "76", "b": "595"}),
        ("sum", "w", {"a": None, "b": None}),
        ("mean", "f", {"a": 4.0, "b": 1.0}),
        ("mean", "b", {"a": 0.0, "b": 1.0}),
        ("min", "s", {"a": "q", "b": "p"}),
        ("max", "b", {"a": False, "b": True}),
        ("min", "nb", {"a": True, "b": False}),
        ("count", "nb", {"a": 1, "b": 3}),
        ("count", "e", {"a": 2, "b": 2}),
        ("size", "e", {"a": 2, "b": 3}),
        ("nunique", "f", {"a": 2, "b": 2}),
        ("std", "i", {"a": pytest.approx(2.1213203436), "b": pytest.approx(2.5166114784)}),
        ("median", "i", {"a": 3.5, "b": 3.0}),
        ("first", "nb", {"a": True, "b": True}),  # the first that is not null
        ("last", "f", {"a": 5.5, "b": 0.5}),
        ("first", "e", {"a": "b", "b": "c"}),
        ("prod", "f", {"a": 13.75, "b": 0.75}),
        ("skew", "i", {"a": None, "b": pytest.approx(0.5855827263)}),
        ("any", "w", {"a": False, "b": False}),
        ("idxmax", "i", {"a": 4, "b": 5}),
        ("idxmax", "w", {"a": None, "b": None}),
    ],
)
def test_a_function_makes_one_value_of_each_group(function, column, values):
    assert grouped(function, column) == values


@pytest.mark.parametrize(
    ("values", "dtype", "total"),
    [
        ([2**61, 2**61 - 1, 1], pl.Int64, 2**62),
        ([2**62, 2, 1], pl.Int64, 2**62 + 3),  # although three of the largest would be too much
        ([-(2**61), 3], pl.Int64, -(2**61) + 3),
        ([2**62, 2**62, 1], pl.UInt64, 2**63 + 1),
        ([2**63 - 1, -(2**63), 7], pl.Int64, 6),
        ([-(2**62), -(2**62), -(2**62)], pl.Int64, -3 * 2.0**62),
        ([-(2**63), 5], pl.Int64, -(2**63) + 5),
        ([2**63, 1], pl.UInt64, 2**63 + 1),
        ([2**63, 2**63], pl.UInt64, 2.0**64),
    ],
)
def test_a_sum_of_a_group_is_a_float_where_whole_numbers_end(values, dtype, total):
    stored = pl.UInt64 if max(values) >= 2**63 else pl.Int64
    table = pl.DataFrame({"k": [1] * len(values), "n": pl.Series(values, dtype=stored)})
    frame = run_query(table, {"select": ["k", ["sum", "n"]], "group_by": ["k"]}).frame
    assert frame["n"].to_list() == [total]
    assert frame["n"].dtype == (pl.Float64 if isinstance(total, float) else dtype)


def test_the_least_text_of_a_group_with_a_null_is_null():
    assert grouped("min", "s", "h") == {"x": "p", "y": None}


def test_groups_are_sorted_and_nulls_are_in_none():
    assert list(grouped("count", "i", "nb")) == [False, True]
    assert list(grouped("count", "i", "f")) == [0.5, 1.5, 2.5, 4.5, 5.5]
    assert list(grouped("count", "i", "e")) == ["a", "b", "c"]
    query = {"select": ["h", "g", ["sum", "i"]], "group_by": ["h", "g"]}
    assert [tuple(row.values()) for row in ask(query, TABLE)] == [
        ("x", "a", 5),
        ("x", "b", 4),
        ("y", "a", 2),
        ("y", "b", 6),
    ]


def test_groups_are_of_the_chosen_rows():
    query = {"select": ["e", ["sum", "i"]], "group_by": ["e"], "where": ["==", "e", "'c'"]}
    assert ask(query, TABLE) == [{"e": "c", "i": 12}]
    assert ask({**query, "where": NOTHING}, TABLE) == []


def test_columns_of_groups_come_in_the_order_of_the_select():
    query = {"select": [["max", "s"], "g", ["min", "i"]], "group_by": ["g"], "limit": 1}
    assert list(ask(query, TABLE)[0].items()) == [("s", "t"), ("g", "a"), ("i", 2)]
    assert ask({"select": [["sum", "i"]], "group_by": ["g"]}, TABLE) == [{"i": 7}, {"i": 10}]


def test_groups_are_counted():
    assert ask({"select": [["count"]], "group_by": ["g"]}, TABLE) == [{"count": 2}]
    assert ask({"select": [["count"]], "group_by": ["g", "h"]}, TABLE) == [{"count": 5}]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"select": ["g"]}, "Aggregate function required when group_by is specified"),
        ({}, "Aggregate function required when group_by is specified"),
        ({"select": ["g", ["=", "x", "i"]]}, "Aggregate function required when group_by"),
        ({"select": ["g", ["nope", "i"]]}, "Unknown aggregation function 'nope'"),
        ({"select": ["g", ["kurt", "i"]]}, "Unknown aggregation function 'kurt'"),
        ({"select": ["g", ["sum", "nope"]]}, "Aggregated column not in table"),
        ({"select": ["h", ["sum", "i"]]}, "Selected columns not in table"),
        ({"select": ["g", ["count", "g"]]}, "Aggregation of a column that is grouped by"),
        ({"select": [["sum", "i"], ["max", "i"]]}, "Only one aggregation for each column"),
        ({"select": ["g", ["mean", "s"]]}, "Invalid type in aggregation"),
        ({"select": ["g", ["max", "e"]]}, "Invalid type in aggregation"),
        ({"select": ["g", ["sum", "i"]], "distinct": []}, "distinct and group_by"),
        ({"select": [["sum", "i"]], "group_by": "g"}, "Invalid format for group_by"),
        ({"select": [["sum", "i"]], "group_by": ["nope"]}, "Group by column not in table"),
        ({"select": [["sum", "i"]], "group_by": [["g"]]}, "Group by column not in table"),
        ({"select": [["sum", "i"]], "group_by": ["g", "g"]}, "Group by column occurs twice"),
    ],
)
def test_a_grouping_that_makes_no_sense_is_refused(query, why):
    assert refusal({"group_by": ["g"], **query}, TABLE).startswith(why)


# Distinct


@pytest.mark.parametrize(
    ("distinct", "rows"),
    [
        (None, [1, 2, 3, 4, 5, 6]),
        ([], [1, 2, 3, 4, 5, 6]),
        (False, [1, 2, 3, 4, 5, 6]),
        (["g"], [1, 2, 4]),
        ("g", [1, 2, 4]),
        (["g", "h"], [1, 2, 4, 5, 6]),
        (["nb"], [1, 2, 3]),
        (["w", "w"], [1]),
        (["e", "g"], [1, 2, 3, 4, 5]),
    ],
)
def test_the_first_row_of_each_kind_is_kept(distinct, rows):
    query = {"distinct": distinct, "select": ["i"]}
    assert [row["i"] for row in ask(query, TABLE)] == rows


def test_rows_are_distinct_before_they_are_selected():
    assert ask({"distinct": ["g"], "select": ["h"]}, TABLE) == [{"h": "x"}, {"h": "y"}, {"h": "y"}]
    query = {"distinct": [], "where": ["==", "h", "'x'"], "select": ["h"]}
    assert ask(query, TABLE) == [{"h": "x"}] * 3
    table = pl.DataFrame({"a": [1, 1, 2], "b": [None, None, None]}, schema={"a": INT, "b": FLOAT})
    assert ask({"distinct": []}, table) == [{"a": 1, "b": None}, {"a": 2, "b": None}]


@pytest.mark.parametrize(
    "distinct", ["nope", ["nope"], ["g", "nope"], [5], [["g"]], 5, True, {"g": 1}]
)
def test_rows_are_distinct_by_columns_only(distinct):
    assert refusal({"distinct": distinct}, TABLE).startswith("Distinct column not in table")


# Mixed columns and odd tables


def test_mixed_columns_are_counted_and_grouped_by():
    table = pl.DataFrame(
        [encode_mixed("m", ["x", 1, None, "x", [1]]), pl.Series("i", [1, 2, 3, 4, 5])]
    )
    assert ask({"select": [["count", "m"]]}, table) == [{"m": 4}]
    assert ask({"select": [["nunique", "m"]]}, table) == [{"m": 3}]
    assert refusal({"select": [["max", "m"]]}, table).startswith("Invalid type in aggregation")
    query = {"select": ["m", ["sum", "i"]], "group_by": ["m"]}
    assert [tuple(row.values()) for row in ask(query, table)] == [(1, 2), ([1], 5), ("x", 5)]
    assert [row["i"] for row in ask({"distinct": ["m"]}, table)] == [1, 2, 3, 5]


def test_a_table_without_columns_can_be_asked():
    assert ask({}, pl.DataFrame()) == []
    assert ask({"distinct": [], "limit": 1}, pl.DataFrame()) == []
    assert refusal({"select": ["a"]}, pl.DataFrame()).startswith("Selected columns not in table")


def test_a_table_without_rows_keeps_its_columns():
    table = pl.DataFrame({"a": [], "b": []}, schema={"a": TEXT, "b": BOOL})
    assert run_query(table, {"select": ["b"], "distinct": ["a"], "order_by": ["b"]}).header == (
        "b",
    )
    assert ask({"select": ["a", ["count", "b"]], "group_by": ["a"]}, table) == []


# From


def test_a_query_can_be_about_the_answer_of_another():
    inner = {"select": ["g", ["sum", "i"]], "group_by": ["g"]}
    assert ask({"from": inner, "where": [">", "i", 7]}, TABLE) == [{"g": "b", "i": 10}]
    assert ask({"from": {"from": {"limit": 2}, "offset": 1}, "select": ["i"]}, TABLE) == [{"i": 2}]


def test_the_unsliced_length_is_that_of_the_outer_query():
    assert run_query(TABLE, {"from": {"limit": 2}}).unsliced_length == 2
    assert run_query(TABLE, {"from": {"limit": 2}, "limit": 1}).unsliced_length == 2


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"from": []}, 'Query must be a dictionary, not "[]"'),
        ({"from": None}, 'Query must be a dictionary, not "null"'),
        ({"from": {"nope": 1}}, "Unknown query clauses: nope"),
        ({"nope": 1, "limit": "x", "also": 1}, "Unknown query clauses: also, nope"),
        ({"update": [["i", 1]]}, "Unknown query clauses: update"),
        ({"from": {"select": ["i"]}, "select": ["g"]}, "Selected columns not in table"),
        ({"from": {"select": ["i", "i"]}}, "A column is selected twice in from"),
    ],
)
def test_a_query_has_clauses_that_are_known(query, why):
    assert refusal(query, TABLE).startswith(why)


# Against Python


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.none() | st.integers(-50, 50).map(float),
        ),
        min_size=1,
    )
)
def test_groups_are_summed_up_as_python_does(rows):
    table = pl.DataFrame(rows, schema={"g": TEXT, "f": FLOAT}, orient="row")
    groups: dict[str, list[float]] = {}
    for key, number in rows:
        if key is not None:
            groups.setdefault(key, []).extend([] if number is None else [number])
    for function, compute in {
        "sum": lambda numbers: sum(numbers) if numbers else None,
        "mean": lambda numbers: statistics.fmean(numbers) if numbers else None,
        "std": lambda numbers: statistics.stdev(numbers) if len(numbers) > 1 else None,
        "median": lambda numbers: statistics.median(numbers) if numbers else None,
        "max": lambda numbers: max(numbers, default=None),
        "count": len,
        "nunique": lambda numbers: len(set(numbers)),
        "first": lambda numbers: numbers[0] if numbers else None,
    }.items():
        answer = ask({"select": ["g", [function, "f"]], "group_by": ["g"]}, table)
        expected = [compute(groups[key]) for key in sorted(groups)]
        assert [row["g"] for row in answer] == sorted(groups)
        assert [row["f"] for row in answer] == [
            value if value is None else pytest.approx(value) for value in expected
        ]


def test_a_column_is_repeated_ten_times_at_most():
    answer = run_query(TABLE, {"select": ["i"] * 11})
    assert answer.header == ("i",) * 11
    assert "repeats columns at most 10 times" in refusal({"select": ["i", "g"] * 6 + ["i"]}, TABLE)


def test_sums_and_products_of_groups_do_not_wrap_around():
    table = pl.DataFrame(
        {"g": ["a", "a", "b"], "i": [2**62, 2**62, 5], "j": [3037000500, 3037000500, 7]}
    )
    query = {"select": [["sum", "i"], ["prod", "j"]], "group_by": ["g"]}
    assert ask(query, table) == [{"i": 2.0**63, "j": 3037000500.0**2}, {"i": 5.0, "j": 7.0}]
    (row, *_) = ask({"select": [["sum", "j"]], "group_by": ["g"]}, table)
    assert row == {"j": 6074001000}
    assert isinstance(row["j"], int)
    assert ask({"select": [["sum", "i"]]}, table) == [{"i": 2**63 + 5}]
    more = pl.DataFrame({"i": [2**63 - 1] * 3, "j": [3037000500] * 3, "k": [2**63 - 1, -1, 1]})
    assert "more than 64 bits" in refusal({"select": [["sum", "i"]]}, more)
    assert "more than 64 bits" in refusal({"select": [["prod", "j"]]}, more)
    assert ask({"select": [["prod", "k"]]}, more) == [{"k": -(2**63) + 1}]


def test_many_names_of_keys_take_no_time() -> None:
    wide = pl.DataFrame({f"c{at}": [1] for at in range(5_000)})
    start = time.process_time()
    assert len(ask({"distinct": wide.columns * 4}, wide)) == 1
    assert "twice" in refusal({"group_by": wide.columns * 4, "select": [["sum", "c0"]]}, wide)
    assert time.process_time() - start < 3


def test_each_null_among_floats_is_a_group_that_is_counted() -> None:
    # recorded: body "j,f\n3,1.5\n2,\n1,-2.25\n2,\n2,1e10\n", answer [{"count":5}]
    table = pl.DataFrame({"j": [3, 2, 1, 2, 2], "f": [1.5, None, -2.25, None, 1e10]})
    assert ask({"select": [["count"]], "group_by": ["j", "f"]}, table) == [{"count": 5}]
