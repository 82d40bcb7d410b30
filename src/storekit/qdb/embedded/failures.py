"""What SQLite reports, in the codes of QuasarDB."""

import sqlite3

from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["FAILURES", "translate"]

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
