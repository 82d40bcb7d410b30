"""One SQLite connection: its lock, its transactions, its errors, and what a fork does to it.

A call leaves neither lock nor transaction behind, however it ends. At any step, a signal handler
or `PyThreadState_SetAsyncExc` may raise an exception, and a finalizer or signal handler may make
another call in the same thread:

- A call takes the lock inside its `try`. The lock itself records its holder, since a variable would
  be set one step later.
- A call in the middle of another one, on the same connection, is refused before it does anything,
  because it would become part of the transaction of the other one.
- A clean-up may be interrupted, too, and is then repeated from its beginning. Each of its steps
  checks whether there is anything to do.
- Files that a transaction has written are deleted only before its COMMIT is tried. After that they
  may be needed; if they are not, the next change that gets their number deletes them.
"""

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar, TypeVarTuple

from storekit.qdb.embedded.checks import LARGE
from storekit.qdb.embedded.failures import FAILURES, RefusedCursor, is_busy, translate
from storekit.qdb.embedded.lock import CallLock
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = [
    "READING",
    "WAIT_IN_SQLITE",
    "WRITING",
    "Connection",
    "Row",
    "refuse_tainted",
]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Row = tuple[Any, ...]  # the types depend on the statement

WRITING = "BEGIN IMMEDIATE"
READING = "BEGIN"
WAIT_IN_SQLITE = 0.02
"""Seconds that SQLite waits for a lock. No signal handler runs meanwhile, so the rest of the time
is waited for in Python."""

_LONGEST_PAUSE = 0.01  # s; a released lock is taken within twice this time

_connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()
_tainted: set[tuple[int, int]] = set()  # device and inode
_abandoned: list[sqlite3.Connection] = []


