"""Steps of an iteration that are cancelled, or closed, while a codec is at work in a thread."""

import threading

import anyio
import pytest

from storekit.qdb import AsyncClient
from tests.support.qdb_faults import FaultyEngine

CONTENT = b"x" * 300_000


class Held:
    """Raw content that is decoded as soon as the gate is open."""

    name = "held"
    content_type = "application/octet-stream"

    def __init__(self):
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)

    def encode(self, value):
        return value

    def decode(self, data):
        self.arrived.release()
        assert self.gate.wait(20)
        return bytes(data)


async def start(group, steps, codec):
    scope = anyio.CancelScope()
    found = []

    async def step():
        with scope:
            found.append(await anext(steps))

    group.start_soon(step)
    await anyio.to_thread.run_sync(codec.arrived.acquire)
    return scope, found


async def test_the_entry_of_a_step_that_was_cancelled_is_not_lost():
    codec = Held()
    engine = FaultyEngine({"a": CONTENT, "b": CONTENT})
    async with AsyncClient("fake", engine=engine, codec=codec) as client:
        steps = aiter(client)
        async with anyio.create_task_group() as group:
            scope, found = await start(group, steps, codec)
            scope.cancel()
        assert found == []
        codec.gate.set()
        assert [alias async for alias, _ in steps] == ["a", "b"]


async def test_a_step_that_ends_after_the_close_brings_nothing_back():
    codec = Held()
    engine = FaultyEngine({"a": CONTENT, "b": CONTENT})
    async with AsyncClient("fake", engine=engine, codec=codec) as client:
        steps = aiter(client)
        async with anyio.create_task_group() as group:
            scope, _ = await start(group, steps, codec)
            await steps.aclose()
            scope.cancel()
        codec.gate.set()
        with pytest.raises(StopAsyncIteration):
            await anext(steps)
