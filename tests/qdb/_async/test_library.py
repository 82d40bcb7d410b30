"""Clients over a C library: which one, and what needs no server that answers."""

import time

import pytest

from storekit import qdb
from storekit.options import RetryPolicy
from storekit.qdb import AsyncClient, AsyncRawClient
from tests.qdb.libraries import join_connects

FAST = RetryPolicy(attempts=2, initial_backoff=0)


def place_of(port):
    return f"qdb://127.0.0.1:{port}"


@pytest.mark.parametrize("client_class", [AsyncClient, AsyncRawClient])
async def test_a_refused_connection_is_told_with_its_node(
    vendor_library, closed_port, client_class
):
    with pytest.raises(qdb.ConnectionFailed) as caught:
        async with client_class(place_of(closed_port), retry=FAST) as client:
            await client.connect()
    error = caught.value
    assert error.error_code == qdb.ErrorCode.CONNECTION_REFUSED
    assert (error.operation, error.node) == ("connect", f"127.0.0.1:{closed_port}")


async def test_a_refused_connection_is_refused_to_whoever_comes(vendor_library, closed_port):
    for _ in range(2):
        with pytest.raises(qdb.ConnectionFailed):
            async with AsyncRawClient(place_of(closed_port), retry=FAST) as client:
                await client.get("a")


async def test_a_deadline_holds_where_packets_vanish(vendor_library, black_hole):
    port, leave = black_hole
    begun = time.monotonic()
    with pytest.raises(qdb.StoreTimeout) as caught:
        async with AsyncRawClient(place_of(port), timeout=0.2) as client:
            await client.get("a")
    assert time.monotonic() - begun < 5
    assert caught.value.node == f"127.0.0.1:{port}"
    leave()
    join_connects()


async def test_a_deadline_holds_where_nobody_speaks(vendor_library, silent_port):
    begun = time.monotonic()
    with pytest.raises(qdb.StoreTimeout):
        async with AsyncRawClient(place_of(silent_port), timeout=0.2) as client:
            await client.put("a", b"")
    assert time.monotonic() - begun < 5
    join_connects()


async def test_the_version_is_that_of_the_library_that_clients_use(store, vendor_path, monkeypatch):
    """The environment variable `STOREKIT_QDB_LIBRARY` names it."""
    assert qdb.version()
    assert qdb.build()
    async with AsyncRawClient(store.place) as client:
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
        AsyncRawClient("qdb://127.0.0.1:1")


async def test_a_library_that_is_none_is_refused_when_the_client_is_made(monkeypatch, tmp_path):
    from storekit.qdb.capi import LibraryUnavailable

    path = tmp_path / "libqdb_api.so"
    path.write_text("")
    monkeypatch.setenv("STOREKIT_QDB_LIBRARY", str(path))
    with pytest.raises(LibraryUnavailable, match="STOREKIT_QDB_LIBRARY"):
        AsyncRawClient("qdb://127.0.0.1:1")


def test_errors_have_words():
    assert "cannot be found" in qdb.make_error_string(qdb.ErrorCode.ALIAS_NOT_FOUND)
