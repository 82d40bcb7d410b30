"""Metrics of clients, for OpenTelemetry and for Prometheus, and that nobody else pays for them."""

from __future__ import annotations

import contextlib
import gc
import re
import sys
import threading
from functools import partial
from pathlib import Path

import anyio
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import storekit.observers
from storekit import qdb
from storekit.observers.opentelemetry_metrics import OpenTelemetryMetrics
from storekit.observers.prometheus import PrometheusObserver
from storekit.observers.state import server_of
from storekit.options import PoolLimits, RetryPolicy
from storekit.qcache import AsyncQClient, NoCacheAvailable, QClient
from storekit.qdb import AsyncRawClient, RawClient
from tests.support.qdb_faults import FaultyEngine
from tests.support.stub_node import WAIT, StubNode, key_of, refusing_node

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
AT_ONCE = RetryPolicy(attempts=3, initial_backoff=0)
PLACE = ("qdb://host:1",)
PATIENT = {"connect_timeout": WAIT, "read_timeout": WAIT, "retry": AT_ONCE}


class Telemetry:
    """An observer, and what an exporter gets of it."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])
        self.observer = OpenTelemetryMetrics(self.provider.get_meter("test"))

    def metrics(self) -> dict[str, object]:
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def values(self, name: str) -> dict[tuple, object]:
        """The points of a metric, by the values of their attributes in the order of the names."""
        metric = self.metrics().get(name)
        points = [] if metric is None else metric.data.data_points
        return {
            tuple(value for _, value in sorted(point.attributes.items())): getattr(
                point, "value", getattr(point, "count", None)
            )
            for point in points
        }


@pytest.fixture
def telemetry():
    made = Telemetry()
    yield made
    made.provider.shutdown()


class Scraped:
    """An observer, and what Prometheus reads of it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.observer = PrometheusObserver(self.registry)

    def values(self, name: str) -> dict[tuple, float]:
        text = generate_latest(self.registry).decode()
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }


@pytest.fixture
def scraped():
    return Scraped()


# OpenTelemetry


def test_calls_are_durations_with_what_the_conventions_want(telemetry):
    with RawClient("embedded:", observers=[telemetry.observer]) as client:
        client.put("secret-key", b"1")
        client.get("secret-key")
        client.get("secret-key")
        with pytest.raises(qdb.AliasNotFound):
            client.get("none")
    metric = telemetry.metrics()["db.client.operation.duration"]
    assert metric.unit == "s"
    points = {
        (point.attributes["db.operation.name"], point.attributes.get("error.type")): point
        for point in metric.data.data_points
    }
    assert {names: point.count for names, point in points.items()} == {
        ("put", None): 1,
        ("get", None): 2,
        ("get", "AliasNotFound"): 1,
    }
    get = points["get", None]
    assert dict(get.attributes) == {
        "db.system.name": "quasardb",
        "db.operation.name": "get",
        "server.address": "embedded:",
    }
    assert 0 < get.sum < 2 * WAIT
    assert get.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
    assert "secret-key" not in str(telemetry.metrics())


def test_attempts_that_are_repeated_are_counted(telemetry):
    engine = FaultyEngine({"a": b"1"})
    options = {"engine": engine, "retry": AT_ONCE, "observers": [telemetry.observer]}
    with RawClient("qdb://host:2836", **options) as client:
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET, times=2)
        client.get("a")
    (point,) = telemetry.metrics()["storekit.client.operation.retries"].data.data_points
    assert point.value == 2
    assert point.attributes["db.operation.name"] == "get"
    assert point.attributes["error.type"]
    assert (point.attributes["server.address"], point.attributes["server.port"]) == ("host", 2836)


