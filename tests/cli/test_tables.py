"""`query` and `post`: tables of QCache."""

import csv
import io
import json
import uuid
from contextlib import contextmanager

import pytest

from storekit.cli import exits
from storekit.qcache import QClient

CITIES = b"city,people\nUppsala,177074\nLund,94393\nVisby,24330\n"


@pytest.fixture
def node(monkeypatch):
    """The name of a node in this process, which the environment names."""
    name = uuid.uuid4().hex
    monkeypatch.setenv("STOREKIT_QCACHE", f"qcache+embedded:{name}")
    with QClient([f"embedded:{name}"]) as client:
        yield client


@pytest.fixture
def cities(node, run):
    assert run("post", "cities", "-", stdin=CITIES).code == 0
    return node


def test_csv_is_posted_from_a_file_and_from_a_pipe(run, node, tmp_path):
    (tmp_path / "a.csv").write_bytes(CITIES)
    done = run("post", "a", tmp_path / "a.csv")
    assert (done.code, done.text) == (0, "a: 50 B posted\n")
    assert run("post", "b", "-", "--json", stdin=CITIES).json == {"key": "b", "size": 50}
    for key in ("a", "b"):
        assert node.get(key, {"where": ["<", "people", 30000]}).json() == [
            {"city": "Visby", "people": 24330}
        ]


@pytest.mark.parametrize("form", ["json", "jsonl", "parquet"])
def test_other_formats_are_known_by_themselves(run, node, tmp_path, form):
    import polars

    frame = polars.DataFrame({"n": [1, 2], "text": ["x", "y"]})
    path = tmp_path / f"a.{form}"
    if form == "json":
        frame.write_json(path)
    elif form == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_parquet(path)
    assert run("post", "a", path).code == 0
    assert run("post", "b", "-", stdin=path.read_bytes()).code == 0
    for key in ("a", "b"):
        assert node.get(key, {}).json() == [{"n": 1, "text": "x"}, {"n": 2, "text": "y"}]


def test_columns_have_the_types_that_are_named(run, node):
    run("post", "a", "-", "--type", "zip=string", stdin=b"zip\n00123\n")
    assert node.get("a", {}).json() == [{"zip": "00123"}]
    assert run("post", "a", "-", "--type", "zip", stdin=b"zip\n1\n").code == 2


def test_a_query_is_json_or_sql(run, cities):
    q = json.dumps({"select": ["city"], "where": [">", "people", 50000]})
    expected = b"city\nUppsala\nLund\n"
    assert run("query", "cities", q).out == expected
    assert run("query", "cities", "-", stdin=q.encode()).out == expected
    sql = "select city from cities where people > 50000"
    assert run("query", "cities", "--sql", sql).out == expected
    assert run("query", "--sql", sql).out == expected


def test_answers_have_formats(run, cities):
    pytest.importorskip("pyarrow")
    import polars

    rows = list(csv.DictReader(io.StringIO(CITIES.decode())))
    rows = [{"city": row["city"], "people": int(row["people"])} for row in rows]
    assert run("query", "cities").out == CITIES
    assert run("query", "cities", "--format", "csv").out == CITIES
    assert run("query", "cities", "--format", "json").json == rows
    assert run("query", "cities", "--json").json == rows
    parquet = run("query", "cities", "--format", "parquet").out
    assert polars.read_parquet(io.BytesIO(parquet)).to_dicts() == rows
    assert run("query", "cities", "--format", "table").lines == [
        "city     people",
        "───────────────",
        "Uppsala  177074",
        "Lund      94393",
        "Visby     24330",
    ]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_an_answer_is_written_to_a_file_of_its_kind(run, cities, tmp_path, suffix):
    import polars

    path = tmp_path / f"out.{suffix}"
    assert run("query", "cities", "--output", path).out == b""
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    frame = {"csv": polars.read_csv, "json": polars.read_json, "parquet": polars.read_parquet}
    assert frame[suffix](path).rows()[2] == ("Visby", 24330)


