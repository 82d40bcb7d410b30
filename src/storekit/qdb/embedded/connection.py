"""One SQLite connection: its lock, its transactions, its failures, and its end in a fork.

What a call leaves behind, however it ends, is nothing. An exception may come at any step of it,
from a signal handler or by `PyThreadState_SetAsyncExc`, and so may another call, made by a
finalizer or a handler of the same thread:

- A call takes the lock inside its `try`. Whether it has it, the lock itself is asked, since a
  variable would be set one step later.
- A call in the middle of another one, on the same connection, is refused before it does anything:
  it would become part of a transaction that is not its own.
- A clean-up may be interrupted like anything else, and is then made again from its beginning. Each
  step of it looks for what there is to do.
- Files that a transaction has written are deleted only before its COMMIT is tried. After that they
  may be needed; if they are not, the next change that comes to their number deletes them.
"""

import errno
import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from storekit.qdb.embedded.checks import LARGE
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = [
    "FAILURES",
    "READING",
    "WAIT_IN_SQLITE",
    "WRITING",
    "CallLock",
    "Connection",
    "Row",
    "no_more_files",
    "refuse_tainted",
    "translate",
]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Row = tuple[Any, ...]  # what SQLite gives depends on the statement

WRITING = "BEGIN IMMEDIATE"
READING = "BEGIN"
WAIT_IN_SQLITE = 0.02
"""Seconds; during them no signal handler runs, so the rest is waited for in Python."""

FAILURES = (sqlite3.Error, UnicodeError, OverflowError, MemoryError)
"""What a call of the sqlite3 module raises for wrong input, and when the store fails."""

_PRIMARY = 0xFF  # extended result codes carry the primary one in their low bits
_LONGEST_PAUSE = 0.01  # s; a lock that is let go of is taken within twice of that
_FILES = 4  # that SQLite may open at once for one store: itself, log, index of the log, journal
_NO_FILES = (errno.EMFILE, errno.ENFILE)

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
_OPENING = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)

_connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()
_tainted: set[tuple[int, int]] = set()  # device and inode
_abandoned: list[sqlite3.Connection] = []


def translate(error: Exception) -> QuasardbException:
    """Return what to raise for one of `FAILURES`."""
    if isinstance(error, UnicodeEncodeError):
        return error_for(ErrorCode.INVALID_ARGUMENT, "Text must be valid in UTF-8.")
    if isinstance(error, UnicodeDecodeError):  # in a message of SQLite's that quotes the file
        return error_for(ErrorCode.DATA_CORRUPTION, "The file of the store is damaged.")
    if isinstance(error, MemoryError):
        return error_for(ErrorCode.NO_MEMORY_LOCAL)
    if isinstance(error, OverflowError):
        return error_for(ErrorCode.INVALID_ARGUMENT, "A number has more than 64 bits.")
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return error_for(ErrorCode.INVALID_HANDLE, "The session is closed.")
    reported: int | None = getattr(error, "sqlite_errorcode", None)
    if reported is None:
        if isinstance(error, sqlite3.OperationalError) and "decode" in str(error):
            return error_for(ErrorCode.DATA_CORRUPTION, "Text in the store is not valid in UTF-8.")
        return error_for(ErrorCode.INTERNAL_LOCAL, f"{error}.")
    if reported & _PRIMARY in _OPENING and _are_files_used_up():
        return no_more_files()
    if reported == sqlite3.SQLITE_IOERR_CORRUPTFS:
        reported = sqlite3.SQLITE_CORRUPT
    code, advice = _CODES.get(reported & _PRIMARY, (ErrorCode.INTERNAL_LOCAL, ""))
    return error_for(code, f"{advice} (SQLite: {error})".strip())


def no_more_files() -> QuasardbException:
    """Return the error of a process, or a system, that has too many files open."""
    return error_for(
        ErrorCode.SYSTEM_LOCAL,
        "There are too many open files: close some, or raise the limit of the process "
        "(ulimit -n). Nothing of this call was stored.",
    )


def _are_files_used_up() -> bool:
    """Return whether SQLite can't open the files of a store; it does not say why it failed."""
    opened: list[int] = []
    try:
        for _ in range(_FILES):
            opened.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - to be closed in any case
    except OSError as error:
        return error.errno in _NO_FILES
    finally:
        for file in opened:
            os.close(file)
    return False


