# Generated from tests/qcache/_async/test_edges.py by tools/generate_sync.py; do not edit.

"""Edges of the client: options, uploads that wait, results that cannot be read."""

from __future__ import annotations

import httpx
import pytest

from storekit import PoolLimits, RetryPolicy
from storekit.qcache import QClient, QueryResult, ServerBusy

NODE = "http://host:9401"


def transport(handler):
    return httpx.MockTransport(handler)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"limits": 5}, TypeError),
        ({"retry": 5}, TypeError),
        ({"transport": object()}, TypeError),
        ({"max_content_size": None}, TypeError),
        ({"max_content_size": 0}, ValueError),
        ({"consecutive_error_count_limit": 0}, ValueError),
        ({"consecutive_error_count_limit": True}, TypeError),
    ],
)
def test_wrong_options_are_refused_by_name(options, error):
    (name,) = options
    with pytest.raises(error, match=name):
        QClient([NODE], **options)


def test_right_options_are_taken():
    QClient([NODE], limits=PoolLimits(max_size=1), retry=RetryPolicy(), max_content_size=1)


@pytest.mark.parametrize("query", [[], "select", None])
def test_pages_of_what_is_no_query(query):
    with QClient([NODE]) as client:
        with pytest.raises(TypeError, match="a query must be a dict"):
            for _ in client.pages("key", query):
                pass


def test_pages_of_what_is_no_key():
    with QClient([NODE]) as client:
        with pytest.raises(ValueError, match="a key must be"):
            for _ in client.pages("no/key", {}):
                pass


def test_uploads_have_ten_times_the_time():
    seen = {}

    def answer(request):
        seen[request.method] = request.extensions["timeout"]
        length = {"X-QCache-unsliced-length": "0"}
        return httpx.Response(201 if request.method == "POST" else 200, headers=length, text="[]")

    with QClient([NODE], 1, 2, write_timeout=3, transport=transport(answer)) as client:
        client.post("key", "a\n1\n")
        client.get("key", {})
    assert (seen["POST"]["connect"], seen["GET"]["connect"]) == (1, 1)
    assert (seen["POST"]["read"], seen["GET"]["read"]) == (20, 2)
    assert (seen["POST"]["write"], seen["GET"]["write"]) == (30, 3)


@pytest.mark.parametrize(("retry_writes", "attempts"), [(False, 1), (True, 3)])
def test_a_busy_server_gets_a_write_again_only_when_asked_for(retry_writes, attempts):
    requests = []

    def answer(request):
        requests.append(request)
        return httpx.Response(503)

    policy = RetryPolicy(attempts=3, initial_backoff=0, retry_writes=retry_writes)
    with QClient([NODE], retry=policy, transport=transport(answer)) as client:
        with pytest.raises(ServerBusy):
            client.post("key", "a\n1\n")
    assert len(requests) == attempts


def test_the_path_of_a_node_is_sent_as_it_is_written():
    paths = []

    def answer(request):
        paths.append(request.url.raw_path)
        return httpx.Response(404)

    with QClient(["http://host/a%2Fb"], transport=transport(answer)) as client:
        client.get("key", {})
    assert paths[0].startswith(b"/a%2Fb/qcache/dataset/key?q=")


def test_a_csv_cell_that_is_too_large_is_said_to_be():
    headers = {"Content-Type": "text/csv", "X-QCache-unsliced-length": "1"}
    result = QueryResult(httpx.Response(200, headers=headers, content=b"a\n" + b"x" * 200_000))
    with pytest.raises(ValueError, match="ask for JSON"):
        result.rows()


def test_connections_are_closed_although_closing_fails_elsewhere(monkeypatch):
    client = QClient([NODE])

    def fail() -> None:
        raise RuntimeError("no probe ends")

    monkeypatch.setattr(client._nodes, "close", fail)
    with pytest.raises(RuntimeError, match="no probe ends"):
        client.close()
    assert client._owned_transports[0]._closed
