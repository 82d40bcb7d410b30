# Generated from tests/recipes/_async/test_lock.py by tools/generate_sync.py; do not edit.

"""Locks that all processes share."""

from functools import partial

import pytest

from storekit.core.seam._sync import Event, run_all, sleep
from storekit.qdb import Client, ConnectionFailed, ErrorCode, RawClient
from storekit.recipes import Lock, LockLost, LockTimeout, lock


class Clock:
    """A clock that a test moves; who waits for it moves it, too."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds
        sleep(0)


@pytest.fixture(params=[Client, RawClient])
def client(request, store):
    with request.param(store.place) as client:
        yield client


def test_one_holder_at_a_time(client):
    inside, most, tokens = [0], [0], []

    def turn():
        for _ in range(5):
            with lock(client, "a") as held:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                tokens.append(held.token)
                sleep(0)
                inside[0] -= 1

    run_all([turn] * 4)
    assert most == [1]
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 20


def test_locks_of_other_names_are_others(client):
    with lock(client, "a"), lock(client, "b"):
        pass


def test_who_waits_too_long_is_told_so(client):
    clock = Clock()
    with lock(client, "a"):
        waiting = Lock(client, "a", timeout=3.0, clock=clock, pause=clock.pause)
        with pytest.raises(LockTimeout, match="'a' was held by others for 3"):
            with waiting:
                pass
    assert clock.now > 1000
    with waiting:
        pass


def test_lock_is_kept_for_longer_than_its_ttl(client):
    with lock(client, "a", ttl=0.3) as held:
        sleep(0.8)
        held.check()


def test_lock_that_was_lost_is_told_of(client):
    with pytest.raises(LockLost, match="'a'"):
        with lock(client, "a"):
            client.remove("lock/a")


def test_an_error_of_the_body_goes_before_a_lost_lock(client):
    with pytest.raises(KeyError):
        with lock(client, "a"):
            client.remove("lock/a")
            raise KeyError


def test_lock_whose_time_is_over_is_not_trusted(client):
    clock = Clock()
    with pytest.raises(LockLost):
        with Lock(client, "a", ttl=30, clock=clock) as held:
            held.check()
            clock.now += 31
            with pytest.raises(LockLost, match="a longer ttl"):
                held.check()


def test_write_of_a_former_holder_is_refused(client):
    clock = Clock()
    with pytest.raises(LockLost):
        with Lock(client, "a", clock=clock) as former:
            former.update("value", b"1")
            client.remove("lock/a")  # as if its time had run out
            with lock(client, "a") as later:
                assert later.token > former.token
                former.update("value", b"2")  # nobody has written since
                later.update("value", b"3")
                with pytest.raises(LockLost):
                    former.update("value", b"4")
    assert client.get("value") == b"3"


def test_lock_that_could_not_be_taken_is_left_free(client, monkeypatch):
    def fail(*args, **options):
        raise ConnectionFailed(ErrorCode.CONNECTION_RESET)

    with monkeypatch.context() as patch:
        patch.setattr(client, "int_add", fail)
        with pytest.raises(ConnectionFailed):
            with lock(client, "a"):
                pass
    with lock(client, "a", timeout=0.001):
        pass


def test_store_that_is_away_for_a_while_does_not_cost_the_lock(client, monkeypatch):
    swap, failed, renewed = client.compare_and_swap, [], Event()

    def fail_first(*args, **options):
        if not failed:
            failed.append(True)
            raise ConnectionFailed(ErrorCode.CONNECTION_RESET)
        found = swap(*args, **options)
        renewed.set()
        return found

    monkeypatch.setattr(client, "compare_and_swap", fail_first)
    with lock(client, "a", ttl=0.6) as held:
        assert renewed.wait(20)
        held.check()
    assert failed


def test_lock_is_no_lock_before_it_is_taken(client):
    held = lock(client, "a")
    with pytest.raises(LockLost, match="not taken"):
        _ = held.token
    assert "not held" in repr(held)
    with held:
        assert "held, token" in repr(held)
        with pytest.raises(RuntimeError, match="make another one"):
            with held:
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
def test_what_makes_no_lock_is_refused(client, make, error):
    with pytest.raises(error):
        make(client)


def test_lock_needs_a_client():
    with pytest.raises(TypeError, match=r"client of storekit\.qdb, not str"):
        lock("embedded:", "a")
