"""Query a table on asyncio, on trio and in sync.

    python -m examples.quickstart [URL ...]

Without URLs of QCache nodes it starts one: the real server if there is a Python 2.7 to run
it, else a stub that answers this one query.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from storekit.qcache import AsyncQClient, QClient
from tools.qcache_server import QCacheServer, ServerUnavailable, ensure_server
from tools.stub_node import StubNode

CSV = "city,country,people\nUppsala,SE,177074\nLund,SE,94393\nBergen,NO,271949\n"
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


@contextmanager
def some_nodes() -> Iterator[list[str]]:
    if len(sys.argv) > 1:
        print("QCache nodes:", *sys.argv[1:])
        yield sys.argv[1:]
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


def main() -> None:
    with some_nodes() as nodes:
        answers = {
            "asyncio": anyio.run(query_async, nodes, "cities-asyncio", backend="asyncio"),
            "trio": anyio.run(query_async, nodes, "cities-trio", backend="trio"),
            "sync": query_sync(nodes, "cities-sync"),
        }
    for world, rows in answers.items():
        print(f"{world:8}", rows)
    if len({repr(rows) for rows in answers.values()}) != 1:
        sys.exit("the answers differ")


if __name__ == "__main__":
    main()