def test_a_failure_leaves_the_file_that_was_there(run, cities, tmp_path):
    (tmp_path / "out.csv").write_text("before")
    assert run("query", "nope", "--output", tmp_path / "out.csv").code == 1
    assert (tmp_path / "out.csv").read_text() == "before"


def test_rows_are_limited(run, cities):
    assert run("query", "cities", "--limit", "1").out == b"city,people\nUppsala,177074\n"
    q = json.dumps({"limit": 2})
    assert run("query", "cities", q, "--limit", "5").out.count(b"\n") == 3


def test_a_table_for_people_says_that_there_is_more(run, node):
    content = b"n\n" + b"".join(b"%d\n" % number for number in range(1234))
    run("post", "many", "-", stdin=content)
    shown = run("query", "many", "--format", "table")
    assert len(shown.lines) == 1002
    assert "1,000 of 1,234 rows" in shown.err
    assert len(run("query", "many").lines) == 1235
    limited = run("query", "many", "--format", "table", "--limit", "5")
    assert (len(limited.lines), limited.err) == (7, "")


def test_a_table_fits_into_the_width_there_is(run, node, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    names = [f"column{number}" for number in range(40)]
    rows = [dict.fromkeys(names, "x" * 500), dict.fromkeys(names, "\x1b[2J\u202e中文")]
    run("post", "wide", "-", stdin=json.dumps(rows).encode())
    done = run("query", "wide", "--format", "table")
    from rich.cells import cell_len

    assert max(cell_len(line) for line in done.lines) <= 60
    assert done.lines[0].endswith("+35 more")
    assert "\x1b" not in done.text
    assert "\u202e" not in done.text


def test_a_table_that_is_not_there_is_code_1(run, cities):
    done = run("query", "nope")
    assert (done.code, done.err) == (1, "storekit: error: there is no table 'nope'\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["cities", "{"],
        ["cities", "[]"],
        ["cities", '{"where": ["~", "people", 1]}'],
        ["cities", "{}", "--sql", "select city from cities"],
        ["other", "--sql", "select city from cities"],
        ["--sql", "delete from cities"],
        ["--sql", "select city from cities join b using (city)"],
        [],
    ],
)
def test_a_query_that_is_none_is_code_2(run, cities, arguments):
    done = run("query", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)


def test_a_table_that_is_none_is_refused(run, node):
    done = run("post", "a", "-", stdin=b'[{"a": 1}, 2]')
    assert done.code == exits.DAMAGED
    assert run("post", "a/b", "-", stdin=CITIES).code == 2
    assert run("post", "a", "/does/not/exist.csv").code == exits.LOCAL


def test_a_store_of_the_other_kind_is_refused(run, node, store):
    assert "QCache" in run("query", "a", "--store", store).err
    assert "QuasarDB" in run("get", "a", "--store", "qcache://localhost:1").err


def test_ctrl_c_at_a_post_says_what_may_be_gone(run, cities, monkeypatch):
    @contextmanager
    def bar(*_):
        def report(*_):
            raise KeyboardInterrupt

        yield report

    monkeypatch.setattr("storekit.cli.tables.progress_bar", bar)
    done = run("post", "cities", "-", stdin=CITIES)
    assert (done.code, done.err.count("\n")) == (130, 1)
    assert "post it again" in done.err


def test_qcache_itself_is_asked_and_posted_to(run, qcache_node):
    url = qcache_node.url.replace("http://", "qcache://")
    assert run("post", "cities", "-", "--store", url, stdin=CITIES).code == 0
    assert run("query", "cities", "--store", url, "--json").json[1]["city"] == "Lund"
    found = run("status", "--store", url, "--json").json
    assert (found["ok"], found["figures"]) == (True, {})
    with QClient([qcache_node.url]) as client:
        [report] = client.statistics().values()
    assert report.statistics["hit_count"] >= 1, "status left the counters as they were"