class CallLock:
    """A lock for one call at a time, that is free again however the call ends.

    Used as `Connection.call` does; `run` is that for what needs no clean-up of its own.
    """

    def __init__(self) -> None:
        lock = threading.RLock()
        self.acquire: Callable[[bool, float], bool] = lock.acquire
        self.release: Callable[[], None] = lock.release
        # `threading.Condition` asks in the same way.
        self.is_held: Callable[[], bool] = lock._is_owned  # type: ignore[attr-defined]  # noqa: SLF001

    def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what `function(*args)` does with the lock held; again by a holder is fine."""
        if self.is_held():
            return function(*args)
        try:
            try:
                self.acquire(True, -1)
                result = function(*args)
                self.release()
            except BaseException:
                self.release_if_held()
                raise
        except BaseException:
            self.release_if_held()
            raise
        return result

    def is_free(self) -> bool:
        """Return whether no other thread has it, at this moment."""
        if self.is_held():
            return True
        try:
            return self.acquire(False, -1)
        finally:
            self.release_if_held()

    def release_if_held(self) -> None:
        """Release the lock if this thread has it."""
        if self.is_held():
            self.release()


class Connection:
    """Runs statements and says what failed. Whoever calls a method does so by way of `call`.

    Sessions with a store in memory share one database and one lock, so that each operation
    is whole; each session with a file has its own of both. `timeout` is for how many seconds a
    call waits for others. `keep` is what must live for as long as the database is used.
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
        self.give_up_at: float | None = None  # of the call that is under way, once it has to wait
        # What else to undo if the transaction that is under way fails.
        self.undo: list[Callable[[], object]] = []
        self._committing = False
        self._keep = keep
        self._lock = CallLock() if lock is None else lock
        self._closing = False
        self._walker: sqlite3.Cursor | None = None  # for rows that are asked for one by one
        try:
            self._cursor: sqlite3.Cursor | _Refusal = database.cursor()
        except FAILURES as error:
            raise translate(error) from error
        _connections.add(self)

    # Calls

    def is_free(self) -> bool:
        """Return whether a call would not have to wait for another thread, at this moment."""
        return self._lock.is_free()

    def call(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what `function(*args)` does with the lock held.

        Raises `RESOURCE_LOCKED` in the middle of another call of this thread, and where other
        threads take longer than the timeout.
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
                if not lock.acquire(True, self.timeout):
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
        """Undo what an error has broken off, as far as it was not committed."""
        if not isinstance(error, QuasardbException):
            self._end_statements()
        self.roll_back()

    def _end_statements(self) -> None:
        """End a statement that was broken off between its rows: it may hold a lock of SQLite's."""
        if not isinstance(self._cursor, _Refusal):
            self._cursor.close()
            self._cursor = self.database.cursor()
        walker, self._walker = self._walker, None
        if walker is not None:
            walker.close()

    # Statements

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row. The statement yields at most one, or its rest is dropped."""
        try:
            cursor = self._cursor
            cursor.execute(sql, parameters)
            row: Row | None = cursor.fetchone()
        except FAILURES as error:
            if not _is_busy(error):
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
            if not _is_busy(error):
                raise translate(error) from error
        return self._when_free(lambda: self._cursor.execute(sql, parameters).fetchall())

    def each(self, sql: str, parameters: Sequence[object] = ()) -> Generator[Row]:
        """Give rows one by one; for one statement at a time."""
        self.one("SELECT 1")  # refuses where nothing goes any more
        try:
            with closing(self.database.cursor()) as self._walker:
                yield from self._walker.execute(sql, parameters)
        except FAILURES as error:
            raise translate(error) from error
        finally:
            self._walker = None

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that writes; return how many rows it changed."""
        try:
            return self._cursor.execute(sql, parameters).rowcount
        except FAILURES as error:
            if not _is_busy(error):
                raise translate(error) from error
        return self._when_free(lambda: self._cursor.execute(sql, parameters).rowcount)

    def _when_free(self, run: Callable[[], T]) -> T:
        """Run a statement again, which has done nothing, until nobody else has the lock of it."""
        if self.give_up_at is None:
            self.give_up_at = time.monotonic() + self.timeout
        pause = _LONGEST_PAUSE / 16
        while True:
            left = self.give_up_at - time.monotonic()
            if left > 0:
                # Two processes that try at equal distances may miss each other's gaps for long.
                time.sleep(min(left, pause * (0.5 + random.random())))  # noqa: S311 - no secret
                pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                return run()
            except FAILURES as error:
                if left <= 0 or not _is_busy(error):
                    raise translate(error) from error

    def forget(self, sql: str, count: int, size: int) -> None:
        """Have a prepared statement let go of a large content that was bound to it.

        All of its `count` parameters become NULL, with which it changes nothing.
        """
        if size > LARGE:
            with suppress(*FAILURES):  # the change itself is made
                self._cursor.execute(sql, (None,) * count).fetchone()

    # Transactions

    @property
    def in_transaction(self) -> bool:
        """Whether statements are part of a transaction."""
        try:
            return self.database.in_transaction
        except sqlite3.ProgrammingError:  # it is closed, and statements are refused
            return False

    @contextmanager
    def transaction(self, begin: str = WRITING) -> Iterator[None]:
        """Make what is done inside one change; in another transaction, one step of it."""
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
            # SQLite may have rolled back all by itself, for instance when the disk is full.
            if self.in_transaction:
                self.change("ROLLBACK TO step")
                self.change("RELEASE step")
                while len(self.undo) > kept:
                    self.undo[-1]()
                    self.undo.pop()
            raise
        self.change("RELEASE step")

    def commit(self, done: list[object] | None = None) -> None:
        """Commit. `done` is longer from the moment on at which that has succeeded."""
        self._committing = True
        try:
            # One call, during which no exception of a signal handler comes: there is no step
            # between the COMMIT and the note of it.
            (done if done is not None else []).extend(map(self._cursor.execute, _COMMIT))
        except FAILURES as error:
            failure = translate(error)
            # What got into the log as a whole may come back after a crash: its files stay.
            self._committing = failure.error_code != ErrorCode.NO_SPACE_LEFT
            self.roll_back()
            raise failure from error
        self.undo.clear()
        self._committing = False

    def roll_back(self) -> None:
        """Undo what is not committed."""
        with suppress(*FAILURES):  # of a database that is closed there is nothing to undo
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
        if not self._committing:
            for undo in self.undo:
                undo()
        self.undo.clear()
        self._committing = False

    # The end

    def close(self) -> None:
        """Refuse from now on; close the database unless it is shared.

        In the middle of a call of this thread, that is done when the call is over.
        """
        if not self._lock.is_held():
            self._lock.run(self._close)
        elif self.path is not None:
            self._closing = True
        else:  # the call may be one of another session of this store
            self._cursor = _Refusal(ErrorCode.INVALID_HANDLE, "The session is closed.")

    def _close(self) -> None:
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
        idle = self._lock.acquire(False, -1)
        self._lock = CallLock()  # nobody is left to release one that was held
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


_COMMIT = ("COMMIT",)


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


def _is_busy(error: Exception) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY == sqlite3.SQLITE_BUSY


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
