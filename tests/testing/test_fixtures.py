"""What programs that use storekit test with."""

import math
import time
from datetime import timedelta

import httpx
import pytest

from storekit import RetryPolicy
from storekit import qcache as qcache_errors
from storekit.qdb import AliasNotFound, ConnectionFailed, StoreTimeout
from storekit.recipes import LockLost, LockTimeout, RateLimit, lock, memoize
from storekit.testing import Clock, Stores

pytest_plugins = ["storekit.testing.plugin"]


def test_values_expire_when_the_clock_says_so(qdb, clock):
    qdb.put("a", 1, timedelta(seconds=60))
    clock.advance(59)
    assert qdb.get("a") == 1
    clock.advance(timedelta(seconds=2))
    with pytest.raises(AliasNotFound):
        qdb.get("a")


def test_clock_does_not_go_back():
    clock = Clock(1000.0)
    with pytest.raises(ValueError, match="can't go back"):
        clock.advance(-1)
    assert (clock(), clock.milliseconds()) == (1000.0, 1_000_000)


def test_faults_are_met_as_often_as_was_ordered(qdb, faults, record):
    qdb.put("a", 1)
    faults.fail("get", ConnectionFailed, times=2)
    assert qdb.get("a") == 1
    faults.fail("get", ConnectionFailed, times=math.inf)
    with pytest.raises(ConnectionFailed):
        qdb.get("a")
    faults.clear()
    assert qdb.get("a") == 1
    assert [each.attempts for each in record.of("get")] == [3, 3, 1]
    assert [each.ok for each in record.of("get")] == [True, False, True]


def test_faults_can_be_of_one_alias(qdb, faults):
    qdb.put("a", 1)
    qdb.put("b", 2)
    faults.fail("update", StoreTimeout, key="b")
    qdb.update("a", 3)
    with pytest.raises(StoreTimeout):
        qdb.update("b", 4)
    assert (qdb.get("a"), qdb.get("b")) == (3, 2)


async def test_writes_that_travel_together_fail_each_for_itself(async_qdb, faults):
    import anyio

    faults.fail("put", StoreTimeout, key="3")
    failed = []

    async def put(number):
        try:
            await async_qdb.put(str(number), number)
        except StoreTimeout:
            failed.append(number)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(put, number)
    assert failed == [3]
    assert len([alias async for alias in async_qdb.aliases()]) == 7


def test_store_dies_and_comes_back_with_what_it_held(qdb, faults):
    qdb.put("a", 1)
    faults.down("qdb")
    with pytest.raises(ConnectionFailed, match="was taken down by the test"):
        qdb.get("a")
    faults.up("qdb")
    assert qdb.get("a") == 1


def test_node_dies_and_another_one_answers(qcache, faults):
    keys = [f"key-{number}" for number in range(30)]
    for key in keys:
        qcache.post(key, "a\n1\n")
    faults.down("node-2")
    found = [qcache.get(key, {}) for key in keys]
    assert None in found  # what was there alone
    assert any(each is not None for each in found)


def test_answers_of_nodes_can_be_ordered(qcache, faults):
    qcache.post("cities", "a\n1\n")
    faults.fail("get", 500)
    with pytest.raises(qcache_errors.UnexpectedServerResponse):
        qcache.get("cities", {})
    faults.fail("get", httpx.ReadError("cut off"))
    assert qcache.get("cities", {}) is None or qcache.get("cities", {}).rows() == [{"a": 1}]


def test_tables_age_by_the_clock(stores):
    from storekit.qcache.node import Node

    stores._nodes.update({name: Node(age=60, clock=stores.clock) for name in ("node-1",)})
    client = stores.qcache()
    keys = [f"key-{number}" for number in range(20)]
    for key in keys:
        client.post(key, "a\n1\n")
    stores.clock.advance(61)
    assert 0 < sum(client.get(key, {}) is None for key in keys) < 20


async def test_fixtures_work_on_any_loop(async_qdb, async_qcache, async_kit, record):
    await async_qdb.put("a", 1)
    await async_qcache.post("cities", "a\n1\n")
    assert (await async_qcache.get("cities", {})).rows() == [{"a": 1}]
    await async_kit.put_table("towns", "b\n2\n")
    assert (await async_kit.query("towns", {})).rows() == [{"b": 2}]
    assert await async_kit.qdb.get("a") == 1  # one store
    assert {each.store for each in record} == {"qdb", "qcache"}
    assert record.operations[0] == "put"


async def test_any_client_has_the_same_store_and_faults(stores, faults, record):
    raw = stores.raw_qdb()
    raw.put("a", b"1")
    faults.down("qdb", times=1)
    async with stores.async_raw_qdb() as client:
        assert await client.get("a") == b"1"
        await client.put("b", b"2", timedelta(seconds=60))
    stores.clock.advance(61)
    with pytest.raises(AliasNotFound):
        raw.get("b")
    assert [(each.operation, each.attempts) for each in record[:2]] == [("put", 1), ("get", 2)]


def test_kit_is_over_the_same_stores(kit, qdb, record):
    qdb.put("a", 1)
    assert kit.qdb.get("a") == 1
    kit.put_table("towns", "b\n2\n")
    record.clear()
    assert kit.query("towns", {}).rows() == [{"b": 2}]
    assert record[0].operation == "get"
    assert len(record[:2]) == 2


