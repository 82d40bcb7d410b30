"""What importing storekit costs and shows."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

MODULES = [
    "storekit",
    "storekit.codecs",
    "storekit.codecs.tables",
    "storekit.core",
    "storekit.qcache",
    "storekit.qdb",
]


def _run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_the_sync_client_loads_no_event_loop_library():
    code = (
        "import sys; from storekit.qcache import QClient; QClient(['http://localhost:9401']);"
        "print(sorted({'anyio', 'trio', 'asyncio'} & set(sys.modules)))"
    )
    assert _run(code) == "[]\n"


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_package_loads_no_client_and_nothing_heavy(module):
    code = (
        f"import sys, {module};"
        "heavy = {'anyio', 'trio', 'lz4', 'polars', 'pandas', 'cffi', 'uvloop', 'sqlite3',"
        "'msgspec', 'cryptography', 'pyarrow', 'numpy'};"  # zstandard: httpx loads it if it can
        "clients = {'storekit.qcache._async.client', 'storekit.qcache._sync.client'};"
        "print(sorted((heavy | clients) & set(sys.modules)))"
    )
    assert _run(code) == "[]\n"


@pytest.mark.parametrize("module", MODULES)
def test_all_that_is_promised_is_there(module):
    code = (
        f"import {module} as m;"
        "print([name for name in m.__all__ if getattr(m, name, None) is None])"
    )
    assert _run(code) == "[]\n"


def test_no_link_of_the_readme_leads_nowhere_on_pypi():
    """What is beside the README in a checkout is not there."""
    root = Path(__file__).parents[1]
    tools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    rules = tools["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    text = (root / "README.md").read_text()
    for rule in rules:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    assert "The tutorial goes on from here" in text
    assert re.findall(r"\]\((?!https?:)[^)]*\)|<picture>|<img", text) == []


def test_an_unknown_name_is_an_attribute_error():
    import storekit.qcache

    with pytest.raises(AttributeError, match="no attribute 'QKlient'"):
        storekit.qcache.QKlient  # noqa: B018
