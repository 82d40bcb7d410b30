"""From the status of an answer to the exception that says it."""

import time

from storekit.qcache.errors import (
    AuthenticationFailed,
    QClientException,
    ServerBusy,
    ServerError,
    UnexpectedServerResponse,
    UnsupportedContentType,
)
from storekit.qcache.wire import Call, Reply, error_text, retry_after

__all__ = ["is_busy", "refusal"]

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


def is_busy(reply: Reply) -> bool:
    """Whether a server is away for a while, as proxies say it."""
    return reply.status in _BUSY


def refusal(
    call: Call,
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
        f"{call.operation}: {reply.node} answered {reply.status}{said}",
        advice,
        call.aftermath,
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
