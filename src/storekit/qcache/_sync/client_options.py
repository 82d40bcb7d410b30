# Generated from src/storekit/qcache/_async/client_options.py by tools/generate_sync.py; do not edit.

"""The keyword arguments of a client, where these are not spelled out."""

from collections.abc import Iterable
from typing import TypedDict

import httpx

from storekit.codecs.tables.registry import TableRegistry
from storekit.core.clocks import MovedClock
from storekit.observers import Observer
from storekit.options import PoolLimits, RetryPolicy
from storekit.qcache.compression import Compression

__all__ = ["QClientOptions"]


class QClientOptions(TypedDict, total=False):
    """The keyword arguments of a client, which describes them."""

    write_timeout: float | None
    pool_timeout: float | None
    total_timeout: float | None
    limits: PoolLimits | None
    retry: RetryPolicy | None
    compression: Compression | None
    max_content_size: int
    transport: httpx.BaseTransport | None
    tables: TableRegistry | None
    observers: Iterable[Observer]
    clock: MovedClock | None