def test_connections_and_nodes_are_shown_as_they_are(telemetry):
    with StubNode() as node, refusing_node() as refusing:
        urls = [node.url, refusing]
        limits = PoolLimits(max_size=7)
        options = {"observers": [telemetry.observer], "limits": limits, **PATIENT}
        with QClient(urls, **options) as client:
            client.get(key_of(refusing, urls), {})
            assert telemetry.values("db.client.connection.count") == {
                (node.url, "idle"): 1,
                (node.url, "used"): 0,
                (refusing, "idle"): 0,
                (refusing, "used"): 0,
            }
            assert telemetry.values("db.client.connection.max")[node.url,] == 7
            assert telemetry.values("db.client.connection.pending_requests")[node.url,] == 0
            out = telemetry.values("storekit.client.node.out")
            ports = [int(url.rpartition(":")[2]) for url in urls]
            assert out == {("127.0.0.1", ports[0]): 0, ("127.0.0.1", ports[1]): 1}
        durations = telemetry.metrics()["db.client.operation.duration"].data.data_points
        (point,) = durations
        assert point.attributes["db.system.name"] == "qcache"
        assert point.attributes["server.port"] == ports[0]


def test_a_session_that_works_and_a_call_that_waits_for_it(telemetry):
    engine = FaultyEngine({"a": b"1"})
    options = {"limits": PoolLimits(max_size=1), "observers": [telemetry.observer]}
    with RawClient("qdb://host:1", engine=engine, **options) as client:
        client.get("a")
        assert sessions(telemetry) == {"used": 0, "idle": 1}
        engine.gate.clear()
        callers = [threading.Thread(target=client.get, args=("a",)) for _ in range(2)]
        for caller in callers:
            caller.start()
        try:
            wait_until(lambda: telemetry.values("db.client.connection.pending_requests")[PLACE])
            assert sessions(telemetry) == {"used": 1, "idle": 0}
        finally:
            engine.gate.set()
            for caller in callers:
                caller.join(WAIT)
        assert telemetry.values("db.client.connection.pending_requests")[PLACE] == 0


def sessions(telemetry: Telemetry) -> dict[str, int]:
    counts = telemetry.values("db.client.connection.count")
    return {state: count for (_, state), count in counts.items()}


def wait_until(condition) -> None:
    for _ in range(int(WAIT / 0.01)):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("never happened")


def test_clients_of_one_store_are_put_together_and_those_that_are_gone_are_not_there(telemetry):
    clients = [RawClient("qdb://host:1", engine=FaultyEngine(), observers=[telemetry.observer])]
    clients.append(RawClient("qdb://host:1", engine=FaultyEngine(), observers=[telemetry.observer]))
    most = telemetry.values("db.client.connection.max")[PLACE]
    clients.pop().close()
    gc.collect()
    assert telemetry.values("db.client.connection.max")[PLACE] == most / 2
    clients.pop().close()
    gc.collect()
    assert telemetry.values("db.client.connection.max") == {}


def test_names_of_the_conventions_are_those_that_there_are():
    semconv = "opentelemetry.semconv"
    db_metrics = pytest.importorskip(f"{semconv}.metrics.db_metrics", reason="older than these")
    incubating = pytest.importorskip(f"{semconv}._incubating.metrics.db_metrics")
    assert db_metrics.DB_CLIENT_OPERATION_DURATION == "db.client.operation.duration"
    assert incubating.DB_CLIENT_CONNECTION_COUNT == "db.client.connection.count"
    assert incubating.DB_CLIENT_CONNECTION_MAX == "db.client.connection.max"
    assert (
        incubating.DB_CLIENT_CONNECTION_PENDING_REQUESTS == "db.client.connection.pending_requests"
    )


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("http://host:9401", ("host", 9401)),
        ("https://host/path", ("host", None)),
        ("http://[::1]:9401", ("::1", 9401)),
        ("qdb://10.0.0.1:2836", ("10.0.0.1", 2836)),
        ("qdb://a:1,b:2", ("qdb://a:1,b:2", None)),
        ("embedded:", ("embedded:", None)),
        ("embedded:/var/lib/store.db", ("embedded:/var/lib/store.db", None)),
    ],
)
def test_an_address_is_host_and_port_where_it_has_them(address, server):
    assert server_of(address) == server


# Prometheus


