"""Cancelled calls to a node in this process."""

from __future__ import annotations

import threading

import anyio
import pytest

from storekit.qcache import AsyncQClient
from storekit.qcache.node import node as node_module
from tests.support.concurrency._async import until

TABLE = b"a\n1\n"


@pytest.mark.parametrize("what", ["query", "upload"])
async def test_a_cancelled_call_ends_at_once_and_its_work_at_the_next_step(monkeypatch, what):
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    name = "run_query" if what == "query" else "read_csv"
    real = getattr(node_module, name)

    def slow(*args):
        begun.set()
        assert go_on.wait(20)
        ended.set()
        return real(*args)

    async with AsyncQClient(["embedded:"]) as client:
        await client.post("k", TABLE)
        monkeypatch.setattr(node_module, name, slow)
        async with anyio.create_task_group() as group:
            if what == "query":
                group.start_soon(client.get, "k", {})
            else:
                group.start_soon(client.post, "l", TABLE)
            await until(begun.is_set)
            group.cancel_scope.cancel()
        assert not ended.is_set()
        monkeypatch.undo()
        assert (await client.get("k", {})).json() == [{"a": 1}]
        go_on.set()
        await until(ended.is_set)
        assert await client.get("l", {}) is None
