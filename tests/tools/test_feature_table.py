"""The table of what works where: what it documents, what counts, when it is out of date."""

import json
from pathlib import Path

import pytest

from storekit import qcache, qdb
from tools.feature_table import (
    BEGIN,
    DOCUMENTED_BATCH,
    DOCUMENTED_ITERATORS,
    DOCUMENTED_QCACHE,
    DOCUMENTED_QDB,
    DOCUMENTED_VALUES,
    EMBEDDED,
    END,
    LIBRARY,
    REAL,
    SERVED,
    Call,
    differs,
    render,
)

DOCUMENTED = json.loads((Path(__file__).parents[1] / "data" / "documented-names.json").read_text())

pytest_plugins = ["pytester"]


def test_the_documented_names_of_quasardb_are_all_there():
    documented = DOCUMENTED["quasardb"]
    values = {name.rpartition(".")[2] for name in DOCUMENTED_VALUES}
    assert set(documented["functions_and_methods"]) == {*DOCUMENTED_QDB, *values}
    assert set(DOCUMENTED_ITERATORS) < set(documented["classes"])
    operations = {f"run_batch of {each.name}" for each in qdb.Operations}
    assert set(DOCUMENTED_BATCH) <= operations


def test_the_documented_names_of_qcache_are_all_there():
    assert set(DOCUMENTED["qcache"]["methods"]) == set(DOCUMENTED_QCACHE)


def test_the_clients_have_all_documented_names():
    for client in (qdb.Client, qdb.RawClient, qdb.AsyncClient, qdb.AsyncRawClient):
        assert not [name for name in DOCUMENTED_QDB if not callable(getattr(client, name, None))]
    for client in (qcache.QClient, qcache.AsyncQClient):
        assert not [name for name in DOCUMENTED_QCACHE if not callable(getattr(client, name, None))]


def test_a_cell_says_yes_where_there_was_a_call():
    tables = render(
        [
            Call("qdb", "get", "trio", LIBRARY),
            Call("qdb", "extra", "sync", EMBEDDED),
            Call("qdb", "version", "sync", EMBEDDED),
            Call("qcache", "get", "asyncio", REAL),
            Call("qcache", "get", "trio", EMBEDDED),
            Call("qcache", "get", "sync", SERVED),
        ],
        ["get", "extra"],
        ["get", "status"],
    )
    assert "| `get` | no | no | no | no | yes | no |\n" in tables["QuasarDB, documented"]
    assert "| `stop_node` | refuses |" in tables["QuasarDB, documented"]
    assert "| `extra` | no | no | yes | no | no | no |\n" in tables["QuasarDB, beyond"]
    assert "| `version` | embedded |\n" in tables["QuasarDB, functions and values"]
    assert "| `build` | no |\n" in tables["QuasarDB, functions and values"]
    where = "| `get` | yes | no | no | no | yes | no | no | no | yes |\n"
    assert where in tables["QCache, documented"]
    assert f"| `status` |{9 * ' no |'}\n" in tables["QCache, beyond"]


def test_a_table_that_changed_is_named():
    tables = {"One": "| a |\n", "Two": "| b |\n"}
    text = f"{BEGIN}\nOne:\n\n| a |\n\nTwo:\n\n| c |\n\n{END}"
    assert differs(tables, text) == ["Two"]
    with pytest.raises(SystemExit):
        differs(tables, "no markers")


def test_only_calls_of_tests_that_passed_count(pytester, monkeypatch):
    from tests.support import features

    monkeypatch.setattr(features, "test_files", lambda: [pytester.path / "test_it.py"])
    pytester.makepyfile(
        test_it="""
        import pytest
        from storekit.qdb import RawClient

        def test_passes():
            with RawClient("embedded:") as client:
                client.put("a", b"")
                with pytest.raises(Exception):
                    client.get("b")

        def test_fails():
            with RawClient("embedded:") as client:
                client.update("a", b"")
                assert False
        """
    )
    recorder = features.Recorder()
    pytester.inline_run("-p", "no:cacheprovider", "-p", "no:randomly", plugins=[recorder])
    assert recorder.seen == {
        Call("qdb", "put", "sync", EMBEDDED),
        Call("qdb", "close", "sync", EMBEDDED),
    }
