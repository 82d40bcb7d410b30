"""That the benchmarks run and report what they are there for; the figures are their own matter."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import node_table
from benchmarks.harness import Comparison, Row
from benchmarks.report import comparison_table, machine, machine_line, replace_block
from storekit.qcache.node.budget import Budget, Limits
from storekit.qcache.node.reading import read_csv

ROOT = Path(__file__).resolve().parents[2]


def test_quick_run_yields_all_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.qcache", "--quick", "--output", str(tmp_path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

    data = json.loads((tmp_path / "qcache.json").read_text())
    queries = data["queries"]["microseconds_a_call"]
    for name in (
        "QClient, 1 thread",
        "qcache-client, 1 thread",
        "AsyncQClient, 32 tasks, asyncio",
        "AsyncQClient, 32 tasks, trio",
        "qcache-client, 32 threads",
        "httpx.AsyncClient, 32 tasks, asyncio",
    ):
        assert all(figure > 0 for figure in queries[name])
        assert f"| {name} |" in done.stdout

    targets = {row["name"]: row["target"] for row in data["queries"]["ratios"]}
    for name, target in {
        "QClient, 1 thread vs qcache-client, 1 thread": 3,
        "AsyncQClient, 32 tasks, asyncio vs qcache-client, 32 threads": 4,
        "AsyncQClient, 32 tasks, trio vs qcache-client, 32 threads": 4,
        "QClient, 1 thread vs httpx.AsyncClient, 32 tasks, asyncio": 10,
        "AsyncQClient, 32 tasks, asyncio vs httpx.AsyncClient, 32 tasks, asyncio": 10,
        "AsyncQClient, 32 tasks, trio vs httpx.AsyncClient, 32 tasks, asyncio": 10,
        "peak memory over a body of 50 MB, AsyncQClient, asyncio": 1.2,
        "peak memory over a body of 50 MB, AsyncQClient, trio": 1.2,
        "peak memory over a body of 50 MB, QClient": 1.2,
        "peak memory over a body of 50 MB, qcache-client": None,
    }.items():
        assert targets[name] == target
        assert f"| {name} |" in done.stdout

    assert any(name.startswith("stream, ours") for name in data["layers"]["microseconds_a_call"])
    assert machine_line(machine()) in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler for the stub")
@pytest.mark.skipif(
    importlib.util.find_spec("quasardb") is None or importlib.util.find_spec("diskcache") is None,
    reason="the packages to compare with are not installed",
)
def test_quick_run_over_the_c_library_yields_all_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.qdb", "--quick", "--output", str(tmp_path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr

    data = json.loads((tmp_path / "qdb.json").read_text())
    expected = {
        "tasks": {
            "no wait, 1 task": 1,
            "no wait, 8 tasks": 4,
            "no wait, 64 tasks": 8,
            "no wait, 512 tasks": 10,
            "100 µs, 64 tasks": 8,
            "100 µs, 512 tasks": 15,
            "1000 µs, 64 tasks": 4,
            "1000 µs, 512 tasks": 15,
        },
        "writes": {
            **{
                f"{operation}, no wait, 8 tasks, {loop}": target
                for loop in ("asyncio", "trio")
                for operation, target in (
                    ("update", 4),
                    ("put, remove", 4),
                    ("compare_and_swap", 4),
                    ("int_add", 4),
                    ("update, get_remove", 1),
                    ("expires_at", 1),
                    ("has_tag", 1),
                    ("1 update to 4 gets vs gets alone", 0.8),
                )
            },
            "has_tag, 1000 µs, 8 tasks, asyncio": 1,
        },
        "groups": {
            "async get, in memory, 1 task, asyncio, µs more than sync get, in memory": 15,
            "async update, in memory, 1 task, trio, µs more than sync update, in memory": 15,
            "sync update, durable, 16 threads vs sync update, durable": 3,
        },
        "calls": {
            "RawClient.get, 100 bytes, µs more than bare call, 100 bytes": 3,
            "RawClient.get, 100 bytes, times as long as quasardb, 100 bytes": 1.5,
            "RawClient.get, 1 MB, times as long as bare call without a copy, 1 MB": 1.5,
            "RawClient.get_view, 1 MB, times as long as bare call without a copy, 1 MB": 1.5,
        },
        "embedded": {
            "embedded, get vs diskcache, get": 1,
            "embedded, put vs diskcache, set": 1.8,
            "embedded, prefix_get vs diskcache, its keys": 10,
        },
    }
    expected["tasks"] = {
        f"{case}, {loop}": target
        for case, target in expected["tasks"].items()
        for loop in ("asyncio", "trio")
    }
    for section, targets in expected.items():
        found = {row["name"]: row["target"] for row in data[section]["ratios"]}
        for name, target in targets.items():
            assert found[name] == target
            assert f"| {name} |" in done.stdout
        for rounds in data[section]["microseconds_a_call"].values():
            assert all(figure > 0 for figure in rounds)


def test_quick_run_of_the_codecs_yields_all_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.codecs", "--quick", "--output", str(tmp_path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "codecs.json").read_text())["codecs"]
    assert all(figure > 0 for row in data["microseconds_a_call"].values() for figure in row)
    found = {row["name"]: row["target"] for row in data["ratios"]}
    for codec in ("json", "msgpack", "pickle"):
        for method in ("put", "get"):
            name = f"Client.{method}, {codec}, µs more than session and library, {method}, {codec}"
            assert found[name] == 2
            assert f"| {name} |" in done.stdout


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler for the stub")
def test_quick_run_of_what_is_done_every_day_yields_all_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.everyday", "--quick", "--output", str(tmp_path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "everyday.json").read_text())["everyday"]
    assert all(figure > 0 for row in data["microseconds_a_call"].values() for figure in row)
    targets = {row["name"]: row["target"] for row in data["ratios"]}
    for name, target in {
        "SQL to JSON, µs": 1000,
        "the same text again, µs": 5,
        "Query to JSON, µs": 20,
        "get_many of 1,000 vs 1,000 gets, sync": 5,
    }.items():
        assert targets[name] == target
        assert f"| {name} |" in done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_quick_run_of_the_documents_yields_all_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.documents", "--quick", "--output", str(tmp_path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "documents.json").read_text())
    for way in ("upload", "download"):
        for world in ("sync", "asyncio", "trio"):
            assert all(figure > 0 for figure in data["seconds"][f"{way}, {world}"])
            assert all(0 < figure < 64 for figure in data["mebibytes"][f"{way}, {world}"])
            assert f"| {way}, {world}, times as long as copy and fsync |" in done.stdout


@pytest.mark.usefixtures("qcache_executable")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_quick_run_against_the_real_server_yields_all_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.node", "--quick", "--output", str(tmp_path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr

    data = json.loads((tmp_path / "node.json").read_text())
    expected = {
        "large": {
            "ingest": 5,
            "filter": 4,
            "group-by sum": 4,
            "distinct": 4,
            "in with a sub-query": 4,
            "order-by with limit": 10,
            "like": 10,
            "100 000 rows as JSON": 1.8,
            "100 000 rows as CSV": 8,
        },
        "memory": {"memory of the stored table, share of QCache's": 0.5},
        "small": {
            "requests a second, 20 rows, these in turn": 3,
            "requests a second, 20 rows, these in turn, without uvloop": 3,
        },
    }
    for section, targets in expected.items():
        found = {row["name"]: row for row in data[section]["ratios"]}
        for name, target in targets.items():
            assert found[name]["target"] == target
            assert found[name]["at_most"] == (section == "memory")
            assert f"| {name} |" in done.stdout
    for figures in data["memory"]["megabytes"].values():
        assert all(figure > 0 for figure in figures)
    for section in ("large", "small"):
        for rounds in data[section]["microseconds_a_call"].values():
            assert all(figure > 0 for figure in rounds)


def test_the_tables_of_the_node_benchmark_are_the_same_every_time() -> None:
    content = node_table.large_table(1000)
    assert content == node_table.large_table(1000)
    assert node_table.large_table(2000).startswith(content)
    frame = read_csv(content, {}, Budget(Limits.of_upload(1_000_000)))
    assert [str(dtype) for dtype in frame.dtypes] == [
        *("Int64", "Int64", "Int64", "Float64", "Float64", "Float64", "Boolean"),
        *("String", "String", "String"),
    ]
    assert frame.select(["score", "product"]).null_count().row(0) > (0, 0)


@pytest.mark.parametrize(
    ("figures", "target", "at_most", "verdict"),
    [
        ([2.0, 3.5, 4.0], 3.0, False, "ok"),
        ([2.0, 2.9, 40.0], 3.0, False, "MISSED"),
        ([1.0, 1.1, 9.0], 1.2, True, "ok"),
        ([1.0, 1.3, 1.4], 1.2, True, "MISSED"),
        ([1.0, 1.3, 1.4], None, False, ""),
    ],
)
def test_the_median_meets_a_target_or_misses_it(figures, target, at_most, verdict) -> None:
    comparison = Comparison("ours vs theirs", figures, target, at_most)
    assert comparison.missed == (verdict == "MISSED")
    assert comparison_table([comparison]).endswith(f" {verdict} |")


def test_a_comparison_is_made_round_by_round() -> None:
    # The second round was twice as slow for both.
    rows = {"ours": Row("ours", [10, 20, 10]), "theirs": Row("theirs", [30, 60, 40])}
    assert Comparison.times_faster(rows, "ours", "theirs").figures == [3, 3, 4]


def test_what_takes_longer_is_compared_round_by_round_too() -> None:
    rows = {"ours": Row("ours", [5, 12, 7]), "theirs": Row("theirs", [2, 4, 4])}
    longer = Comparison.times_as_long(rows, "ours", "theirs", 2)
    assert (longer.figures, longer.missed) == ([2.5, 3, 1.75], True)
    more = Comparison.microseconds_more(rows, "ours", "theirs", 3)
    assert (more.figures, more.missed) == ([3, 8, 3], False)


def test_the_block_between_the_markers_of_a_name_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    text = "# Title\n<!-- a:begin -->\n{}\n<!-- a:end -->\n<!-- b:begin -->\n<!-- b:end -->\nrest\n"
    path.write_text(text.format("old"))
    for _ in range(2):
        replace_block(path, "new", "a")
        assert path.read_text() == text.format("\nnew\n")


def test_a_file_without_markers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("<!-- benchmark:end -->")
    with pytest.raises(ValueError, match="markers"):
        replace_block(path, "new")
    assert path.read_text() == "<!-- benchmark:end -->"
