"""Spans of the OpenTelemetry observer."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from storekit import qdb
from storekit.observers.opentelemetry import OpenTelemetryObserver
from storekit.options import RetryPolicy
from storekit.qdb import RawClient
from tests.support.qdb_faults import FaultyEngine


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield provider.get_tracer("test")
    provider.shutdown()


def test_calls_are_client_spans_below_the_current_one(spans, tracer):
    with (
        RawClient("embedded:", observers=[OpenTelemetryObserver(tracer)]) as client,
        tracer.start_as_current_span("request"),
    ):
        client.put("a", b"1")
        with pytest.raises(qdb.AliasNotFound):
            client.get("b")
    put, get, request = spans.get_finished_spans()
    assert put.name == "qdb put"
    assert put.kind is SpanKind.CLIENT
    assert put.parent.span_id == get.parent.span_id == request.context.span_id
    assert put.status.status_code is StatusCode.UNSET
    assert dict(put.attributes) == {
        "db.system.name": "quasardb",
        "db.operation.name": "put",
        "server.address": "embedded:",
    }
    assert get.status.status_code is StatusCode.ERROR
    assert get.attributes["error.type"] == get.status.description == "AliasNotFound"


def test_attempts_that_failed_are_events(spans, tracer):
    engine = FaultyEngine({"a": b"1"})
    observer = OpenTelemetryObserver(tracer, keys=True)
    policy = RetryPolicy(attempts=3, initial_backoff=0)
    with RawClient("fake", engine=engine, retry=policy, observers=[observer]) as client:
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET)
        client.get("a")
    (span,) = spans.get_finished_spans()
    assert [event.name for event in span.events] == ["retry"]
    assert span.attributes["storekit.attempts"] == 2
    assert span.attributes["storekit.key"] == "a"


@pytest.mark.parametrize("keys", [False, True])
def test_keys_are_in_a_span_only_where_that_is_asked_for(spans, tracer, keys):
    observer = OpenTelemetryObserver(tracer, keys=keys)
    with RawClient("embedded:", observers=[observer]) as client, pytest.raises(qdb.AliasNotFound):
        client.get("patient:alice")
    (span,) = spans.get_finished_spans()
    assert ("patient:alice" in span.to_json()) == keys
    assert ("patient:alice" in span.status.description) == keys
