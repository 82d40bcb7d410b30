"""Many tasks on trio share one client; their gets travel together.

Run it:  python -m examples.on_trio      (needs: pip install 'storekit[trio]')
"""

import trio

from storekit.qdb import AsyncClient

PEOPLE = {"Uppsala": 177074, "Lund": 94393, "Bergen": 271949}


async def main() -> None:
    found: dict[str, int] = {}

    async def look_up(client: AsyncClient, city: str) -> None:
        found[city] = await client.get(city)

    async with AsyncClient("embedded:") as client:
        for city, people in PEOPLE.items():
            await client.put(city, people)
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for city in PEOPLE:
                    nursery.start_soon(look_up, client, city)
    print(sorted(found.items()))


if __name__ == "__main__":
    trio.run(main)
