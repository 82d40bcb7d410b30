"""The fixtures, for `pytest_plugins = ["storekit.testing.plugin"]`."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from storekit.testing.clock import Clock
from storekit.testing.faults import Faults
from storekit.testing.record import Record
from storekit.testing.stores import Stores

if TYPE_CHECKING:
    from storekit import AsyncStoreKit, StoreKit
    from storekit.qcache import AsyncQClient, QClient
    from storekit.qdb import AsyncClient, Client

__all__ = [
    "async_kit",
    "async_qcache",
    "async_qdb",
    "clock",
    "faults",
    "kit",
    "qcache",
    "qdb",
    "record",
    "stores",
]


@pytest.fixture
def stores() -> Iterator[Stores]:
    """Make both stores, on which the other fixtures are based."""
    with Stores() as stores:
        yield stores


@pytest.fixture
def clock(stores: Stores) -> Clock:
    """Return the clock of the stores and clients."""
    return stores.clock


@pytest.fixture
def faults(stores: Stores) -> Faults:
    """Return the object that injects faults into the stores."""
    return stores.faults


@pytest.fixture
def record(stores: Stores) -> Record:
    """Return the record of the calls of this test's clients."""
    return stores.record


@pytest.fixture
def qdb(stores: Stores) -> "Client[Any]":
    """Return a client of QuasarDB on an empty store."""
    return stores.qdb()


@pytest.fixture
def async_qdb(stores: Stores) -> "Iterator[AsyncClient[Any]]":
    """Return an async client of QuasarDB on an empty store, for any event loop."""
    client = stores.async_qdb()
    yield client
    _close(client.aclose)


@pytest.fixture
def qcache(stores: Stores) -> "QClient[Any]":
    """Return a client of three empty nodes of QCache."""
    return stores.qcache()


@pytest.fixture
def async_qcache(stores: Stores) -> "Iterator[AsyncQClient[Any]]":
    """Return an async client of three empty nodes of QCache, for any event loop."""
    client = stores.async_qcache()
    yield client
    _close(client.aclose)


@pytest.fixture
def kit(stores: Stores) -> "StoreKit":
    """Return a kit with both stores."""
    return stores.kit()


@pytest.fixture
def async_kit(stores: Stores) -> "Iterator[AsyncStoreKit]":
    """Return an async kit with both stores, for any event loop."""
    kit = stores.async_kit()
    yield kit
    _close(kit.aclose)


def _close(aclose: Callable[[], Any]) -> None:
    """Close a client after its test. In a new event loop, since that of the test may have ended."""
    import anyio  # noqa: PLC0415 - loaded only for async clients

    anyio.run(aclose)
