"""What is said where a package is missing: the one extra that brings it."""

import json
import re
import subprocess
import sys

import pytest

PACKAGES = [
    "_polars_runtime_32",
    "click",
    "cryptography",
    "h11",
    "lz4",
    "msgspec",
    "numpy",
    "opentelemetry",
    "pandas",
    "polars",
    "prometheus_client",
    "pyarrow",
    "quasardb",
    "rich",
    "trio",
    "uvicorn",
    "uvloop",
    "zstandard",
]
"""All that comes with extras."""

PROGRAM = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder

hidden, snippets = json.load(sys.stdin)

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]

def said_by(code):
    shown = io.StringIO()
    with contextlib.redirect_stderr(shown):
        try:
            exec(code, {})
        except Exception as error:
            return str(error)
        except SystemExit:
            return shown.getvalue()

print(json.dumps([said_by(code) for code in snippets]))
"""


def said(hidden, *snippets):
    """Return what programs say where packages are not installed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([hidden, snippets]),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def extras(text):
    return re.findall(r"storekit\[([^]]*)\]", text)


SERVE = "from storekit.qcache.__main__ import main; raise SystemExit(main(['serve']))"
QUASARDB = "from storekit.qdb import Client; Client('qdb://127.0.0.1:1', timeout=3).get('a')"
NAMED = "from storekit.codecs import CodecRegistry as R; R.default().get('{}')"
COMMAND = "from storekit.cli import main; raise SystemExit(main(['--help']))"
TABLE = "from storekit.cli.tabular import table_lines; next(table_lines([{'a': 1}], 80))"
BARE = [
    (COMMAND, "cli"),
    (SERVE, "serve"),
    ("from storekit.qcache.node import Node", "node"),
    ("from storekit.qcache.node import application", "node"),
    ("from storekit.qcache.node import EmbeddedTransport", "node"),
    ("from storekit.qcache import QClient; QClient(['embedded:'])", "embedded"),
    ("import storekit; storekit.connect('qcache+embedded:')", "embedded"),
    ("import storekit; storekit.StoreKit()", "embedded"),
    ("from storekit.qcache import QClient; QClient(['http://a'], compression='lz4')", "lz4"),
    ("from storekit.qcache import QClient; QClient(['http://a'], codec='polars')", "polars"),
    ("from storekit.qcache import QClient; QClient(['http://a'], codec='pandas')", "pandas"),
    ("from storekit.qcache import QClient; QClient(['http://a'], codec='arrow')", "arrow"),
    ("import storekit.observers.opentelemetry", "opentelemetry"),
    ("import storekit.observers.opentelemetry_metrics", "opentelemetry"),
    ("import storekit.observers.prometheus", "prometheus"),
    (QUASARDB, "quasardb"),
    (NAMED.format("json"), "msgspec"),
    (NAMED.format("msgpack"), "msgspec"),
    (NAMED.format("raw+zstd"), "zstd"),
    (NAMED.format("raw+lz4"), "lz4"),
    (NAMED.format("arrow"), "arrow"),
    (NAMED.format("polars"), "tables"),
    (NAMED.format("pandas"), "tables"),
    ("from storekit.codecs import Encrypted, Raw; Encrypted(Raw(), keys=b'k' * 32)", "crypto"),
]


def test_a_bare_installation_says_which_one_extra_is_needed():
    texts = said(PACKAGES, *(code for code, _ in BARE))
    named = [(code, *extras(text)) for (code, _), text in zip(BARE, texts, strict=True)]
    assert named == BARE


@pytest.mark.parametrize(
    ("code", "missing", "extra"),
    [
        (SERVE, "uvicorn", "serve"),
        (SERVE, "polars", "serve"),
        (SERVE, "click", "serve"),  # which uvicorn needs
        (TABLE, "rich", "cli"),
        (QUASARDB, "_cffi_backend", "quasardb"),
        (NAMED.format("polars"), "pyarrow", "arrow"),
        (NAMED.format("polars"), "polars", "polars"),
        (NAMED.format("pandas"), "pandas", "pandas"),
    ],
)
def test_where_only_some_are_missing_the_extra_is_the_one_of_those(code, missing, extra):
    [text] = said([missing], code)
    assert missing in text
    assert extras(text) == [extra]


def test_a_kit_of_defaults_says_that_it_can_do_without_a_node():
    by_default, asked_for = said(
        PACKAGES,
        "import storekit; storekit.StoreKit()",
        "import storekit; storekit.StoreKit(qcache='qcache+embedded:tables')",
    )
    assert "qcache=None" in by_default
    assert "qcache=None" not in asked_for
