"""The tasks of both servers: single queries of a large table, many queries of a small one."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle

from benchmarks.harness import Comparison, Contender, Row, time_calls
from benchmarks.node_servers import OURS, SERVERS, THEIRS, WITHOUT_UVLOOP
from benchmarks.node_table import SMALL_TABLE
from storekit.qcache import QClient

__all__ = ["check", "compare_large", "compare_small", "large_contenders", "small_contenders"]

Clients = Mapping[str, QClient]


@dataclass(frozen=True)
class Ask:
    query: Mapping[str, object]
    target: float | None = None  # times as fast
    accept: str = "application/json"

    def of(self, client: QClient) -> int:
        """Make the query; return the number of rows."""
        result = client.get("large", self.query, accept=self.accept)
        assert result is not None
        return result.unsliced_result_len


_INGEST = "ingest"
_TIMES_INGEST = 5

_LARGE = {
    "filter": Ask({"where": ["&", [">", "price", 90_000], ["==", "country", "'SE'"]]}, 4),
    "group-by sum": Ask({"select": ["country", ["sum", "quantity"]], "group_by": ["country"]}, 4),
    "distinct": Ask({"select": ["product"], "distinct": ["product"]}, 4),
    "in with a sub-query": Ask(
        {
            "select": [["count"]],
            "where": ["in", "product", {"select": ["product"], "where": ["==", "shop", 7]}],
        },
        4,
    ),
    "order-by with limit": Ask({"order_by": ["-price"], "limit": 50}, 10),
    "like": Ask({"select": [["count"]], "where": ["like", "customer", "'%777%'"]}, 10),
    "100 000 rows as JSON": Ask({"limit": 100_000}, 1.8),
    "100 000 rows as CSV": Ask({"limit": 100_000}, 8, "text/csv"),
    # Similar ones, for information: not all of them gain as much.
    "filter by a number, 10 000 rows": Ask({"where": [">", "price", 99_000]}),
    "group-by sum, by a number": Ask({"select": ["shop", ["sum", "price"]], "group_by": ["shop"]}),
    "group-by sum, 5 000 groups": Ask(
        {"select": ["product", ["sum", "quantity"]], "group_by": ["product"]}
    ),
    "distinct numbers": Ask({"select": ["shop"], "distinct": ["shop"]}),
    "distinct pairs": Ask({"select": ["country", "shop"], "distinct": ["country", "shop"]}),
}

_SMALL = {
    "all rows": {},
    "filter": {"select": ["city", "people"], "where": [">", "people", 500]},
    "group-by": {"select": ["country", ["sum", "people"]], "group_by": ["country"]},
    "order-by": {"select": ["city", "area"], "order_by": ["-area"], "limit": 5},
}
_IN_TURN = "these in turn"
_TIMES_SMALL = 3


def check(clients: Clients, content: bytes) -> None:
    """Store the table in all servers, and check that their results have the same number of rows."""
    for client in clients.values():
        client.post("large", content)
    for name, ask in _LARGE.items():
        lengths = {ask.of(client) for client in clients.values()}
        if len(lengths) != 1:
            raise RuntimeError(f"the servers do not agree on {name}: {lengths} rows")


def large_contenders(clients: Clients, content: bytes) -> list[Contender]:
    """Each task on each server, in the order of a round; they run one at a time."""
    return [
        *(
            Contender(_name(_INGEST, server), partial(_upload, clients[server], content), 1)
            for server in SERVERS
        ),
        *(
            Contender(_name(name, server), partial(_repeat, partial(ask.of, clients[server])), 3)
            for name, ask in _LARGE.items()
            for server in SERVERS
        ),
    ]


def _upload(client: QClient, content: bytes, calls: int) -> float:
    return _repeat(partial(client.post, "large", content), calls)


def _repeat(call: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - started


def compare_large(rows: Mapping[str, Row]) -> list[Comparison]:
    """How many times as fast our node is."""
    targets = {_INGEST: _TIMES_INGEST, **{name: ask.target for name, ask in _LARGE.items()}}
    return [Comparison(name, _ratios(rows, name), target) for name, target in targets.items()]


def small_contenders(clients: Clients) -> list[Contender]:
    """Queries of a table of 20 rows, each separately, and all of them in turn."""
    for client in clients.values():
        client.post("small", SMALL_TABLE)
    tasks = {**{name: [query] for name, query in _SMALL.items()}, _IN_TURN: [*_SMALL.values()]}
    return [
        Contender(_name(name, server), partial(_ask_small, clients[server], queries))
        for name, queries in tasks.items()
        for server in clients
    ]


def _ask_small(client: QClient, queries: Iterable[Mapping[str, object]], calls: int) -> float:
    turns = cycle(queries)

    def call() -> None:
        assert client.get("small", next(turns)) is not None

    return time_calls(call, calls)


def compare_small(rows: Mapping[str, Row]) -> list[Comparison]:
    """The ratios of requests per second, our node to QCache."""
    targets = {**dict.fromkeys(_SMALL), _IN_TURN: _TIMES_SMALL}
    named = "requests a second, 20 rows"
    return [
        *(
            Comparison(f"{named}, {name}", _ratios(rows, name), target)
            for name, target in targets.items()
        ),
        Comparison(
            f"{named}, {_IN_TURN}, without uvloop",
            _ratios(rows, _IN_TURN, WITHOUT_UVLOOP),
            _TIMES_SMALL,
        ),
    ]


def _name(task: str, server: str) -> str:
    return f"{task}, {server}"


def _ratios(rows: Mapping[str, Row], task: str, server: str = OURS) -> list[float]:
    pairs = zip(rows[_name(task, server)].rounds, rows[_name(task, THEIRS)].rounds, strict=True)
    return [theirs / ours for ours, theirs in pairs]
