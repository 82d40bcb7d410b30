# Generated from src/storekit/kit/_async/connecting.py by tools/generate_sync.py; do not edit.

"""Makes a client for a URL."""

from typing import Any

from storekit.kit.urls import QDB, parse_url
from storekit.qcache._sync.client import QClient
from storekit.qdb._sync.client import Client

__all__ = ["connect"]


def connect(url: str, **options: Any) -> "Client | QClient":  # noqa: ANN401 - of the client
    """Return a client for the store with a URL; use it as a context manager, or close it.

    Args:
        url: `qdb://host:port[,host:port...]`, or `embedded:`, `embedded:PATH` or
            `embedded:NAME?mode=memory`, for QuasarDB; `qcache://host:port[,host:port...]`,
            `qcaches://...` for TLS, or `qcache+embedded:[NAME]`, for QCache.
        options: Arguments of the client.

    Raises:
        TypeError, ValueError: The URL or an option is wrong.
        StoreKitError: Making the client failed.

    """
    store = parse_url(url)
    if isinstance(store, QDB):
        return Client(store.place, **options)
    return QClient(store.nodes, **options)
