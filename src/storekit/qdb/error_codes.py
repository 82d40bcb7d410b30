"""The error codes of QuasarDB, with their messages.

They are those of the C API 3.14.3. The low 16 bits of a code are the number that the 1.x API had
for the same error, with one exception (see `number_of`).
"""

from enum import IntEnum
from typing import Self

__all__ = ["UNKNOWN", "ErrorCode", "make_error_string", "number_of"]


class ErrorCode(IntEnum):
    """Codes of the C API, as unsigned 32-bit numbers, with their messages."""

    message: str

    def __new__(cls, code: int, message: str) -> Self:
        """Create a member with a code and its message."""
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


_NUMBER_OF_ALIAS_TOO_LONG = 7  # in the 1.x API; the low bits of the 3.x code are 0x35
UNKNOWN = "An unknown error occurred."
_BY_CODE = {int(known): known for known in ErrorCode}


def number_of(error_code: int) -> int:
    """Return the number that the 1.x API had for an error."""
    if error_code == ErrorCode.ALIAS_TOO_LONG:
        return _NUMBER_OF_ALIAS_TOO_LONG
    return error_code & 0xFFFF


def make_error_string(error_code: int) -> str:
    """Return the message of an error code of the C API, or of an error number of the 1.x API."""
    code = error_code & 0xFFFFFFFF
    if code in _BY_CODE:
        return _BY_CODE[code].message
    if code == _NUMBER_OF_ALIAS_TOO_LONG:
        return ErrorCode.ALIAS_TOO_LONG.message
    for known in ErrorCode:
        if 0 < code == known & 0xFFFF:
            return known.message
    return UNKNOWN
