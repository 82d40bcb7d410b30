"""Faults on order: errors, delays, and nodes that die and come back."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import httpx

from storekit.qdb.errors import ConnectionFailed, QuasardbException

__all__ = ["Faults", "Store"]

Store = Literal["qdb", "qcache"]

_QCACHE_OPERATIONS = ("get", "post", "delete", "status", "statistics")


@dataclass(slots=True)
class _Fault:
    store: Store
    operation: str
    error: Callable[[], Exception | int] | None
    seconds: float
    times: float
    key: str | None


class Faults:
    """Faults that the stores of a test have on order, under any client.

    ```python
    from storekit.qdb import ConnectionFailed
    from storekit.testing import Stores

    with Stores() as stores:
        client = stores.qdb()
        client.put("a", 1)
        stores.faults.fail("get", ConnectionFailed, times=2)
        assert client.get("a") == 1  # at the third attempt
    ```
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []
        self._down: set[str] = set()

    def __repr__(self) -> str:
        return f"<Faults: {len(self._faults)} on order, down: {sorted(self._down) or 'nothing'}>"

    def fail(
        self,
        operation: str,
        error: type[Exception] | Exception | int,
        *,
        times: float = 1,
        key: str | None = None,
        store: Store | None = None,
    ) -> None:
        """Have the next calls of an operation fail.

        Args:
            operation: What clients call it, such as "get".
            error: An error of QuasarDB's clients for qdb; one of httpx, or a status such as 503,
                for a request to a node of QCache.
            times: How many attempts; `math.inf` for all.
            key: Only for this alias or key; None for any.
            store: The store, where the error does not tell.

        """
        self._add(operation, error, 0.0, times, key, store)

    def delay(
        self,
        operation: str,
        seconds: float,
        *,
        times: float = 1,
        key: str | None = None,
        store: Store = "qdb",
    ) -> None:
        """Have the next calls of an operation take so many seconds longer, in real time."""
        self._add(operation, None, seconds, times, key, store)

    def down(self, node: str) -> None:
        """Have a node die: `"qdb"`, or the address of a node of QCache such as `"node-1"`."""
        self._down.add(node)

    def up(self, node: str) -> None:
        """Have a node come back, with what it held."""
        self._down.discard(node)

    def clear(self) -> None:
        """Cancel what is on order, and have all nodes come back."""
        with self._lock:
            self._faults.clear()
            self._down.clear()

    def _add(
        self,
        operation: str,
        error: type[Exception] | Exception | int | None,
        seconds: float,
        times: float,
        key: str | None,
        store: Store | None,
    ) -> None:
        chosen = store or _store_of(error)
        if chosen == "qcache" and operation not in _QCACHE_OPERATIONS:
            known = ", ".join(_QCACHE_OPERATIONS)
            raise ValueError(f"requests to nodes of QCache are {known}; not {operation!r}")
        if chosen == "qdb" and not isinstance(error, type | Exception | None):
            raise TypeError(f"calls of qdb fail with an exception, not {error!r}")
        if times < 1:
            raise ValueError(f"times must be 1 or more, not {times!r}")
        make = None if error is None else (error if isinstance(error, type) else lambda: error)
        with self._lock:
            self._faults.append(_Fault(chosen, operation, make, seconds, times, key))

    # What the stores ask

    def take(
        self, store: Store, operation: str, key: str | None, node: str
    ) -> tuple[float, Exception | int | None]:
        """Return how long to wait, and with what to fail, if at all; each counts once."""
        if node in self._down:
            if store == "qcache":
                return 0.0, httpx.ConnectError(f"{node} is down, as the test wants it")
            return 0.0, ConnectionFailed(detail="The store is down, as the test wants it.")
        with self._lock:
            for fault in self._faults:
                fits = (fault.store, fault.operation) == (store, operation)
                if fits and fault.key in (None, key):
                    fault.times -= 1
                    if not fault.times > 0:
                        self._faults.remove(fault)
                    return fault.seconds, None if fault.error is None else fault.error()
        return 0.0, None


def _store_of(error: object) -> Store:
    kind = error if isinstance(error, type) else type(error)
    if issubclass(kind, int | httpx.HTTPError):
        return "qcache"
    if issubclass(kind, QuasardbException):
        return "qdb"
    raise TypeError(
        f"{error!r} is no error of a store: give one of storekit.qdb, one of httpx, or a status; "
        'or say store="qdb"'
    )
