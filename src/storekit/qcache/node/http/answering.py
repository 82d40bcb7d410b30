"""Error responses, and the headers that every response has."""

import logging
from collections.abc import Callable
from hashlib import sha1
from http import HTTPStatus

import polars as pl

from storekit.qcache.compression import compress
from storekit.qcache.node.budget import NotQuick
from storekit.qcache.node.errors import Refusal
from storekit.qcache.node.http.negotiation import encoding_for, etag_matches
from storekit.qcache.node.http.requests import Request, Response, refused

__all__ = ["answered", "completed", "not_allowed"]

_log = logging.getLogger("storekit")


def answered(
    request: Request,
    serve: Callable[[], Response],
    complete: Callable[[Request, Response], Response],
) -> Response:
    """Return the response of `serve`, or an error response if it raises; both are completed.

    Raises `NotQuick` if `serve` does: the request is then served again.
    """
    try:
        return complete(request, serve())
    except NotQuick:
        raise
    except Refusal as refusal:
        response = refused(refusal.status, str(refusal))
    except RecursionError:
        response = refused(400, "The request is nested too deeply")
    except (Exception, pl.exceptions.PanicException):  # noqa: BLE001 - logged, answered 500
        _log.exception("the node failed at %s %r", request.method, request.path)
        response = refused(500, "The node failed at this; its log says why")
    return complete(request, response)


def completed(request: Request, response: Response) -> Response:
    """Add the headers that depend on the whole body: ETag, encoding, length."""
    headers, body = [*response.headers], response.body
    if response.status == 200:
        if request.method == "GET":
            etag = f'"{sha1(body, usedforsecurity=False).hexdigest()}"'
            headers.append(("etag", etag))
            if etag_matches(request.headers.get("if-none-match", ""), etag):
                kept = [header for header in headers if header[0] != "content-type"]
                return Response(HTTPStatus.NOT_MODIFIED, tuple(kept))
        encoding = encoding_for(request.headers.get("accept-encoding"))
        if encoding is not None:
            body = compress(body, encoding)
            headers.append(("content-encoding", encoding))
    headers.append(("content-length", str(len(body))))
    return Response(response.status, tuple(headers), b"" if request.method == "HEAD" else body)


def not_allowed(request: Request, methods: tuple[str, ...]) -> Response:
    """Return the response to a method that a path does not support."""
    allowed = ("allow", ", ".join(methods))
    return refused(405, f"{request.method} has no meaning here", allowed)
