"""Clients of clusters, without a cluster."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from storekit.qdb import location
from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.engine import Engine, SessionOptions
from storekit.qdb.values import RemoteNode

EngineFactory = Callable[[tuple[RemoteNode, ...], SessionOptions], Engine]


def in_memory(nodes: tuple[RemoteNode, ...], options: SessionOptions) -> Engine:
    """Return a store in memory; the same for the same nodes."""
    name = ",".join(node.authority for node in nodes)
    return EmbeddedEngine(f"embedded:{name}?mode=memory", node=nodes[0].authority)


@contextmanager
def redirected(factory: EngineFactory = in_memory) -> Iterator[None]:
    """Have clients that are made meanwhile use other engines for clusters.

    What is `embedded:` stays, and so does a library that is named.
    """
    cluster_engine = location.cluster_engine

    def replaced(
        nodes: tuple[RemoteNode, ...],
        options: SessionOptions,
        library: str | os.PathLike[str] | None = None,
    ) -> Engine:
        if library is not None:
            return cluster_engine(nodes, options, library)
        return factory(nodes, options)

    with mock.patch.object(location, "cluster_engine", replaced):
        yield