def test_prometheus_reads_calls_errors_and_retries(scraped):
    engine = FaultyEngine({"a": b"1"})
    options = {"engine": engine, "retry": AT_ONCE, "observers": [scraped.observer]}
    with RawClient("qdb://host:2836", **options) as client:
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET)
        client.get("a")
        with pytest.raises(qdb.AliasNotFound):
            client.get("none")
        assert scraped.values("storekit_client_operation_duration_seconds_count") == {
            ("get", "qdb"): 2
        }
        assert scraped.values("storekit_client_errors_total") == {
            ("AliasNotFound", "get", "qdb"): 1
        }
        (retries,) = scraped.values("storekit_client_retries_total").items()
        assert (retries[0][1:], retries[1]) == (("get", "qdb"), 1)
        connections = scraped.values("storekit_client_connections")
        assert connections["qdb://host:2836", "used", "qdb"] == 0
        assert scraped.values("storekit_client_connections_max")["qdb://host:2836", "qdb"] > 0
        assert scraped.values("storekit_client_waiting") == {("qdb://host:2836", "qdb"): 0}


def test_prometheus_reads_which_nodes_are_out(scraped):
    with refusing_node() as url, QClient([url], observers=[scraped.observer], **PATIENT) as client:
        assert scraped.values("storekit_client_node_out") == {(url, "qcache"): 0}
        with pytest.raises(NoCacheAvailable):
            client.get("k", {})
        assert scraped.values("storekit_client_node_out") == {(url, "qcache"): 1}


def test_a_registry_takes_one_observer(scraped):
    with pytest.raises(ValueError, match="Duplicated"):
        PrometheusObserver(scraped.registry)


# What it costs


class Idler:
    def start(self, event): ...
    def retry(self, token, event): ...
    def end(self, token, event): ...


def ask(store: str, **options) -> None:
    """Make one call, of which each function that is called is looked at."""
    if store == "qdb":
        with RawClient("embedded:", **options) as client:
            client.put("a", b"1")
            with profiled():
                client.get("a")
    else:
        with QClient(["embedded:"], **options) as client:
            client.post("a", "a\n1\n")
            with profiled():
                client.get("a", {})


async def ask_async(store: str, **options) -> None:
    if store == "qdb":
        async with AsyncRawClient("embedded:", **options) as client:
            await client.put("a", b"1")
            with profiled():
                await client.get("a")
    else:
        async with AsyncQClient(["embedded:"], **options) as client:
            await client.post("a", "a\n1\n")
            with profiled():
                await client.get("a", {})


CALLED: list[str] = []
DIRECTORY = str(Path(storekit.observers.__file__).parent)


@contextlib.contextmanager
def profiled():
    def profile(frame, event, _argument):
        if event == "call" and frame.f_code.co_filename.startswith(DIRECTORY):
            CALLED.append(frame.f_code.co_name)

    CALLED.clear()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("store", ["qdb", "qcache"])
@pytest.mark.parametrize("is_async", [False, True])
def test_without_observers_a_call_calls_nothing_of_theirs(store, is_async):
    def run(**options) -> list[str]:
        if is_async:
            anyio.run(partial(ask_async, store, **options))
        else:
            ask(store, **options)
        return list(CALLED)

    assert run() == []
    assert run(observers=[Idler()]) != []  # else this would see nothing at all


# The page


def test_the_page_names_each_metric():
    _, _, text = PAGE.read_text().partition("\n## OpenTelemetry\n")
    documented = set(re.findall(r"^\| `((?:db|storekit)[._][a-z._]+)", text, re.MULTILINE))
    telemetry, scraped = Telemetry(), Scraped()
    with RawClient(
        "embedded:", observers=[telemetry.observer, scraped.observer], retry=AT_ONCE
    ) as client:
        client.put("a", b"1")
    families = text_string_to_metric_families(generate_latest(scraped.registry).decode())
    shown = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families
        if not family.name.endswith("_created")  # of the library, to each counter and histogram
    }
    shown |= set(telemetry.metrics())
    telemetry.provider.shutdown()
    # What there is no sample of here: no retry, and no ring.
    rare = {"storekit.client.operation.retries", "storekit.client.node.out"}
    assert documented == shown | rare
