"""The query reference: its examples are answered as shown, and it leaves nothing out."""

import ast
import dataclasses
import inspect
import json
import re

import pytest

import storekit.qcache.query as in_python
from storekit.options import RetryPolicy
from storekit.qcache import QClient, QClientException, UnexpectedServerResponse
from storekit.qcache.node import Node
from storekit.qcache.node.budget import Limits
from storekit.qcache.node.query import aggregates, arithmetic, where
from storekit.qcache.node.query.parse import MOST_NESTED
from storekit.qcache.node.query.run import CLAUSES
from storekit.qcache.node.reading.limits import MAX_COLUMNS, MAX_DEPTH
from storekit.qcache.sql import values
from storekit.qcache.sql.select import AGGREGATES
from storekit.qcache.wire import MAX_GET_QUERY
from tools.pages import ROOT, Page, groups, is_expression

FOLDER = ROOT / "docs" / "queries"
PAGES = [Page(path) for path in sorted(FOLDER.glob("*.md"))]
NAMES = {name: getattr(in_python, name) for name in in_python.__all__}


def examples():
    """Yield each form of each example, with the rows that the page shows."""
    for page in PAGES:
        for group in groups(page):
            forms = []
            for block in group:
                if block.language in ("json", "sql") or is_expression(block):
                    forms.append(block)
                elif block.language == "text":
                    for form in forms:
                        name = f"{page.path.stem}:{form.line}-{form.language}"
                        yield pytest.param(form, block.text, id=name)
                    forms = []
            assert forms == [], f"{page.name}:{forms[0].line} has no rows behind it"


EXAMPLES = list(examples())


def ask(client, form):
    if form.language == "sql":
        result = client.sql(form.text)
    elif form.language == "json":
        result = client.get("cities", json.loads(form.text))
    else:
        result = client.get("cities", eval(form.text, dict(NAMES)))
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in result.json())


def post_cities(client):
    (block,) = (each for each in Page(FOLDER / "index.md").blocks() if "CITIES =" in each.text)
    (text,) = (
        node.value.value
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    )
    client.post("cities", text)


@pytest.fixture(scope="module")
def client():
    with QClient(["embedded:"]) as client:
        post_cities(client)
        yield client


@pytest.mark.parametrize(("form", "shown"), EXAMPLES)
def test_an_example_gives_the_rows_that_are_shown(form, shown, client):
    assert ask(client, form) == shown


@pytest.fixture(scope="module")
def reference(qcache_node):
    with QClient([qcache_node.url], retry=RetryPolicy(attempts=1)) as client:
        post_cities(client)
        yield client


@pytest.mark.parametrize(("form", "shown"), EXAMPLES)
def test_qcache_itself_gives_them_too(form, shown, reference):
    assert ask(reference, form) == shown


def test_there_are_mistakes_to_make():
    assert len(REFUSALS) >= 15


def test_examples_are_in_all_three_languages():
    for language in ("json", "python", "sql"):
        assert sum(each.values[0].language == language for each in EXAMPLES) >= 35


# What is refused


def refusals():
    """Yield the queries of the table of mistakes, with the status of our node and of QCache."""
    row = re.compile(r"^\| `(\{.*?\})` \| .* \| (\d+) \| \**(\d+)\** \|$", re.MULTILINE)
    for query, ours, theirs in row.findall((FOLDER / "limits.md").read_text()):
        yield pytest.param(json.loads(query), int(ours), int(theirs), id=query)


REFUSALS = list(refusals())


def status_of(client, query):
    client.post("mistakes", "a,s,kind\n1,x,red\n2,y,blue\n", types={"kind": "enum"})
    with pytest.raises(QClientException) as caught:
        client.get("mistakes", query)
    return caught.value.status


@pytest.mark.parametrize(("query", "ours", "theirs"), REFUSALS)
def test_a_mistake_has_the_status_that_is_shown(query, ours, theirs, client):
    assert status_of(client, query) == ours


@pytest.mark.parametrize(("query", "ours", "theirs"), REFUSALS)
def test_qcache_itself_answers_as_shown(query, ours, theirs, reference):
    assert status_of(reference, query) == theirs


