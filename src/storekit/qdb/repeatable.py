"""Which errors may pass, and what they say about the operation and its session."""

from storekit.qdb.errors import ErrorCode, QuasardbException

__all__ = ["NEVER_REACHED", "PASSING", "breaks_session"]

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

_CONNECTION = 0xD  # the origin of an error, in the uppermost 4 bits of its code


def breaks_session(error: BaseException) -> bool:
    """Return whether the session in which this came up is of no more use."""
    return isinstance(error, QuasardbException) and (
        error.error_code >> 28 == _CONNECTION or error.error_code == ErrorCode.INVALID_HANDLE
    )
