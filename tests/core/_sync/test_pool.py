# Generated from tests/core/_async/test_pool.py by tools/generate_sync.py; do not edit.

"""What a pool does, one step after the other."""

import logging

import pytest

from storekit.core.seam._sync import Event
from storekit.errors import ClientClosed, PoolError, PoolFull, PoolTimeout
from tests.core._sync.numbered import Node, assert_counts, make_pool
from tests.support.concurrency import Clock
from tests.support.concurrency._sync import Crew, until

# Making and reusing.


def test_a_new_pool_has_no_connections():
    node = Node()
    pool = make_pool(node, min_size=2)
    assert_counts(pool)
    assert node.arrivals == 0


def test_a_connection_that_was_given_back_is_leased_again():
    node = Node()
    pool = make_pool(node)
    lease = pool.acquire()
    assert_counts(pool, leased=1)
    pool.release(lease, reuse=True)
    assert_counts(pool, idle=1)
    assert pool.acquire().connection == 1
    assert node.made == 1


def test_the_connection_used_last_is_leased_first():
    pool = make_pool(Node())
    first, second, third = [pool.acquire() for _ in range(3)]
    for lease in (second, first, third):
        pool.release(lease, reuse=True)
    leases = [pool.acquire() for _ in range(3)]
    assert [lease.connection for lease in leases] == [3, 1, 2]


def test_a_connection_that_may_not_be_reused_is_closed():
    node = Node()
    pool = make_pool(node)
    pool.release(pool.acquire(), reuse=False)
    assert node.closed == [1]
    assert_counts(pool)
    assert pool.acquire().connection == 2


@pytest.mark.parametrize("reuse", [True, False])
def test_giving_back_twice_is_an_error_and_changes_nothing(reuse):
    node = Node()
    pool = make_pool(node)
    lease = pool.acquire()
    pool.release(lease, reuse=reuse)
    before = pool.statistics()
    with pytest.raises(RuntimeError, match="store: a lease was given back twice"):
        pool.release(lease, reuse=True)
    assert pool.statistics() == before
    assert node.closed == ([] if reuse else [1])


def test_a_lease_is_spent_once_its_connection_went_to_someone_else():
    pool = make_pool(Node(), max_size=1)
    lease = pool.acquire()
    with Crew() as crew:
        job = crew.start(pool.acquire)
        until(lambda: pool.statistics().waiting == 1)
        pool.release(lease, reuse=True)
        handed_over = job.result()
        assert handed_over.connection == lease.connection
        with pytest.raises(RuntimeError, match="given back twice"):
            pool.release(lease, reuse=True)
        assert_counts(pool, leased=1)
        pool.release(handed_over, reuse=True)
    assert_counts(pool, idle=1)


def test_no_more_than_max_size_connections_are_made():
    node = Node()
    pool = make_pool(node, max_size=2)

    def use() -> None:
        lease = pool.acquire()
        assert pool.statistics().size <= 2
        pool.release(lease, reuse=True)

    with Crew() as crew:
        for _ in range(20):
            crew.start(use)
    assert node.made <= 2
    assert_counts(pool, idle=node.made)


def test_connections_being_made_count_towards_max_size():
    node = Node()
    node.gate = Event()
    pool = make_pool(node, max_size=2)
    with Crew() as crew:
        jobs = [crew.start(pool.acquire) for _ in range(3)]
        until(lambda: node.arrivals == 2 and pool.statistics().waiting == 1)
        assert_counts(pool, connecting=2, waiting=1)
        node.gate.set()
        until(lambda: sum(job.ended() for job in jobs) == 2)
        done = next(job for job in jobs if job.ended())
        pool.release(done.result(), reuse=True)
        assert {job.result().connection for job in jobs} == {1, 2}


def test_fill_connects_up_to_min_size():
    node = Node()
    pool = make_pool(node, min_size=3, max_size=5)
    pool.fill()
    assert_counts(pool, idle=3)
    pool.fill()
    assert node.made == 3


def test_fill_counts_connections_that_are_in_use():
    node = Node()
    pool = make_pool(node, min_size=2)
    lease = pool.acquire()
    pool.fill()
    assert_counts(pool, idle=1, leased=1)
    pool.release(lease, reuse=True)


def test_an_error_in_fill_keeps_what_was_made_before_it():
    node = Node()
    pool = make_pool(node, min_size=2)
    pool.release(pool.acquire(), reuse=True)
    node.refusals = 1
    with pytest.raises(ConnectionRefusedError):
        pool.fill()
    assert_counts(pool, idle=1)


# Time limits of connecting.


@pytest.mark.parametrize(
    ("connect_timeout", "until", "deadline"),
    [(None, None, None), (3, None, 1003), (None, 1002, 1002), (3, 1002, 1002), (3, 1009, 1003)],
)
def test_connecting_gets_the_nearer_of_two_deadlines(connect_timeout, until, deadline):
    node = Node()
    pool = make_pool(node, clock=Clock(1000.0))
    pool.acquire(connect_timeout=connect_timeout, until=until)
    assert node.deadlines == [deadline]


