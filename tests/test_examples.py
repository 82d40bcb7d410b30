"""Every example runs as a program, and says what it is to say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SAID = {
    "web": "SE ['Uppsala', 'Lund']\nNO ['Bergen']\n",
    "on_trio": "[('Bergen', 271949), ('Lund', 94393), ('Uppsala', 177074)]\n",
    "script": "{'name': 'Uppsala', 'people': 177074}\ntaken: lease\n['city', 'lease']\n",
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
    "read_through": (
        "[{'item': 'nail', 'n': 580}, {'item': 'saw', 'n': 1}]\n[{'item': 'nail', 'n': 580}]\n"
    ),
}


def test_every_example_is_here():
    there = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert there == {*SAID, "quickstart"}  # which has a test of its own


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
