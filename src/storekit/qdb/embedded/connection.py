"""One SQLite connection: its lock, its failures, and what becomes of it in a fork."""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from storekit.qdb.embedded.checks import LARGE
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["FAILURES", "Connection", "refuse_tainted", "translate"]

FAILURES = (sqlite3.Error, UnicodeEncodeError, OverflowError)
"""What a call of the sqlite3 module raises for bad input and bad weather."""

_PRIMARY = 0xFF  # extended result codes carry the primary one in their low bits

_CODES: dict[int, tuple[ErrorCode, str]] = {
    sqlite3.SQLITE_BUSY: (ErrorCode.RESOURCE_LOCKED, "Somebody else kept the store locked."),
    sqlite3.SQLITE_LOCKED: (ErrorCode.RESOURCE_LOCKED, "Somebody else kept the store locked."),
    sqlite3.SQLITE_READONLY: (
        ErrorCode.OPERATION_NOT_PERMITTED,
        "The file of the store, or its directory, cannot be written.",
    ),
    sqlite3.SQLITE_PERM: (ErrorCode.OPERATION_NOT_PERMITTED, "Access to the file was refused."),
    sqlite3.SQLITE_CANTOPEN: (
        ErrorCode.OPERATION_NOT_PERMITTED,
        "The file of the store cannot be opened: its directory has to exist and be writable.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        ErrorCode.DATA_CORRUPTION,
        "The file of the store is damaged: restore it, or recover it with the sqlite3 tool.",
    ),
    sqlite3.SQLITE_NOTADB: (ErrorCode.DATA_CORRUPTION, "The file is no store of storekit."),
    sqlite3.SQLITE_FULL: (ErrorCode.NO_SPACE_LEFT, "Nothing of this call was stored."),
    sqlite3.SQLITE_TOOBIG: (ErrorCode.ENTRY_TOO_LARGE, "SQLite holds no more."),
    sqlite3.SQLITE_NOMEM: (ErrorCode.NO_MEMORY_LOCAL, ""),
    sqlite3.SQLITE_INTERRUPT: (ErrorCode.INTERRUPTED, ""),
    sqlite3.SQLITE_IOERR: (ErrorCode.SYSTEM_LOCAL, "The file of the store cannot be accessed."),
}


def translate(error: Exception) -> QuasardbException:
    """Return what to raise for one of `FAILURES`."""
    if isinstance(error, UnicodeEncodeError):
        return error_for(ErrorCode.INVALID_ARGUMENT, "Text must be valid in UTF-8.")
    if isinstance(error, OverflowError):
        return error_for(ErrorCode.INVALID_ARGUMENT, "A number has more than 64 bits.")
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return error_for(ErrorCode.INVALID_HANDLE, "The session is closed.")
    reported: int | None = getattr(error, "sqlite_errorcode", None)
    if reported is None:
        return error_for(ErrorCode.INTERNAL_LOCAL, f"{error}.")
    if reported == sqlite3.SQLITE_IOERR_CORRUPTFS:
        reported = sqlite3.SQLITE_CORRUPT
    code, advice = _CODES.get(reported & _PRIMARY, (ErrorCode.INTERNAL_LOCAL, ""))
    return error_for(code, f"{advice} (SQLite: {error})".strip())


Row = tuple[Any, ...]  # what SQLite gives depends on the statement

_connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()
_tainted: set[tuple[int, int]] = set()  # device and inode
_abandoned: list[sqlite3.Connection] = []