def test_the_time_spent_in_the_queue_does_not_count_as_connecting():
    node, clock = Node(), Clock(1000.0)
    pool = make_pool(node, clock=clock, max_size=1)
    lease = pool.acquire()
    with Crew() as crew:
        job = crew.start(lambda: pool.acquire(connect_timeout=3, until=2000))
        until(lambda: pool.statistics().waiting == 1)
        clock.now = 1500.0
        pool.release(lease, reuse=False)
        job.result()
    assert node.deadlines == [None, 1503.0]


def test_fill_passes_on_its_time_limit():
    node = Node()
    make_pool(node, clock=Clock(1000.0), min_size=1).fill(connect_timeout=3)
    assert node.deadlines == [1003.0]


# Waiting in line.


def test_connections_are_handed_over_first_come_first_served():
    pool = make_pool(Node(), max_size=1)
    lease = pool.acquire()
    with Crew() as crew:
        jobs = []
        for number in range(1, 5):
            jobs.append(crew.start(pool.acquire))
            until(lambda number=number: pool.statistics().waiting == number)
        for number, job in enumerate(jobs):
            assert [job.ended() for job in jobs] == [True] * number + [False] * (4 - number)
            pool.release(lease, reuse=True)
            lease = job.result()
            assert_counts(pool, leased=1, waiting=3 - number)


def test_a_caller_that_comes_later_does_not_overtake_the_line():
    pool = make_pool(Node(), max_size=1)
    lease = pool.acquire()
    with Crew() as crew:
        job = crew.start(pool.acquire)
        until(lambda: pool.statistics().waiting == 1)
        pool.release(lease, reuse=True)
        # Handed over already, although the one in line may not have run yet.
        with pytest.raises(PoolTimeout):
            pool.acquire(timeout=0)
        pool.release(job.result(), reuse=True)


@pytest.mark.parametrize(
    "limits", [{"timeout": 0}, {"until": 1000.0}, {"timeout": 60, "until": 999.0}]
)
def test_waiting_ends_when_the_time_is_up(limits):
    pool = make_pool(Node(), clock=Clock(1000.0), max_size=1)
    lease = pool.acquire()
    with pytest.raises(PoolTimeout, match="store: all 1 connections stayed in use") as caught:
        pool.acquire(**limits)
    assert isinstance(caught.value, PoolError)
    assert_counts(pool, leased=1)
    pool.release(lease, reuse=True)
    assert_counts(pool, idle=1)


def test_whoever_gave_up_waiting_leaves_its_place_to_the_next():
    pool = make_pool(Node(), max_size=1)
    lease = pool.acquire()
    with Crew() as crew:
        job = crew.start(pool.acquire)
        until(lambda: pool.statistics().waiting == 1)
        with pytest.raises(PoolTimeout):
            pool.acquire(timeout=0)
        later = crew.start(pool.acquire)
        until(lambda: pool.statistics().waiting == 2)
        pool.release(lease, reuse=True)
        pool.release(job.result(), reuse=True)
        pool.release(later.result(), reuse=True)
    assert_counts(pool, idle=1)


def test_a_full_queue_turns_callers_away():
    pool = make_pool(Node(), max_size=1, max_waiting=1)
    lease = pool.acquire()
    with Crew() as crew:
        job = crew.start(pool.acquire)
        until(lambda: pool.statistics().waiting == 1)
        with pytest.raises(PoolFull, match="store: 1 callers are waiting for one of 1"):
            pool.acquire(timeout=0)
        pool.release(lease, reuse=True)
        pool.release(job.result(), reuse=True)
    pool.release(pool.acquire(), reuse=True)


def test_without_places_in_the_queue_nobody_waits():
    pool = make_pool(Node(), max_size=1, max_waiting=0)
    lease = pool.acquire()
    with pytest.raises(PoolFull):
        pool.acquire(timeout=0)
    assert_counts(pool, leased=1)
    pool.release(lease, reuse=True)


def test_discarding_lets_the_next_in_line_connect():
    node = Node()
    pool = make_pool(node, max_size=1)
    lease = pool.acquire()
    with Crew() as crew:
        job = crew.start(pool.acquire)
        until(lambda: pool.statistics().waiting == 1)
        pool.release(lease, reuse=False)
        assert job.result().connection == 2
    assert node.closed == [1]
    assert_counts(pool, leased=1)


# Failures.


def test_a_failed_connect_frees_its_place():
    node = Node()
    node.refusals = 1
    pool = make_pool(node, max_size=1)
    with pytest.raises(ConnectionRefusedError):
        pool.acquire()
    assert_counts(pool)
    assert pool.acquire(timeout=0).connection == 1
    assert node.closed == []


def test_after_a_failed_connect_the_next_in_line_connects():
    node = Node()
    node.gate, node.refusals = Event(), 2
    pool = make_pool(node, max_size=1)
    with Crew() as crew:
        jobs = []
        for number in range(3):
            jobs.append(crew.start(pool.acquire))
            until(lambda number=number: node.arrivals == 1 and pool.statistics().waiting == number)
        node.gate.set()
        for job in jobs[:2]:
            with pytest.raises(ConnectionRefusedError):
                job.result()
        assert (jobs[2].result()).connection == 1
    assert_counts(pool, leased=1)