def test_pauses_move_the_clock_and_take_no_time(qdb, stores, clock, faults, record):
    policy = RetryPolicy(attempts=50, initial_backoff=60, max_backoff=60, budget=1000)
    client = stores.qcache(retry=policy)
    client.post("cities", "a\n1\n")
    faults.fail("get", 503, times=20)
    before, began = clock(), time.monotonic()
    assert client.get("cities", {}).rows() == [{"a": 1}]
    assert clock() > before + 60
    before = clock()
    qdb.put("a", 1)
    faults.fail("get", ConnectionFailed, times=2)
    assert qdb.get("a") == 1
    assert clock() > before
    assert record[-1].attempts == 3
    assert time.monotonic() - began < 30


async def test_pauses_of_async_clients_move_the_clock(stores, clock, faults):
    policy = RetryPolicy(attempts=50, initial_backoff=60, max_backoff=60, budget=1000)
    async with stores.async_qcache(retry=policy) as client, stores.async_qdb() as qdb:
        await client.post("cities", "a\n1\n")
        faults.fail("get", 503, times=20)
        before, began = clock(), time.monotonic()
        assert (await client.get("cities", {})).rows() == [{"a": 1}]
        assert clock() > before + 60
        before = clock()
        await qdb.put("a", 1)
        faults.fail("get", ConnectionFailed, times=2, key="a")
        assert await qdb.get("a") == 1
        assert clock() > before
        assert time.monotonic() - began < 30


def test_a_node_that_is_back_is_asked_when_the_clock_says_so(qcache, clock, faults):
    faults.down("node-2")
    faults.down("node-3")
    qcache.post("cities", "a\n1\n")
    faults.clear()
    clock.advance(2)  # all are back: which of them has the table, no test should have to know
    holder = _holder(qcache, "cities")
    qcache.post("cities", "a\n1\n")

    faults.down(holder)
    assert qcache.get("cities", {}) is None  # the next one does not have it
    faults.up(holder)
    assert qcache.get("cities", {}) is None  # it is not asked yet
    clock.advance(1)
    assert qcache.get("cities", {}).rows() == [{"a": 1}]

    faults.down(holder)
    assert qcache.get("cities", {}) is None
    faults.up(holder, empty=True)
    clock.advance(60)
    assert qcache.get("cities", {}) is None
    assert qcache.query("cities", {}, lambda: "a\n2\n").rows() == [{"a": 2}]
    assert _holder(qcache, "cities") == holder


async def test_a_node_that_is_back_is_asked_on_any_loop(stores, clock, faults):
    async with stores.async_qcache() as client:
        await client.post("cities", "a\n1\n")
        holder = _holder_of(client)
        faults.down(holder, times=1)
        assert await client.get("cities", {}) is None
        clock.advance(1)
        assert (await client.get("cities", {})).rows() == [{"a": 1}]


def _holder(client, key):
    client.get_statistics()
    client.get(key, {})
    return _holder_of(client)


def _holder_of(client):
    (holder,) = (url for url, counts in client.get_statistics().items() if counts.requests)
    return holder.removeprefix("http://")


def test_a_store_comes_back_in_the_middle_of_a_call(qdb, faults, record):
    qdb.put("a", 1)
    faults.down("qdb", times=2)
    assert qdb.get("a") == 1
    assert record[-1].attempts == 3


def test_leases_of_locks_obey_the_clock(qdb, clock):
    first, second = lock(qdb, "import", ttl=30), lock(qdb, "import", ttl=30, timeout=5)
    with pytest.raises(LockLost), first:
        first.check()
        before = clock()
        with pytest.raises(LockTimeout):
            second.__enter__()
        assert clock() <= before + 5
        clock.advance(31)
        with pytest.raises(LockLost):
            first.check()
        with second:
            second.check()
            assert second.token > first.token


def test_other_recipes_obey_the_clock(qdb, clock):
    calls = []

    @memoize(qdb, ttl=60, beta=0)
    def number(of):
        calls.append(of)
        return len(calls)

    assert [number("a"), number("a")] == [1, 1]
    clock.advance(61)
    assert number("a") == 2

    limit = RateLimit(qdb, "mails", limit=1, per=60.0)
    assert [limit.allow(), limit.allow()] == [True, False]
    clock.advance(limit.remaining_time())
    assert limit.allow()


def test_ages_of_versions_obey_the_clock(kit, clock, record):
    kit.put_table("towns", "b\n2\n")
    kit.query("towns", {})
    record.clear()
    clock.advance(4)
    kit.query("towns", {}, max_age=5)
    assert not [each for each in record if each.store == "qdb"]
    clock.advance(2)
    kit.query("towns", {}, max_age=5)
    assert [each.operation for each in record if each.store == "qdb"] == ["get"]


def test_each_test_has_stores_of_its_own(qdb):
    assert list(qdb.aliases()) == []


def test_delays_take_real_time(qdb, faults):
    qdb.put("a", 1)
    faults.delay("get", 0.02)
    assert qdb.with_timeout(20).get("a") == 1


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (lambda faults: faults.fail("get", ValueError), TypeError),
        (lambda faults: faults.fail("put", 503), ValueError),
        (lambda faults: faults.fail("get", StoreTimeout, times=0), ValueError),
        (lambda faults: faults.fail("get", 503, store="qdb"), TypeError),
        (lambda faults: faults.down("node-9"), ValueError),
        (lambda faults: faults.up("node-9"), ValueError),
        (lambda faults: faults.down("node-1", times=0), ValueError),
        (lambda faults: faults.up("qdb", empty=True), ValueError),
    ],
)
def test_orders_that_mean_nothing_are_refused(faults, order, error):
    with pytest.raises(error):
        order(faults)


def test_without_pytest_the_stores_are_a_context():
    with Stores() as stores:
        client = stores.qdb()
        client.put("a", 1)
        assert stores.record.operations == ["put"]
    assert "Stores at" in repr(stores)
