"""The errors of QuasarDB: one exception class for each kind of error."""

from storekit.errors import ClientClosed, StoreKitError
from storekit.qdb.error_codes import UNKNOWN, ErrorCode, make_error_string, number_of

__all__ = [
    "NEVER_REACHED",
    "TRANSIENT",
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


class QuasardbException(StoreKitError):
    """The base class of QuasarDB's errors, and the class of those that have no subclass.

    `error_code` is the code of the C API (unsigned 32 bits), `number` that of the 1.x API.
    `operation`, `alias` and `node` name the call that failed, as far as they are known. A
    subclass made without a code has the code of its class. A text instead of a code is the detail.
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
        return number_of(self.error_code)

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
        message = make_error_string(self.error_code) if self.error_code else UNKNOWN
        detail = self.detail or _WAYS_OUT.get(self.error_code)
        return f"{message.removesuffix('.')}. {detail}" if detail else message


def _shown(node: str) -> str:
    """Return a node for a message, in quotes if it ends with a colon, as `embedded:` does."""
    return repr(node) if node.endswith(":") else node


def _own_code(kind: type) -> int:
    """Return the code of an exception class; 0 for a class without one."""
    for base in kind.__mro__:
        if code := _CODES.get(base):
            return code
    return 0


class AliasNotFound(QuasardbException):
    """There is no entry with this alias."""


class AliasAlreadyExists(QuasardbException):
    """There is an entry with this alias already."""


class IncompatibleType(QuasardbException):
    """The operation does not apply to entries of this type."""


class UnmatchedContent(QuasardbException):
    """The content of the entry is not the expected one."""


class InvalidArgument(QuasardbException):
    """The store does not accept an argument."""


class ReservedAlias(InvalidArgument):
    """The alias starts with "..", which is reserved for the store."""


class AliasTooLong(InvalidArgument):
    """The alias has more than 1024 bytes in UTF-8."""


class EntryTooLarge(QuasardbException):
    """The content is larger than the store accepts."""


class BufferTooSmall(QuasardbException):
    """The content does not fit into the given buffer. `size` is its size in bytes."""

    size: int = 0


class InvalidQuery(InvalidArgument):
    """The query is malformed, or too complex for the store."""


class OutOfRange(QuasardbException):
    """The sum does not fit into the entry, which keeps its value."""


class Conflict(QuasardbException):
    """The operation conflicts with a concurrent one on the same entry."""


class ResourceLocked(QuasardbException):
    """Another client holds the entry or the store."""


class Skipped(QuasardbException):
    """The operation was not done, because of an error in another one of the batch."""


class TagAlreadySet(QuasardbException):
    """The entry has the tag already."""


class TagNotSet(QuasardbException):
    """The entry does not have the tag."""


class OperationDisabled(QuasardbException):
    """The configuration of the cluster does not permit the operation."""


class AccessDenied(QuasardbException):
    """The user is unknown, or lacks permission."""


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
    """There was no reply in time. A write may have been done."""


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
    ErrorCode.ALIAS_ALREADY_EXISTS: "To overwrite it, use update instead of put.",
    ErrorCode.INCOMPATIBLE_TYPE: "get_metadata returns its type.",
    ErrorCode.CONNECTION_REFUSED: "Is the cluster running, and are host and port right?",
    ErrorCode.HOST_NOT_FOUND: "Is the name of the host right?",
    ErrorCode.OPERATION_DISABLED: "The configuration of the cluster has to permit it.",
    ErrorCode.INVALID_PROTOCOL: "Is a QuasarDB node listening on this port?",
}
"""What to do about an error, for those that come without a detail."""
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


NEVER_REACHED = frozenset(
    {
        ErrorCode.CONNECTION_REFUSED,
        ErrorCode.HOST_NOT_FOUND,
        ErrorCode.NOT_CONNECTED,
        ErrorCode.ASYNC_PIPE_FULL,
    }
)
"""Errors after which the operation was certainly not done."""

TRANSIENT = NEVER_REACHED | {
    ErrorCode.CONNECTION_RESET,
    ErrorCode.NETWORK_ERROR,
    ErrorCode.TRY_AGAIN,
    ErrorCode.UNSTABLE_CLUSTER,
}
"""Errors after which a retry may succeed. A write may have been done, except for those above."""


def breaks_session(error: BaseException) -> bool:
    """Return whether the session that raised this must not be used again."""
    return isinstance(error, QuasardbException) and (
        error.error_code >> 28 == _CONNECTION or error.error_code == ErrorCode.INVALID_HANDLE
    )
