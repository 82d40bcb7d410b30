"""One sync client in many threads."""

from __future__ import annotations

import random
import threading

import pytest

from storekit.errors import ClientClosed
from storekit.options import PoolLimits
from storekit.qdb import AliasNotFound, BatchRequest, Operations, RawClient
from storekit.qdb.engine import SessionOptions
from storekit.qdb.location import open_engine
from tests.support.qdb_stores import Store
from tests.support.qdb_watched import WatchedEngine

THREADS, ROUNDS, PATIENCE = 16, 60, 60.0
LARGE = 70_000  # bytes, of which views are handed out


class Crowd:
    """Threads that use a client at the same time, each with aliases of its own."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.errors: list[BaseException] = []
        self.sums: list[int] = []
        self.refused = 0
        self._start = threading.Barrier(THREADS)
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(THREADS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread starves"
        if self.errors:
            raise BaseExceptionGroup("in threads", self.errors)

    def _run(self, number: int) -> None:
        chance = random.Random(number)
        expected: dict[str, bytes] = {}
        self._start.wait(PATIENCE)
        try:
            for turn in range(ROUNDS):
                self._step(chance, f"a{number}-{chance.randrange(3)}", turn, expected)
            for alias, value in expected.items():
                assert self.client.get(alias) == value
        except ClientClosed:
            self.refused += 1
        except BaseException as error:
            self.errors.append(error)

    def _step(
        self, chance: random.Random, alias: str, turn: int, expected: dict[str, bytes]
    ) -> None:
        client = self.client
        value = f"{alias}:{turn}".encode().ljust(chance.choice([1, LARGE]), b".")
        match chance.randrange(6):
            case 0:
                client.update(alias, value)
                expected[alias] = value
            case 1:
                (result,) = client.run_batch([BatchRequest(Operations.update, alias, value)])[1]
                assert result.ok
                expected[alias] = value
            case 2 if alias in expected:
                assert client.compare_and_swap(alias, value, expected[alias]) == expected[alias]
                expected[alias] = value
            case 3 if alias in expected:
                assert client.get_remove(alias) == expected.pop(alias)
            case 4:
                self.sums.append(client.int_add("counter", 1))
            case _ if alias in expected:
                assert client.get_view(alias) == expected[alias]
            case _:
                with pytest.raises(AliasNotFound):
                    client.get(alias)


@pytest.mark.parametrize(
    "limits",
    [
        PoolLimits(max_size=3, max_waiting=100),
        PoolLimits(max_size=THREADS),
        PoolLimits(max_size=4, max_lifetime=0.01),
    ],
    ids=["few sessions", "one each", "short-lived ones"],
)
def test_many_threads_share_a_client(store: Store, limits: PoolLimits) -> None:
    engine = WatchedEngine(open_engine(store.place, SessionOptions(timeout=60))[0])
    with RawClient(store.place, engine=engine, limits=limits) as client:
        client.int_put("counter", 0)
        crowd = Crowd(client)
        crowd.start()
        crowd.join()
        assert client.int_get("counter") == len(crowd.sums) > 0
        assert len(set(crowd.sums)) == len(crowd.sums)
        now = client.statistics()
        assert (now.calls, now.queued) == (0, 0)
        assert now.sessions == engine.open
    assert (engine.open, engine.clashes) == (0, 0)
    # A session that is too old gives up its place before it is closed.
    closing = THREADS if limits.max_lifetime < 1 else 0
    assert engine.most_open <= limits.max_size + closing
    assert client.statistics().sessions == 0


def test_a_client_that_is_closed_among_threads_leaves_no_session(store: Store) -> None:
    engine = WatchedEngine(open_engine(store.place, SessionOptions(timeout=60))[0])
    client = RawClient(store.place, engine=engine, limits=PoolLimits(max_size=5))
    client.int_put("counter", 0)
    crowd = Crowd(client)
    crowd.start()
    while not crowd.sums:
        pass
    client.close()
    crowd.join()
    assert crowd.refused > 0
    assert (engine.open, engine.clashes) == (0, 0)
    assert client.statistics().sessions == 0
