# Generated from tests/core/_async/exchanges.py by tools/generate_sync.py; do not edit.

"""Requests on a transport, as its tests make them."""

from __future__ import annotations

import httpx

from storekit.core._sync.transport import HTTPTransport
from tests.support.stub_server import (
    reply,
)

__all__ = ["CHUNKED", "OK", "PATIENT", "counts", "fetch", "start"]

PATIENT = {"connect": 20.0, "read": 20.0, "write": 20.0, "pool": 20.0}
OK = reply(b"ok")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


def start(
    transport: HTTPTransport,
    url: str,
    method: str = "GET",
    *,
    content: object = None,
    headers: object = None,
    timeout: dict[str, float] | None = None,
    **extensions: object,
) -> httpx.Response:
    """Send a request; return with the head of the reply."""
    timeout = {**PATIENT, **(timeout or {})}
    request = httpx.Request(
        method, url, content=content, headers=headers, extensions={"timeout": timeout, **extensions}
    )
    return transport.handle_request(request)


def fetch(transport: HTTPTransport, url: str, method: str = "GET", **options) -> tuple[int, bytes]:
    """Send a request; return status and content of the reply."""
    response = start(transport, url, method, **options)
    return response.status_code, response.read()


def counts(transport: HTTPTransport) -> tuple[int, int]:
    """Idle and leased connections, having checked that there are no others."""
    pools = transport.statistics().values()
    for pool in pools:
        assert pool.size == pool.idle + pool.leased + pool.connecting
        assert pool.connecting == 0
    return sum(pool.idle for pool in pools), sum(pool.leased for pool in pools)
