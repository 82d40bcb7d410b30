"""The values of the documented interface: nodes, batches, times."""

import copy
import ctypes
import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import Enum, IntEnum
from typing import Any, ClassVar, Final, Generic, Literal, Self

from storekit.errors import CodecError
from storekit.qdb._typing import T
from storekit.qdb.codec import DEFAULT_PICKLER
from storekit.qdb.engine import NEVER, PRESERVE, EntryType, Kind, Metadata, Operation, Outcome
from storekit.qdb.errors import ErrorCode, error_for, make_error_string

__all__ = [
    "DEFAULT_PORT",
    "PRESERVE_EXPIRY",
    "BatchRequest",
    "BatchResult",
    "EntryMetadata",
    "Expiry",
    "ExpiryRule",
    "Operations",
    "RemoteNode",
    "TimeZone",
    "copies",
    "from_milliseconds",
    "from_nanoseconds",
    "milliseconds_from_now",
    "parse_node",
    "parse_nodes",
    "to_milliseconds",
    "to_nanoseconds",
    "tz",
]

DEFAULT_PORT = 2836

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\[\]:,/@?#]+)(?::(?P<port>[0-9]{1,5}))?")
_FROM_NOW = "expires_from_now"
_TAKEN_FOR_SECONDS_FROM_NOW = 10 * 366 * 86_400
_CLOCKS_DIFFER = 5 * 60 * 1000
"""How far back an expiry may lie, in milliseconds: as far as clusters accept."""


class TimeZone(tzinfo):
    """The quasardb time zone is UTC."""

    def utcoffset(self, dt: datetime | None) -> timedelta:  # noqa: ARG002 - given by the base class
        """Return no offset."""
        return timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:  # noqa: ARG002
        """Return no offset."""
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:  # noqa: ARG002
        """Return "UTC"."""
        return "UTC"

    def __repr__(self) -> str:
        return "qdb.tz"

    def __reduce__(self) -> tuple[type[timezone], tuple[timedelta]]:
        # As the time zone of the standard library, which every client reads.
        return timezone, (timedelta(0),)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


tz: TimeZone = TimeZone()
"""The time zone of every datetime that the clients return."""


class ExpiryRule(Enum):
    """What an expiry can be besides a time."""

    PRESERVE = "preserve"

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


PRESERVE_EXPIRY: Final = ExpiryRule.PRESERVE
"""An expiry for updates: an entry that is there keeps its own, a new one never expires."""

Expiry = datetime | timedelta | int | float | Literal[ExpiryRule.PRESERVE] | None
"""When an entry expires: a datetime (a naive one means UTC), a timedelta from now, a number of
seconds since the epoch (of `time.time()`, not from now), `PRESERVE_EXPIRY`, or None for never.
Milliseconds count, what is finer does not."""


def to_milliseconds(expiry: Expiry, now: float, operation: str | None = None) -> int:
    """Return an expiry as engines take it. `now` is in seconds since the epoch.

    Errors name the `operation`.

    Raises:
        TypeError: It is of another type.
        InvalidArgument: It is more than five minutes ago, or is not a time at all.

    """
    if expiry is None:
        return NEVER
    if expiry is PRESERVE_EXPIRY:
        return PRESERVE
    if isinstance(expiry, datetime):
        # By offset, for an aware datetime of another time zone is a point in time as well.
        aware = expiry if expiry.utcoffset() is not None else expiry.replace(tzinfo=UTC)
        milliseconds = (aware - _EPOCH) // _MILLISECOND
    elif isinstance(expiry, timedelta):
        milliseconds = round(now * 1000) + expiry // _MILLISECOND
    elif isinstance(expiry, int | float) and not isinstance(expiry, bool):
        try:
            milliseconds = round(expiry * 1000)  # 1.001 * 1000 is less than 1001
        except (OverflowError, ValueError):
            raise _invalid(f"{expiry!r} is not a time.", operation) from None
    else:
        asked = "" if operation is None else f"{operation}: "
        raise TypeError(
            f"{asked}an expiry must be a datetime, a timedelta, seconds since the epoch, or None, "
            f"not {type(expiry).__name__}"
        )
    if milliseconds < now * 1000 - _CLOCKS_DIFFER:
        detail = f"The expiry {expiry!r} is in the past."
        if isinstance(expiry, int | float) and abs(expiry) <= _TAKEN_FOR_SECONDS_FROM_NOW:
            detail += (
                " A number is seconds since the epoch; for so many seconds from now, give "
                f"datetime.timedelta(seconds={expiry!r})."
            )
        raise _invalid(detail, operation)
    if milliseconds >= 2**63:
        raise _invalid(f"The expiry {expiry!r} is too far away; None is never.", operation)
    return max(1, milliseconds)


