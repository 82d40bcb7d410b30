"""Locks that all processes share."""

from functools import partial

import pytest

from storekit.core.seam._async import Event, run_all, sleep
from storekit.qdb import AsyncClient, AsyncRawClient, ConnectionFailed, ErrorCode
from storekit.recipes import AsyncLock, LockLost, LockTimeout, lock


class Clock:
    """A clock that a test moves; who waits for it moves it, too."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    async def pause(self, seconds):
        self.now += seconds
        await sleep(0)


@pytest.fixture(params=[AsyncClient, AsyncRawClient])
async def client(request, store):
    async with request.param(store.place) as client:
        yield client


async def test_one_holder_at_a_time(client):
    inside, most, tokens = [0], [0], []

    async def turn():
        for _ in range(5):
            async with lock(client, "a") as held:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                tokens.append(held.token)
                await sleep(0)
                inside[0] -= 1

    await run_all([turn] * 4)
    assert most == [1]
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 20


async def test_locks_of_other_names_are_others(client):
    async with lock(client, "a"), lock(client, "b"):
        pass


async def test_who_waits_too_long_is_told_so(client):
    clock = Clock()
    async with lock(client, "a"):
        waiting = AsyncLock(client, "a", timeout=3.0, clock=clock, pause=clock.pause)
        with pytest.raises(LockTimeout, match="'a' was held by others for 3"):
            async with waiting:
                pass
    assert clock.now > 1000
    async with waiting:
        pass


async def test_lock_is_kept_for_longer_than_its_ttl(client):
    async with lock(client, "a", ttl=0.3) as held:
        await sleep(0.8)
        held.check()


async def test_lock_that_was_lost_is_told_of(client):
    with pytest.raises(LockLost, match="'a'"):
        async with lock(client, "a"):
            await client.remove("lock/a")


async def test_an_error_of_the_body_goes_before_a_lost_lock(client):
    with pytest.raises(KeyError):
        async with lock(client, "a"):
            await client.remove("lock/a")
            raise KeyError


async def test_lock_whose_time_is_over_is_not_trusted(client):
    clock = Clock()
    with pytest.raises(LockLost):
        async with AsyncLock(client, "a", ttl=30, clock=clock) as held:
            held.check()
            clock.now += 31
            with pytest.raises(LockLost, match="a longer ttl"):
                held.check()


async def test_write_of_a_former_holder_is_refused(client):
    clock = Clock()
    with pytest.raises(LockLost):
        async with AsyncLock(client, "a", clock=clock) as former:
            await former.update("value", b"1")
            await client.remove("lock/a")  # as if its time had run out
            async with lock(client, "a") as later:
                assert later.token > former.token
                await former.update("value", b"2")  # nobody has written since
                await later.update("value", b"3")
                with pytest.raises(LockLost):
                    await former.update("value", b"4")
    assert await client.get("value") == b"3"


async def test_lock_that_could_not_be_taken_is_left_free(client, monkeypatch):
    async def fail(*args, **options):
        raise ConnectionFailed(ErrorCode.CONNECTION_RESET)

    with monkeypatch.context() as patch:
        patch.setattr(client, "int_add", fail)
        with pytest.raises(ConnectionFailed):
            async with lock(client, "a"):
                pass
    async with lock(client, "a", timeout=0.001):
        pass


async def test_store_that_is_away_for_a_while_does_not_cost_the_lock(client, monkeypatch):
    swap, failed, renewed = client.compare_and_swap, [], Event()

    async def fail_first(*args, **options):
        if not failed:
            failed.append(True)
            raise ConnectionFailed(ErrorCode.CONNECTION_RESET)
        found = await swap(*args, **options)
        renewed.set()
        return found

    monkeypatch.setattr(client, "compare_and_swap", fail_first)
    async with lock(client, "a", ttl=0.6) as held:
        assert await renewed.wait(20)
        held.check()
    assert failed


async def test_lock_is_no_lock_before_it_is_taken(client):
    held = lock(client, "a")
    with pytest.raises(LockLost, match="not taken"):
        _ = held.token
    assert "not held" in repr(held)
    async with held:
        assert "held, token" in repr(held)
        with pytest.raises(RuntimeError, match="make another one"):
            async with held:
                pass


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (partial(lock, name=""), ValueError),
        (partial(lock, name=5), TypeError),
        (partial(lock, name="a", ttl=0), ValueError),
        (partial(lock, name="a", ttl="5"), TypeError),
        (partial(lock, name="a", timeout=-1), ValueError),
    ],
)
async def test_what_makes_no_lock_is_refused(client, make, error):
    with pytest.raises(error):
        make(client)


async def test_lock_needs_a_client():
    with pytest.raises(TypeError, match=r"client of storekit\.qdb, not str"):
        lock("embedded:", "a")
