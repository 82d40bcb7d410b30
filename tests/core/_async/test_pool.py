"""What a pool does, one step after the other."""

import logging

import pytest

from storekit.core.seam._async import Event
from storekit.errors import ClientClosed, PoolError, PoolFull, PoolTimeout
from tests.core._async.numbered import Node, assert_counts, make_pool
from tests.support.concurrency import Clock
from tests.support.concurrency._async import Crew, until

# Making and reusing.


async def test_a_new_pool_has_no_connections():
    node = Node()
    pool = make_pool(node, min_size=2)
    assert_counts(pool)
    assert node.arrivals == 0


async def test_a_connection_that_was_given_back_is_leased_again():
    node = Node()
    pool = make_pool(node)
    lease = await pool.acquire()
    assert_counts(pool, leased=1)
    await pool.release(lease, reuse=True)
    assert_counts(pool, idle=1)
    assert (await pool.acquire()).connection == 1
    assert node.made == 1


async def test_the_connection_used_last_is_leased_first():
    pool = make_pool(Node())
    first, second, third = [await pool.acquire() for _ in range(3)]
    for lease in (second, first, third):
        await pool.release(lease, reuse=True)
    leases = [await pool.acquire() for _ in range(3)]
    assert [lease.connection for lease in leases] == [3, 1, 2]


async def test_a_connection_that_may_not_be_reused_is_closed():
    node = Node()
    pool = make_pool(node)
    await pool.release(await pool.acquire(), reuse=False)
    assert node.closed == [1]
    assert_counts(pool)
    assert (await pool.acquire()).connection == 2


@pytest.mark.parametrize("reuse", [True, False])
async def test_giving_back_twice_is_an_error_and_changes_nothing(reuse):
    node = Node()
    pool = make_pool(node)
    lease = await pool.acquire()
    await pool.release(lease, reuse=reuse)
    before = pool.statistics()
    with pytest.raises(RuntimeError, match="store: a lease was given back twice"):
        await pool.release(lease, reuse=True)
    assert pool.statistics() == before
    assert node.closed == ([] if reuse else [1])