def milliseconds_from_now(delta: timedelta | float) -> int:
    """Return the milliseconds in a timedelta or in a number of seconds.

    Raises:
        TypeError: It is of another type.
        InvalidArgument: It is negative, or not a number.

    """
    if isinstance(delta, timedelta):
        milliseconds = delta // _MILLISECOND
    elif isinstance(delta, int | float) and not isinstance(delta, bool):
        try:
            milliseconds = round(delta * 1000)
        except (OverflowError, ValueError):
            raise _invalid(f"{delta!r} is not a number of seconds.", _FROM_NOW) from None
    else:
        raise TypeError(f"{_FROM_NOW} takes seconds or a timedelta, not {type(delta).__name__}")
    if milliseconds < 0:
        raise _invalid(f"The expiry {delta!r} is in the past.", _FROM_NOW)
    if milliseconds >= 2**62:
        raise _invalid(
            f"The expiry {delta!r} is too far away; use expires_at with None.", _FROM_NOW
        )
    return milliseconds


def from_milliseconds(milliseconds: int) -> datetime | None:
    """Return a time of expiry as a datetime in `tz`; None for never.

    What lies beyond the year 9999 is the last moment of that year.
    """
    if milliseconds == NEVER:
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(tz)
    except OverflowError:
        return datetime.max.replace(tzinfo=tz)


