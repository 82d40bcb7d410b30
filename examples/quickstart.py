"""Query a table in QCache and keep a value in QuasarDB, on asyncio, on trio and in sync.

    python -m examples.quickstart [--qdb URI] [URL ...]

Without URLs of QCache nodes it starts one: the real server if there is a Python 2.7 to run
it, else a stub that answers this one query. Without a URI of a QuasarDB cluster it uses the
embedded engine.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from storekit.qcache import AsyncQClient, QClient
from storekit.qdb import AsyncClient, Client
from tools.qcache_server import QCacheServer, ServerUnavailable, ensure_server
from tools.stub_node import StubNode

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


@contextmanager
def some_nodes(named: list[str]) -> Iterator[list[str]]:
    if named:
        print("QCache nodes:", *named)
        yield named
        return
    try:
        print("Looking for a QCache server (it is built the first time, which takes a while) ...")
        executable = ensure_server()
    except ServerUnavailable as error:
        print(f"No real QCache server: {error}")
        print("Using a STUB SERVER, which knows the answer to this one query only.")
        with StubNode(
            [{"city": "Uppsala", "people": 177074}, {"city": "Lund", "people": 94393}]
        ) as stub:
            yield [stub.url]
    else:
        with QCacheServer(executable) as server:
            print(f"Using a real QCache 0.9.3 server at {server.url}")
            yield [server.url]


def show(answers: dict[str, object]) -> None:
    for world, answer in answers.items():
        print(f"{world:8}", answer)
    if len({repr(answer) for answer in answers.values()}) != 1:
        sys.exit("the answers differ")


def main() -> None:
    parser = argparse.ArgumentParser(description="Try storekit on both stores.")
    parser.add_argument("--qdb", default="embedded:", help="URI of a QuasarDB cluster")
    parser.add_argument("nodes", nargs="*", help="URLs of QCache nodes")
    chosen = parser.parse_args()
    with some_nodes(chosen.nodes) as nodes:
        show(
            {
                "asyncio": anyio.run(query_async, nodes, "cities-asyncio", backend="asyncio"),
                "trio": anyio.run(query_async, nodes, "cities-trio", backend="trio"),
                "sync": query_sync(nodes, "cities-sync"),
            }
        )
    print(f"QuasarDB at {chosen.qdb}")
    show(
        {
            "asyncio": anyio.run(store_async, chosen.qdb, backend="asyncio"),
            "trio": anyio.run(store_async, chosen.qdb, backend="trio"),
            "sync": store_sync(chosen.qdb),
        }
    )


if __name__ == "__main__":
    main()
