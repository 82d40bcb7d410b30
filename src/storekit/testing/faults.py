"""Injected faults: errors, delays, and nodes that are down."""

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
    """Faults to inject into the stores of a test, for all clients.

    ```python
    from storekit.qdb import ConnectionFailed
    from storekit.testing import Stores

    with Stores() as stores:
        client = stores.qdb()
        client.put("a", 1)
        stores.faults.fail("get", ConnectionFailed, times=2)
        assert client.get("a") == 1  # on the third attempt
    ```
    """

    def __init__(
        self,
        nodes: Collection[str] = (),
        *,
        on_empty: Callable[[str], object] = lambda node: None,  # noqa: ARG005 - called by position
    ) -> None:
        """Make an object without faults.

        `nodes` are those that can be down; if empty, any. `on_empty` is called with a node that
        comes back empty.
        """
        self._nodes = nodes
        self._on_empty = on_empty
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []
        self._down: dict[str, float] = {}  # nodes, and for how many more attempts they are down

    def __repr__(self) -> str:
        return f"<Faults: {len(self._faults)} pending, down: {sorted(self._down) or 'nothing'}>"

    def fail(
        self,
        operation: str,
        error: type[Exception] | Exception | int,
        *,
        times: float = 1,
        key: str | None = None,
        store: Store | None = None,
    ) -> None:
        """Make the next calls of an operation fail.

        Args:
            operation: The name of the clients' method, such as "get".
            error: For qdb, an error of QuasarDB's clients; for qcache, an error of httpx or a
                status such as 503, for a request to a node.
            times: How many attempts fail; `math.inf` for all.
            key: Only calls with this alias or key fail; None for any.
            store: The store; needed if it does not follow from the type of `error`.

        Raises `TypeError` or `ValueError` for arguments that do not fit.

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
        """Delay the next calls of an operation by so many seconds, in real time."""
        self._add(operation, None, seconds, times, key, store)

    def down(self, node: str, *, times: float = math.inf) -> None:
        """Take a node down: `"qdb"`, or the address of a node of QCache such as `"node-1"`.

        It comes back by `up`, or after so many attempts that failed.
        """
        self._check_node(node)
        _check_times(times)
        with self._lock:
            self._down[node] = times

    def up(self, node: str, *, empty: bool = False) -> None:
        """Bring a node back, with its content; if `empty`, as a node of QCache that restarted."""
        self._check_node(node)
        if empty and node == "qdb":
            raise ValueError("QuasarDB keeps its content: only a node of QCache comes back empty")
        if empty:
            self._on_empty(node)
        with self._lock:
            self._down.pop(node, None)

    def clear(self) -> None:
        """Remove all faults, and bring all nodes back."""
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
            raise ValueError(f"operations of nodes of QCache are {known}, not {operation!r}")
        if chosen == "qdb" and not isinstance(error, type | Exception | None):
            raise TypeError(f"calls of qdb can only fail with an exception, not {error!r}")
        _check_times(times)
        make = None if error is None else (error if isinstance(error, type) else lambda: error)
        with self._lock:
            self._faults.append(_Fault(chosen, operation, make, seconds, times, key))

    def _check_node(self, node: str) -> None:
        if self._nodes and node not in self._nodes:
            raise ValueError(f"there is no node {node!r}; there are {', '.join(self._nodes)}")

    # For the stores

    def take(
        self, store: Store, operation: str, key: str | None, node: str
    ) -> tuple[float, Exception | int | None]:
        """Return the delay in seconds and the error or status for one attempt, and count it."""
        with self._lock:
            if node in self._down:
                self._down[node] -= 1
                if not self._down[node] > 0:
                    del self._down[node]
                if store == "qcache":
                    return 0.0, httpx.ConnectError(f"{node} was taken down by the test")
                return 0.0, ConnectionFailed(detail="The store was taken down by the test.")
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
        f"{error!r} does not belong to one of the stores: give an error of storekit.qdb or httpx, "
        'a status, or store="qdb"'
    )