async def test_a_lease_is_spent_once_its_connection_went_to_someone_else():
    pool = make_pool(Node(), max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        await pool.release(lease, reuse=True)
        handed_over = await job.result()
        assert handed_over.connection == lease.connection
        with pytest.raises(RuntimeError, match="given back twice"):
            await pool.release(lease, reuse=True)
        assert_counts(pool, leased=1)
        await pool.release(handed_over, reuse=True)
    assert_counts(pool, idle=1)


async def test_no_more_than_max_size_connections_are_made():
    node = Node()
    pool = make_pool(node, max_size=2)

    async def use() -> None:
        lease = await pool.acquire()
        assert pool.statistics().size <= 2
        await pool.release(lease, reuse=True)

    async with Crew() as crew:
        for _ in range(20):
            crew.start(use)
    assert node.made <= 2
    assert_counts(pool, idle=node.made)


async def test_connections_being_made_count_towards_max_size():
    node = Node()
    node.gate = Event()
    pool = make_pool(node, max_size=2)
    async with Crew() as crew:
        jobs = [crew.start(pool.acquire) for _ in range(3)]
        await until(lambda: node.arrivals == 2 and pool.statistics().waiting == 1)
        assert_counts(pool, connecting=2, waiting=1)
        node.gate.set()
        await until(lambda: sum(job.ended() for job in jobs) == 2)
        done = next(job for job in jobs if job.ended())
        await pool.release(await done.result(), reuse=True)
        assert {(await job.result()).connection for job in jobs} == {1, 2}


async def test_fill_connects_up_to_min_size():
    node = Node()
    pool = make_pool(node, min_size=3, max_size=5)
    await pool.fill()
    assert_counts(pool, idle=3)
    await pool.fill()
    assert node.made == 3


async def test_fill_counts_connections_that_are_in_use():
    node = Node()
    pool = make_pool(node, min_size=2)
    lease = await pool.acquire()
    await pool.fill()
    assert_counts(pool, idle=1, leased=1)
    await pool.release(lease, reuse=True)


async def test_an_error_in_fill_keeps_what_was_made_before_it():
    node = Node()
    pool = make_pool(node, min_size=2)
    await pool.release(await pool.acquire(), reuse=True)
    node.refusals = 1
    with pytest.raises(ConnectionRefusedError):
        await pool.fill()
    assert_counts(pool, idle=1)


# Time limits of connecting.


@pytest.mark.parametrize(
    ("connect_timeout", "until", "deadline"),
    [(None, None, None), (3, None, 1003), (None, 1002, 1002), (3, 1002, 1002), (3, 1009, 1003)],
)
async def test_connecting_gets_the_nearer_of_two_deadlines(connect_timeout, until, deadline):
    node = Node()
    pool = make_pool(node, clock=Clock(1000.0))
    await pool.acquire(connect_timeout=connect_timeout, until=until)
    assert node.deadlines == [deadline]


async def test_the_time_spent_in_the_queue_does_not_count_as_connecting():
    node, clock = Node(), Clock(1000.0)
    pool = make_pool(node, clock=clock, max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        job = crew.start(lambda: pool.acquire(connect_timeout=3, until=2000))
        await until(lambda: pool.statistics().waiting == 1)
        clock.now = 1500.0
        await pool.release(lease, reuse=False)
        await job.result()
    assert node.deadlines == [None, 1503.0]


async def test_fill_passes_on_its_time_limit():
    node = Node()
    await make_pool(node, clock=Clock(1000.0), min_size=1).fill(connect_timeout=3)
    assert node.deadlines == [1003.0]


# Waiting in line.


async def test_connections_are_handed_over_first_come_first_served():
    pool = make_pool(Node(), max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        jobs = []
        for number in range(1, 5):
            jobs.append(crew.start(pool.acquire))
            await until(lambda number=number: pool.statistics().waiting == number)
        for number, job in enumerate(jobs):
            assert [job.ended() for job in jobs] == [True] * number + [False] * (4 - number)
            await pool.release(lease, reuse=True)
            lease = await job.result()
            assert_counts(pool, leased=1, waiting=3 - number)


async def test_a_caller_that_comes_later_does_not_overtake_the_line():
    pool = make_pool(Node(), max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        await pool.release(lease, reuse=True)
        # Handed over already, although the one in line may not have run yet.
        with pytest.raises(PoolTimeout):
            await pool.acquire(timeout=0)
        await pool.release(await job.result(), reuse=True)


@pytest.mark.parametrize(
    "limits", [{"timeout": 0}, {"until": 1000.0}, {"timeout": 60, "until": 999.0}]
)
async def test_waiting_ends_when_the_time_is_up(limits):
    pool = make_pool(Node(), clock=Clock(1000.0), max_size=1)
    lease = await pool.acquire()
    with pytest.raises(PoolTimeout, match="store: all 1 connections stayed in use") as caught:
        await pool.acquire(**limits)
    assert isinstance(caught.value, PoolError)
    assert_counts(pool, leased=1)
    await pool.release(lease, reuse=True)
    assert_counts(pool, idle=1)


async def test_whoever_gave_up_waiting_leaves_its_place_to_the_next():
    pool = make_pool(Node(), max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        with pytest.raises(PoolTimeout):
            await pool.acquire(timeout=0)
        later = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 2)
        await pool.release(lease, reuse=True)
        await pool.release(await job.result(), reuse=True)
        await pool.release(await later.result(), reuse=True)
    assert_counts(pool, idle=1)


async def test_a_full_queue_turns_callers_away():
    pool = make_pool(Node(), max_size=1, max_waiting=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        with pytest.raises(PoolFull, match="store: 1 callers are waiting for one of 1"):
            await pool.acquire(timeout=0)
        await pool.release(lease, reuse=True)
        await pool.release(await job.result(), reuse=True)
    await pool.release(await pool.acquire(), reuse=True)


async def test_without_places_in_the_queue_nobody_waits():
    pool = make_pool(Node(), max_size=1, max_waiting=0)
    lease = await pool.acquire()
    with pytest.raises(PoolFull):
        await pool.acquire(timeout=0)
    assert_counts(pool, leased=1)
    await pool.release(lease, reuse=True)


async def test_discarding_lets_the_next_in_line_connect():
    node = Node()
    pool = make_pool(node, max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        await pool.release(lease, reuse=False)
        assert (await job.result()).connection == 2
    assert node.closed == [1]
    assert_counts(pool, leased=1)


# Failures.


async def test_a_failed_connect_frees_its_place():
    node = Node()
    node.refusals = 1
    pool = make_pool(node, max_size=1)
    with pytest.raises(ConnectionRefusedError):
        await pool.acquire()
    assert_counts(pool)
    assert (await pool.acquire(timeout=0)).connection == 1
    assert node.closed == []


async def test_after_a_failed_connect_the_next_in_line_connects():
    node = Node()
    node.gate, node.refusals = Event(), 2
    pool = make_pool(node, max_size=1)
    async with Crew() as crew:
        jobs = []
        for number in range(3):
            jobs.append(crew.start(pool.acquire))
            await until(
                lambda number=number: node.arrivals == 1 and pool.statistics().waiting == number
            )
        node.gate.set()
        for job in jobs[:2]:
            with pytest.raises(ConnectionRefusedError):
                await job.result()
        assert (await jobs[2].result()).connection == 1
    assert_counts(pool, leased=1)


async def test_an_idle_connection_that_broke_is_closed_and_replaced():
    node = Node()
    pool = make_pool(node, max_size=3)
    leases = [await pool.acquire() for _ in range(3)]
    for lease in leases:
        await pool.release(lease, reuse=True)
    node.broken = {2, 3}
    lease = await pool.acquire()
    assert lease.connection == 1
    assert node.closed == [3, 2]
    assert_counts(pool, leased=1)
    assert (await pool.acquire()).connection == 4


async def test_an_error_in_closing_is_logged_and_not_raised(caplog):
    node = Node()
    node.close_error = OSError("the other side is gone")
    pool = make_pool(node)
    with caplog.at_level(logging.WARNING, logger="storekit"):
        await pool.release(await pool.acquire(), reuse=False)
    assert_counts(pool)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("storekit", logging.WARNING)
    assert record.getMessage() == "store: closing a connection failed"
    assert record.exc_info[1] is node.close_error


async def test_an_error_in_closing_one_connection_does_not_keep_others_open(caplog):
    node = Node()
    pool = make_pool(node)
    for lease in [await pool.acquire(), await pool.acquire()]:
        await pool.release(lease, reuse=True)
    node.close_error = OSError()
    await pool.aclose()
    assert sorted(node.closed) == [1, 2]
    assert len(caplog.records) == 2


# The end.


async def test_closing_closes_idle_connections_at_once_and_leased_ones_when_given_back():
    node = Node()
    pool = make_pool(node)
    first, second = await pool.acquire(), await pool.acquire()
    await pool.release(first, reuse=True)
    await pool.aclose()
    assert node.closed == [1]
    assert_counts(pool, leased=1)
    await pool.release(second, reuse=True)
    assert node.closed == [1, 2]
    assert_counts(pool)


async def test_a_closed_pool_leases_nothing():
    node = Node()
    pool = make_pool(node, min_size=1)
    await pool.aclose()
    for call in (pool.acquire, pool.fill):
        with pytest.raises(ClientClosed, match="store: the client is closed"):
            await call()
    assert node.arrivals == 0


async def test_closing_twice_does_nothing():
    node = Node()
    pool = make_pool(node)
    await pool.release(await pool.acquire(), reuse=True)
    await pool.aclose()
    await pool.aclose()
    assert node.closed == [1]


async def test_closing_wakes_those_who_wait():
    node = Node()
    pool = make_pool(node, max_size=1)
    lease = await pool.acquire()
    async with Crew() as crew:
        jobs = [crew.start(pool.acquire) for _ in range(3)]
        await until(lambda: pool.statistics().waiting == 3)
        await pool.aclose()
        for job in jobs:
            with pytest.raises(ClientClosed, match="while a call waited"):
                await job.result()
    assert_counts(pool, leased=1)
    await pool.release(lease, reuse=True)
    assert node.closed == [1]


async def test_a_connection_that_is_finished_after_the_pool_was_closed_is_closed():
    node = Node()
    node.gate = Event()
    pool = make_pool(node)
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: node.arrivals == 1)
        await pool.aclose()
        assert_counts(pool, connecting=1)
        node.gate.set()
        with pytest.raises(ClientClosed, match="while it connected"):
            await job.result()
    assert node.closed == [1]
    assert_counts(pool)


async def test_a_connect_that_fails_after_the_pool_was_closed_raises_its_own_error():
    node = Node()
    node.gate, node.refusals = Event(), 1
    pool = make_pool(node)
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: node.arrivals == 1)
        await pool.aclose()
        node.gate.set()
        with pytest.raises(ConnectionRefusedError):
            await job.result()
    assert_counts(pool)


# Statistics.


async def test_statistics_tell_what_happened():
    node = Node()
    pool = make_pool(node, max_size=1)
    node.refusals = 1
    with pytest.raises(ConnectionRefusedError):
        await pool.acquire()
    lease = await pool.acquire()
    with pytest.raises(PoolTimeout):
        await pool.acquire(timeout=0)
    async with Crew() as crew:
        job = crew.start(pool.acquire)
        await until(lambda: pool.statistics().waiting == 1)
        await pool.release(lease, reuse=False)
        await pool.release(await job.result(), reuse=True)
    statistics = pool.statistics()
    assert statistics.connections_made == 2
    assert statistics.connections_failed == 1
    assert statistics.connections_dropped == 1
    assert statistics.waits == 2
    assert statistics.wait_timeouts == 1
    assert_counts(pool, idle=1)


async def test_a_pool_shows_its_counts():
    pool = make_pool(Node(), max_size=3)
    lease = await pool.acquire()
    name = type(pool).__name__
    assert repr(pool) == f"<{name} store: 0 idle, 1 leased, 0 connecting of 3, 0 waiting>"
    await pool.release(lease, reuse=True)
