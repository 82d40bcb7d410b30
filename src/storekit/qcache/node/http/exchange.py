"""Metrics and access log of one request and its response."""

import logging

from storekit.core.seam._async import monotonic
from storekit.qcache.node.console import Console
from storekit.qcache.node.http.requests import Request, Response
from storekit.qcache.node.node import Node
from storekit.qcache.node.service.metrics import LEFT, Metrics

__all__ = ["Exchange"]

_log = logging.getLogger("storekit.access")


class Exchange:
    """Counts a request in the metrics of its node, and logs it, when it ends.

    Logged are client, method, path, status, bytes and seconds. Never the query, headers or
    content, which hold data and passwords.
    """

    __slots__ = (
        "_client",
        "_is_logged",
        "_metrics",
        "_request",
        "_server",
        "_started",
        "received",
        "sent",
        "status",
    )

    def __init__(
        self,
        server: Node | Console,
        metrics: Metrics,
        request: Request,
        client: tuple[str, int] | None,
        is_logged: bool,
    ) -> None:
        self._server = server
        self._metrics = metrics
        self._request = request
        self._client = client
        self._is_logged = is_logged and _log.isEnabledFor(logging.INFO)
        self._started = monotonic()
        self.received: int = 0
        self.status: int = LEFT
        self.sent: int = 0

    def answer(self, response: Response) -> None:
        """Note the response, which was sent."""
        self.status = response.status
        self.sent = len(response.body)

    def end(self) -> None:
        """Count and log. Without a response, the client has disconnected."""
        seconds = monotonic() - self._started
        request, status = self._request, int(self.status)
        kind = self._server.kind_of(request)
        self._metrics.note(kind, status, seconds, self.received, self.sent)
        if not self._is_logged:
            return
        client = "-" if self._client is None else f"{self._client[0]}:{self._client[1]}"
        path = ascii(request.path.decode("latin-1"))[1:-1]
        _log.info(
            "%s %s %s: %d, %d bytes in, %d out, %.6f s",
            *(client, request.method, path, status, self.received, self.sent, seconds),
            extra={
                "access": {
                    "client": client,
                    "method": request.method,
                    "path": path,
                    "kind": kind,
                    "key": self._server.key_of(request),
                    "status": status,
                    "received": self.received,
                    "sent": self.sent,
                    "seconds": round(seconds, 6),
                }
            },
        )
