"""One client and two event loops."""

import threading

import anyio
import pytest

from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.errors import OwnerMismatch


def test_a_second_event_loop_is_refused_rather_than_left_to_wait():
    flights = AsyncSingleFlight[str, int]()
    under_way, over = threading.Event(), threading.Event()

    async def lead() -> int:
        under_way.set()
        await anyio.to_thread.run_sync(over.wait, 10)
        return 1

    async def follow() -> int:
        return 2

    first = threading.Thread(target=anyio.run, args=(flights.run, "key", lead))
    first.start()
    assert under_way.wait(10)
    with pytest.raises(OwnerMismatch, match="another event loop"):
        anyio.run(flights.run, "key", follow)
    over.set()
    first.join()
