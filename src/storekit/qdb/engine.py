"""The protocol between clients and engines: a blocking key-value session.

Engines have the semantics and error codes of the C API 3.x, and clients build the documented
1.x interface on them. Two engines implement this: `capi`, over the C library, and `embedded`,
over SQLite in process.

Errors are raised as `QuasardbException`, without operation and alias, which the client adds.
Aliases are text; the engine refuses what the store would refuse: `INVALID_ARGUMENT` for one
that is empty or has a NUL character, `ALIAS_TOO_LONG` above 1024 bytes of UTF-8,
`RESERVED_ALIAS` for a leading `..` in calls that write.

Times of expiry are milliseconds since the epoch, `NEVER` or `PRESERVE`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import UnionType
from typing import Protocol

from storekit.qdb.errors import ErrorCode, QuasardbException

__all__ = [
    "LONGEST_TIMEOUT",
    "MAX_ALIAS",
    "NEVER",
    "PRESERVE",
    "BatchOperation",
    "Buffer",
    "Engine",
    "EntryType",
    "Metadata",
    "OperationKind",
    "Outcome",
    "Session",
    "SessionOptions",
    "WholeEntry",
]

MAX_ALIAS = 1024
"""The largest size of an alias, in bytes of UTF-8."""

NEVER = 0
"""The entry never expires."""

PRESERVE = -1
"""An update keeps the entry's time of expiry."""

LONGEST_TIMEOUT = 2**31 // 1000 - 1
"""Seconds; the C library counts milliseconds in an int, and always has a timeout."""

Buffer = bytes | bytearray | memoryview
"""Content to be stored."""


class EntryType(IntEnum):
    """What an entry holds, by its number in the C API."""

    BLOB = 0
    INTEGER = 1
    TAG = 3
    DOUBLE = 10
    TIMESTAMP = 11
    STRING = 12


class OperationKind(IntEnum):
    """What an operation of a batch does, by its number in the C API.

    Negative ones have no number there: engines run them as separate calls.
    """

    BLOB_GET = 0
    BLOB_PUT = 1
    BLOB_UPDATE = 2
    BLOB_CAS = 4
    BLOB_GET_AND_UPDATE = 5
    HAS_TAG = 8
    INT_PUT = 9
    INT_UPDATE = 10
    INT_GET = 11
    INT_ADD = 12
    GET_ENTRY_TYPE = 13
    DOUBLE_PUT = 15
    DOUBLE_UPDATE = 16
    DOUBLE_GET = 17
    DOUBLE_ADD = 18
    STRING_GET = 19
    STRING_PUT = 20
    STRING_UPDATE = 21
    STRING_CAS = 22
    STRING_GET_AND_UPDATE = 23
    TIMESTAMP_PUT = 24
    TIMESTAMP_UPDATE = 25
    TIMESTAMP_GET = 26
    TIMESTAMP_ADD = 27
    BLOB_REMOVE = 28
    INT_REMOVE = 29
    DOUBLE_REMOVE = 30
    STRING_REMOVE = 31
    TIMESTAMP_REMOVE = 32
    BLOB_GET_AND_REMOVE = -106
    BLOB_REMOVE_IF = -107
    REMOVE = -108  # of an entry of any type


# Not frozen: creating a frozen one takes five times as long, half a microsecond more, and
# each joined call creates one.
@dataclass(slots=True)
class BatchOperation:
    """One operation of a batch or transaction. Treated as immutable."""

    kind: OperationKind
    alias: str
    content: Buffer | int | float | None = None  # the value, or the addend
    comparand: Buffer | None = None
    expiry: int = NEVER
    tag: str | None = None


@dataclass(slots=True)
class Outcome:
    """The outcome of one operation. Treated as immutable.

    `content` is None if the operation returns none; `detail` extends the message of an error.
    """

    error: int
    content: bytes | memoryview | int | float | None = None
    detail: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the operation succeeded."""
        return self.error in (ErrorCode.OK, ErrorCode.OK_CREATED)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Type, size and times of an entry. Times are nanoseconds since the epoch."""

    type: EntryType
    size: int  # bytes
    modified: int
    expiry: int  # 0 for never
    reference: tuple[int, int, int, int]