class Connection:
    """Runs statements and translates their errors. The other methods are called through `call`.

    Sessions with a store in memory share one database and one lock, so that each operation
    is atomic; each session with a file has its own. `timeout` is how many seconds a call waits
    for others, unless `limit` ends that before. `keep` is an object that must exist as long as
    the database is used.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        *,
        lock: CallLock | None = None,
        path: str | None = None,
        timeout: float = 5.0,
        keep: object = None,
    ) -> None:
        self.database = database
        self.path = path
        self.timeout: float = min(timeout, threading.TIMEOUT_MAX)
        self.limit: float | None = None  # a time (monotonic) after which no call waits
        self.give_up_at: float | None = None  # deadline of the current call, once it has to wait
        # Functions to call if the current transaction fails.
        self.undo: list[Callable[[], object]] = []
        self._committing = False
        self._keep = keep
        self._lock = CallLock() if lock is None else lock
        self._closing = False
        self._walker: sqlite3.Cursor | None = None  # of `each` and `chunks`
        try:
            self._cursor: sqlite3.Cursor | RefusedCursor = database.cursor()
        except FAILURES as error:
            raise translate(error) from error
        _connections.add(self)

    # Calls

    def is_free(self) -> bool:
        """Return whether a call at this moment would not have to wait for another thread."""
        return self._lock.is_free()

    def patience(self) -> float:
        """Return how many seconds a call may wait for others, from now on."""
        if self.limit is None:
            return self.timeout
        return max(0.0, min(self.timeout, self.limit - time.monotonic()))

    def call(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return the result of `function(*args)`, called with the lock held.

        Raises `RESOURCE_LOCKED` in the middle of another call of this thread, and if other
        threads hold the lock for longer than the timeout.
        """
        lock = self._lock
        if lock.is_held():
            raise error_for(
                ErrorCode.RESOURCE_LOCKED,
                "The call was made in the middle of another one of the same thread and store, by "
                "a finalizer or a signal handler. Nothing of it was done: make it later.",
            )
        try:
            try:
                if not lock.acquire(True, self.timeout if self.limit is None else self.patience()):
                    raise error_for(
                        ErrorCode.RESOURCE_LOCKED, "Other threads kept the store for too long."
                    )
                self.give_up_at = None
                result = function(*args)
                lock.release()
            except BaseException as error:
                self._clean_up(error)
                raise
        except BaseException as error:  # perhaps another one, raised in the clean-up
            self._clean_up(error)
            raise
        if self._closing:
            self._close()
        return result

    def _clean_up(self, error: BaseException) -> None:
        if not self._lock.is_held():
            return
        self.abandon(error)
        self._lock.release()
        if self._closing:
            self._close()

    def abandon(self, error: BaseException) -> None:
        """Undo what an interrupted call has not committed."""
        if not isinstance(error, QuasardbException):
            self._end_statements()
        self.roll_back()

    def _end_statements(self) -> None:
        """End a statement that was interrupted between its rows: it may hold a lock of SQLite."""
        if not isinstance(self._cursor, RefusedCursor):
            self._cursor.close()
            self._cursor = self.database.cursor()
        walker, self._walker = self._walker, None
        if walker is not None:
            walker.close()

    # Statements

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row, None if there is none. Further rows are dropped."""
        try:
            cursor = self._cursor
            cursor.execute(sql, parameters)
            row: Row | None = cursor.fetchone()
        except FAILURES as error:
            if not is_busy(error):
                raise translate(error) from error
        else:
            return row
        later: Row | None = self._when_free(
            lambda: self._cursor.execute(sql, parameters).fetchone()
        )
        return later

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows."""
        try:
            return self._cursor.execute(sql, parameters).fetchall()
        except FAILURES as error:
            if not is_busy(error):
                raise translate(error) from error
        return self._when_free(lambda: self._cursor.execute(sql, parameters).fetchall())

    def each(self, sql: str, parameters: Sequence[object] = ()) -> Generator[Row]:
        """Yield rows one by one; for one statement at a time."""
        self.one("SELECT 1")  # raises if the connection is closed
        try:
            with closing(self.database.cursor()) as self._walker:
                yield from self._walker.execute(sql, parameters)
        except FAILURES as error:
            raise translate(error) from error
        finally:
            self._walker = None

    def chunks(
        self, sql: str, parameters: Sequence[object] = (), count: int = 16
    ) -> Generator[list[Row]]:
        """Yield rows in lists of up to `count`; for one statement at a time."""
        self.one("SELECT 1")  # raises if the connection is closed
        try:
            with closing(self.database.cursor()) as self._walker:
                self._walker.execute(sql, parameters)
                while rows := self._walker.fetchmany(count):
                    yield rows
        except FAILURES as error:
            raise translate(error) from error
        finally:
            self._walker = None

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that writes; return how many rows it changed."""
        try:
            return self._cursor.execute(sql, parameters).rowcount
        except FAILURES as error:
            if not is_busy(error):
                raise translate(error) from error
        return self._when_free(lambda: self._cursor.execute(sql, parameters).rowcount)

    def _when_free(self, run: Callable[[], T]) -> T:
        """Repeat a statement that found a lock, until the lock is free or time is up."""
        if self.give_up_at is None:
            self.give_up_at = time.monotonic() + self.patience()
        pause = _LONGEST_PAUSE / 16
        while True:
            left = self.give_up_at - time.monotonic()
            if left > 0:
                # Random, since processes that try at equal intervals may miss free locks for long.
                time.sleep(min(left, pause * (0.5 + random.random())))  # noqa: S311 - no secret
                pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                return run()
            except FAILURES as error:
                if left <= 0 or not is_busy(error):
                    raise translate(error) from error

    def forget(self, sql: str, count: int, size: int) -> None:
        """Free large content that is bound to a prepared statement.

        Runs it with NULL for all of its `count` parameters, which changes nothing.
        """
        if size > LARGE:
            with suppress(*FAILURES):  # the change itself was made
                self._cursor.execute(sql, (None,) * count).fetchone()

    # Transactions

    @property
    def in_transaction(self) -> bool:
        """Whether statements are part of a transaction."""
        try:
            return self.database.in_transaction
        except sqlite3.ProgrammingError:  # the database is closed
            return False

    @contextmanager
    def transaction(self, begin: str = WRITING) -> Iterator[None]:
        """Make the statements inside one transaction, or a savepoint of an outer transaction."""
        if self.in_transaction:
            if begin == READING:
                yield
            else:
                with self._step():
                    yield
            return
        self.change(begin)
        try:
            yield
        except BaseException:
            self.roll_back()
            raise
        self.commit()

    @contextmanager
    def _step(self) -> Iterator[None]:
        kept = len(self.undo)
        self.change("SAVEPOINT step")
        try:
            yield
        except BaseException:
            # SQLite may have rolled back the transaction, for instance when the disk is full.
            if self.in_transaction:
                self.change("ROLLBACK TO step")
                self.change("RELEASE step")
                while len(self.undo) > kept:
                    self.undo[-1]()
                    self.undo.pop()
            raise
        self.change("RELEASE step")

    def commit(self, done: list[object] | None = None) -> None:
        """Commit, and append to `done` if that succeeded."""
        self._committing = True
        try:
            # One C call, so that no signal handler can raise between the COMMIT and the append.
            (done if done is not None else []).extend(map(self._cursor.execute, _COMMIT))
        except FAILURES as error:
            failure = translate(error)
            # A transaction that is complete in the log may reappear after a crash: keep its files.
            self._committing = failure.error_code != ErrorCode.NO_SPACE_LEFT
            self.roll_back()
            raise failure from error
        self.undo.clear()
        self._committing = False

    def roll_back(self) -> None:
        """Undo changes that are not committed."""
        with suppress(*FAILURES):  # a closed database has nothing to undo
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
        if not self._committing:
            for undo in self.undo:
                undo()
        self.undo.clear()
        self._committing = False

    # Closing

    def close(self) -> None:
        """Refuse further calls; close the database unless it is shared.

        In the middle of a call of this thread, it is closed at the end of the call.
        """
        if not self._lock.is_held():
            self._lock.run(self._close)
        elif self.path is not None:
            self._closing = True
        else:  # the call may be one of another session of this store
            self._cursor = RefusedCursor(ErrorCode.INVALID_HANDLE, "The session is closed.")

    def _close(self) -> None:
        self._cursor.close()
        self._cursor = RefusedCursor(ErrorCode.INVALID_HANDLE, "The session is closed.")
        if self.path is not None:
            self.database.close()

    def disown(self) -> None:
        """Abandon the connection in a forked child, where SQLite must not use it.

        An idle connection can be closed, and the file be opened again. One that another thread
        was using can't be closed; since SQLite's record of the locks on the file is wrong then,
        this process can't open the file again.
        """
        if isinstance(self._cursor, RefusedCursor):
            return
        idle = self._lock.acquire(False, -1)
        self._lock = CallLock()  # the thread that held the old one is not in this process
        self._cursor = RefusedCursor(
            ErrorCode.NOT_CONNECTED,
            "The session was opened before this process was forked: open one in the child.",
        )
        if self.path is None or not idle:
            _abandoned.append(self.database)
        else:
            self.database.close()
        if self.path is not None and not idle:
            _tainted.add(_identity(self.path))


_COMMIT = ("COMMIT",)


def refuse_tainted(path: str) -> None:
    """Raise if the file of the store was in use when this process was forked."""
    if _tainted and _identity(path) in _tainted:
        raise error_for(
            ErrorCode.OPERATION_NOT_PERMITTED,
            "The store was in use by another thread when this process was forked: "
            "start processes with 'spawn' or 'forkserver', or before the store is opened.",
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
