"""What the tests of calls in threads share."""

import anyio
import anyio.to_thread

from storekit.core.threads._async import Executor
from storekit.options import PoolLimits
from storekit.qdb import AsyncRawClient


def client_of(engine, threads=2, **options):
    return AsyncRawClient(
        "fake", engine=engine, limits=PoolLimits(max_size=threads, max_waiting=1000), **options
    )


def executor_of(engine, threads=2, **options):
    return Executor(
        engine.connect,
        lambda session: session.close(),
        limits=PoolLimits(max_size=threads),
        name="test",
        **options,
    )


async def arrival(engine):
    """Wait, without blocking the loop, until one more call is in a session."""
    assert await anyio.to_thread.run_sync(engine.arrived.acquire, True, 10)


async def until(condition):
    with anyio.fail_after(10):
        while not condition():
            await anyio.to_thread.run_sync(lambda: None)
