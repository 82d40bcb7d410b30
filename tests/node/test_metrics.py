"""`/health` and `/metrics`: what they say, to whom, and that reading changes nothing."""

from __future__ import annotations

import math
import re
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from storekit.qcache.node.http.asgi import application
from storekit.qcache.node.node import Node
from storekit.qcache.node.service.exposition import Family, Sample, exposition
from storekit.qcache.node.service.metrics import BOUNDS, FAMILIES, LEFT, Metrics
from tests.node.asking import ask, ask_query, error_of, headers_of, statistics, store

NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: (
        not name.startswith("__")  # which are reserved
        and not name.endswith(("_total", "_created", "_bucket", "_sum", "_count"))
    )
)


def figures(node: Node) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What `/metrics` says, read as Prometheus reads it."""
    text = ask(node, "GET", "/metrics").body.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(node: Node, name: str, **labels: str) -> float:
    return figures(node)[name, frozenset(labels.items())]


# The text


@given(
    st.dictionaries(NAMES, st.text(st.characters(codec="utf-8", exclude_characters="\r"))),
    st.text(st.characters(codec="utf-8", exclude_characters="\r")),
    st.floats(),
)
def test_whatever_labels_and_values_are_is_read_back(labels, words, value):
    family = Family("qcache_thing", "gauge", words)
    text = exposition([(family, [Sample(value, labels)])])
    (read,) = text_string_to_metric_families(text)
    assert (read.name, read.type) == ("qcache_thing", "gauge")
    (sample,) = read.samples
    assert sample.labels == labels
    assert sample.value == value or math.isnan(value)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 100)), max_size=30))
def test_histograms_count_each_duration_up_to_each_bound(requests):
    metrics = Metrics()
    for kind, seconds in requests:
        metrics.note(kind, 200, seconds, 0, 0)
    read = {each.name: each for each in text_string_to_metric_families(metrics.text({}, {}))}
    histogram = read.get("qcache_request_duration_seconds")
    samples = [] if histogram is None else histogram.samples
    for kind in {kind for kind, _ in requests}:
        durations = [seconds for other, seconds in requests if other == kind]
        of_kind = [each for each in samples if each.labels["kind"] == kind]
        buckets = {
            float(each.labels["le"]): each.value
            for each in of_kind
            if each.name.endswith("_bucket")
        }
        assert buckets == {
            bound: sum(seconds <= bound for seconds in durations) for bound in (*BOUNDS, math.inf)
        }
        rest = {each.name.rpartition("_")[2]: each.value for each in of_kind}
        assert rest["count"] == len(durations)
        assert rest["sum"] == pytest.approx(sum(durations))


# Figures


def test_what_a_node_did_is_counted_and_reading_resets_nothing():
    now = 0.0
    node = Node(size=10_000_000, age=100, clock=lambda: now)
    store(node, "k", b"a\n1\n2\n")
    store(node, "k", b"a\n1\n")
    assert ask_query(node, "k", {}).status == 200
    assert ask_query(node, "none", {}).status == 404
    ask(node, "DELETE", "/qcache/dataset/none")
    now = 200.0
    assert ask_query(node, "k", {}).status == 404
    wanted = {
        "qcache_hits_total": 1,
        "qcache_misses_total": 2,
        "qcache_stores_total": 2,
        "qcache_replacements_total": 1,
        "qcache_deletes_total": 1,
        "qcache_stored_rows_total": 3,
        "qcache_tables": 0,
        "qcache_tables_bytes": 0,
        "qcache_size_bytes": 10_000_000,
        "qcache_ready": 1,
    }
    first = figures(node)
    assert {name: first[name, frozenset()] for name in wanted} == wanted
    assert first["qcache_evictions_total", frozenset({("reason", "age")})] == 1
    # QCache's statistics start anew when they are read; neither resets the other.
    assert statistics(node)["hit_count"] == 1
    assert "hit_count" not in statistics(node)
    second = figures(node)
    assert {name: second[name, frozenset()] for name in wanted} == wanted


def test_tables_that_went_for_room_are_counted():
    node = Node(size=1000)
    for number in range(3):
        store(node, f"k{number}", b"a\n" + b"1\n" * 300)
    assert figure(node, "qcache_evictions_total", reason="size") == 2


async def test_requests_are_counted_by_kind_and_status_with_their_bytes():
    node = Node(auth=("ann", "s3cret"))
    transport = httpx.ASGITransport(application(node))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as web:
        await web.get("/health")
        await web.get("/qcache/status")
        web.auth = ("ann", "s3cret")
        await web.post("/qcache/dataset/k", content=b"a\n1\n")
        await web.get("/qcache/dataset/k?q={}")
        await web.post("/qcache/dataset/k/q", content=b"{}")
        await web.delete("/qcache/dataset/k")
        await web.get("/elsewhere")
        await web.get("/metrics", headers={"host": "rebound.example"})
        first = (await web.get("/metrics")).text
    read = {each.name: each.samples for each in text_string_to_metric_families(first)}
    counts = {
        (each.labels["kind"], each.labels["status"]): each.value for each in read["qcache_requests"]
    }
    assert counts == {
        ("health", "200"): 1,
        ("status", "401"): 1,
        ("store", "201"): 1,
        ("query", "200"): 2,
        ("delete", "200"): 1,
        ("other", "404"): 1,
        ("metrics", "421"): 1,
    }
    assert read["qcache_received_bytes"][0].value == len(b"a\n1\n") + len(b"{}")
    assert read["qcache_sent_bytes"][0].value > 2 * len('[{"a":1}]')
    assert read["qcache_requests_in_progress"][0].value == 1  # the one that asks


async def test_a_client_that_leaves_is_counted_as_such():
    node = Node()
    app = application(node)
    scope = {
        "type": "http", "method": "POST", "path": "/qcache/dataset/k", "query_string": b"",
        "headers": [(b"content-length", b"10")],
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        raise AssertionError

    await app(scope, receive, send)
    assert figure(node, "qcache_requests_total", kind="store", status=str(LEFT)) == 1


def test_figures_of_several_applications_are_added_while_these_exist():
    node = Node()

    class Source:
        def gauges(self) -> dict[str, float]:
            return {"qcache_requests_waiting small": 2}

    sources = [Source(), Source()]
    for source in sources:
        node.metrics.watch(source)
    assert figure(node, "qcache_requests_waiting", lane="small") == 4
    del source
    sources.pop()
    assert figure(node, "qcache_requests_waiting", lane="small") == 2


def test_each_figure_has_a_name_as_the_conventions_want_it():
    for name, family in FAMILIES.items():
        assert name.startswith(("qcache_", "process_"))
        assert name.endswith("_total") == (family.kind == "counter")


def test_each_figure_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"`((?:qcache|process)_\w+)", page))
    assert documented == set(FAMILIES)


# Who may ask


def test_health_needs_no_password_and_tells_nothing_but_the_state():
    node = Node(auth=("ann", "s3cret"))
    for state, status in (("starting", 503), ("ready", 200), ("draining", 503)):
        node.enter(state)
        answer = ask(node, "GET", "/health")
        assert (answer.status, answer.body) == (status, state.encode())
        assert headers_of(answer)["cache-control"] == "no-store"
        head = ask(node, "HEAD", "/health")
        assert (head.status, head.body) == (status, b"")
    assert not node.enter("ready")  # a node that drains does so to its end
    assert ask(node, "GET", "/health").body == b"draining"


def test_metrics_need_the_password_as_the_rest_does():
    node = Node(auth=("ann", "s3cret"))
    assert ask(node, "GET", "/metrics").status == 401
    headers = {"authorization": "Basic YW5uOnMzY3JldA=="}
    answer = ask(node, "GET", "/metrics", headers=headers)
    assert answer.status == 200
    assert headers_of(answer)["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("path", ["/health", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "OPTIONS"])
def test_they_are_only_read(path, method):
    answer = ask(Node(), method, path)
    assert answer.status == 405
    assert headers_of(answer)["allow"] == "GET, HEAD"
    assert error_of(answer)


@pytest.mark.parametrize(
    "path", ["/health/", "/healthz", "/qcache/health", "/metrics?", "//metrics"]
)
def test_paths_beside_them_are_none(path):
    assert ask(Node(), "GET", path).status == 404
