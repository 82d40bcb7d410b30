"""Requests and responses as messages of ASGI."""

from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from storekit.qcache.node.http.requests import Request, Response, fold_headers, refused

__all__ = ["Message", "may_have_body", "refused_in_full", "request_of", "start_of", "with_length"]

Message = MutableMapping[str, Any]


def start_of(response: Response) -> Message:
    """Return the message that begins a response."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers
    ]
    return {"type": "http.response.start", "status": int(response.status), "headers": headers}


def request_of(scope: MutableMapping[str, Any]) -> Request:
    """Return the request of a scope."""
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    if root := scope.get("root_path"):  # where a framework has mounted this
        path = path.removeprefix(quote(root.rstrip("/")).encode())
    headers = fold_headers(scope["headers"])
    return Request(scope["method"], path, scope.get("query_string", b""), headers)


def may_have_body(request: Request) -> bool:
    """Return whether content may follow the head of a request."""
    headers = request.headers
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        return True
    return request.method == "POST" and "content-length" not in headers


def refused_in_full(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """Return a refusal with its length and `Retry-After`."""
    wait = (("retry-after", "1"),) if status == 503 else ()
    return with_length(refused(status, text, *headers, *wait))


def with_length(response: Response) -> Response:
    """Return a response with `Content-Length`."""
    length = ("content-length", str(len(response.body)))
    return replace(response, headers=(*response.headers, length))
