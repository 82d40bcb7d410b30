"""From the status of an answer to the exception that says it."""

import time

from storekit.qcache.errors import (
    AuthenticationFailed,
    MalformedQueryException,
    QClientException,
    ServerBusy,
    ServerError,
    UnexpectedServerResponse,
    UnsupportedAcceptType,
    UnsupportedContentType,
)
from storekit.qcache.result import QueryResult
from storekit.qcache.wire import PreparedRequest, Reply, error_text, retry_after

__all__ = ["error_of", "is_busy", "query_result"]

_BUSY = frozenset({429, 502, 503, 504})

_KINDS: dict[int, type[UnexpectedServerResponse]] = {
    401: AuthenticationFailed,
    403: AuthenticationFailed,
    415: UnsupportedContentType,
}

_HINTS = {
    401: "check auth=",
    403: "check auth=",
}


_UNQUOTED = ("Unknown column", "like expects a quoted string")
_QUOTES = """a text in a query has quotes of its own, e.g. ["==", "country", "'SE'"]"""


def is_busy(reply: Reply) -> bool:
    """Whether a server is away for a while, as proxies say it."""
    return reply.status in _BUSY


def error_of(
    request: PreparedRequest,
    reply: Reply,
    *,
    kind: type[QClientException] | None = None,
    hint: str = "",
) -> QClientException:
    """Return the exception for an answer that is not what was asked for."""
    if kind is None:
        kind = _KINDS.get(reply.status, UnexpectedServerResponse)
        if is_busy(reply):
            kind = ServerBusy
        elif reply.status >= 500:
            kind = ServerError
    text = error_text(reply.content)
    said = f": {text}" if text else ""
    advice = hint or _HINTS.get(reply.status, "")
    parts = [
        f"{request.operation}: {reply.node} answered {reply.status}{said}",
        advice,
        request.aftermath,
    ]
    error = kind(
        "; ".join(part for part in parts if part),
        node=reply.node,
        status=reply.status,
        text=text,
    )
    if isinstance(error, ServerBusy):
        error.retry_after = retry_after(reply.headers, time.time())
    return error


def query_result(request: PreparedRequest, reply: Reply, accept: str, key: str) -> QueryResult:
    """Return the result that answers a query, or raise what the answer says."""
    if reply.status == 200:
        try:
            return QueryResult(reply, key)
        except (KeyError, ValueError):
            raise UnexpectedServerResponse(
                f"{request.operation}: {reply.node} answered 200 without a proper "
                "X-QCache-unsliced-length header; is it a QCache node?",
                node=reply.node,
                status=200,
            ) from None
    if reply.status == 406:
        raise error_of(request, reply, kind=UnsupportedAcceptType, hint=f"accept was {accept!r}")
    if reply.status == 400:
        # The Go port answers 400, in plain text, where QCache has 406. What QCache says of a
        # query is JSON.
        if accept not in ("application/json", "text/csv") and not reply.content.startswith(b"{"):
            raise error_of(
                request, reply, kind=UnsupportedAcceptType, hint=f"accept was {accept!r}"
            )
        hint = _QUOTES if error_text(reply.content).startswith(_UNQUOTED) else ""
        raise error_of(request, reply, kind=MalformedQueryException, hint=hint)
    raise error_of(request, reply)
