"""Fixtures of the tests of failing nodes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from storekit.qcache import AsyncQClient
from tests.qcache._async.real import PATIENT, TABLE
from tests.support.stub_node import Clock, StubNode, refusing_node, well
from tools.qcache_server import QCacheServer


@pytest.fixture
def start_node() -> Iterator[Callable[..., StubNode]]:
    with contextlib.ExitStack() as nodes:
        yield lambda answer=well: nodes.enter_context(StubNode(answer))


@pytest.fixture
def refusing() -> Iterator[str]:
    with refusing_node() as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(qcache_node: QCacheServer) -> AsyncIterator[AsyncQClient]:
    async with AsyncQClient([qcache_node.url], **PATIENT) as client:
        yield client


@pytest.fixture
async def key(client: AsyncQClient, fresh_key: Callable[[], str]) -> str:
    """The key of a stored table: `TABLE`."""
    key = fresh_key()
    await client.post(key, TABLE)
    return key