# Not frozen, for the same reason as `BatchOperation`.
@dataclass(slots=True)
class WholeEntry:
    """An entry with content, expiry and tags.

    `content` is bytes for a blob and for a string (UTF-8), nanoseconds for a timestamp, None for
    a tag. `expiry` is in milliseconds since the epoch; `tags` are sorted.
    """

    alias: str
    type: EntryType
    content: bytes | memoryview | int | float | None
    expiry: int = NEVER
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """Options of a session with a cluster. None leaves the default of the library.

    `timeout` is in seconds, for one operation on the network; the library takes whole seconds,
    at least 1. Sizes are in bytes. Keys are text in the format of the cluster's tools; a repr
    does not show them.
    """

    timeout: float | None = None
    compression: bool | None = None
    encryption: bool | None = None
    user: str | None = None
    secret_key: str | None = None
    cluster_public_key: str | None = None
    max_parallelism: int | None = None
    max_in_buffer: int | None = None
    max_batch_load: int | None = None
    connections_per_address: int | None = None

    def __post_init__(self) -> None:
        """Raise `TypeError` for a value of the wrong type. The engine checks the values."""
        for name, (kind, wanted) in _OPTION_TYPES.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                # The value is not shown: it may be a key.
                raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")

    def __repr__(self) -> str:
        return f"SessionOptions(timeout={self.timeout!r}, user={self.user!r})"


_OPTION_TYPES: dict[str, tuple[type | UnionType, str]] = {
    "timeout": (int | float, "a number of seconds"),
    **dict.fromkeys(("compression", "encryption"), (bool, "True or False")),
    **dict.fromkeys(("user", "secret_key", "cluster_public_key"), (str, "a str")),
    **dict.fromkeys(
        ("max_parallelism", "max_in_buffer", "max_batch_load", "connections_per_address"),
        (int, "an int"),
    ),
}


