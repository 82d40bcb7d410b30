"""Every example runs as a program, and says what it is to say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SAID = {
    "web": (
        "{'error': 'log in first'}\n"
        "{'for': 'ada', 'cities': ['Uppsala', 'Lund']}\n{'for': 'ada', 'cities': ['Bergen']}\n"
    ),
    "on_trio": "[('Bergen', 271949), ('Lund', 94393), ('Uppsala', 177074)]\n",
    "script": "{'name': 'Uppsala', 'people': 177074}\ntaken: lease\n['city', 'lease']\n",
    "worker": "done: mail\ndone: invoice\ndone: the last\nclosed\n",
    "values": (
        "Uppsala 177074\n"
        'b\'{"name":"Uppsala","people":177074}\'\n'
        "['Uppsala', 'Lund']\n"
        "json odd\n"
    ),
    "documents": (
        "1000000 of 5000000 bytes\n2000000 of 5000000 bytes\n3000000 of 5000000 bytes\n"
        "4000000 of 5000000 bytes\n5000000 of 5000000 bytes\n"
        "5 slices\nthe same: True\n"
    ),
    "everyday": (
        "not there True\n"
        "{'city/lund': 'LUND', 'city/kiruna': 'KIRUNA'}\n"
        "['city/kiruna', 'city/lund', 'city/uppsala']\n"
        "<ManyResult: 1 done, 1 failed: 'city/oslo'>\n"
        "loaded\nhello\nhello\n"
        "['city/uppsala']\n"
        "[('reports/may', 3000000)]\n"
    ),
    "lock": ("balance: 10\nthe lock 'report' (token 1) was lost\nreport: by the next holder\n"),
    "memo": "10600000 5600000 ['SE', 'NO']\n10600000 ['SE', 'NO', 'SE']\n",
    "rate_limit": "[True, True, True, False, False]\n[True, True]\n",
    "counter": "True 100 60\n",
    "queries": (
        2
        * "[{'country': 'NO', 'total': 271949}, {'country': 'SE', 'total': 271467}]\n"
        + '{"from":{"where":["&",[">","people",50000],["in","country",["SE","NO"]]],'
        '"group_by":["country"],"select":["country",["sum","people"]]},'
        '"select":["country",["=","total","people"]],"order_by":["-total"]}\n'
    ),
    "export": "".join(f"out.{kind} 40000 True\n" for kind in ("csv", "jsonl", "parquet", "arrow")),
    "sessions": "ada None\n",
    "read_through": (
        "[{'item': 'nail', 'n': 580}, {'item': 'saw', 'n': 1}]\n[{'item': 'nail', 'n': 580}]\n"
    ),
}


def test_every_example_is_here():
    there = {path.stem for path in (ROOT / "examples").glob("[!_]*.py")}
    assert there == {*SAID, "quickstart", "test_sessions"}  # which have tests of their own


@pytest.mark.parametrize("name", [*SAID, "quickstart", "test_sessions"])
def test_an_example_begins_with_how_to_run_it_and_a_page_leads_to_it(name):
    begins = (ROOT / "examples" / f"{name}.py").read_text().split('"""')[1]
    command = f"pytest examples/{name}.py" if name.startswith("test_") else f"examples.{name}"
    assert f"python -m {command}" in begins
    pages = (ROOT / "docs").rglob("*.md")
    assert any(f"examples/{name}.py)" in page.read_text() for page in pages)


@pytest.mark.parametrize("name", SAID)
def test_example_runs(name):
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"examples.{name}"],
        cwd=ROOT,
        env={name: each for name, each in os.environ.items() if not name.startswith("STOREKIT_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == (SAID[name], "", 0)


def test_tests_of_an_example_run_by_themselves():
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "examples/test_sessions.py",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "3 passed" in ran.stdout
