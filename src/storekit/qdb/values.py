"""Public value types: nodes, requests and results of batches, metadata."""

import copy
import ctypes
import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, ClassVar, Generic, Self

from storekit.qdb._show import moment, shorten, table
from storekit.qdb._typing import T
from storekit.qdb.codec import DEFAULT_PICKLER
from storekit.qdb.engine import BatchOperation, EntryType, Metadata, OperationKind, Outcome
from storekit.qdb.errors import ErrorCode, make_error_string
from storekit.qdb.times import Expiry, from_milliseconds, to_milliseconds, tz

__all__ = [
    "DEFAULT_PORT",
    "BatchRequest",
    "BatchResult",
    "EntryMetadata",
    "Operations",
    "RemoteNode",
    "copies",
    "listed",
    "parse_node",
    "parse_nodes",
]

DEFAULT_PORT = 2836

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\[\]:,/@?#]+)(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True)
class RemoteNode:
    """A node of a cluster: host name or address, and port.

    Raises `TypeError` and `ValueError` for an invalid host or port.
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
        """The node as in a URI: `host:port`, an IPv6 address in brackets."""
        host = self.address
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"{host}:{self.port}"

    @property
    def error(self) -> int:
        """Always `ErrorCode.UNINITIALIZED`; the 1.x API stored error codes here."""
        return int(ErrorCode.UNINITIALIZED)

    def c_type(self) -> ctypes.Structure:
        """Return the node as the structure of the C API, with its own copy of the address."""
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
            # The message leaves the text out: a password may stand before an @.
            raise ValueError(
                "the URI has a node that is not host:port; users and keys go into SessionOptions"
            )
        nodes.append(RemoteNode(matched["host"].strip("[]"), int(matched["port"] or DEFAULT_PORT)))
    return tuple(nodes)


def _meant(text: str) -> str:
    """Return a hint at what a malformed address was probably meant to be."""
    if "qcache" in text.lower():
        return "; for QCache, use storekit.qcache.QClient, for URLs of both stores storekit.connect"
    if "@" not in text and "://" not in text and _AUTHORITY.fullmatch(text):
        if "." in text or ":" in text or text == "localhost":
            return f"; for a cluster, write qdb://{text}"
        return f"; for a cluster, write qdb://{text}, for a store in a file embedded:{text}"
    return "; embedded: is a store in memory, embedded:PATH one in a file"


def _shown(text: str) -> str:
    """Return a text for a message, but not if it has an @, before which a password may stand."""
    return "the given text (not shown, since it has an '@')" if "@" in text else repr(text)


class Operations(IntEnum):
    """The operations that a request of a batch can have."""

    uninitialized = -1
    get_alloc = 0
    put = 1
    update = 2
    remove = 3
    cas = 4
    get_update = 5
    get_remove = 6
    remove_if = 7
    # Operations that are not in the 1.x API have the numbers of the C API.
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
    timestamp_put = 24
    timestamp_update = 25
    timestamp_get = 26
    timestamp_add = 27
    int_remove = 29
    double_remove = 30
    string_remove = 31
    timestamp_remove = 32


_KINDS = {
    Operations.get_alloc: OperationKind.BLOB_GET,
    Operations.put: OperationKind.BLOB_PUT,
    Operations.update: OperationKind.BLOB_UPDATE,
    Operations.remove: OperationKind.BLOB_REMOVE,
    Operations.cas: OperationKind.BLOB_CAS,
    Operations.get_update: OperationKind.BLOB_GET_AND_UPDATE,
    Operations.get_remove: OperationKind.BLOB_GET_AND_REMOVE,
    Operations.remove_if: OperationKind.BLOB_REMOVE_IF,
    **{
        operation: OperationKind(operation)
        for operation in Operations
        if operation > Operations.remove_if
    },
}


@dataclass
class BatchRequest:
    """One request of a batch.

    `content` is the value to store or the number to add, `comparand` the value that `cas` and
    `remove_if` compare with, `tag` the tag that `has_tag` looks for, `expiry` (see `Expiry`)
    when the stored entry expires. In raw clients, None as the content of a blob is empty content.
    `type` is another name of `op_type`.
    """

    op_type: Operations | int
    alias: Any = None
    content: Any = None
    comparand: Any = None
    expiry: Expiry = None
    tag: Any = None

    @property
    def type(self) -> Operations | int:
        """The operation, by the name that `BatchResult` has for it."""
        return self.op_type

    @type.setter  # noqa: A003
    def type(self, operation: Operations | int) -> None:
        self.op_type = operation

    @property
    def kind(self) -> OperationKind:
        """The operation for an engine. Raises `ValueError` if there is no such operation."""
        try:
            return _KINDS[Operations(self.op_type)]
        except (KeyError, ValueError):
            raise ValueError(
                f"{self.op_type!r} is not an operation of a batch; use one of qdb.Operations"
            ) from None

    def cpp_type(self, handle: object = None, now: float = 0.0) -> BatchOperation:  # noqa: ARG002 - documented, but not needed
        """Return the request as engines take it. Content must be bytes already."""
        return BatchOperation(
            self.kind,
            self.alias,
            b"" if self.content is None else self.content,
            b"" if self.comparand is None else self.comparand,
            to_milliseconds(self.expiry, now),
        )

    def pickle(self) -> Self:
        """Return a copy with content and comparand pickled, where they are not None."""
        pickled = copy.copy(self)
        if self.content is not None:
            pickled.content = DEFAULT_PICKLER.dump(self.content)
        if self.comparand is not None:
            pickled.comparand = DEFAULT_PICKLER.dump(self.comparand)
        return pickled


class BatchResult(Generic[T]):
    """The result of one request of a batch run.

    `type` is the operation and `alias` the alias of the request; `error` is 0 or a code of
    `ErrorCode`; `result` is the content, or None if the operation returns none. `failure` is the
    `CodecError` of content that can't be decoded, otherwise None.
    """

    __slots__ = ("alias", "error", "failure", "result", "type")

    type: Operations | int
    alias: Any
    error: int
    result: T | None
    failure: Exception | None

    def __init__(self, br: Any) -> None:  # noqa: ANN401 - any object with these attributes
        """Copy an object that has the attributes of a result."""
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
        """Return the result of `request`."""
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
        """Return a copy with the result unpickled: plain data and standard value types only."""
        unpickled: BatchResult[Any] = copy.copy(self)
        if self.result is not None:
            unpickled.result = DEFAULT_PICKLER.load(self.result)
        return unpickled

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BatchResult):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in BatchResult.__slots__)

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def _shown(self) -> dict[str, object]:
        """Return what representations show: not the content, which may be secret or large."""
        outcome = "ok" if self.ok else make_error_string(self.error)
        if self.failure is not None:
            outcome = f"can't be read: {type(self.failure).__name__}"
        return {"operation": self.type, "alias": self.alias, "outcome": outcome}

    def __repr__(self) -> str:
        shown = self._shown()
        alias = shorten(repr(self.alias))
        return f"<{type(self).__name__} {_name_of(self.type)} {alias}: {shown['outcome']}>"

    def _repr_html_(self) -> str:
        return table(self._shown() | {"operation": _name_of(self.type)})


def _name_of(operation: Operations | int) -> str:
    return operation.name if isinstance(operation, Operations) else f"{operation}"


@dataclass(frozen=True, slots=True, repr=False)
class EntryMetadata:
    """Type, size and times of an entry. `size` is in bytes, `expiry` None for never."""

    type: EntryType
    size: int
    modified: datetime
    expiry: datetime | None
    reference: tuple[int, int, int, int]

    @classmethod
    def of(cls, metadata: Metadata) -> Self:
        """Return the metadata of an engine with its times as datetimes."""
        modified = from_milliseconds(metadata.modified // 1_000_000)
        return cls(
            metadata.type,
            metadata.size,
            _EPOCH.astimezone(tz) if modified is None else modified,
            from_milliseconds(metadata.expiry // 1_000_000),
            metadata.reference,
        )

    def _shown(self) -> dict[str, object]:
        expiry = "never" if self.expiry is None else moment(self.expiry)
        return {
            "type": self.type.name.lower(),
            "size": f"{self.size:,} bytes",
            "modified": moment(self.modified),
            "expires": expiry,
        }

    def __repr__(self) -> str:
        shown = self._shown()
        return (
            f"<{type(self).__name__} {shown['type']}, {shown['size']}, modified "
            f"{shown['modified']}, expires {shown['expires']}>"
        )

    def _repr_html_(self) -> str:
        return table(self._shown())


_FIELDS = tuple(field.name for field in dataclasses.fields(BatchRequest))


def listed(requests: Iterable[BatchRequest]) -> list[BatchRequest]:
    """Return the requests of a batch as a list. Raises `TypeError` for a single request."""
    if isinstance(requests, BatchRequest):
        raise TypeError("requests are an iterable of BatchRequests; for one, write [request]")
    return list(requests)


def copies(requests: Iterable[BatchRequest]) -> list[BatchRequest]:
    """Check the requests of a batch and return copies. Raises `TypeError` and `ValueError`."""
    checked = []
    for number, request in enumerate(requests):
        if not isinstance(request, BatchRequest):
            raise TypeError(
                f"request {number} of the batch is not a BatchRequest but {type(request).__name__}"
            )
        if not hasattr(request, "op_type"):  # a subclass that did not call super().__init__
            raise TypeError(
                f"request {number} of the batch, a {type(request).__name__}, has no operation: "
                "set op_type, or call BatchRequest.__init__"
            )
        request.kind  # noqa: B018 - raises for an unknown operation
        # As a plain BatchRequest: a subclass may have other arguments.
        checked.append(BatchRequest(*(getattr(request, name) for name in _FIELDS)))
    return checked
