"""The nodes of this process that addresses stand for: `embedded:` and `embedded:NAME`."""

import os
import re
import threading
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from storekit.core.forks import fork_count

if TYPE_CHECKING:
    from storekit.qcache.node.node import Node

__all__ = ["SCHEME", "check_address", "node_at", "require_polars"]

SCHEME = "embedded:"

_NAME = re.compile(r"[A-Za-z0-9_.-]*")

_named: "WeakValueDictionary[tuple[int, str], Node]" = WeakValueDictionary()
_naming = threading.Lock()


def _renew_lock() -> None:
    global _naming  # noqa: PLW0603 - a thread that the fork does not have may hold it
    _naming = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def require_polars() -> None:
    """Check that what a node is made with is installed: `ModuleNotFoundError`."""
    try:
        import polars  # noqa: F401, PLC0415 - an extra, loaded when asked for
    except ImportError as error:
        raise ModuleNotFoundError(
            "an embedded QCache node needs Polars: pip install 'storekit[embedded]'"
        ) from error


def check_address(address: str) -> str:
    """Return the name in `embedded:NAME`, empty for `embedded:`. `ValueError` for all else."""
    name = address.removeprefix(SCHEME)
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"an embedded node is 'embedded:', or 'embedded:NAME' with A-Z a-z 0-9 _ . and - "
            f"in the name; not {address!r}"
        )
    return name


def node_at(address: str) -> "Node":
    """Return a new node for `embedded:`, and for `embedded:NAME` the one of that name.

    A named node lives for as long as somebody holds it. A process that was forked off has
    nodes of its own.
    """
    name = check_address(address)
    require_polars()
    from storekit.qcache.node.node import Node  # noqa: PLC0415 - it loads Polars

    if not name:
        return Node()
    with _naming:
        key = (fork_count(), name)
        node = _named.get(key)
        if node is None:
            node = _named[key] = Node()
        return node
