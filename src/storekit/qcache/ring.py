"""Which node holds a key: consistent hashing that agrees with qcache-client 0.5.1.

Programs with either client share nodes, so both must choose the same node for each key, also
while nodes are out. Nodes that are out are skipped; the ring is not built again.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from hashlib import md5

__all__ = ["HashRing"]

_POINTS = 1000
"""Points on the ring in total, divided evenly between the nodes, as in qcache-client."""


class HashRing:
    """A hash ring of nodes, some of which may be out. The text of an address identifies a node."""

    def __init__(self, nodes: Iterable[str]) -> None:
        listed = list(nodes)
        if not listed:
            raise ValueError("a ring needs at least one node")
        self.nodes: tuple[str, ...] = tuple(dict.fromkeys(listed))
        self._out: set[str] = set()
        # A node that is listed twice counts twice here, and only here, as in qcache-client.
        each = math.ceil(_POINTS / len(listed))
        owners: dict[int, str] = {}
        shared: dict[int, set[str]] = defaultdict(set)
        for node in self.nodes:
            for index in range(each):
                point = _hash(f"{node}-{index}")
                if owners.setdefault(point, node) != node:
                    shared[point] |= {owners[point], node}
                owners[point] = node
        self._points = sorted(owners)
        self._owners: list[str | None] = [owners[point] for point in self._points]
        # A point that two nodes hash to belongs to the one that was added last. qcache-client
        # removes such a point when either node goes out.
        self._shared: dict[str, list[int]] = defaultdict(list)
        for point, rivals in shared.items():
            for node in rivals:
                self._shared[node].append(bisect_right(self._points, point) - 1)

    def node_for(self, key: str) -> str | None:
        """Return the node that holds `key`, None when all nodes are out."""
        points, owners, out = self._points, self._owners, self._out
        start = bisect_right(points, _hash_of_key(key) if len(key) <= 200 else _hash(key))
        for step in range(len(points)):
            owner = owners[(start + step) % len(points)]
            if owner is not None and owner not in out:
                return owner
        return None

    def take_out(self, node: str) -> None:
        """Skip `node` from now on."""
        self._out.add(node)
        for index in self._shared.get(node, ()):
            self._owners[index] = None

    def put_back(self, node: str) -> None:
        """Assign `node` its keys again."""
        self._out.discard(node)
        for index in self._shared.get(node, ()):
            self._owners[index] = node

    def has_live_node(self) -> bool:
        """Whether any node is not out."""
        return len(self._out) < len(self.nodes)


def _hash(text: str) -> int:
    digest = md5(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "little")


_hash_of_key = lru_cache(maxsize=8192)(_hash)  # keys recur, and a hit takes a third of the time
