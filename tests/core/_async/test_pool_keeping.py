"""Leases for a block, and how long a pool keeps connections."""

import pytest

from storekit.core._async.pool import AsyncPool
from storekit.errors import PoolTimeout
from tests.core._async.numbered import Node, assert_counts, make_pool
from tests.support.concurrency import Clock
from tests.support.concurrency._async import Crew, until

# A lease for the body of a block.


async def test_a_lease_goes_back_at_the_end_of_its_block():
    pool = make_pool(Node())
    async with pool.lease() as lease:
        assert lease.connection == 1
        assert_counts(pool, leased=1)
    assert_counts(pool, idle=1)


async def test_a_lease_whose_block_failed_is_closed():
    node = Node()
    pool = make_pool(node)
    with pytest.raises(ValueError, match="failed"):
        async with pool.lease():
            raise ValueError("failed")
    assert node.closed == [1]
    assert_counts(pool)


async def test_a_block_may_say_that_its_lease_is_of_no_more_use():
    node = Node()
    pool = make_pool(node)
    async with pool.lease() as lease:
        lease.reusable = False
    assert node.closed == [1]


async def test_a_lease_may_be_given_back_within_its_block():
    pool = make_pool(Node())
    async with pool.lease() as lease:
        await pool.release(lease, reuse=True)
    assert_counts(pool, idle=1)


async def test_a_lease_for_a_block_has_the_limits_of_any_other():
    node = Node()
    pool = make_pool(node, clock=Clock(1000.0), max_size=1)
    async with pool.lease(connect_timeout=3):
        with pytest.raises(PoolTimeout):
            async with pool.lease(timeout=0):
                pass
        with pytest.raises(PoolTimeout):
            async with pool.lease(until=1000.0):
                pass
    assert node.deadlines == [1003.0]


# Connections that are kept.


@pytest.mark.parametrize("how", ["broken", "old"])
async def test_connections_that_are_kept_are_replaced(how):
    node, clock = Node(), Clock()
    pool = make_pool(node, clock=clock, min_size=2, max_lifetime=100.0)
    await pool.fill(connect_timeout=5)
    if how == "broken":
        node.broken = {1, 2}
    else:
        clock.now += 200
    await pool.release(await pool.acquire(), reuse=True)
    await until(lambda: pool.statistics().idle == 2)
    assert node.closed == [1, 2] or node.closed == [2, 1]
    assert node.made == 4
    await pool.aclose()


async def test_without_a_fill_no_connection_is_made_unasked():
    node = Node()
    pool = make_pool(node, min_size=2)
    await pool.release(await pool.acquire(), reuse=False)
    await pool.release(await pool.acquire(), reuse=True)
    assert node.made == 2
    assert_counts(pool, idle=1)


async def test_a_connection_that_cannot_be_kept_is_tried_again_by_later_calls():
    node = Node()
    pool = make_pool(node, min_size=1)
    await pool.fill()
    node.refusals = 1
    await pool.release(await pool.acquire(), reuse=False)
    await until(lambda: node.refusals == 0 and pool.statistics().connecting == 0)
    await pool.release(await pool.acquire(), reuse=False)
    await until(lambda: pool.statistics().idle == 1)
    await pool.aclose()


# Age.


@pytest.mark.parametrize(("draw", "lifetime"), [(0.0, 100.0), (0.5, 95.0), (1.0, 90.0)])
async def test_a_lifetime_is_shortened_by_up_to_a_tenth_at_random(draw, lifetime):
    node, clock = Node(), Clock()
    pool = make_pool(node, clock=clock, rng=lambda: draw, max_lifetime=100.0, max_idle=1e9)
    start = clock.now
    await pool.release(await pool.acquire(), reuse=True)
    clock.now = start + lifetime - 0.001
    lease = await pool.acquire()
    assert lease.connection == 1
    await pool.release(lease, reuse=True)
    clock.now = start + lifetime
    assert (await pool.acquire()).connection == 2
    assert node.closed == [1]


async def test_a_connection_past_its_lifetime_is_closed_when_it_is_given_back():
    node, clock = Node(), Clock()
    pool = make_pool(node, clock=clock, max_lifetime=100.0, max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        clock.now += 100.0
        await pool.release(lease, reuse=True)
        assert (await job.result()).connection == 2
    assert node.closed == [1]
    assert_counts(pool, leased=1)


async def test_the_lifetime_goes_with_a_connection_that_is_handed_over():
    node, clock = Node(), Clock()
    pool = make_pool(node, clock=clock, max_lifetime=100.0, max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        clock.now += 99.0
        await pool.release(lease, reuse=True)
        lease = await job.result()
    clock.now += 1.0
    await pool.release(lease, reuse=True)
    assert node.closed == [1]


async def idle_pool(node: Node, clock: Clock, count: int, **limits) -> AsyncPool[int]:
    """Return a pool whose connections became idle one second after the other."""
    pool = make_pool(node, clock=clock, max_idle=10.0, **limits)
    for lease in [await pool.acquire() for _ in range(count)]:
        await pool.release(lease, reuse=True)
        clock.now += 1
    return pool


async def test_giving_back_closes_what_was_idle_for_too_long():
    node, clock = Node(), Clock()
    pool = await idle_pool(node, clock, 4)
    lease = await pool.acquire()
    assert lease.connection == 4
    clock.now += 7.5
    await pool.release(lease, reuse=True)
    assert node.closed == [1, 2]
    assert_counts(pool, idle=2)


async def test_what_was_idle_for_too_long_is_not_leased():
    node, clock = Node(), Clock()
    pool = await idle_pool(node, clock, 3)
    clock.now += 8.5
    lease = await pool.acquire()
    assert lease.connection == 3
    assert node.closed == [1, 2]
    assert_counts(pool, leased=1)


async def test_min_size_connections_are_kept_however_long_they_are_idle():
    node, clock = Node(), Clock()
    pool = await idle_pool(node, clock, 4, min_size=3)
    clock.now += 1000.0
    lease = await pool.acquire()
    assert lease.connection == 4
    assert node.closed == [1]
    await pool.release(lease, reuse=True)
    assert_counts(pool, idle=3)
