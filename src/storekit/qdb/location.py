"""Engines by the addresses of stores."""

import os
from collections.abc import Iterable, Sequence

from storekit.qdb.engine import Engine, SessionOptions
from storekit.qdb.values import RemoteNode, parse_nodes

__all__ = ["Address", "cluster_engine", "library", "open_engine"]

Address = RemoteNode | Sequence[RemoteNode] | str
"""One node of a cluster, several, or text: `qdb://host:port[,host:port...]`, `embedded:`,
`embedded:NAME?mode=memory` or `embedded:PATH`."""


def cluster_engine(
    nodes: tuple[RemoteNode, ...],
    options: SessionOptions,
    library: str | os.PathLike[str] | None = None,
) -> Engine:
    """Return the engine of a cluster, over the C library."""
    from storekit.qdb.capi import CapiEngine  # noqa: PLC0415 - loads the C library

    uri = f"qdb://{','.join(node.authority for node in nodes)}"
    return CapiEngine(uri, options, library=library)


def open_engine(
    address: Address, options: SessionOptions, library: str | os.PathLike[str] | None = None
) -> tuple[Engine, str]:
    """Return the engine for an address, and the address as text for messages.

    Raises `TypeError` and `ValueError` for a malformed address, and `ValueError` for security
    options with an embedded store, which has none.
    """
    if isinstance(address, str):
        if address.startswith("embedded:"):
            from storekit.qdb.embedded import EmbeddedEngine  # noqa: PLC0415 - loads sqlite3

            _refuse_protection(options)
            if options.timeout is None:
                return EmbeddedEngine(address), address
            return EmbeddedEngine(address, timeout=options.timeout), address
        nodes = parse_nodes(address)
    elif isinstance(address, RemoteNode):
        nodes = (address,)
    elif isinstance(address, Iterable) and not isinstance(address, bytes):
        nodes = tuple(address)
        if not nodes:
            raise ValueError("a client needs at least one node")
        for node in nodes:
            if not isinstance(node, RemoteNode):
                raise TypeError(f"nodes must be RemoteNodes, not {type(node).__name__}")
    else:
        raise TypeError(
            "the first argument must be a RemoteNode, several of them, or text such as "
            f'"qdb://host:2836" or "embedded:", not {type(address).__name__}'
        )
    name = ",".join(node.authority for node in nodes)
    return cluster_engine(nodes, options, library), name


def _refuse_protection(options: SessionOptions) -> None:
    """Raise `ValueError` for security options, which an embedded store would silently ignore."""
    for name in ("encryption", "user", "secret_key", "cluster_public_key"):
        if getattr(options, name):
            raise ValueError(
                f"an embedded store has no {name}: it is protected by the permissions of its "
                "file; leave the option out"
            )


def library() -> Engine:
    """Return an engine over the C library, or the embedded one if there is no C library."""
    from storekit.qdb.capi import CapiEngine, LibraryUnavailable  # noqa: PLC0415 - as above

    try:
        return CapiEngine("qdb://127.0.0.1:2836")
    except LibraryUnavailable:
        return open_engine("embedded:", SessionOptions())[0]
