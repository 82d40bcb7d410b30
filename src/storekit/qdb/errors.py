"""The errors of QuasarDB: codes, messages, and one exception class for each kind to catch.

Codes and messages are those of the C API 3.14.3. The low 16 bits of a code are the number
that the 1.x API had for the same error, with one exception (see `QuasardbException.number`).
"""

from enum import IntEnum
from typing import Self

from storekit.errors import ClientClosed, StoreKitError

__all__ = [
    "NEVER_REACHED",
    "PASSING",
    "AccessDenied",
    "AliasAlreadyExists",
    "AliasNotFound",
    "AliasTooLong",
    "BufferTooSmall",
    "Conflict",
    "ConnectionFailed",
    "DataCorruption",
    "EntryTooLarge",
    "ErrorCode",
    "IncompatibleType",
    "InvalidArgument",
    "InvalidQuery",
    "NoSpaceLeft",
    "NotImplementedByStore",
    "OperationDisabled",
    "OutOfRange",
    "QuasardbException",
    "ReservedAlias",
    "ResourceLocked",
    "Skipped",
    "StoreClosed",
    "StoreTimeout",
    "TagAlreadySet",
    "TagNotSet",
    "UnmatchedContent",
    "breaks_session",
    "error_for",
    "make_error_string",
]


