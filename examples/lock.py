"""A lock for all processes that share a store, and the token that protects what it is for.

Run it:  python -m examples.lock      (needs: pip install storekit)
"""

import tempfile
import threading

from storekit.qdb import Client
from storekit.recipes import LockLost, lock
from storekit.testing import Stores


def work(store: str) -> None:
    """Add to the balance, as one of several processes would."""
    with Client(store) as client, lock(client, "balance", ttl=10) as held:
        held.update("balance", client.get("balance") + held.token)


def take_turns() -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = f"embedded:{directory}/store"
        with Client(store) as client:
            client.put("balance", 0)
            workers = [threading.Thread(target=work, args=(store,)) for _ in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            print("balance:", client.get("balance"))


def lose_it() -> None:
    """Be out for longer than the lock lasts. Here a clock of tests goes on by half a minute."""
    with Stores() as stores:
        client = stores.qdb()
        client.put("report", "old")
        slow = lock(client, "report", ttl=10)
        try:
            with slow:
                stores.clock.advance(30)
                with lock(client, "report", ttl=10) as quick:
                    quick.update("report", "by the next holder")
                slow.update("report", "too late")
        except LockLost as error:
            print(str(error).partition(":")[0])
        print("report:", client.get("report"))


if __name__ == "__main__":
    take_turns()
    lose_it()
