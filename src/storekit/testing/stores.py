"""Both stores in this process, and clients for them, with a clock, faults and a record of calls."""

import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from storekit.testing.clock import Clock
from storekit.testing.engine import FaultyEngine
from storekit.testing.faults import Faults
from storekit.testing.record import Record

if TYPE_CHECKING:
    from storekit import AsyncStoreKit, StoreKit
    from storekit.qcache import AsyncQClient, QClient
    from storekit.qcache.node import Node
    from storekit.qdb import AsyncClient, AsyncRawClient, Client, RawClient

__all__ = ["NODES", "Stores"]

NODES = ("node-1", "node-2", "node-3")
"""The nodes of QCache, by the names that `faults.down` takes."""


class Stores:
    """Both stores in this process. All clients that are made by it share them.

    ```python
    from storekit.testing import Stores

    with Stores() as stores:
        client = stores.qdb()
        client.put("a", 1)
        assert stores.record.operations == ["put"]
    ```

    Expiry, ages, leases, pauses and probes use `clock`; timeouts use real time. `faults` injects
    faults into the stores; `record` has the calls of all clients. Leaving the context closes the
    sync clients; async clients must be closed by the caller.
    """

    def __init__(self) -> None:
        self.clock: Clock = Clock()
        self.faults: Faults = Faults(("qdb", *NODES), on_empty=self._empty)
        self.record: Record = Record()
        self._name = f"embedded:{uuid.uuid4().hex}?mode=memory"
        self._nodes: dict[str, Node] = {}
        self._clients: list[Any] = []
        self._engine = self._make_engine()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Stores at {self.clock!r}, {self.faults!r}>"

    def close(self) -> None:
        """Close the sync clients. Closing twice does nothing."""
        while self._clients:
            self._clients.pop().close()

    def qdb(self, **options: Any) -> "Client[Any]":  # noqa: ANN401 - those of the client
        """Return a client of QuasarDB. `options` are more arguments of `Client`."""
        from storekit.qdb import Client  # noqa: PLC0415 - loaded only if used

        client = Client(self._name, **self._qdb_options(options))
        self._clients.append(client)
        return client

    def async_qdb(self, **options: Any) -> "AsyncClient[Any]":  # noqa: ANN401 - the same
        """Return an async client of QuasarDB, to be closed by the caller."""
        from storekit.qdb import AsyncClient  # noqa: PLC0415 - the same

        return AsyncClient(self._name, **self._qdb_options(options))

    def raw_qdb(self, **options: Any) -> "RawClient":  # noqa: ANN401 - the same
        """Return a client of QuasarDB that stores bytes unchanged."""
        from storekit.qdb import RawClient  # noqa: PLC0415 - the same

        client = RawClient(self._name, **self._qdb_options(options))
        self._clients.append(client)
        return client

    def async_raw_qdb(self, **options: Any) -> "AsyncRawClient":  # noqa: ANN401 - the same
        """Return an async client of QuasarDB that stores bytes, to be closed by the caller."""
        from storekit.qdb import AsyncRawClient  # noqa: PLC0415 - the same

        return AsyncRawClient(self._name, **self._qdb_options(options))

    def qcache(self, **options: Any) -> "QClient[Any]":  # noqa: ANN401 - the same
        """Return a client of QCache. `options` are more arguments of `QClient`."""
        from storekit.qcache import QClient  # noqa: PLC0415 - the same

        client = QClient(_urls(), **self._qcache_options(options, is_async=False))
        self._clients.append(client)
        return client

    def async_qcache(self, **options: Any) -> "AsyncQClient[Any]":  # noqa: ANN401 - the same
        """Return an async client of QCache, to be closed by the caller."""
        from storekit.qcache import AsyncQClient  # noqa: PLC0415 - the same

        return AsyncQClient(_urls(), **self._qcache_options(options, is_async=True))

    def kit(self) -> "StoreKit":
        """Return a kit with both stores."""
        from storekit import StoreKit  # noqa: PLC0415 - the same

        kit = StoreKit(observers=[self.record], **self._kit_settings(is_async=False))
        self._clients.append(kit)
        return kit

    def async_kit(self) -> "AsyncStoreKit":
        """Return an async kit with both stores, to be closed by the caller."""
        from storekit import AsyncStoreKit  # noqa: PLC0415 - the same

        return AsyncStoreKit(observers=[self.record], **self._kit_settings(is_async=True))

    def _make_engine(self) -> FaultyEngine:
        from storekit.qdb.embedded import EmbeddedEngine  # noqa: PLC0415 - the same

        engine = EmbeddedEngine(self._name, clock=self.clock.milliseconds)
        return FaultyEngine(engine, self.faults)

    def _qdb_options(self, options: dict[str, Any]) -> dict[str, Any]:
        own = {"engine": self._engine, "clock": self.clock, "observers": [self.record]}
        return {**own, **options}

    def _qcache_options(self, options: dict[str, Any], *, is_async: bool) -> dict[str, Any]:
        own = {
            "transport": self._transport(is_async=is_async),
            "clock": self.clock,
            "observers": [self.record],
        }
        return {**own, **options}

    def _kit_settings(self, *, is_async: bool) -> dict[str, Any]:
        transport = self._transport(is_async=is_async)
        return {
            "qdb": self._name,
            "qcache": f"qcache://{','.join(NODES)}",
            "qdb_options": {"engine": self._engine, "clock": self.clock},
            "qcache_options": {"transport": transport, "clock": self.clock},
        }

    def _empty(self, name: str) -> None:
        """Replace a node of QCache by an empty one."""
        if name in NODES:
            from storekit.qcache.node import Node  # noqa: PLC0415 - loads Polars

            self._nodes[name] = Node(clock=self.clock)

    def _transport(self, *, is_async: bool) -> Any:  # noqa: ANN401 - async or sync
        from storekit.qcache.node import Node  # noqa: PLC0415 - loads Polars
        from storekit.testing.transports import (  # noqa: PLC0415 - the same
            AsyncFaultyTransport,
            FaultyTransport,
        )

        for name in NODES:
            self._nodes.setdefault(name, Node(clock=self.clock))
        kind = AsyncFaultyTransport if is_async else FaultyTransport
        return kind(self._nodes, self.faults)


def _urls() -> list[str]:
    return [f"http://{name}" for name in NODES]
