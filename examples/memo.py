"""A function whose results all processes share for a while.

Run it:  python -m examples.memo      (needs: pip install storekit)
"""

import anyio

from storekit.qdb import AsyncClient
from storekit.recipes import memoize

computed: list[str] = []


async def main() -> None:
    async with AsyncClient("embedded:") as client:

        @memoize(client, ttl=300)
        async def people_of(country: str) -> int:
            computed.append(country)
            await anyio.sleep(0.01)
            return {"SE": 10_600_000, "NO": 5_600_000}[country]

        async with anyio.create_task_group() as group:
            for _ in range(5):  # they share one computation
                group.start_soon(people_of, "SE")
        print(await people_of("SE"), await people_of("NO"), computed)

        await people_of.invalidate("SE")
        print(await people_of("SE"), computed)


if __name__ == "__main__":
    anyio.run(main)
