"""Exceptions for responses with an error status, and for requests whose attempts all failed."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from storekit.qcache.errors import (
    AuthenticationFailed,
    MalformedQueryException,
    NoCacheAvailable,
    NodeTimeout,
    QClientException,
    ServerBusy,
    ServerError,
    TooManyConsecutiveErrors,
    UnexpectedServerResponse,
    UnsupportedAcceptType,
    UnsupportedContentType,
)
from storekit.qcache.nodes import Diagnosis
from storekit.qcache.result import QueryResult
from storekit.qcache.wire import PreparedRequest, Reply, error_text, retry_after

__all__ = [
    "error_of",
    "grouped",
    "is_busy",
    "query_result",
    "raise_gave_up",
    "raise_unavailable",
]

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
_QUOTES = """text in a query needs quotes of its own, e.g. ["==", "country", "'SE'"]"""


def is_busy(reply: Reply) -> bool:
    """Whether the server, or a proxy before it, is unavailable or overloaded."""
    return reply.status in _BUSY


def error_of(
    request: PreparedRequest,
    reply: Reply,
    *,
    kind: type[QClientException] | None = None,
    hint: str = "",
) -> QClientException:
    """Return the exception for a response whose status is an error."""
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
    """Return the result in the response to a query. Raises the exception for an error status."""
    if reply.status == 200:
        try:
            return QueryResult(reply, key)
        except (KeyError, ValueError):
            raise UnexpectedServerResponse(
                f"{request.operation}: {reply.node} answered 200 without a valid "
                "X-QCache-unsliced-length header; is it a QCache node?",
                node=reply.node,
                status=200,
            ) from None
    if reply.status == 406:
        raise error_of(request, reply, kind=UnsupportedAcceptType, hint=f"accept was {accept!r}")
    if reply.status == 400:
        # Where QCache answers 406, the Go port answers 400 in plain text. Both describe errors
        # in the query itself in JSON.
        if accept not in ("application/json", "text/csv") and not reply.content.startswith(b"{"):
            raise error_of(
                request, reply, kind=UnsupportedAcceptType, hint=f"accept was {accept!r}"
            )
        hint = _QUOTES if error_text(reply.content).startswith(_UNQUOTED) else ""
        raise error_of(request, reply, kind=MalformedQueryException, hint=hint)
    raise error_of(request, reply)


# When all attempts have failed


def raise_gave_up(
    request: PreparedRequest, errors: Sequence[Exception], *, reason: str, out_of_time: bool
) -> NoReturn:
    """Raise the error of a request that is not repeated again, for `reason`."""
    if len(errors) == 1 and not out_of_time:  # nothing was repeated
        raise errors[0]
    if isinstance(errors[-1], ServerBusy):
        raise errors[-1] from grouped(errors[:-1])
    node = getattr(errors[-1], "node", None)
    kind = NodeTimeout if out_of_time else TooManyConsecutiveErrors
    raise kind(
        f"{request.operation}: {reason}; the last error: {errors[-1]}",
        node=node,
        reached=_reached(errors),
    ) from grouped(errors)


def raise_unavailable(
    request: PreparedRequest, outages: Mapping[str, Diagnosis], cause: BaseException | None
) -> NoReturn:
    """Raise the error of a request for which no node is left, with the cause at each node."""
    kinds = {diagnosis.kind for diagnosis in outages.values()}
    kind = kinds.pop() if len(kinds) == 1 else NoCacheAvailable
    reasons = "; ".join(diagnosis.reason for diagnosis in outages.values())
    attempts = cause.exceptions if isinstance(cause, ExceptionGroup) else ()
    reached = _reached(attempts)
    aftermath = f"; {request.aftermath}" if request.aftermath and reached else ""
    raise kind(
        f"{request.operation}: no QCache node is reachable: "
        f"{reasons or 'nodes failed, and one was back too late for this request'}{aftermath}",
        node=next(iter(outages)) if len(outages) == 1 else None,
        reached=reached,
    ) from (attempts[0] if len(attempts) == 1 else cause)


def grouped(errors: Sequence[Exception]) -> Exception | None:
    """Return errors as one exception, to be the cause of another; None if there are none."""
    if len(errors) <= 1:
        return errors[0] if errors else None
    return ExceptionGroup("all attempts failed", errors)


def _reached(errors: Iterable[Exception]) -> bool:
    """Whether any of the failed attempts may have reached a node."""
    return any(getattr(error, "reached", True) for error in errors)
