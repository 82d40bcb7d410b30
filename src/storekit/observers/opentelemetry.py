"""An observer that makes OpenTelemetry spans (`pip install storekit[opentelemetry]`)."""

from storekit._extras import require
from storekit.observers.events import CallEnded, CallRetried, CallStarted
from storekit.observers.state import server_of

require("storekit.observers.opentelemetry", "opentelemetry", "opentelemetry.trace")

from opentelemetry.trace import (  # noqa: E402 - after the check, whose message says what to install
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_tracer,
)

__all__ = ["OpenTelemetryObserver"]


class OpenTelemetryObserver:
    """Makes a client span for each call, as a child of the caller's current span.

    Names and attributes follow OpenTelemetry's conventions for database clients. The key of a call,
    and the messages of errors, which name it, are in the span only if `keys` is true, since keys
    may be personal data.
    """

    def __init__(self, tracer: Tracer | None = None, *, keys: bool = False) -> None:
        self._tracer = tracer if tracer is not None else get_tracer("storekit")
        self._keys = keys

    def start(self, event: CallStarted) -> Span:
        """Start a span."""
        attributes = {
            "db.system.name": _SYSTEMS.get(event.store, event.store),
            "db.operation.name": event.operation,
        }
        if event.key is not None and self._keys:
            attributes["storekit.key"] = event.key
        return self._tracer.start_span(
            f"{event.store} {event.operation}", kind=SpanKind.CLIENT, attributes=attributes
        )

    def retry(self, token: object, event: CallRetried) -> None:
        """Add an event to the span."""
        if isinstance(token, Span):
            token.add_event(
                "retry",
                {
                    "storekit.attempt": event.attempt,
                    "storekit.pause": event.pause,
                    "error.type": type(event.error).__name__,
                    **_server(event.node),
                },
            )

    def end(self, token: object, event: CallEnded) -> None:
        """End the span, with the outcome of the call."""
        if not isinstance(token, Span):
            return
        if event.node is not None:
            token.set_attributes(_server(event.node))
        if event.attempts > 1:
            token.set_attribute("storekit.attempts", event.attempts)
        if event.error is not None:
            kind = type(event.error).__name__
            token.set_attribute("error.type", kind)
            if isinstance(event.error, Exception):
                description = str(event.error) if self._keys else kind
                token.set_status(Status(StatusCode.ERROR, description))
        token.end()


_SYSTEMS = {"qdb": "quasardb"}


def _server(node: str | None) -> dict[str, str | int]:
    if node is None:
        return {}
    host, port = server_of(node)
    return (
        {"server.address": host} if port is None else {"server.address": host, "server.port": port}
    )
