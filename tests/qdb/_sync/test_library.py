# Generated from tests/qdb/_async/test_library.py by tools/generate_sync.py; do not edit.

"""Clients over a C library: which one, and what needs no server that answers."""

import time

import pytest

from storekit import qdb
from storekit.options import RetryPolicy
from storekit.qdb import Client, RawClient
from tests.qdb.libraries import join_connects

FAST = RetryPolicy(attempts=2, initial_backoff=0)


def place_of(port):
    return f"qdb://127.0.0.1:{port}"


@pytest.mark.parametrize("client_class", [Client, RawClient])
def test_a_refused_connection_is_told_with_its_node(vendor_library, closed_port, client_class):
    with pytest.raises(qdb.ConnectionFailed) as caught:
        with client_class(place_of(closed_port), retry=FAST) as client:
            client.connect()
    error = caught.value
    assert error.error_code == qdb.ErrorCode.CONNECTION_REFUSED
    assert (error.operation, error.node) == ("connect", f"127.0.0.1:{closed_port}")


def test_a_refused_connection_is_refused_to_whoever_comes(vendor_library, closed_port):
    for _ in range(2):
        with pytest.raises(qdb.ConnectionFailed):
            with RawClient(place_of(closed_port), retry=FAST) as client:
                client.get("a")


def test_a_deadline_holds_where_packets_vanish(vendor_library, black_hole):
    port, leave = black_hole
    begun = time.monotonic()
    with pytest.raises(qdb.StoreTimeout) as caught:
        with RawClient(place_of(port), timeout=0.2) as client:
            client.get("a")
    assert time.monotonic() - begun < 5
    assert caught.value.node == f"127.0.0.1:{port}"
    leave()
    join_connects()


def test_a_deadline_holds_where_nobody_speaks(vendor_library, silent_port):
    begun = time.monotonic()
    with pytest.raises(qdb.StoreTimeout):
        with RawClient(place_of(silent_port), timeout=0.2) as client:
            client.put("a", b"")
    assert time.monotonic() - begun < 5
    join_connects()


def test_the_version_is_that_of_the_library_that_clients_use(store, vendor_path, monkeypatch):
    """The environment variable `STOREKIT_QDB_LIBRARY` names it."""
    assert qdb.version()
    assert qdb.build()
    with RawClient(store.place) as client:
        described = client._calls.engine.describe()
        if described["engine"] == "capi":
            assert (described["version"], described["build"]) == (qdb.version(), qdb.build())
            assert qdb.build().startswith("storekit ")
    monkeypatch.setenv("STOREKIT_QDB_LIBRARY", str(vendor_path))
    assert qdb.version().startswith("3.")
    assert not qdb.build().startswith("storekit ")


def test_the_version_is_that_of_storekit_where_there_is_no_library(monkeypatch):
    from storekit.qdb.capi import LibraryUnavailable, engine

    def load_none(library):
        raise LibraryUnavailable("none")

    monkeypatch.setattr(engine, "load_library", load_none)
    assert qdb.version()
    assert qdb.build().startswith("embedded")
    with pytest.raises(LibraryUnavailable):
        RawClient("qdb://127.0.0.1:1")


def test_a_library_that_is_none_is_refused_when_the_client_is_made(monkeypatch, tmp_path):
    from storekit.qdb.capi import LibraryUnavailable

    path = tmp_path / "libqdb_api.so"
    path.write_text("")
    monkeypatch.setenv("STOREKIT_QDB_LIBRARY", str(path))
    with pytest.raises(LibraryUnavailable, match="STOREKIT_QDB_LIBRARY"):
        RawClient("qdb://127.0.0.1:1")


def test_errors_have_words():
    assert "cannot be found" in qdb.make_error_string(qdb.ErrorCode.ALIAS_NOT_FOUND)