class Session(Protocol):
    """A connection to the store. One thread at a time may use it.

    Content is returned as `bytes`. An engine may return a `memoryview` instead where that
    saves a copy of large content; it keeps its memory valid for as long as it exists.
    """

    # Blobs

    def blob_put(self, alias: str, content: Buffer, expiry: int) -> None: ...
    def blob_update(self, alias: str, content: Buffer, expiry: int) -> bool:
        """Return whether the entry was created."""

    def blob_get(self, alias: str) -> bytes | memoryview: ...
    def blob_get_into(self, alias: str, place: memoryview) -> bytes | memoryview:
        """Return the content, in the memory of `place` if it fits and that saves a copy."""

    def blob_get_many(
        self, aliases: Sequence[str]
    ) -> Sequence[bytes | memoryview | QuasardbException]:
        """Return the content or the error of each entry, in one round trip.

        An error of the call as a whole is raised.
        """

    def blob_get_and_remove(self, alias: str) -> bytes | memoryview: ...
    def blob_get_and_update(
        self, alias: str, content: Buffer, expiry: int
    ) -> bytes | memoryview: ...
    def blob_compare_and_swap(
        self, alias: str, content: Buffer, comparand: Buffer, expiry: int
    ) -> bytes | memoryview | None:
        """Return None if `comparand` matched, else the current content."""

    def blob_remove_if(self, alias: str, comparand: Buffer) -> None:
        """Remove the entry if its content is `comparand`; else raise `UNMATCHED_CONTENT`."""

    def blob_scan(self, pattern: Buffer, max_count: int) -> list[str]: ...
    def blob_scan_regex(self, pattern: str, max_count: int) -> list[str]: ...

    # Numbers

    def int_put(self, alias: str, value: int, expiry: int) -> None: ...
    def int_update(self, alias: str, value: int, expiry: int) -> bool: ...
    def int_get(self, alias: str) -> int: ...
    def int_add(self, alias: str, addend: int) -> int: ...
    def double_put(self, alias: str, value: float, expiry: int) -> None: ...
    def double_update(self, alias: str, value: float, expiry: int) -> bool: ...
    def double_get(self, alias: str) -> float: ...
    def double_add(self, alias: str, addend: float) -> float: ...

    # Texts, which may hold any character, NUL included

    def string_put(self, alias: str, content: str, expiry: int) -> None: ...
    def string_update(self, alias: str, content: str, expiry: int) -> bool: ...
    def string_get(self, alias: str) -> str: ...
    def string_get_and_remove(self, alias: str) -> str: ...
    def string_get_and_update(self, alias: str, content: str, expiry: int) -> str: ...
    def string_compare_and_swap(
        self, alias: str, content: str, comparand: str, expiry: int
    ) -> str | None: ...
    def string_remove_if(self, alias: str, comparand: str) -> None: ...
    def string_scan(self, pattern: str, max_count: int) -> list[str]: ...
    def string_scan_regex(self, pattern: str, max_count: int) -> list[str]: ...

    # Timestamps, in nanoseconds since the epoch

    def timestamp_put(self, alias: str, nanoseconds: int, expiry: int) -> None: ...
    def timestamp_update(self, alias: str, nanoseconds: int, expiry: int) -> bool: ...
    def timestamp_get(self, alias: str) -> int: ...
    def timestamp_add(self, alias: str, nanoseconds: int) -> int: ...

    # Entries of any type

    def remove(self, alias: str) -> None: ...
    def expires_at(self, alias: str, expiry: int) -> None: ...
    def expires_from_now(self, alias: str, milliseconds: int) -> None: ...
    def get_expiry_time(self, alias: str) -> int: ...
    def get_type(self, alias: str) -> EntryType: ...
    def get_metadata(self, alias: str) -> Metadata: ...
    def purge_all(self, timeout: float) -> None:
        """Remove every entry; `timeout` in seconds."""

    # Finding

    def prefix_get(self, prefix: str, max_count: int) -> list[str]:
        """Return aliases in ascending order of their bytes; an empty list if there are none."""

    def prefix_count(self, prefix: str) -> int: ...
    def suffix_get(self, suffix: str, max_count: int) -> list[str]: ...
    def suffix_count(self, suffix: str) -> int: ...
    def scan(self, cursor: object, count: int) -> tuple[list[tuple[str, bytes]], object]:
        """Return up to `count` blobs and a cursor to continue from, None at the end.

        The first cursor is None. An entry that is not changed during the scan comes exactly
        once, one that is changed at most once. An open cursor may hold resources: scan to
        the end, or call `scan_close`. If an error ends the scan, blobs that were found before
        it are returned first, and each further call with the cursor raises it.
        """

    def scan_close(self, cursor: object) -> None: ...

    # Whole entries

    def walk_entries(self, cursor: object, count: int) -> tuple[list[WholeEntry], object]:
        """Return up to `count` entries of all types and a cursor to continue from, None at the end.

        As `scan`, but a cursor holds no resources and is valid in any session, and fewer
        entries are returned if they are large. Raises `NOT_IMPLEMENTED` if the store can't do it.
        """

    def read_entries(
        self,
        aliases: Sequence[str],
        contents: Sequence[Buffer] | None = None,
        tags: bool = True,
        types: Sequence[EntryType] | None = None,
    ) -> list[WholeEntry | None]:
        """Return entries of any type, None for those that do not exist.

        `contents` are given if the caller has already read them, and the entries are blobs; an
        engine may read them again. Without `tags`, it may leave these out. `types` are the
        expected types, which may save a call for each entry.
        """

    # Tags

    def attach_tag(self, alias: str, tag: str) -> None:
        """Attach a tag; raise `TAG_ALREADY_SET` if the entry has it."""

    def attach_tags(self, alias: str, tags: Sequence[str]) -> None:
        """Attach those that are not attached yet."""

    def detach_tag(self, alias: str, tag: str) -> None:
        """Detach a tag; raise `TAG_NOT_SET` if the entry does not have it."""

    def detach_tags(self, alias: str, tags: Sequence[str]) -> None: ...
    def has_tag(self, alias: str, tag: str) -> bool: ...
    def get_tags(self, alias: str) -> list[str]: ...
    def get_tagged(self, tag: str) -> list[str]: ...
    def get_tagged_count(self, tag: str) -> int: ...

    def find(self, query: str) -> list[str]:
        """Return the aliases for a query `find(tag='...' and not type=...)`, in any order.

        Raises `INVALID_QUERY`.
        """

    # Batches

    def run_batch(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        """Run operations independently of each other, in no particular order.

        If the alias or expiry of one is malformed, that one has its error, all others are
        `SKIPPED`, and nothing was done.
        """

    def run_joined(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        """Run calls of several callers in one round trip, independently of each other.

        Each has the outcome that its single call would have: code, content (that of a failed
        swap included), `OK_CREATED` of an update if the engine can tell. None has `SKIPPED`
        because of another: a malformed one has its own error, and the rest are done, in any
        order. Text is passed and returned as UTF-8.

        Raises an error that kept the store from doing anything, or from reporting what it
        did: it is the error of each call.
        """

    def run_transaction(
        self, operations: Sequence[BatchOperation]
    ) -> tuple[int, int, list[Outcome]]:
        """Run all in order, or none; return error code, index of the failed one, outcomes."""

    # The cluster. `node` is "host:port"; replies are JSON.

    def node_status(self, node: str) -> bytes: ...
    def node_config(self, node: str) -> bytes: ...
    def node_topology(self, node: str) -> bytes: ...
    def node_stop(self, node: str, reason: str) -> None: ...

    def is_free(self) -> bool:
        """Return whether a call would not have to wait for a call of another thread."""

    def close(self) -> None:
        """Close the session, while no other thread is in a call of it. Closing twice is fine."""


class Engine(Protocol):
    """Opens sessions with one store."""

    @property
    def immediate(self) -> bool:
        """Whether calls wait only for other threads, never for I/O: an event loop may make them."""

    @property
    def serial(self) -> bool:
        """Whether calls wait for each other, even those of different sessions."""

    def connect(self, timeout: float | None = None) -> Session:
        """Open a session. Blocks for as long as the network takes, at most `timeout` seconds.

        An engine without a network ignores `timeout`.
        """

    def version(self) -> str:
        """Return the version of the implementation, e.g. of the C library."""

    def build(self) -> str: ...

    def describe(self) -> Mapping[str, object]:
        """Return details for bug reports, without secrets."""