def to_nanoseconds(value: datetime | timedelta | int, kind: type) -> int:
    """Return a point in time (of `kind` datetime) or a span (timedelta) in nanoseconds.

    An int is nanoseconds already. Raises `TypeError`, and `ValueError` for a datetime without
    time zone.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, kind):
        raise TypeError(
            f"a timestamp is given as a {kind.__name__} or as nanoseconds in an int, "
            f"not {type(value).__name__}"
        )
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(
                "a timestamp needs a datetime with a time zone, such as tzinfo=datetime.UTC"
            )
        value = value - _EPOCH
    assert isinstance(value, timedelta)  # noqa: S101 - `kind` is one of these two
    return value // _MICROSECOND * 1000


def from_nanoseconds(nanoseconds: int, alias: str) -> datetime:
    """Return a timestamp as a datetime in `tz`, to the microsecond below.

    Raises `CodecError` for one beyond the years 1 to 9999.
    """
    try:
        return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).astimezone(tz)
    except OverflowError:
        raise CodecError(
            "the timestamp is beyond the years of a datetime; timestamp_get_ns gives it as an int",
            codec="timestamp",
            key=alias,
        ) from None


def _invalid(detail: str, operation: str | None) -> Exception:
    return error_for(ErrorCode.INVALID_ARGUMENT, detail, operation=operation)


@dataclass(frozen=True)
class RemoteNode:
    """A node of a cluster: host name or address, and port.

    Raises `TypeError` and `ValueError` for what can't be a host or a port.
    """

    address: str
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        if not isinstance(self.address, str):
            raise TypeError(f"address must be text, not {type(self.address).__name__}")
        if isinstance(self.port, bool) or not isinstance(self.port, int):
            raise TypeError(f"port must be a whole number, not {type(self.port).__name__}")
        if not 0 < self.port < 65536:
            raise ValueError(f"port must be from 1 to 65535, not {self.port}")
        matched = _AUTHORITY.fullmatch(self.authority)
        if matched is None or matched["host"] != self.authority.rpartition(":")[0]:
            raise ValueError(f"{_shown(self.address)} is not a host name or address")

    @property
    def authority(self) -> str:
        """The node as it stands in a URI: `host:port`, an IPv6 address in brackets."""
        host = self.address
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"{host}:{self.port}"

    @property
    def error(self) -> int:
        """Always that of an error variable nobody has set; the 1.x API wrote into it."""
        return int(ErrorCode.UNINITIALIZED)

    def c_type(self) -> ctypes.Structure:
        """Return the node as the structure of the C API; it keeps its own copy of the text."""
        return _CRemoteNode(self.address.encode(), self.port)

    def __str__(self) -> str:
        return self.authority


class _CRemoteNode(ctypes.Structure):
    _fields_ = (("address", ctypes.c_char_p), ("port", ctypes.c_ushort))


def parse_node(text: str) -> RemoteNode:
    """Return the node that `host`, `host:port` or `qdb://host:port` names.

    Raises `ValueError` if it is none of these.
    """
    nodes = parse_nodes(text if "://" in text else f"qdb://{text}")
    if len(nodes) != 1:
        raise ValueError(f"{_shown(text)} is more than one node")
    return nodes[0]


def parse_nodes(uri: str) -> tuple[RemoteNode, ...]:
    """Return the nodes of `qdb://host:port[,host:port...]`. Raises `ValueError`."""
    scheme, separator, rest = uri.partition("://")
    if scheme != "qdb" or not separator:
        raise ValueError(
            f"{_shown(uri)} is not a URI of the form qdb://host:port[,host:port...]{_meant(uri)}"
        )
    nodes = []
    for part in rest.removesuffix("/").split(","):
        matched = _AUTHORITY.fullmatch(part)
        if matched is None:
            # Not the text: what stands before an @ may be a password.
            raise ValueError(
                "the URI has a node that is not host:port; users and keys go into SessionOptions"
            )
        nodes.append(RemoteNode(matched["host"].strip("[]"), int(matched["port"] or DEFAULT_PORT)))
    return tuple(nodes)


def _meant(text: str) -> str:
    """Return what somebody may have meant who gave this as an address."""
    if "qcache" in text.lower():
        return "; for QCache, use storekit.qcache.QClient, for URLs of both storekit.connect"
    if "@" not in text and "://" not in text and _AUTHORITY.fullmatch(text):
        if "." in text or ":" in text or text == "localhost":
            return f"; for a cluster, write qdb://{text}"
        return f"; for a cluster, write qdb://{text}, for a store in a file embedded:{text}"
    return "; embedded: is a store in memory, embedded:PATH one in a file"


def _shown(text: str) -> str:
    """Return a text for a message, unless a password may be in it: what stands before an @."""
    return "the text given (with an '@', and not shown)" if "@" in text else repr(text)


class Operations(IntEnum):
    """What a request of a batch does."""

    uninitialized = -1
    get_alloc = 0
    put = 1
    update = 2
    remove = 3
    cas = 4
    get_update = 5
    get_remove = 6
    remove_if = 7
    # Those that the 1.x API did not have have the numbers of the C API.
    has_tag = 8
    int_put = 9
    int_update = 10
    int_get = 11
    int_add = 12
    get_type = 13
    double_put = 15
    double_update = 16
    double_get = 17
    double_add = 18
    string_get = 19
    string_put = 20
    string_update = 21
    string_compare_and_swap = 22
    string_get_update = 23
    int_remove = 29
    double_remove = 30
    string_remove = 31
    timestamp_remove = 32


_KINDS = {
    Operations.get_alloc: Kind.BLOB_GET,
    Operations.put: Kind.BLOB_PUT,
    Operations.update: Kind.BLOB_UPDATE,
    Operations.remove: Kind.BLOB_REMOVE,
    Operations.cas: Kind.BLOB_CAS,
    Operations.get_update: Kind.BLOB_GET_AND_UPDATE,
    Operations.get_remove: Kind.BLOB_GET_AND_REMOVE,
    Operations.remove_if: Kind.BLOB_REMOVE_IF,
    **{operation: Kind(operation) for operation in Operations if operation > Operations.remove_if},
}


@dataclass
class BatchRequest:
    """A request within a batch run.

    `type` is another name of `op_type`.

    `content` is what is stored, or the number that is added, `comparand` what cas and
    remove_if compare with, `tag` what has_tag asks for, `expiry` (see `Expiry`) is for whatever
    stores; of blobs, None is empty content.
    """

    op_type: Operations | int
    alias: Any = None
    content: Any = None
    comparand: Any = None
    expiry: Expiry = None
    tag: Any = None

    @property
    def type(self) -> Operations | int:
        """The operation, as results call it."""
        return self.op_type

    @type.setter  # noqa: A003
    def type(self, operation: Operations | int) -> None:
        self.op_type = operation

    @property
    def kind(self) -> Kind:
        """The operation for an engine; `ValueError` if there is no such operation."""
        try:
            return _KINDS[Operations(self.op_type)]
        except (KeyError, ValueError):
            raise ValueError(
                f"{self.op_type!r} is not an operation of a batch; use one of qdb.Operations"
            ) from None

    def cpp_type(self, handle: object = None, now: float = 0.0) -> Operation:  # noqa: ARG002 - documented, and of no use here
        """Return the low-level value that engines take. Content must be bytes by now."""
        return Operation(
            self.kind,
            self.alias,
            b"" if self.content is None else self.content,
            b"" if self.comparand is None else self.comparand,
            to_milliseconds(self.expiry, now),
        )

    def pickle(self) -> Self:
        """Return a copy with content and comparand pickled, as far as they are there."""
        pickled = copy.copy(self)
        if self.content is not None:
            pickled.content = DEFAULT_PICKLER.dump(self.content)
        if self.comparand is not None:
            pickled.comparand = DEFAULT_PICKLER.dump(self.comparand)
        return pickled


class BatchResult(Generic[T]):
    """The result of one request of a batch run.

    `type` is the operation and `alias` the alias of the request; `error` is 0 or a code of
    `ErrorCode`; `result` is the content, or None if there is none to give. `failure` is the
    `CodecError` if the content is there and can't be read.
    """

    __slots__ = ("alias", "error", "failure", "result", "type")

    type: Operations | int
    alias: Any
    error: int
    result: T | None
    failure: Exception | None

    def __init__(self, br: Any) -> None:  # noqa: ANN401 - whatever has these attributes
        """Copy whatever has the attributes of a result."""
        self.type = br.type
        self.alias = br.alias
        self.error = br.error
        self.result = br.result
        self.failure = getattr(br, "failure", None)

    @classmethod
    def of(
        cls,
        request: BatchRequest,
        outcome: Outcome,
        result: T | None,
        failure: Exception | None = None,
    ) -> Self:
        """Return what became of `request`."""
        made = cls.__new__(cls)
        made.type = request.op_type
        made.alias = request.alias
        made.error = int(ErrorCode.OK) if outcome.ok else outcome.error
        made.result = result
        made.failure = failure
        return made

    @property
    def ok(self) -> bool:
        """Whether the operation was successful."""
        return self.error == ErrorCode.OK

    def unpickle(self: "BatchResult[bytes]") -> "BatchResult[Any]":
        """Return a copy with the result unpickled; only plain data is let in."""
        unpickled: BatchResult[Any] = copy.copy(self)
        if self.result is not None:
            unpickled.result = DEFAULT_PICKLER.load(self.result)
        return unpickled

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BatchResult):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in BatchResult.__slots__)

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __repr__(self) -> str:
        outcome = "ok" if self.ok else make_error_string(self.error)
        return f"<BatchResult {self.type!r} of {self.alias!r}: {outcome}>"


@dataclass(frozen=True, slots=True)
class EntryMetadata:
    """What the store knows about an entry. `size` is in bytes, `expiry` None for never."""

    type: EntryType
    size: int
    modified: datetime
    expiry: datetime | None
    reference: tuple[int, int, int, int]

    @classmethod
    def of(cls, metadata: Metadata) -> Self:
        """Return the metadata of an engine with datetimes in it."""
        modified = from_milliseconds(metadata.modified // 1_000_000)
        return cls(
            metadata.type,
            metadata.size,
            _EPOCH.astimezone(tz) if modified is None else modified,
            from_milliseconds(metadata.expiry // 1_000_000),
            metadata.reference,
        )


_FIELDS = tuple(field.name for field in dataclasses.fields(BatchRequest))


def copies(requests: Iterable[BatchRequest]) -> list[BatchRequest]:
    """Return the requests of a batch, each checked to be one; `TypeError`, `ValueError`."""
    if isinstance(requests, BatchRequest):
        raise TypeError("requests are an iterable of BatchRequests; for one, write [request]")
    checked = []
    for number, request in enumerate(requests):
        if not isinstance(request, BatchRequest):
            raise TypeError(
                f"request {number} of the batch is not a BatchRequest but {type(request).__name__}"
            )
        request.kind  # noqa: B018 - raises for an unknown operation
        # Not by its own class, whose arguments may be any.
        checked.append(BatchRequest(*(getattr(request, name) for name in _FIELDS)))
    return checked
