"""That the benchmarks run and report what they are there for; the figures are their own matter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness import Comparison, Row
from benchmarks.report import comparison_table, machine, machine_line, replace_block

ROOT = Path(__file__).resolve().parent.parent


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
    assert not (tmp_path / "qcache.png").exists()


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


def test_the_block_between_the_markers_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# Title\n<!-- benchmark:begin -->\nold\n<!-- benchmark:end -->\nrest\n")
    for _ in range(2):
        replace_block(path, "new")
        assert path.read_text() == (
            "# Title\n<!-- benchmark:begin -->\n\nnew\n\n<!-- benchmark:end -->\nrest\n"
        )


def test_a_file_without_markers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("<!-- benchmark:end -->")
    with pytest.raises(ValueError, match="markers"):
        replace_block(path, "new")
    assert path.read_text() == "<!-- benchmark:end -->"