@pytest.mark.parametrize(
    ("content", "kind"), [('a\n"x\n', "text/csv"), ("[1]", "application/json")]
)
def test_content_that_is_no_table_leaves_the_old_one_in_our_node_alone(
    content, kind, client, reference
):
    left = []
    for each in (client, reference):
        each.post("kept", "a\n1\n")
        with pytest.raises(UnexpectedServerResponse):
            each.post("kept", content.encode(), kind)
        left.append(each.get("kept", {}) is not None)
    assert left == [True, False]


def limit_of(what):
    """Return the number in the row of a limit of our node."""
    text = (FOLDER / "limits.md").read_text()
    (cell,) = re.findall(rf"^\| {what} \| ([^|]*) \|", text, re.MULTILINE)
    return int(re.search(r"\d[\d ]*", cell)[0].replace(" ", ""))


def test_the_limits_are_those_of_the_node():
    budget = {each.name: each.default for each in dataclasses.fields(Limits)}
    assert limit_of("conditions, sub-queries included") == budget["conditions"]
    assert limit_of("operators and functions of computed columns") == budget["operations"]
    assert limit_of("depth of `from`, lists and expressions") == MOST_NESTED
    assert limit_of("columns") == MAX_COLUMNS
    assert limit_of("depth of JSON") == MAX_DEPTH
    text = (FOLDER / "limits.md").read_text()
    assert f"up to {MAX_GET_QUERY} bytes go this way" in text
    seconds = inspect.signature(Node).parameters["query_timeout"].default
    assert f"`--query-timeout`, {seconds} seconds" in text


# That nothing is left out


def texts(*languages):
    return [
        form.text for form, _ in (each.values for each in EXAMPLES) if form.language in languages
    ]


def lists(part):
    """Yield all lists of a query, and its objects as their clauses."""
    if isinstance(part, dict):
        yield [*part]
        for each in part.values():
            yield from lists(each)
    elif isinstance(part, list):
        yield part
        for each in part:
            yield from lists(each)


def asked():
    """Return all that stands first in a list of a JSON example, and all clauses."""
    queries = [json.loads(text) for text in texts("json")]
    found = [each for query in queries for each in lists(query) if each]
    firsts = {each[0] for each in found if isinstance(each[0], str)}
    return firsts | {clause for query in queries for each in lists(query) for clause in each
                     if isinstance(clause, str)}  # fmt: skip


def test_every_clause_and_every_operator_of_a_filter_has_an_example_in_json():
    assert CLAUSES - asked() == set()
    assert {*where.OPERATORS} - asked() == set()


def test_every_operator_of_a_computed_column_is_named():
    text = (FOLDER / "select.md").read_text()
    missing = {name for name, _ in arithmetic.OPERATORS if f"`{name}`" not in text}
    assert missing == set()


def test_every_aggregate_is_named():
    text = (FOLDER / "groups.md").read_text()
    names = {*aggregates.TABLE_FUNCTIONS, *aggregates.GROUP_FUNCTIONS}
    assert {name for name in names if f'`"{name}"`' not in text} == set()


def test_every_name_of_the_module_is_on_the_page_of_names_and_no_other():
    text = (FOLDER / "python.md").read_text()
    rows = re.findall(r"^\| `(\w+)", text, re.MULTILINE)
    assert sorted(rows) == sorted(in_python.__all__)


@pytest.mark.parametrize("kind", ["Query", "Column", "Expression"])
def test_every_method_is_on_the_page_of_names(kind):
    text = (FOLDER / "python.md").read_text()
    methods = [name for name in vars(getattr(in_python, kind)) if not name.startswith("_")]
    inner = {"columns", "to_select", "name"}  # for those who make expressions of their own
    assert [name for name in methods if f"`.{name}(" not in text and f"`.{name}`" not in text
            and name not in inner] == []  # fmt: skip


def test_everything_that_sql_has_is_named():
    text = (FOLDER / "sql.md").read_text()
    names = [kind.sql_name() if hasattr(kind, "sql_name") else kind.__name__.upper()
             for kind in (*AGGREGATES, *values.FUNCTIONS)]  # fmt: skip
    assert [name for name in names if f"`{name}`" not in text] == []
