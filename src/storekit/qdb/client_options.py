"""What every client can be made with, whatever it does with aliases and values."""

import os
from collections.abc import Callable, Iterable
from typing import TypedDict

from storekit.codecs.registry import CodecRegistry
from storekit.observers import Observer
from storekit.options import PoolLimits, RetryPolicy
from storekit.qdb.engine import Engine, SessionOptions

__all__ = ["ClientOptions"]


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of the raw client, where they are described."""

    timeout: float | None
    connect_timeout: float | None
    limits: PoolLimits | None
    retry: RetryPolicy | None
    options: SessionOptions | None
    library: str | os.PathLike[str] | None
    observers: Iterable[Observer]
    registry: CodecRegistry | None
    engine: Engine | None
    clock: Callable[[], float]
