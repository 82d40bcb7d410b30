"""The generated pool under many threads at once."""

import random
import threading
import time
from types import FrameType
from typing import Any

import pytest

from storekit.core import places
from storekit.core._sync import pool
from storekit.core._sync.pool import Pool
from storekit.errors import ClientClosed, PoolFull, PoolTimeout
from storekit.options import PoolLimits
from tests.support.concurrency._sync import Crew, until

THREADS = 16
ROUNDS = 50


class Socket:
    """A connection that knows whether someone uses it."""

    def __init__(self) -> None:
        self.in_use = threading.Lock()
        self.closed = 0


class World:
    def __init__(self, **limits) -> None:
        self.limits = PoolLimits(**limits)
        self.made: list[Socket] = []
        self.leased: set[Socket] = set()
        self.outcomes: list[object] = []
        self.pool = Pool(self.connect, self.close, limits=self.limits, is_usable=self.is_usable)

    def connect(self, until: float | None) -> Socket:
        if random.random() < 0.1:
            raise ConnectionRefusedError
        connection = Socket()
        self.made.append(connection)
        return connection

    def close(self, connection: Socket) -> None:
        assert connection.in_use.acquire(blocking=False), "closed while in use"
        connection.closed += 1

    def is_usable(self, connection: Socket) -> bool:
        return random.random() < 0.95

    def check(self) -> None:
        now = self.pool.statistics()
        assert now.idle + now.leased + now.connecting == now.size
        assert min(now.idle, now.leased, now.connecting) >= 0
        assert len(list(self.leased)) <= self.limits.max_size

    def check_at_rest(self) -> None:
        now = self.pool.statistics()
        assert (now.leased, now.connecting, now.waiting) == (0, 0, 0)
        assert now.idle == now.size <= self.limits.max_size
        assert now.connections_made - now.connections_dropped == now.idle
        assert now.idle == sum(1 for connection in self.made if not connection.closed)

    def hammer(self) -> None:
        for _ in range(ROUNDS):
            self.check()
            try:
                lease = self.pool.acquire(timeout=random.choice([None, None, 0, 1e-5]))
            except (ConnectionRefusedError, PoolTimeout, PoolFull) as error:
                self.outcomes.append(type(error))
                continue
            except ClientClosed:
                self.outcomes.append(ClientClosed)
                return
            connection = lease.connection
            assert connection.in_use.acquire(blocking=False), "one connection has two owners"
            assert not connection.closed
            self.leased.add(connection)
            self.check()
            self.leased.discard(connection)
            connection.in_use.release()
            self.pool.release(lease, reuse=random.random() < 0.8)
            self.outcomes.append("used")


def switch_at_random(frame: FrameType, event: str, argument: object) -> Any:
    """Let another thread run between any two lines of the pool, now and then."""
    if frame.f_code.co_filename not in (pool.__file__, places.__file__):
        return None
    if random.random() < 0.1:
        time.sleep(0)
    return switch_at_random


@pytest.fixture(autouse=True)
def threads_that_switch_often():
    before = threading.gettrace()
    threading.settrace(switch_at_random)
    yield
    threading.settrace(before)


@pytest.mark.parametrize("max_waiting", [None, 4])
@pytest.mark.parametrize("max_size", [1, 3, THREADS])
def test_threads_lose_no_connection_and_no_place(max_size, max_waiting):
    world = World(max_size=max_size, max_waiting=max_waiting)
    with Crew() as crew:
        for _ in range(THREADS):
            crew.start(world.hammer)
    world.check_at_rest()
    world.pool.close()
    assert [connection.closed for connection in world.made] == [1] * len(world.made)
    assert world.pool.statistics().size == 0
    assert len(world.outcomes) == THREADS * ROUNDS
    assert "used" in world.outcomes


def test_closing_while_threads_are_at_work_loses_nothing():
    world = World(max_size=3)
    with Crew() as crew:
        for _ in range(THREADS):
            crew.start(world.hammer)
        until(lambda: "used" in world.outcomes)
        world.pool.close()
    assert ClientClosed in world.outcomes
    assert [connection.closed for connection in world.made] == [1] * len(world.made)
    now = world.pool.statistics()
    assert (now.size, now.leased, now.connecting, now.waiting) == (0, 0, 0, 0)
