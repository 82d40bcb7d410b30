"""Clients take the C library that they are told to take."""

import itertools

import pytest

from storekit.qdb import AsyncRawClient, RawClient
from storekit.qdb.capi import LibraryUnavailable
from tests.support.qdb_clusters import redirected

_ports = itertools.count(20_000)


def test_a_client_uses_the_library_that_is_named(door_path):
    with RawClient(f"qdb://127.0.0.1:{next(_ports)}", library=door_path) as client:
        client.put("a", b"1")
        assert client.get("a") == b"1"


async def test_a_named_library_wins_over_what_clusters_are_replaced_by(door_path, counters):
    before = counters.handles
    with redirected():
        async with AsyncRawClient(f"qdb://127.0.0.1:{next(_ports)}", library=door_path) as client:
            await client.put("a", b"1")
            assert counters.handles == before + 1


def test_a_library_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LibraryUnavailable, match=r"nothing\.so"):
        RawClient("qdb://127.0.0.1:2836", library=tmp_path / "nothing.so")
