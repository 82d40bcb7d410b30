"""A pool of numbered connections, as tests of pools use it."""

from storekit.core._async.pool import AsyncPool
from storekit.core.seam._async import Event
from storekit.options import PoolLimits
from tests.support.concurrency import Clock

__all__ = ["Node", "assert_counts", "make_pool"]


class Node:
    """What a pool connects to: numbers its connections and keeps count of those closed."""

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.broken: set[int] = set()
        self.deadlines: list[float | None] = []
        self.refusals = 0
        self.gate: Event | None = None
        self.arrivals = 0
        self.close_error: Exception | None = None

    async def connect(self, until: float | None) -> int:
        self.deadlines.append(until)
        self.arrivals += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError
        self.made += 1
        return self.made

    async def close(self, connection: int) -> None:
        self.closed.append(connection)
        if self.close_error is not None:
            raise self.close_error

    def is_usable(self, connection: int) -> bool:
        return connection not in self.broken


def make_pool(node: Node, *, clock=None, rng=lambda: 0.0, **limits) -> AsyncPool[int]:
    return AsyncPool(
        node.connect,
        node.close,
        limits=PoolLimits(**limits),
        is_usable=node.is_usable,
        name="store",
        clock=clock or Clock(),
        rng=rng,
    )


def assert_counts(pool, *, idle=0, leased=0, connecting=0, waiting=0) -> None:
    statistics = pool.statistics()
    assert statistics.size == idle + leased + connecting
    counts = (statistics.idle, statistics.leased, statistics.connecting, statistics.waiting)
    assert counts == (idle, leased, connecting, waiting)
