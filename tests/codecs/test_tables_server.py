"""What a real QCache makes of the tables that the codecs encode."""

import datetime
import decimal

import pandas
import polars
import pyarrow
import pytest

from storekit.codecs.tables import TableRegistry
from storekit.qcache import QClient

LIBRARIES = {"polars": polars.DataFrame, "pandas": pandas.DataFrame, "arrow": pyarrow.table}
every = pytest.mark.parametrize("name", LIBRARIES)


@pytest.fixture
def store(qcache_node, fresh_key):
    """Store a table and return the answer to a query, both by the codec of this name."""
    with QClient([qcache_node.url]) as client:

        def store(name, table, query=None, accept=None):
            codec = TableRegistry.default().get(name)
            key, content = fresh_key(), codec.encode(table)
            headers = {"X-QCache-types": content.types} if content.types else {}
            client.post(key, content.content, content.content_type, headers)
            result = client.get(key, query or {}, accept=accept or codec.accept)
            return codec.decode(result.content, result.content_type)

        yield store


def as_rows(table):
    if isinstance(table, polars.DataFrame):
        return table.to_dicts()
    if isinstance(table, pyarrow.Table):
        return table.to_pylist()
    return table.astype(object).where(table.notna(), None).to_dict("records")


TEXTS = [
    "007", "5", " blanks ", "a,b", 'say "hi"', "two\nlines", "ünï", "NaN", "null", "1e5", "True",
    "a\rb", "c\r\nd",
]  # fmt: skip
COLUMNS = {
    "text": [*TEXTS, None],
    "int": [*range(len(TEXTS)), 2**63 - 1],
    "some_int": [1, None] * 7,
    "float": [1.5, None, -0.25, 1e300, 1e-7, 0.1, 0.0] * 2,
    "bool": [True, False] * 7,
    "some_bool": [True, None] * 7,
}


@every
def test_values_and_types_survive_the_store(store, name):
    rows = as_rows(store(name, LIBRARIES[name](COLUMNS)))
    for column, values in COLUMNS.items():
        came_back = [row[column] for row in rows]
        if column == "float":  # of which QCache shows ten decimals
            assert came_back == [None if v is None else pytest.approx(v, 1e-3) for v in values]
        else:
            assert came_back == values


@every
@pytest.mark.parametrize(
    "values", [["a", None, "b"], [1, None, 3], [True, None, False], [None, 1.5, None]]
)
def test_a_column_on_its_own_keeps_its_nulls(store, name, values):
    assert [row["a"] for row in as_rows(store(name, LIBRARIES[name]({"a": values})))] == values


@every
def test_empty_text_and_nan_become_null(store, name):
    rows = as_rows(store(name, LIBRARIES[name]({"t": ["", "x"], "f": [float("nan"), 1.0]})))
    assert rows == [{"t": None, "f": None}, {"t": "x", "f": 1.0}]


@every
def test_text_that_looks_like_a_number_is_compared_as_text(store, name):
    table = LIBRARIES[name]({"code": ["007", "7"], "n": [1, 2]})
    assert as_rows(store(name, table, {"where": ["==", "code", "'007'"]})) == [
        {"code": "007", "n": 1}
    ]


@every
def test_moments_sort_as_text_and_read_back(store, name):
    moments = [
        datetime.datetime(2020, 1, 1, hour, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
        for hour in (1, 3)
    ]
    table = LIBRARIES[name](
        {"at": [max(moments), min(moments)], "day": [datetime.date(2020, 1, 2)] * 2}
    )
    rows = as_rows(store(name, table, {"order_by": ["at"]}))
    assert [datetime.datetime.fromisoformat(row["at"]) for row in rows] == sorted(moments)
    assert rows[0]["day"] == "2020-01-02"


@every
def test_decimals_become_floats(store, name):
    table = LIBRARIES[name]({"price": [decimal.Decimal("1.50"), decimal.Decimal(2)]})
    assert as_rows(store(name, table, {"where": [">", "price", 1.6]})) == [{"price": 2.0}]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("polars", polars.DataFrame({"c": ["1", None, "1"]}, {"c": polars.Enum(["1", "2"])})),
        ("polars", polars.DataFrame({"c": ["1", None, "1"]}, {"c": polars.Categorical})),
        ("pandas", pandas.DataFrame({"c": pandas.Categorical(["1", None, "1"])})),
        ("arrow", pyarrow.table({"c": pyarrow.array(["1", None, "1"]).dictionary_encode()})),
    ],
)  # fmt: skip
def test_categories_are_text_that_can_be_compared(store, name, table):
    assert [row["c"] for row in as_rows(store(name, table))] == ["1", None, "1"]
    assert as_rows(store(name, table, {"where": ["==", "c", "'1'"]})) == [{"c": "1"}] * 2


@every
def test_an_empty_table_has_no_rows(store, name):
    table = LIBRARIES[name]({"a": [1], "t": ["x"]})[:0]
    assert as_rows(store(name, table)) == []
    columns = store(name, table, accept="text/csv")
    assert list(getattr(columns, "column_names", getattr(columns, "columns", None))) == ["a", "t"]


def test_rows_keep_empty_text_and_csv_is_left_alone(store):
    assert store("rows", [{"t": "", "n": None}]) == [{"n": None, "t": ""}]
    assert store("csv", "a,b\n1,x\n") == "a,b\n1,x\n"


BLANKS = ["x", " ", "\t", "", None, " \t ", "#", '"', "y"]


@pytest.mark.parametrize("as_category", [False, True])
@every
def test_texts_that_look_like_no_line_are_rows(store, name, as_category):
    table = LIBRARIES[name]({"note": BLANKS})
    if as_category:
        table = {
            "polars": lambda: table.cast(polars.Categorical),
            "pandas": lambda: table.astype("category"),
            "arrow": lambda: pyarrow.table({"note": table["note"].dictionary_encode()}),
        }[name]()
    rows = as_rows(store(name, table))
    assert [row["note"] for row in rows] == [value or None for value in BLANKS]


CATEGORIES = {
    "whole numbers": [1, 2, None, 1],
    "bools": [True, None, False, True],
    "floats": [1.5, None, 2.5, 1.5],
    "text": ["a", None, "b", "a"],
    "days": [datetime.date(2026, 1, 2), None, datetime.date(2026, 1, 3), None],
}


@pytest.mark.parametrize("kind", CATEGORIES)
@pytest.mark.parametrize("name", ["pandas", "arrow"])
@pytest.mark.parametrize("with_missing", [True, False])
def test_categories_are_stored_as_the_plain_column_would_be(store, name, kind, with_missing):
    values = [value for value in CATEGORIES[kind] if with_missing or value is not None]
    if name == "pandas":
        table = pandas.DataFrame({"b": range(len(values)), "c": pandas.Categorical(values)})
    else:
        column = pyarrow.array(values).dictionary_encode()
        table = pyarrow.table({"b": list(range(len(values))), "c": column})
    right = [v.isoformat() if isinstance(v, datetime.date) else v for v in values]
    assert [row["c"] for row in as_rows(store(name, table))] == right
