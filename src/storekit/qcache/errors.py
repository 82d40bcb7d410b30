"""Exceptions of the qcache client: those of qcache-client, and more specific subclasses."""

from storekit.errors import CircularCall, StoreKitError

__all__ = [
    "AuthenticationFailed",
    "CircularLoad",
    "ClientBusy",
    "ConnectionLost",
    "DatasetChanged",
    "DatasetMissing",
    "GarbledResponse",
    "MalformedQueryException",
    "NoCacheAvailable",
    "NodeTimeout",
    "NodeUnreachable",
    "QClientException",
    "ServerBusy",
    "ServerError",
    "TLSFailure",
    "TooManyConsecutiveErrors",
    "TruncatedResponse",
    "UnexpectedServerResponse",
    "UnsupportedAcceptType",
    "UnsupportedContentType",
]


class QClientException(StoreKitError):
    """Base exception for all other exceptions raised by the qcache clients.

    `node` is the address of the node, `status` the HTTP status and `text` the error message
    that it sent, each None if there is none. `reached` is False if the request certainly did
    not reach a node: a write then changed nothing. Programs may raise and subclass these
    exceptions with any arguments, or none.
    """

    # Defaults of the class, for subclasses that do not call `__init__`.
    node: str | None = None
    status: int | None = None
    text: str | None = None
    reached: bool = True

    def __init__(
        self,
        *args: object,
        node: str | None = None,
        status: int | None = None,
        text: str | None = None,
        reached: bool = True,
    ) -> None:
        super().__init__(*args)
        self.node = node
        self.status = status
        self.text = text
        self.reached = reached


class NoCacheAvailable(QClientException):
    """No QCache node can be reached.

    Raised as one of its subclasses when all nodes failed in the same way.
    """


class NodeUnreachable(NoCacheAvailable):
    """No connection: refused, no route, or the host name is unknown."""


class NodeTimeout(NoCacheAvailable):
    """The node did not accept the connection, read the request or answer in time."""


class ConnectionLost(NoCacheAvailable):
    """The connection broke while the request was under way."""


class TruncatedResponse(ConnectionLost):
    """The node closed the connection before its answer was complete."""


class GarbledResponse(NoCacheAvailable):
    """The response is not HTTP, or not in a form that is safe to accept."""


class TLSFailure(NoCacheAvailable):
    """TLS failed: an untrusted certificate, a missing client certificate, no TLS at all."""


class TooManyConsecutiveErrors(QClientException):
    """The operation was repeated too many times.

    The nodes answer when asked for their status, yet the operation keeps failing:
    probably a sign of misconfiguration or of a network problem.
    """


class ClientBusy(QClientException):
    """All connections to the node stayed in use for longer than the pool timeout."""


class UnexpectedServerResponse(QClientException):
    """The server responded with something that could not be interpreted."""


class AuthenticationFailed(UnexpectedServerResponse):
    """The server rejected the user name and password (401, 403)."""


class UnsupportedContentType(UnexpectedServerResponse):
    """The server does not accept uploads of this content type (415)."""


class ServerError(UnexpectedServerResponse):
    """The server failed (5xx). QCache also answers 500 to many mistakes of the caller."""


class ServerBusy(ServerError):
    """The server, or a proxy before it, is unavailable or overloaded (429, 502, 503, 504).

    `retry_after` is the time in seconds that it asks to wait, 0 if it does not say.
    """

    retry_after: float = 0.0


class MalformedQueryException(QClientException):
    """The server could not process the query because of errors in syntax or semantics."""


class UnsupportedAcceptType(QClientException):
    """The server cannot produce a response of the requested type (406)."""


class CircularLoad(QClientException, CircularCall):
    """Load functions of queries wait for each other, or one for itself."""


class DatasetMissing(QClientException):
    """There is no such dataset, or it was removed between two pages of one result."""


class DatasetChanged(QClientException):
    """The dataset was replaced between two pages of one result."""
