"""The tables of the migration pages: each name of the old clients, and each of ours, is there."""

import importlib
import inspect
import json
import re

import pytest

import storekit
from storekit import qcache, qdb
from storekit.qdb import SessionOptions
from tools.pages import ROOT

FOLDER = ROOT / "docs" / "migration"
DOCUMENTED = json.loads((ROOT / "tests" / "data" / "documented-names.json").read_text())


def rows(page):
    """Return the first two cells of each row of each table of a page."""
    found = []
    for line in (FOLDER / page).read_text().splitlines():
        if line.startswith("| `"):
            old, new, _ = line.removeprefix("| ").split(" | ", 2)
            found.append((re.findall(r"`([^`]+)`", old), re.findall(r"`([^`]+)`", new)))
    assert len(found) > 10
    return found


def name_of(text):
    return re.split(r"[(=]", text)[0]


def is_there(name, *places):
    """Whether a name, perhaps with a dot in it, is in one of some modules and classes."""
    for place in places:
        found = place
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return True
    return False


@pytest.mark.parametrize(
    ("page", "places"),
    [
        ("qclient.md", (qcache,)),
        ("qdb-1x.md", (qdb, qdb.RawClient)),
        ("quasardb.md", (qdb, qdb.RawClient, storekit)),
    ],
)
def test_each_name_of_ours_is_there(page, places):
    builtin = {"None", "TypeError", "for e in client"}
    attributes = {"QueryResult.content", "QueryResult.unsliced_result_len", "QueryResult.encoding"}
    names = {name_of(each) for _, ours in rows(page) for each in ours} - builtin - attributes
    assert [name for name in sorted(names) if not is_there(name, *places)] == []
    assert {each.split(".")[1] for each in attributes} <= {*qcache.QueryResult.__slots__}


def test_each_option_of_sessions_that_is_named_is_there():
    given = re.findall(r"SessionOptions\(([\w=, ]+)\)", (FOLDER / "quasardb.md").read_text())
    names = {each.split("=")[0].strip() for part in given for each in part.split(",")}
    assert names == {*SessionOptions.__dataclass_fields__}


def test_each_documented_name_of_qdb_1x_has_a_row():
    mentioned = {each.split(".")[-1] for old, _ in rows("qdb-1x.md") for each in map(name_of, old)}
    wanted = DOCUMENTED["quasardb"]
    assert {*wanted["functions_and_methods"], *wanted["classes"]} - mentioned == set()


def test_each_public_name_of_qclient_has_a_row():
    qclient = importlib.import_module("qclient")
    mentioned = {name_of(each) for old, _ in rows("qclient.md") for each in old}
    methods = {f"QClient.{name}" for name in DOCUMENTED["qcache"]["methods"]}
    classes = {name for name in ("QClient", "QueryResult") if hasattr(qclient, name)}
    errors = {
        name
        for name, each in inspect.getmembers(qclient, inspect.isclass)
        if issubclass(each, qclient.QClientException)
    }
    assert (methods | classes | errors) - mentioned == set()


def test_each_name_of_the_vendor_has_a_row():
    """Every class and function of the package, and every method of what one is made to use."""
    vendor = pytest.importorskip("quasardb")
    mentioned = {name_of(each) for old, _ in rows("quasardb.md") for each in old}
    methods = {name.split(".")[-1] for name in mentioned}
    wanted = {
        name
        for name, each in inspect.getmembers(importlib.import_module("quasardb.quasardb"))
        if not name.startswith("_") and (inspect.isclass(each) or callable(each))
    }
    entries = {"Blob", "Integer", "Double", "String", "Timestamp", "Tag", "Entry", "ExpirableEntry"}
    assert wanted - mentioned - entries == set()
    for kind in ("Cluster", "Options"):
        public = {name for name in dir(getattr(vendor, kind)) if not name.startswith("_")}
        assert {f"{kind}.{name}" for name in public} - mentioned == set()
    for kind in sorted(entries):
        public = {name for name in dir(getattr(vendor, kind)) if not name.startswith("_")}
        assert public - methods == set(), kind
