"""Exit codes and error messages. `docs/cli.md` has the same table.

Errors are distinguished by the names of their classes, which are unique in storekit: importing the
classes would load both stores for a command that uses only one.
"""

import click

__all__ = [
    "CODES",
    "DAMAGED",
    "DENIED",
    "FAILED",
    "HINTS",
    "INTERRUPTED",
    "LOCAL",
    "NAMES",
    "NOT_FOUND",
    "NO_ROOM",
    "OK",
    "PIPE_CLOSED",
    "REFUSED",
    "STATUSES",
    "UNREACHABLE",
    "USAGE",
    "CommandError",
    "exit_of",
    "explain",
]

OK = 0
NOT_FOUND = 1
USAGE = 2
UNREACHABLE = 3
REFUSED = 4
DENIED = 5
DAMAGED = 6
NO_ROOM = 7
LOCAL = 8
FAILED = 70
INTERRUPTED = 130
PIPE_CLOSED = 141

CODES: dict[int, str] = {
    OK: "done",
    NOT_FOUND: "there is no such entry, document or table",
    USAGE: "wrong usage: an option, an argument, a setting, a query; or an extra is missing",
    UNREACHABLE: "the store can't be reached, or did not answer in time",
    REFUSED: "existing content prevents it: it exists already, has another type, or is locked",
    DENIED: "the store refuses user, password or key",
    DAMAGED: "content can't be read: damaged, incomplete, or of another codec",
    NO_ROOM: "out of disk space, quota, memory or open files; or the entry is too large",
    LOCAL: "a file or directory on this machine can't be read or written",
    FAILED: "any other failure of a store; or a bug in storekit",
    INTERRUPTED: "interrupted by Ctrl-C",
    PIPE_CLOSED: "the reader of the output has closed it",
}
"""What each exit code means."""

NAMES: dict[str, int] = {
    # QuasarDB
    "AliasNotFound": NOT_FOUND,
    "TagNotSet": NOT_FOUND,
    "InvalidArgument": USAGE,
    "NotImplementedByStore": USAGE,
    "ConnectionFailed": UNREACHABLE,
    "LibraryUnavailable": USAGE,
    "AliasAlreadyExists": REFUSED,
    "IncompatibleType": REFUSED,
    "UnmatchedContent": REFUSED,
    "OutOfRange": REFUSED,
    "Conflict": REFUSED,
    "ResourceLocked": REFUSED,
    "TagAlreadySet": REFUSED,
    "OperationDisabled": REFUSED,
    "DocumentConflict": REFUSED,
    "AccessDenied": DENIED,
    "DataCorruption": DAMAGED,
    "DocumentDamaged": DAMAGED,
    "DocumentIncomplete": DAMAGED,
    "EntryTooLarge": NO_ROOM,
    "NoSpaceLeft": NO_ROOM,
    # QCache
    "DatasetMissing": NOT_FOUND,
    "DatasetChanged": REFUSED,
    "MalformedQueryException": USAGE,
    "UnsupportedAcceptType": USAGE,
    "UnsupportedContentType": USAGE,
    "UnsupportedSql": USAGE,
    "AuthenticationFailed": DENIED,
    "NoCacheAvailable": UNREACHABLE,
    "TooManyConsecutiveErrors": UNREACHABLE,
    "ServerBusy": UNREACHABLE,
    # both
    "CodecError": DAMAGED,
    "DumpDamaged": DAMAGED,
    "TransferMismatch": REFUSED,
    "TransferUnfinished": REFUSED,
    "OutOfResources": NO_ROOM,
    "PoolError": UNREACHABLE,
}
"""The exit code for each class of errors of storekit, and for its subclasses."""

STATUSES: dict[int | None, int] = {400: DAMAGED, 413: NO_ROOM, 507: NO_ROOM}
"""The exit code by status, for `UnexpectedServerResponse`: refused tables."""

HINTS: dict[str, str] = {
    "AliasNotFound": "`storekit ls` lists entries, `storekit docs` documents",
    "UnreadableValue": "name its codec with --codec, or print the stored bytes with --as raw",
    "ClassNotAllowed": "or print the stored bytes with --as raw",
}
"""What to do on the command line, for errors whose message says what to do in a program."""

_NO_ROOM = {12, 23, 24, 27, 28, 122}  # ENOMEM, ENFILE, EMFILE, EFBIG, ENOSPC, EDQUOT


class CommandError(Exception):
    """A command failed: the message, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def exit_of(error: BaseException) -> int:
    """Return the exit code for an error."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, click.ClickException):
        return USAGE
    for kind in type(error).__mro__:
        if kind.__module__.startswith("storekit.") and kind.__name__ in NAMES:
            return NAMES[kind.__name__]
        if kind.__name__ == "UnexpectedServerResponse":
            return STATUSES.get(getattr(error, "status", None), FAILED)
    if isinstance(error, OSError):
        return NO_ROOM if error.errno in _NO_ROOM else LOCAL
    if isinstance(error, MemoryError):
        return NO_ROOM
    if isinstance(error, ModuleNotFoundError | TypeError | ValueError):
        return USAGE  # clients raise these for arguments and settings
    return FAILED


def explain(error: BaseException, *, verbose: bool) -> str:
    """Return the message for an error, with what to do."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "storekit"
        return f"{error.format_message()} (see {command} --help)"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = str(error) or type(error).__name__
    if hint := next(
        (HINTS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in HINTS), None
    ):
        text = f"{text.rstrip('.')}; {hint}"
    if exit_of(error) == FAILED and not verbose:
        return f"{text} ({type(error).__name__}; --verbose shows the traceback)"
    return text
