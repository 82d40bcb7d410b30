"""The engine over SQLite, in process: the semantics of QuasarDB without a cluster.

All sessions of a store in memory share one connection and a lock: with SQLite's shared cache,
reads would fail while a table is being written. Stores in files have a connection for each
session, in any number of threads and processes.
"""

import importlib.metadata
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Mapping

from storekit.core.forks import fork_count
from storekit.qdb.embedded.connection import Connection, refuse_tainted
from storekit.qdb.embedded.groups import queue_for
from storekit.qdb.embedded.large_contents import LargeContents
from storekit.qdb.embedded.location import Location, parse_location
from storekit.qdb.embedded.lock import CallLock
from storekit.qdb.embedded.schema import SCHEMA_VERSION, open_file, open_memory
from storekit.qdb.embedded.session import EmbeddedSession
from storekit.qdb.embedded.status import DEFAULT_NODE, EmbeddedNode
from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["DEFAULT_NODE", "EmbeddedEngine", "EmbeddedSession", "Location", "parse_location"]

_MS = 1_000_000  # nanoseconds


class EmbeddedEngine:
    """Opens sessions with the store at a location, given as text or parsed.

    By default, acknowledged writes survive a crash of the process; with `durable`, also a
    power failure, at the price of a disk write for each. `node` is the address that the store
    reports for itself. `timeout` is how many seconds to wait for other processes that have
    locked the store. `clock` returns milliseconds since the epoch, instead of the system clock.

    Raises `INVALID_ARGUMENT` for a malformed location, and for `durable` with a store in memory.
    """

    def __init__(
        self,
        location: Location | str,
        *,
        durable: bool = False,
        node: str = DEFAULT_NODE,
        timeout: float = 5.0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.location: Location = (
            parse_location(location) if isinstance(location, str) else location
        )
        self.durable: bool = durable or self.location.durable
        if self.durable and self.location.path is None:
            raise error_for(
                ErrorCode.INVALID_ARGUMENT, "A store in memory can't be durable: name a file."
            )
        self._timeout = timeout
        self._node = EmbeddedNode(
            node,
            self.location,
            durable=self.durable,
            timeout=timeout,
            now_ns=time.time_ns if clock is None else _nanoseconds(clock),
        )
        self._memory = None if self.location.path is not None else _memory(self.location.name)

    def connect(self, timeout: float | None = None) -> EmbeddedSession:  # noqa: ARG002 - nothing to wait for
        """Open a session; see `EmbeddedSession` for what may be raised."""
        if self._memory is not None:
            return EmbeddedSession(self._memory.connect(self._timeout), self._node)
        path = self.location.path
        assert path is not None  # noqa: S101 - not a store in memory
        refuse_tainted(path)
        database = open_file(path, durable=self.durable, timeout=self._timeout)
        try:
            connection = Connection(database, path=path, timeout=self._timeout)
            large = LargeContents(connection)
            return EmbeddedSession(connection, self._node, large, queue_for(path))
        except BaseException:
            database.close()
            raise

    @property
    def immediate(self) -> bool:
        """Whether no call can block, since the store is in the memory of this process."""
        return self._memory is not None

    @property
    def serial(self) -> bool:
        """True: SQLite has one writer at a time."""
        return True

    def version(self) -> str:
        """Return the version of storekit."""
        return importlib.metadata.version("storekit")

    def build(self) -> str:
        """Return the version of SQLite."""
        return f"embedded, SQLite {sqlite3.sqlite_version}"

    def describe(self) -> Mapping[str, object]:
        """Return details for bug reports."""
        return {
            "engine": "embedded",
            "location": str(self.location),
            "durable": self.durable,
            "node": self._node.address,
            "timeout": self._timeout,
            "schema": SCHEMA_VERSION,
            "sqlite": sqlite3.sqlite_version,
        }


class _Memory:
    """A store in memory, which exists as long as an engine or session refers to it."""

    def __init__(self) -> None:
        self._database = open_memory()
        self._lock = CallLock()
        self._forks = fork_count()
        # Not at the exit of the interpreter: exit handlers of the program may use the store.
        weakref.finalize(self, self._database.close).atexit = False

    def connect(self, timeout: float) -> Connection:
        if self._forks != fork_count():
            raise error_for(
                ErrorCode.NOT_CONNECTED,
                "The store is in the memory of the process that opened it, and this is a fork.",
            )
        return Connection(self._database, lock=self._lock, timeout=timeout, keep=self)


_named: "weakref.WeakValueDictionary[str, _Memory]" = weakref.WeakValueDictionary()
_naming = CallLock()


def _memory(name: str | None) -> _Memory:
    return _Memory() if name is None else _naming.run(_memory_of, f"{fork_count()}:{name}")


def _memory_of(key: str) -> _Memory:
    memory = _named.get(key)
    if memory is None:
        memory = _named[key] = _Memory()
    return memory


def _forget_naming() -> None:
    # Another thread of the parent may have held the lock.
    global _naming  # noqa: PLW0603 - a process has just one
    _naming = CallLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_naming)


def _nanoseconds(clock: Callable[[], int]) -> Callable[[], int]:
    return lambda: clock() * _MS