class ErrorCode(IntEnum):
    """Codes of the C API, as unsigned 32-bit numbers, with their messages."""

    message: str

    def __new__(cls, code: int, message: str) -> Self:
        """Make a member of a code and its message."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.message = message
        return member

    OK = 0x00000000, "The operation completed successfully."
    INVALID_PROTOCOL = 0xA3000004, "The remote host protocol mismatches the client API protocol."
    INVALID_VERSION = 0xA3000016, "The remote host and Client API versions mismatch."
    INVALID_REPLY = 0xA3000031, "Invalid reply from the remote host."
    UNMATCHED_CONTENT = 0xB000001E, "The content does not match."
    ELEMENT_NOT_FOUND = 0xB0000025, "The entry does not contain the given element."
    ELEMENT_ALREADY_EXISTS = 0xB0000026, "The entry already contains the given element."
    TAG_ALREADY_SET = 0xB0000029, "The entry is already marked with the provided tag."
    TAG_NOT_SET = 0xB000002A, "The entry is not marked with the provided tag."
    ITERATOR_END = 0xB0000030, "The iterator reached the end of the collection."
    OK_CREATED = 0xB0000032, "The operation completed successfully. A new entry has been created."
    ALIAS_NOT_FOUND = 0xB1000008, "An entry matching the provided alias cannot be found."
    ALIAS_ALREADY_EXISTS = 0xB1000009, "An entry matching the provided alias already exists."
    SKIPPED = (
        0xB1000021,
        "This operation has been skipped because of an error that occurred in another operation.",
    )
    INCOMPATIBLE_TYPE = 0xB1000022, "The entry has a type incompatible with this operation."
    CONTAINER_EMPTY = 0xB1000023, "The entry contains an empty container."
    CONTAINER_FULL = 0xB1000024, "The container is full."
    OVERFLOW = 0xB1000027, "The operation provokes overflow."
    UNDERFLOW = 0xB1000028, "The operation provokes underflow."
    COLUMN_NOT_FOUND = 0xB1000039, "The timeseries does not contain this column."
    CONFLICT = (
        0xB200001A,
        "The operation has been aborted as it conflicts with another ongoing operation.",
    )
    TRANSACTION_PARTIAL_FAILURE = (
        0xB200002C,
        "An unrecoverable error occurred while committing or rollbacking the transaction.",
    )
    RESOURCE_LOCKED = 0xB200002D, "The entry is currently locked by another client."
    OPERATION_DISABLED = (
        0xB200002E,
        "The requested operation cannot be performed because it has been disabled.",
    )
    OPERATION_NOT_PERMITTED = (
        0xB200002F,
        (
            "The requested operation cannot be performed because it is not permitted in the "
            "current state."
        ),
    )
    ACCESS_DENIED = 0xB2000037, "Access to the entry has been denied."
    QUERY_TOO_COMPLEX = (
        0xB2000040,
        "The query has been refused as it would result in excessive server load.",
    )
    PARTIAL_FAILURE = 0xB2000049, "The query partially failed."
    BUFFER_TOO_SMALL = 0xC100000B, "The provided buffer is too small."
    OUT_OF_BOUNDS = 0xC1000019, "The given index was out of bounds."
    INVALID_ARGUMENT = 0xC2000018, "The argument is invalid."
    INVALID_HANDLE = 0xC200001C, "The handle is invalid."
    RESERVED_ALIAS = 0xC200001D, "The alias or prefix is reserved."
    INVALID_ITERATOR = 0xC200001F, "The iterator is invalid"
    ENTRY_TOO_LARGE = 0xC200002B, "The entry is larger than the allowed limit on the remote node."
    ALIAS_TOO_LONG = 0xC2000035, "The alias or prefix is too long."
    INVALID_CRYPTO_KEY = 0xC2000041, "The provided cryptographic key is invalid."
    INVALID_QUERY = 0xC2000042, "The provided query is invalid."
    INVALID_REGEX = 0xC2000043, "The regular expression is not valid."
    UNKNOWN_USER = 0xC2000044, "Unknown user."
    UNINITIALIZED = 0xC300FFFF, "Uninitialized error variable."
    HOST_NOT_FOUND = 0xD2000005, "The remote host cannot be resolved."
    TIMEOUT = 0xD200000A, "The operation timed out."
    CONNECTION_RESET = 0xD200000F, "Connection reset by peer."
    UNSTABLE_CLUSTER = 0xD2000012, "The cluster is unstable. Please try again later."
    TRY_AGAIN = 0xD2000017, "A temporary error occurred. Please try again."
    NOT_CONNECTED = 0xD200001B, "The handle is not connected."
    NETWORK_ERROR = 0xD2000047, "A network error occurred."
    CONNECTION_REFUSED = 0xD300000E, "Connection refused."
    NETWORK_INBUF_TOO_SMALL = (
        0xE2000046,
        "The network input buffer is too small to complete the operation.",
    )
    SYSTEM_LOCAL = 0xE3000001, "A local system error occurred."
    INTERNAL_LOCAL = 0xE3000002, "A local internal error occurred."
    NO_MEMORY_LOCAL = (
        0xE3000003,
        "Insufficient memory is available locally to complete the operation.",
    )
    CLOCK_SKEW = (
        0xF2000036,
        "A clock skew is preventing the operation from completing successfully.",
    )
    LOGIN_FAILED = 0xF2000038, "Login failed for the user."
    INTERRUPTED = 0xF2000045, "The operation has been interrupted."
    ASYNC_PIPE_FULL = (
        0xF200004A,
        (
            "The remote asynchronous pipeline is full and has rejected additional workload. "
            "Throttle back writes."
        ),
    )
    SYSTEM_REMOTE = 0xF3000001, "A remote system error occurred"
    INTERNAL_REMOTE = 0xF3000002, "A remote internal error occurred."
    NO_MEMORY_REMOTE = (
        0xF3000003,
        "Insufficient memory is available remotely to complete the operation.",
    )
    NOT_IMPLEMENTED = 0xF3000011, "The requested operation is not yet available."
    NO_SPACE_LEFT = 0xF3000033, "No space left on device."
    QUOTA_EXCEEDED = 0xF3000034, "QuasarDB disk quota exceeded."
    DATA_CORRUPTION = 0xF3000048, "A data corruption has been detected."


_NUMBER_OF_ALIAS_TOO_LONG = 7  # in the 1.x API; the low bits of today's code are 0x35
_UNKNOWN = "An unknown error occurred."


class QuasardbException(StoreKitError):
    """The quasardb exception, based on the API error codes.

    `error_code` is the code of the C API (unsigned 32 bits), `number` what the 1.x API had
    for it. `operation`, `alias` and `node` say what was asked of whom, as far as known. A
    subclass that is made without a code has its own. A text in place of the code is the detail.
    """

    def __init__(
        self,
        error_code: int | str = 0,
        detail: str | None = None,
        *,
        operation: str | None = None,
        alias: str | None = None,
        node: str | None = None,
    ) -> None:
        code, text = (0, error_code) if isinstance(error_code, str) else (error_code, None)
        self.error_code: int = (code or _own_code(type(self))) & 0xFFFFFFFF
        self.detail: str | None = text if detail is None else detail
        self.operation = operation
        self.alias = alias
        self.node = node
        super().__init__(error_code, detail)

    @property
    def number(self) -> int:
        """The error number of the 1.x API."""
        if self.error_code == ErrorCode.ALIAS_TOO_LONG:
            return _NUMBER_OF_ALIAS_TOO_LONG
        return self.error_code & 0xFFFF

    def __str__(self) -> str:
        asked = " ".join(
            part
            for part in (
                self.operation,
                None if self.alias is None else repr(self.alias[:100]),
                None if self.node is None else f"at {_shown(self.node)}",
            )
            if part
        )
        said = self._said()
        return f"{asked}: {said}" if asked else said

    def _said(self) -> str:
        message = make_error_string(self.error_code) if self.error_code else _UNKNOWN
        detail = self.detail or _WAYS_OUT.get(self.error_code)
        return f"{message.removesuffix('.')}. {detail}" if detail else message


def _shown(node: str) -> str:
    """Return a node for a message, where a colon at its end would look like a mistake."""
    return repr(node) if node.endswith(":") else node


def _own_code(kind: type) -> int:
    """Return the code that a class of errors stands for; 0 if it stands for many."""
    for base in kind.__mro__:
        if code := _CODES.get(base):
            return code
    return 0


class AliasNotFound(QuasardbException):
    """There is no entry with this alias."""


class AliasAlreadyExists(QuasardbException):
    """There is an entry with this alias already."""


class IncompatibleType(QuasardbException):
    """The entry is of another type than the operation is for."""


class UnmatchedContent(QuasardbException):
    """The content is not the one that was to be there."""


class InvalidArgument(QuasardbException):
    """The store does not accept an argument."""


class ReservedAlias(InvalidArgument):
    """The alias belongs to the store itself."""


class AliasTooLong(InvalidArgument):
    """The alias has more than 1024 bytes in UTF-8."""


class EntryTooLarge(QuasardbException):
    """The content is larger than the store takes."""


class BufferTooSmall(QuasardbException):
    """The content does not fit into the buffer that was given. `size` is what it needs."""

    size: int = 0


class InvalidQuery(InvalidArgument):
    """The query is no query, or more than the store is ready to do."""


class OutOfRange(QuasardbException):
    """The sum does not fit into the entry, which kept its value."""


class Conflict(QuasardbException):
    """Another writer was first."""


class ResourceLocked(QuasardbException):
    """Another client holds the entry or the store."""


class Skipped(QuasardbException):
    """Nothing was done, because of another operation in the same batch."""


class TagAlreadySet(QuasardbException):
    """The entry has the tag already."""


class TagNotSet(QuasardbException):
    """The entry does not have the tag."""


class OperationDisabled(QuasardbException):
    """The cluster is configured not to do this."""


class AccessDenied(QuasardbException):
    """The user may not do this, or is not known."""


class NotImplementedByStore(QuasardbException):
    """The store does not have this operation."""


class DataCorruption(QuasardbException):
    """Stored data is damaged."""


class NoSpaceLeft(QuasardbException):
    """The disk or the quota is full."""


class ConnectionFailed(QuasardbException):
    """The cluster cannot be reached, or the connection broke."""


class StoreClosed(ClientClosed, QuasardbException):
    """The client was closed before or during the call."""

    def _said(self) -> str:
        return self.detail or "the client is closed; make a new one"


class StoreTimeout(ConnectionFailed):
    """There was no answer in time. A write may have happened."""


_CLASSES: dict[int, type[QuasardbException]] = {
    ErrorCode.ALIAS_NOT_FOUND: AliasNotFound,
    ErrorCode.ALIAS_ALREADY_EXISTS: AliasAlreadyExists,
    ErrorCode.INCOMPATIBLE_TYPE: IncompatibleType,
    ErrorCode.UNMATCHED_CONTENT: UnmatchedContent,
    ErrorCode.INVALID_ARGUMENT: InvalidArgument,
    ErrorCode.RESERVED_ALIAS: ReservedAlias,
    ErrorCode.ALIAS_TOO_LONG: AliasTooLong,
    ErrorCode.INVALID_QUERY: InvalidQuery,
    ErrorCode.QUERY_TOO_COMPLEX: InvalidQuery,
    ErrorCode.BUFFER_TOO_SMALL: BufferTooSmall,
    ErrorCode.ENTRY_TOO_LARGE: EntryTooLarge,
    ErrorCode.OVERFLOW: OutOfRange,
    ErrorCode.UNDERFLOW: OutOfRange,
    ErrorCode.CONFLICT: Conflict,
    ErrorCode.RESOURCE_LOCKED: ResourceLocked,
    ErrorCode.SKIPPED: Skipped,
    ErrorCode.TAG_ALREADY_SET: TagAlreadySet,
    ErrorCode.TAG_NOT_SET: TagNotSet,
    ErrorCode.OPERATION_DISABLED: OperationDisabled,
    ErrorCode.OPERATION_NOT_PERMITTED: OperationDisabled,
    ErrorCode.ACCESS_DENIED: AccessDenied,
    ErrorCode.LOGIN_FAILED: AccessDenied,
    ErrorCode.UNKNOWN_USER: AccessDenied,
    ErrorCode.NOT_IMPLEMENTED: NotImplementedByStore,
    ErrorCode.DATA_CORRUPTION: DataCorruption,
    ErrorCode.NO_SPACE_LEFT: NoSpaceLeft,
    ErrorCode.QUOTA_EXCEEDED: NoSpaceLeft,
    ErrorCode.TIMEOUT: StoreTimeout,
}
_CODES: dict[type, int] = {kind: int(code) for code, kind in reversed(_CLASSES.items())}
_CODES |= {ConnectionFailed: ErrorCode.NETWORK_ERROR, StoreClosed: ErrorCode.INVALID_HANDLE}
_WAYS_OUT: dict[int, str] = {
    ErrorCode.ALIAS_ALREADY_EXISTS: "To store it all the same, use update instead of put.",
    ErrorCode.INCOMPATIBLE_TYPE: "get_metadata tells of what type it is.",
    ErrorCode.CONNECTION_REFUSED: "Is the cluster running, and are host and port right?",
    ErrorCode.HOST_NOT_FOUND: "Is the name of the host right?",
    ErrorCode.OPERATION_DISABLED: "The configuration of the cluster has to permit it.",
    ErrorCode.INVALID_PROTOCOL: "Is it a QuasarDB node that listens at this port?",
}
"""What to do about an error of which nothing more is known."""
_BY_CODE = {int(known): known for known in ErrorCode}
_CONNECTION = 0xD  # the origin, in the uppermost 4 bits


def error_for(
    error_code: int,
    detail: str | None = None,
    *,
    operation: str | None = None,
    alias: str | None = None,
    node: str | None = None,
) -> QuasardbException:
    """Return the exception for a code of the C API, signed or unsigned."""
    code = error_code & 0xFFFFFFFF
    default = ConnectionFailed if code >> 28 == _CONNECTION else QuasardbException
    kind = _CLASSES.get(code, default)
    return kind(code, detail, operation=operation, alias=alias, node=node)


def make_error_string(error_code: int) -> str:
    """Return a meaningful error message for a quasardb error code, of today or of the 1.x API."""
    code = error_code & 0xFFFFFFFF
    if code in _BY_CODE:
        return _BY_CODE[code].message
    if code == _NUMBER_OF_ALIAS_TOO_LONG:
        return ErrorCode.ALIAS_TOO_LONG.message
    for known in ErrorCode:
        if 0 < code == known & 0xFFFF:
            return known.message
    return _UNKNOWN


NEVER_REACHED = frozenset(
    {
        ErrorCode.CONNECTION_REFUSED,
        ErrorCode.HOST_NOT_FOUND,
        ErrorCode.NOT_CONNECTED,
        ErrorCode.ASYNC_PIPE_FULL,
    }
)
"""After these, the operation was certainly not done."""

PASSING = NEVER_REACHED | {
    ErrorCode.CONNECTION_RESET,
    ErrorCode.NETWORK_ERROR,
    ErrorCode.TRY_AGAIN,
    ErrorCode.UNSTABLE_CLUSTER,
}
"""After these, it may have been done or not, and may well be possible soon."""


def breaks_session(error: BaseException) -> bool:
    """Return whether the session in which this came up is of no more use."""
    return isinstance(error, QuasardbException) and (
        error.error_code >> 28 == _CONNECTION or error.error_code == ErrorCode.INVALID_HANDLE
    )
