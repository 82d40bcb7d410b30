"""A worker that takes jobs out of a store until it is told to end, and then finishes its job.

Run it:  python -m examples.worker      (needs: pip install storekit)

It puts three jobs, and sends itself SIGTERM with the last. Of several workers of a store, one gets
each job: `remove_if` succeeds once. JSON has one form for each value, which it can compare.
"""

import os
import signal
from typing import Any

import anyio

from storekit.qdb import AliasNotFound, AsyncClient, UnmatchedContent


async def take(client: AsyncClient[Any]) -> dict[str, Any] | None:
    """Take the first job that no other worker has taken meanwhile."""
    for alias in await client.prefix_get("job/", 100):
        job = await client.get(alias, default=None)
        if job is not None:
            try:
                await client.remove_if(alias, job)
            except (AliasNotFound, UnmatchedContent):
                continue  # another worker was faster
            return dict(job)
    return None


async def work(client: AsyncClient[Any], waiting: anyio.CancelScope) -> None:
    while not waiting.cancel_called:
        job = await take(client)
        if job is None:
            with waiting:  # only what waits is cancelled, never a job
                await anyio.sleep(1)
            continue
        print("done:", job["what"])
        if job["what"] == "the last":
            os.kill(os.getpid(), signal.SIGTERM)
            await anyio.sleep(0.01)  # the rest of a job, which the signal does not cut short


async def main() -> None:
    waiting = anyio.CancelScope()
    async with AsyncClient("embedded:", codec="json") as client, anyio.create_task_group() as tasks:
        for number, what in enumerate(("mail", "invoice", "the last")):
            await client.put(f"job/{number}", {"what": what})
        tasks.start_soon(work, client, waiting)
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                waiting.cancel()
                break
    print("closed")


if __name__ == "__main__":
    anyio.run(main)
