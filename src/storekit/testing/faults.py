"""Faults on order: errors, delays, and nodes that die and come back."""

import math
import threading
from collections.abc import Callable, Collection
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

    def __init__(
        self,
        nodes: Collection[str] = (),
        *,
        on_empty: Callable[[str], object] = lambda node: None,  # noqa: ARG005 - called by position
    ) -> None:
        """Make faults; `nodes` are those that can be down, any if there are none.

        `on_empty` is told of a node that comes back empty.
        """
        self._nodes = nodes
        self._on_empty = on_empty
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []
        self._down: dict[str, float] = {}  # how many more attempts meet them so

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

    def down(self, node: str, *, times: float = math.inf) -> None:
        """Have a node die: `"qdb"`, or the address of a node of QCache such as `"node-1"`.

        It comes back by `up`, or after so many attempts that met it dead.
        """
        self._check_node(node)
        _check_times(times)
        with self._lock:
            self._down[node] = times

    def up(self, node: str, *, empty: bool = False) -> None:
        """Have a node come back, with what it held; if `empty`, as one of QCache that restarted."""
        self._check_node(node)
        if empty and node == "qdb":
            raise ValueError("QuasarDB keeps what it holds: only a node of QCache comes back empty")
        if empty:
            self._on_empty(node)
        with self._lock:
            self._down.pop(node, None)

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
        _check_times(times)
        make = None if error is None else (error if isinstance(error, type) else lambda: error)
        with self._lock:
            self._faults.append(_Fault(chosen, operation, make, seconds, times, key))

    def _check_node(self, node: str) -> None:
        if self._nodes and node not in self._nodes:
            raise ValueError(f"there is no node {node!r}; there are {', '.join(self._nodes)}")

    # What the stores ask

    def take(
        self, store: Store, operation: str, key: str | None, node: str
    ) -> tuple[float, Exception | int | None]:
        """Return how long to wait, and with what to fail, if at all; each counts once."""
        with self._lock:
            if node in self._down:
                self._down[node] -= 1
                if not self._down[node] > 0:
                    del self._down[node]
                if store == "qcache":
                    return 0.0, httpx.ConnectError(f"{node} is down, as the test wants it")
                return 0.0, ConnectionFailed(detail="The store is down, as the test wants it.")
            for fault in self._faults:
                fits = (fault.store, fault.operation) == (store, operation)
                if fits and fault.key in (None, key):
                    fault.times -= 1
                    if not fault.times > 0:
                        self._faults.remove(fault)
                    return fault.seconds, None if fault.error is None else fault.error()
        return 0.0, None


def _check_times(times: float) -> None:
    if not times >= 1:
        raise ValueError(f"times must be 1 or more, not {times!r}")


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
