"""The tables of a node, a page at a time.

A node may have a hundred thousand tables. To let other threads run, they are processed one by one,
and only those of the page are kept. A page begins after the last table of the previous one, by
value and key, so that changes in between do not shift it.
"""

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from storekit.qcache.node.cache import Dataset
from storekit.qcache.node.console.cells import described_columns
from storekit.qcache.node.errors import Refusal
from storekit.qcache.node.node import Node

__all__ = ["Order", "described_table", "table_page"]

MOST_TABLES = 500
"""Maximum tables of one page."""

_MOST_KEYS = 256 * 1024
"""Maximum bytes of the keys of one page: a key may be as long as the head of a request."""

_VALUES: Mapping[str, Callable[[Dataset], float]] = {
    "key": lambda _: 0,
    "rows": lambda each: each.frame.height,
    "columns": lambda each: each.frame.width,
    "memory": lambda each: each.charge,
    "age": lambda each: -each.stored_at,
    "hits": lambda each: each.hits,
}

_Place = tuple[float, str]
"""The sort value of a table, and its key."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which tables are wanted, and in which order.

    Raises `Refusal` for invalid values.
    """

    sort: str = "key"
    descending: bool = False
    search: str = ""
    after: _Place | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if self.sort not in _VALUES:
            raise Refusal(f"sort must be one of {', '.join(_VALUES)}; not {self.sort[:100]!r}")
        if not 1 <= self.limit <= MOST_TABLES:
            raise Refusal(f"limit must be from 1 to {MOST_TABLES}, not {self.limit}")

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> "Order":
        """Parse the arguments of a URL."""
        limit = arguments.get("limit", "100")
        return cls(
            sort=arguments.get("sort", "key"),
            descending=arguments.get("descending") == "1",
            search=arguments.get("search", ""),
            after=_place(arguments["after"]) if "after" in arguments else None,
            limit=_whole(limit),
        )


def table_page(node: Node, order: Order) -> dict[str, object]:
    """Return a page of the matching tables, and where the next page begins."""
    now, age, value = node.tables.now(), node.tables.age, _VALUES[order.sort]
    matching = 0

    def candidates() -> Iterator[tuple[float, str, Dataset]]:
        nonlocal matching
        for key, each in node.tables.datasets():
            if order.search in key and (not age or now - each.stored_at <= age):
                matching += 1
                place = value(each)
                if order.after is None or _is_behind((place, key), order.after, order):
                    yield place, key, each

    choose = heapq.nlargest if order.descending else heapq.nsmallest
    chosen = choose(order.limit + 1, candidates())
    shown = list(_bounded(chosen[: order.limit]))
    return {
        "tables": [_described(key, each, now) for _, key, each in shown],
        "matching": matching,
        "next": json.dumps(shown[-1][:2]) if len(shown) < len(chosen) else None,
    }


def described_table(node: Node, arguments: Mapping[str, str]) -> dict[str, object]:
    """Return the details of the table `key`, with its columns from number `start` on.

    Raises `Refusal` if there is none.
    """
    key, start = arguments.get("key", ""), _whole(arguments.get("start", "0"))
    dataset, now = node.tables.peek(key), node.tables.now()
    left = node.tables.age - (now - dataset.stored_at)
    return {
        **_described(key, dataset, now),
        "expires_in": max(left, 0) if node.tables.age else None,
        "start": start,
        "described": described_columns(dataset.frame, start),
    }


def _is_behind(place: _Place, after: _Place, order: Order) -> bool:
    return place < after if order.descending else place > after


def _bounded(
    chosen: Iterable[tuple[float, str, Dataset]],
) -> Iterator[tuple[float, str, Dataset]]:
    left = _MOST_KEYS
    for each in chosen:
        yield each
        left -= len(each[1])
        if left <= 0:
            return


def _described(key: str, dataset: Dataset, now: float) -> dict[str, object]:
    return {
        "key": key,
        "rows": dataset.frame.height,
        "columns": dataset.frame.width,
        "memory": dataset.charge,
        "age": now - dataset.stored_at,
        "hits": dataset.hits,
    }


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _place(text: str) -> _Place:
    try:
        value, key = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        value, key = None, None
    if not isinstance(value, int | float) or not isinstance(key, str):
        raise Refusal("after must be what the page before had as next")
    return value, key