class Connection:
    """Runs statements and says what failed. Whoever calls a method holds `lock`.

    Sessions with a store in memory share one database and one lock, so that each operation
    is whole; each session with a file has its own of both. `now_ns` gives nanoseconds since
    the epoch. `keep` is what must live for as long as the database is used.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        *,
        lock: "threading.RLock | None" = None,
        path: str | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        keep: object = None,
    ) -> None:
        self.database = database
        # It may be taken twice by one thread: what is collected as garbage during a call may
        # be an iterator, whose end closes its session.
        self.lock: threading.RLock = threading.RLock() if lock is None else lock
        self.path = path
        self.now_ns = now_ns
        # What else to undo if the transaction that is under way fails.
        self.undo: list[Callable[[], object]] = []
        self._keep = keep
        self._cursor: sqlite3.Cursor | _Refusal = database.cursor()
        _connections.add(self)

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row. The statement yields at most one, or its rest is dropped."""
        try:
            cursor = self._cursor
            cursor.execute(sql, parameters)
            return cursor.fetchone()
        except FAILURES as error:
            raise translate(error) from error

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows."""
        try:
            return self._cursor.execute(sql, parameters).fetchall()
        except FAILURES as error:
            raise translate(error) from error

    def each(self, sql: str, parameters: Sequence[object] = ()) -> Generator[Row]:
        """Give rows one by one."""
        cursor = None
        try:
            self._cursor.execute("SELECT 1").fetchone()  # refuses where nothing goes any more
            cursor = self.database.cursor()
            yield from cursor.execute(sql, parameters)
        except FAILURES as error:
            raise translate(error) from error
        finally:
            if cursor is not None:
                cursor.close()  # ends the statement, and with it the hold on the log

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that writes; return how many rows it changed."""
        try:
            return self._cursor.execute(sql, parameters).rowcount
        except FAILURES as error:
            raise translate(error) from error

    def forget(self, sql: str, count: int, size: int) -> None:
        """Have a prepared statement let go of a large content that was bound to it.

        All of its `count` parameters become NULL, with which it changes nothing.
        """
        if size > LARGE:
            self.one(sql, (None,) * count)

    @property
    def in_transaction(self) -> bool:
        """Whether statements are part of a transaction."""
        return self.database.in_transaction

    @contextmanager
    def transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
        """Make what is done inside one change, part of the one around it if there is one."""
        if self.database.in_transaction:
            yield
            return
        self.change(begin)
        committing = False
        try:
            yield
            committing = True
            self.change("COMMIT")
        except BaseException as error:
            # SQLite may have rolled back by itself, for instance when the disk is full
            if self.database.in_transaction:
                self.change("ROLLBACK")
            # What got into the log as a whole may come back after a crash
            if not committing or getattr(error, "error_code", None) == ErrorCode.NO_SPACE_LEFT:
                for undo in self.undo:
                    undo()
            raise
        finally:
            self.undo.clear()

    def close(self) -> None:
        """Refuse from now on; close the database unless it is shared."""
        self._cursor.close()
        self._cursor = _Refusal(ErrorCode.INVALID_HANDLE, "The session is closed.")
        if self.path is not None:
            self.database.close()

    def disown(self) -> None:
        """Give up what a fork has copied; runs in the child.

        SQLite must not go on with it. A connection at rest can be closed, and the file then
        be opened anew. One that another thread was using has to be left as it is, and as
        SQLite's bookkeeping of the file is wrong then, the file stays closed to this process.
        """
        if isinstance(self._cursor, _Refusal):
            return
        idle = self.lock.acquire(blocking=False)
        self.lock = threading.RLock()  # nobody is left to release one that was held
        self._cursor = _Refusal(
            ErrorCode.NOT_CONNECTED,
            "The session was opened before this process was forked: open one in the child.",
        )
        if self.path is None or not idle:
            _abandoned.append(self.database)
        else:
            self.database.close()
        if self.path is not None and not idle:
            _tainted.add(_identity(self.path))


class _Refusal:
    """Stands in for the cursor of a connection that is not to be used any more."""

    rowcount = 0

    def __init__(self, code: ErrorCode, detail: str) -> None:
        self._code = code
        self._detail = detail

    def execute(self, sql: str, parameters: object = ()) -> NoReturn:  # noqa: ARG002
        raise error_for(self._code, self._detail)

    def fetchone(self) -> None:
        """Never comes to be called: `execute` has raised."""

    def close(self) -> None:
        """There is nothing to close."""


def refuse_tainted(path: str) -> None:
    """Raise if this process inherited the file of the store while it was in use."""
    if _tainted and _identity(path) in _tainted:
        raise error_for(
            ErrorCode.OPERATION_NOT_PERMITTED,
            "The store was in use by another thread when this process was forked: "
            "start processes by 'spawn' or 'forkserver', or before the store is opened.",
        )


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (-1, -1)
    return status.st_dev, status.st_ino


def _disown_all() -> None:
    for connection in list(_connections):
        connection.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
