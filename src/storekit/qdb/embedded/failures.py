"""Translation of the errors of SQLite and the operating system to errors of the store."""

import errno
import os
import sqlite3
from typing import NoReturn

from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["FAILURES", "RefusedCursor", "is_busy", "no_more_files", "translate"]

FAILURES = (sqlite3.Error, UnicodeError, OverflowError, MemoryError)
"""Exceptions that the sqlite3 module raises for wrong input, and when the store fails."""

_PRIMARY = 0xFF  # extended result codes carry the primary one in their low bits
_FILES = 4  # that SQLite may open for one store: database, log, index of the log, journal
_NO_FILES = (errno.EMFILE, errno.ENFILE)

_CODES: dict[int, tuple[ErrorCode, str]] = {
    sqlite3.SQLITE_BUSY: (
        ErrorCode.RESOURCE_LOCKED,
        "Another session or process kept the store locked for too long.",
    ),
    sqlite3.SQLITE_LOCKED: (
        ErrorCode.RESOURCE_LOCKED,
        "Another session or process kept the store locked for too long.",
    ),
    sqlite3.SQLITE_READONLY: (
        ErrorCode.OPERATION_NOT_PERMITTED,
        "The file of the store, or its directory, can't be written.",
    ),
    sqlite3.SQLITE_PERM: (ErrorCode.OPERATION_NOT_PERMITTED, "Access to the file was denied."),
    sqlite3.SQLITE_CANTOPEN: (
        ErrorCode.OPERATION_NOT_PERMITTED,
        "The file of the store can't be opened: its directory must exist and be writable.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        ErrorCode.DATA_CORRUPTION,
        "The file of the store is damaged: restore it, or recover it with the sqlite3 tool.",
    ),
    sqlite3.SQLITE_NOTADB: (ErrorCode.DATA_CORRUPTION, "The file is not a store of storekit."),
    sqlite3.SQLITE_FULL: (ErrorCode.NO_SPACE_LEFT, "Nothing of this call was stored."),
    sqlite3.SQLITE_TOOBIG: (ErrorCode.ENTRY_TOO_LARGE, "It is larger than SQLite allows."),
    sqlite3.SQLITE_NOMEM: (ErrorCode.NO_MEMORY_LOCAL, ""),
    sqlite3.SQLITE_INTERRUPT: (ErrorCode.INTERRUPTED, ""),
    sqlite3.SQLITE_IOERR: (ErrorCode.SYSTEM_LOCAL, "The file of the store can't be accessed."),
}
_OPENING = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)


def translate(error: Exception) -> QuasardbException:
    """Return the error of the store for one of `FAILURES`."""
    if isinstance(error, UnicodeEncodeError):
        return error_for(ErrorCode.INVALID_ARGUMENT, "Text must be valid in UTF-8.")
    if isinstance(error, UnicodeDecodeError):  # in a message of SQLite that quotes the file
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
    """Return whether no more files can be opened, which SQLite does not report as the cause."""
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


def is_busy(error: Exception) -> bool:
    """Return whether another connection holds the lock of the store, so that nothing was done."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY == sqlite3.SQLITE_BUSY


class RefusedCursor:
    """Replaces the cursor of a connection that must not be used any more."""

    rowcount = 0

    def __init__(self, code: ErrorCode, detail: str) -> None:
        self._code = code
        self._detail = detail

    def execute(self, sql: str, parameters: object = ()) -> NoReturn:  # noqa: ARG002
        """Raise the error of the connection."""
        raise error_for(self._code, self._detail)

    def fetchone(self) -> None:
        """Do nothing; never called, since `execute` raises."""

    def close(self) -> None:
        """Do nothing."""
