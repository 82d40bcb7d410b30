"""The embedded nodes of this process, by address: `embedded:` and `embedded:NAME`."""

import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from storekit._extras import require
from storekit.core.forks import fork_count
from storekit.qcache.addresses import embedded_name

if TYPE_CHECKING:
    from storekit.qcache.node.node import Node

__all__ = ["node_at", "require_polars"]

_named: "WeakValueDictionary[tuple[int, str], Node]" = WeakValueDictionary()
_lock = threading.Lock()


def _renew_after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread that the child process does not have may hold it
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def require_polars() -> None:
    """Raise `ModuleNotFoundError` unless the packages that a node needs are installed."""
    require("an embedded QCache node", "node", "polars")


def node_at(address: str) -> "Node":
    """Return a new node for `embedded:`, and the node of that name for `embedded:NAME`.

    A named node exists as long as there is a reference to it. A forked process has its own
    nodes.
    """
    name = embedded_name(address)
    require(f"the address {address!r}", "embedded", "polars")
    from storekit.qcache.node.node import Node  # noqa: PLC0415 - it imports Polars

    if not name:
        return Node()
    with _lock:
        key = (fork_count(), name)
        node = _named.get(key)
        if node is None:
            node = _named[key] = Node()
        return node