def test_an_idle_connection_that_broke_is_closed_and_replaced():
    node = Node()
    pool = make_pool(node, max_size=3)
    leases = [pool.acquire() for _ in range(3)]
    for lease in leases:
        pool.release(lease, reuse=True)
    node.broken = {2, 3}
    lease = pool.acquire()
    assert lease.connection == 1
    assert node.closed == [3, 2]
    assert_counts(pool, leased=1)
    assert pool.acquire().connection == 4


def test_an_error_in_closing_is_logged_and_not_raised(caplog):
    node = Node()
    node.close_error = OSError("the other side is gone")
    pool = make_pool(node)
    with caplog.at_level(logging.WARNING, logger="storekit"):
        pool.release(pool.acquire(), reuse=False)
    assert_counts(pool)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("storekit", logging.WARNING)
    assert record.getMessage() == "store: closing a connection failed"
    assert record.exc_info[1] is node.close_error


def test_an_error_in_closing_one_connection_does_not_keep_others_open(caplog):
    node = Node()
    pool = make_pool(node)
    for lease in [pool.acquire(), pool.acquire()]:
        pool.release(lease, reuse=True)
    node.close_error = OSError()
    pool.close()
    assert sorted(node.closed) == [1, 2]
    assert len(caplog.records) == 2


# The end.


def test_closing_closes_idle_connections_at_once_and_leased_ones_when_given_back():
    node = Node()
    pool = make_pool(node)
    first, second = pool.acquire(), pool.acquire()
    pool.release(first, reuse=True)
    pool.close()
    assert node.closed == [1]
    assert_counts(pool, leased=1)
    pool.release(second, reuse=True)
    assert node.closed == [1, 2]
    assert_counts(pool)


def test_a_closed_pool_leases_nothing():
    node = Node()
    pool = make_pool(node, min_size=1)
    pool.close()
    for call in (pool.acquire, pool.fill):
        with pytest.raises(ClientClosed, match="store: the client is closed"):
            call()
    assert node.arrivals == 0


def test_closing_twice_does_nothing():
    node = Node()
    pool = make_pool(node)
    pool.release(pool.acquire(), reuse=True)
    pool.close()
    pool.close()
    assert node.closed == [1]


def test_closing_wakes_those_who_wait():
    node = Node()
    pool = make_pool(node, max_size=1)
    lease = pool.acquire()
    with Crew() as crew:
        jobs = [crew.start(pool.acquire) for _ in range(3)]
        until(lambda: pool.statistics().waiting == 3)
        pool.close()
        for job in jobs:
            with pytest.raises(ClientClosed, match="while a call waited"):
                job.result()
    assert_counts(pool, leased=1)
    pool.release(lease, reuse=True)
    assert node.closed == [1]


def test_a_connection_that_is_finished_after_the_pool_was_closed_is_closed():
    node = Node()
    node.gate = Event()
    pool = make_pool(node)
    with Crew() as crew:
        job = crew.start(pool.acquire)
        until(lambda: node.arrivals == 1)
        pool.close()
        assert_counts(pool, connecting=1)
        node.gate.set()
        with pytest.raises(ClientClosed, match="while it connected"):
            job.result()
    assert node.closed == [1]
    assert_counts(pool)


def test_a_connect_that_fails_after_the_pool_was_closed_raises_its_own_error():
    node = Node()
    node.gate, node.refusals = Event(), 1
    pool = make_pool(node)
    with Crew() as crew:
        job = crew.start(pool.acquire)
        until(lambda: node.arrivals == 1)
        pool.close()
        node.gate.set()
        with pytest.raises(ConnectionRefusedError):
            job.result()
    assert_counts(pool)


# Statistics.


def test_statistics_tell_what_happened():
    node = Node()
    pool = make_pool(node, max_size=1)
    node.refusals = 1
    with pytest.raises(ConnectionRefusedError):
        pool.acquire()
    lease = pool.acquire()
    with pytest.raises(PoolTimeout):
        pool.acquire(timeout=0)
    with Crew() as crew:
        job = crew.start(pool.acquire)
        until(lambda: pool.statistics().waiting == 1)
        pool.release(lease, reuse=False)
        pool.release(job.result(), reuse=True)
    statistics = pool.statistics()
    assert statistics.connections_made == 2
    assert statistics.connections_failed == 1
    assert statistics.connections_dropped == 1
    assert statistics.waits == 2
    assert statistics.wait_timeouts == 1
    assert_counts(pool, idle=1)


def test_a_pool_shows_its_counts():
    pool = make_pool(Node(), max_size=3)
    lease = pool.acquire()
    name = type(pool).__name__
    assert repr(pool) == f"<{name} store: 0 idle, 1 leased, 0 connecting of 3, 0 waiting>"
    pool.release(lease, reuse=True)
