"""Queries as Python expressions: the JSON that they are, and what is refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache import QClient
from storekit.qcache.query import (
    Query,
    col,
    count,
    first,
    fn,
    lit,
    max_,
    mean,
    min_,
    nunique,
    sum_,
)

ROWS = "country,people,city\nSE,200000,a\nSE,150000,b\nNO,300000,it's\nDK,500000,d\nSE,5,é\nNO,,f\n"


@pytest.fixture(scope="module")
def client():
    with QClient(["embedded:"]) as client:
        client.post("t", ROWS)
        yield client


def rows(client, query):
    return [tuple(row.values()) for row in client.get("t", query).json()]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), {}),
        (Query().select("a", col("b")), {"select": ["a", "b"]}),
        (Query().where(col("a") > 1), {"where": [">", "a", 1]}),
        (Query().where(col("a") == "x"), {"where": ["==", "a", "'x'"]}),
        (Query().where(col("a") == col("b")), {"where": ["==", "a", "b"]}),
        (Query().where(col("a") == None), {"where": ["isnull", "a"]}),  # noqa: E711 - as people write
        (Query().where(~col("a").is_null()), {"where": ["!", ["isnull", "a"]]}),
        (Query().where(col("a")), {"where": ["&", "a"]}),
        (Query().where(~col("a")), {"where": ["!", "a"]}),
        (Query().where(col("a").like("x%")), {"where": ["like", "a", "'x%'"]}),
        (Query().where(col("a").ilike("x")), {"where": ["ilike", "a", "'x'"]}),
        (Query().where(col("a").any_bits(5)), {"where": ["any_bits", "a", 5]}),
        (Query().where(col("a").all_bits(5)), {"where": ["all_bits", "a", 5]}),
        (Query().where(col("a").is_in([1, 2])), {"where": ["in", "a", [1, 2]]}),
        (Query().where(col("a").is_in([])), {"where": ["in", "a", []]}),
        (
            Query().where(col("a").is_in([1, 1.5, "é", None, "e"])),
            {
                "where": [
                    "|",
                    ["in", "a", [1]],
                    ["in", "a", ["e"]],
                    ["==", "a", 1.5],
                    ["==", "a", "'é'"],
                    ["isnull", "a"],
                ]
            },
        ),
        (
            Query().where(col("a").is_in(Query().select("a").where(col("b") > 1))),
            {"where": ["in", "a", {"where": [">", "b", 1], "select": ["a"]}]},
        ),
        (
            Query().where((col("a") > 1) & (col("b") < 2)).where(col("c") | (col("d") == 3)),
            {"where": ["&", [">", "a", 1], ["<", "b", 2], ["|", "c", ["==", "d", 3]]]},
        ),
        (
            Query().where(col("a").between(1, 2)),
            {"where": ["&", [">=", "a", 1], ["<=", "a", 2]]},
        ),
        (Query().distinct(), {"distinct": []}),
        (Query().distinct("a").order_by("b", "-c"), {"distinct": ["a"], "order_by": ["b", "-c"]}),
        (Query().select("a").distinct(), {"distinct": ["a"], "select": ["a"]}),
        (Query().offset(0).limit(5), {"limit": 5}),
        (Query().offset(3), {"offset": 3}),
        (
            Query().select("a", ((col("b") + 1) * 2).as_("c"), fn("sqrt", "b").as_("d")),
            {"select": ["a", ["=", "c", ["*", ["+", "b", 1], 2]], ["=", "d", ["sqrt", "b"]]]},
        ),
        (Query().select(lit("x").as_("c")), {"select": [["=", "c", "'x'"]]}),
        (Query().select((-col("a")).as_("c")), {"select": [["=", "c", ["-", "a"]]]}),
        (
            Query().select(((col("a") > 1) & ~(col("b") == 2)).as_("c")),
            {"select": [["=", "c", ["and", [">", "a", 1], ["not", ["==", "b", 2]]]]]},
        ),
        (Query().select(count()), {"select": [["count"]]}),
        (
            Query().select("a", sum_("b"), max_("c")).group_by("a").order_by("-b"),
            {
                "group_by": ["a"],
                "select": ["a", ["sum", "b"], ["max", "c"]],
                "order_by": ["-b"],
            },
        ),
        (Query().from_(Query().select("a")), {"from": {"select": ["a"]}}),
    ],
)
def test_a_query_is_the_json_of_qcache(query, expected):
    assert query.to_dict() == expected
    assert json.loads(query.to_json()) == expected
    assert dict(query) == expected
    assert repr(query) == f"Query({json.dumps(expected)})"


def test_a_column_of_bools_is_a_filter_by_itself(client):
    client.post("bools", "n,good\n1,true\n2,false\n")
    good = Query().select("n").where(col("good"))
    assert client.get("bools", good).json() == [{"n": 1}]
    assert client.get("bools", Query().select("n").where(~col("good"))).json() == [{"n": 2}]
    among = Query().select("n").where(col("n").is_in(good))
    assert client.get("bools", among).json() == [{"n": 1}]
    assert client.sql("select n from bools where good").json() == [{"n": 1}]


def test_the_example_of_the_documentation(client):
    query = (
        Query()
        .select("country", sum_("people").as_("total"))
        .where((col("people") > 100_000) & col("country").is_in(["SE", "NO"]))
        .group_by("country")
        .order_by("-total")
        .limit(10)
    )
    assert rows(client, query) == [("SE", 350000.0), ("NO", 300000.0)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query().select(count().as_("n"), mean("people"), max_("people").as_("top")),
         [(6, 230001.0, 500000.0)]),
        (Query().select("country", count().as_("n"), max_(col("people") * 2).as_("m"))
         .group_by("country").order_by("country"),
         [("DK", 1, 1000000.0), ("NO", 2, 600000.0), ("SE", 3, 400000.0)]),
        (Query().select("city").where(col("people") / 1000 > 250).order_by("city"),
         [("d",), ("it's",)]),
        (Query().select((col("people") // 100_000).as_("h")).where(col("people") > 0).distinct()
         .order_by("-h"), [(5.0,), (3.0,), (2.0,), (1.0,), (0.0,)]),
        (Query().select("country", nunique("city"), count("city").as_("x")).group_by("country")
         .order_by("country"), [("DK", 1, 1), ("NO", 2, 2), ("SE", 3, 3)]),
        (Query().select(max_("people").as_("people"), min_("people").as_("least")),
         [(500000.0, 5.0)]),
        (Query().select("country", count("country").as_("n")).group_by("country")
         .order_by("-n").limit(1), [("SE", 3)]),
        (Query().select(col("country").as_("land"), first("city")).group_by("country")
         .order_by("land"), [("DK", "d"), ("NO", "it's"), ("SE", "a")]),
        (Query().select("tens", count().as_("n")).group_by((col("people") % 2).as_("tens"))
         .order_by("tens"), [(0.0, 4), (1.0, 1)]),
        (Query().from_(Query().select("country", sum_("people").as_("t")).group_by("country"))
         .where(col("t") > 350_000).select("country").order_by("country"), [("DK",), ("SE",)]),
        (Query().select("city").where(col("city") == "it's"), [("it's",)]),
        (Query().select("city").where(col("city").is_in(["é", "a"])).order_by("city"),
         [("a",), ("é",)]),
        (Query().select(count()).where(col("people") * 2 > 500_000), [(2,)]),
    ],
)  # fmt: skip
def test_what_takes_several_steps_is_answered(client, query, expected):
    assert rows(client, query) == expected


def test_parts_of_a_query_can_be_shared():
    base = Query().where(col("a") > 1)
    assert base.limit(1).to_dict() == {"where": [">", "a", 1], "limit": 1}
    assert base.where(col("b") > 2).to_dict() == {"where": ["&", [">", "a", 1], [">", "b", 2]]}
    assert base.to_dict() == {"where": [">", "a", 1]}
    assert base == {"where": [">", "a", 1]}
    assert len({base, Query().where(col("a") > 1)}) == 1


def test_a_comparison_without_parentheses_is_read_as_it_is_meant():
    meant = Query().where((col("a") > 1) & col("b").is_in([2]))
    assert Query().where(col("a") > 1 & col("b").is_in([2])) == meant
    assert Query().where(col("a") > 1 | col("b").is_in([2])) != meant


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: col("a") > 1 and col("b") > 2, "&, | and ~"),
        (lambda: 1 < col("a") < 5, "&, | and ~"),
        (lambda: not col("a"), "&, | and ~"),
        (lambda: (col("a") > 1) & col("b") > 2, "each comparison in parentheses"),
        (lambda: col("a") > 1 & col("b"), r"parentheses, as in \(col\('a'\) > 1\)"),
        (lambda: (col("a") > 1) & 5, "combines conditions"),
        (lambda: col("a") > None, "is_null"),
        (lambda: col("a") == object(), "numbers, bools and text, not object"),
        (lambda: col("a") > math.inf, "finite"),
        (lambda: col("a") == 2**64, "64 bits"),
        (lambda: "x" in col("a"), "is_in"),
        (lambda: col("a").is_in("abc"), "several values"),
        (lambda: col("a").is_in(5), "several values"),
        (lambda: col("a").is_in(Query().select("b")), "must have a column 'a'"),
        (lambda: col("a").like(5), "text"),
        (lambda: col("a").any_bits(1.5), "whole number"),
        (lambda: col(""), "empty"),
        (lambda: col(5), "must be text"),
        (lambda: col("a").as_("no name"), "letters, digits and _"),
        (lambda: col("a").as_("class"), "keyword"),
        (lambda: Query().select((col("a b") + 1).as_("c")).to_dict(), "cannot compute with"),
        (lambda: Query().where("a > 1"), r"col\('a'\) > 1"),
        (lambda: Query().where(), "at least one"),
        (lambda: Query().where(["==", "a", 1]), "conditions"),
        (lambda: Query().select(), "leave it out"),
        (lambda: Query().select(col("a") + 1), r"a name with \.as_"),
        (lambda: Query().select("a", "a"), "two columns are named 'a'"),
        (lambda: Query().select("a").order_by("b").to_dict(), "no column 'b'; it has a"),
        (lambda: Query().limit(0), "1 or more"),
        (lambda: Query().limit("5"), "number of rows"),
        (lambda: Query().offset(-1), "0 or more"),
        (lambda: Query().group_by("a").to_dict(), "aggregate such as count"),
        (lambda: Query().select("a").group_by("a").to_dict(), "distinct"),
        (lambda: Query().select("b", sum_("c")).group_by("a").to_dict(), "put it in group_by"),
        (lambda: Query().select("a", sum_("c")).to_dict(), "put it in group_by"),
        (lambda: Query().select(sum_("c")).distinct().to_dict(), "from_"),
        (lambda: Query().select(first("c")).to_dict(), "needs group_by"),
        (lambda: Query().where(col("a") + 1 > 2).to_dict(), "name the columns"),
        (lambda: Query().where(sum_("a") > 2), "not supported|col"),
        (lambda: Query().from_({"select": ["a"]}), "takes a Query"),
        (
            lambda: Query().from_(Query().select("a")).select("b").to_dict(),
            "no column 'b'; it has a",
        ),
        (lambda: Query().select(col("a").is_null().as_("b")).to_dict(), "can filter"),
        (lambda: fn("floor", "a"), "no function 'floor'; it has abs"),
        (lambda: lit(1) == 2, "compares two constants"),
    ],
)
def test_what_qcache_could_not_mean_is_refused_with_what_to_write(make, said):
    with pytest.raises((TypeError, ValueError), match=said):
        make()


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=5, unique=True))
def test_any_text_can_be_asked_for(wanted, others):
    texts = list(dict.fromkeys([wanted, *others]))
    with QClient(["embedded:"]) as client:
        client.post("t", [{"a": each} for each in texts], "application/json")
        for query in (Query().where(col("a") == wanted), Query().where(col("a").is_in([wanted]))):
            assert [row["a"] for row in client.get("t", query).json()] == [wanted]
