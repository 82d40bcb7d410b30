"""Query a table in QCache and keep a value in QuasarDB, on asyncio, on trio and in sync.

    python -m examples.quickstart [--qdb URI] [URL ...]

Without URLs of QCache nodes it uses a node in this process, and without a URI of a QuasarDB
cluster the embedded engine. What it prints is the same, whoever answers.
"""

import argparse
import sys

import anyio

from storekit.qcache import AsyncQClient, QClient
from storekit.qdb import AsyncClient, Client

CSV = "city,country,people\nUppsala,SE,177074\nLund,SE,94393\nBergen,NO,271949\n"
CITIES = {"Bergen": 271949, "Lund": 94393, "Uppsala": 177074}
QUERY = {
    "select": ["city", "people"],
    "where": ["==", "country", "'SE'"],
    "order_by": ["-people"],
}


async def query_async(nodes: list[str], key: str) -> list[dict[str, object]]:
    async with AsyncQClient(nodes) as client:
        await client.post(key, CSV)
        result = await client.get(key, QUERY)
        return result.json() if result else []


def query_sync(nodes: list[str], key: str) -> list[dict[str, object]]:
    with QClient(nodes) as client:
        return client.query(key, QUERY, load_fn=lambda: CSV).json()


async def store_async(uri: str) -> list[tuple[str, object]]:
    async with AsyncClient(uri) as client:
        for city, people in CITIES.items():
            await client.update(f"quickstart.{city}", people)
        return [
            (alias, await client.get(alias)) for alias in await client.prefix_get("quickstart.")
        ]


def store_sync(uri: str) -> list[tuple[str, object]]:
    with Client(uri) as client:
        for city, people in CITIES.items():
            client.update(f"quickstart.{city}", people)
        return [(alias, client.get(alias)) for alias in client.prefix_get("quickstart.")]


def show(answers: dict[str, object]) -> None:
    for name, answer in answers.items():
        print(f"{name:8}", answer)
    if len({repr(answer) for answer in answers.values()}) != 1:
        sys.exit("the answers differ")


def main() -> None:
    parser = argparse.ArgumentParser(description="Try storekit on both stores.")
    parser.add_argument("--qdb", default="embedded:", help="URI of a QuasarDB cluster")
    parser.add_argument("nodes", nargs="*", default=["embedded:"], help="URLs of QCache nodes")
    chosen = parser.parse_args()
    print("A query of a table in QCache:")
    show(
        {
            "asyncio": anyio.run(query_async, chosen.nodes, "cities-asyncio", backend="asyncio"),
            "trio": anyio.run(query_async, chosen.nodes, "cities-trio", backend="trio"),
            "sync": query_sync(chosen.nodes, "cities-sync"),
        }
    )
    print("Values in QuasarDB:")
    show(
        {
            "asyncio": anyio.run(store_async, chosen.qdb, backend="asyncio"),
            "trio": anyio.run(store_async, chosen.qdb, backend="trio"),
            "sync": store_sync(chosen.qdb),
        }
    )


if __name__ == "__main__":
    main()
