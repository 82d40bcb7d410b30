# Generated from tests/qcache/_async/test_failures.py by tools/generate_sync.py; do not edit.

"""What a failure of a node is to the caller: one exception for each kind."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import httpx
import pytest

from storekit.qcache import (
    ConnectionLost,
    NoCacheAvailable,
    NodeTimeout,
    NodeUnreachable,
    QClient,
    TooManyConsecutiveErrors,
    UnexpectedServerResponse,
)
from tests.qcache._sync.failing import CHUNKED, FAILURES, PATIENT, TABLE
from tests.support.stub_node import (
    WAIT,
    StubNode,
    always,
    mute_node,
    reply,
    resets,
    result,
    silent,
    well,
    well_but,
)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        for part in getattr(error, "exceptions", ()):
            yield from causes(part)
        error = error.__cause__


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_has_its_exception(start_node: Callable[..., StubNode], name: str) -> None:
    answer, kind, words = FAILURES[name]
    node = start_node(answer)
    with QClient([node.url], **PATIENT) as client:
        with pytest.raises(kind, match=words) as caught:
            client.get("key", {})
    error = caught.value
    assert type(error) is kind
    assert error.node == node.url
    assert error.status is None
    assert node.url in str(error)
    assert "get 'key'" in str(error)
    assert error.reached is True
    assert any(isinstance(cause, httpx.TransportError) for cause in causes(error))


def test_a_silent_node_times_out(start_node: Callable[..., StubNode]) -> None:
    node = start_node(silent)
    with QClient([node.url], connect_timeout=WAIT, read_timeout=0.05) as client:
        with pytest.raises(NodeTimeout, match="did not answer in time") as caught:
            client.get("key", {})
    assert caught.value.node == node.url
    assert any(isinstance(cause, httpx.ReadTimeout) for cause in causes(caught.value))


def test_a_node_that_stops_in_the_middle_times_out(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(always(result(b"x" * 100, 1)[:-97], "hold"))
    with QClient([node.url], connect_timeout=WAIT, read_timeout=0.05) as client:
        with pytest.raises(NodeTimeout, match="did not answer in time"):
            client.get("key", {})


def test_a_node_that_never_ends_the_handshake_times_out() -> None:
    with mute_node("https") as url:
        with QClient([url], connect_timeout=0.05, verify=False) as client:
            with pytest.raises(NodeTimeout, match="accepted no connection in time") as caught:
                client.get("key", {})
            with pytest.raises(NodeTimeout) as caught_again:
                client.post("key", TABLE)
    assert caught.value.node == url
    assert caught.value.reached is False
    assert caught_again.value.reached is False
    assert "may hold no dataset" not in str(caught_again.value)


def test_a_node_that_refuses_is_unreachable(refusing: str) -> None:
    with QClient([refusing], **PATIENT) as client:
        with pytest.raises(NodeUnreachable, match=f"no connection to {refusing}") as caught:
            client.get("key", {})
    assert caught.value.node == refusing
    assert caught.value.reached is False
    assert any(isinstance(cause, httpx.ConnectError) for cause in causes(caught.value))


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    with QClient(["http://storekit.invalid:9401"], **PATIENT) as client:
        with pytest.raises((NodeUnreachable, NodeTimeout)) as caught:
            client.get("key", {})
    assert caught.value.node == "http://storekit.invalid:9401"


def test_nodes_that_fail_in_different_ways(
    start_node: Callable[..., StubNode], refusing: str
) -> None:
    node = start_node(resets)
    with QClient([node.url, refusing], **PATIENT) as client:
        with pytest.raises(NoCacheAvailable, match="no QCache node is reachable") as caught:
            client.get("key", {})
    error = caught.value
    assert type(error) is NoCacheAvailable
    assert error.node is None
    assert node.url in str(error)
    assert refusing in str(error)
    kinds = {type(cause) for cause in causes(error)}
    assert {ConnectionLost, NodeUnreachable} <= kinds


def test_a_node_that_is_well_but_fails_each_query(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(well_but(resets))
    with QClient([node.url], **PATIENT) as client:
        with pytest.raises(TooManyConsecutiveErrors, match="3 attempts failed") as caught:
            client.get("key", {})
    assert len(node.queries) == 3
    assert [type(part) for part in caught.value.__cause__.exceptions] == [ConnectionLost] * 3
    assert "lost the connection" in str(caught.value)
    assert caught.value.node == node.url


@pytest.mark.parametrize("limit", [2, 5])
def test_the_documented_limit_counts_attempts(
    start_node: Callable[..., StubNode], limit: int
) -> None:
    node = start_node(well_but(resets))
    with QClient([node.url], WAIT, WAIT, consecutive_error_count_limit=limit) as client:
        with pytest.raises(TooManyConsecutiveErrors):
            client.get("key", {})
    assert len(node.queries) == limit


def test_without_repeats_the_error_is_that_of_the_one_attempt(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(well_but(resets))
    with QClient([node.url], WAIT, WAIT, consecutive_error_count_limit=1) as client:
        with pytest.raises(ConnectionLost):
            client.get("key", {})
    assert len(node.queries) == 1


# Answers that are no answers


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (reply(200, b"[]"), "is it a QCache node"),
        (reply(200, b"[]", {"X-QCache-unsliced-length": "many"}), "is it a QCache node"),
        (reply(204), "answered 204"),
        (reply(302, b"", {"Location": "http://127.0.0.1:9/"}), "answered 302"),
        (reply(418, b"short and stout"), "answered 418: short and stout"),
    ],
)
def test_an_answer_that_makes_no_sense(
    start_node: Callable[..., StubNode], data: bytes, words: str
) -> None:
    node = start_node(always(data))
    with QClient([node.url], **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse, match=words) as caught:
            client.get("key", {})
    assert type(caught.value) is UnexpectedServerResponse
    assert caught.value.node == node.url
    assert caught.value.status == int(data[9:12])
    assert len(node.requests) == 1


@pytest.mark.parametrize("status", [200, 202, 301, 400])
def test_a_post_is_done_only_when_the_node_says_created(
    start_node: Callable[..., StubNode], status: int
) -> None:
    node = start_node(always(reply(status, b"hm")))
    with QClient([node.url], **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse, match="may hold no dataset") as caught:
            client.post("key", TABLE)
    assert caught.value.status == status
    assert len(node.requests) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            result(gzip.compress(bytes(2**24), mtime=0), 1, **{"Content-Encoding": "gzip"}),
            "more than",
        ),
        (result(b"\xff\xff\xff\xff\x10x", 1, **{"Content-Encoding": "lz4"}), "declares"),
        (result(b"no gzip", 1, **{"Content-Encoding": "gzip"}), "broken gzip"),
        (result(b"x", 1, **{"Content-Encoding": "br"}), "unknown content encoding 'br'"),
        (result(b"x" * 70_000, 1), "sent more than 65536 bytes"),
        (CHUNKED + b"fffff\r\n" + b"x" * 70_000, "sent more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, "sent more than 65536 bytes"),
    ],
)
def test_content_that_would_fill_the_memory(
    start_node: Callable[..., StubNode], data: bytes, words: str
) -> None:
    node = start_node(always(data))
    with QClient([node.url], max_content_size=65536, **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse, match=words) as caught:
            client.get("key", {})
        assert caught.value.node == node.url
        assert len(node.requests) == 1
        node.answer = well
        assert client.get("key", {}).rows() == []


def test_a_large_bomb_is_unpacked_elsewhere_and_stopped(
    start_node: Callable[..., StubNode],
) -> None:
    bomb = gzip.compress(bytes(2**22), compresslevel=0)
    node = start_node(always(result(bomb, 1, **{"Content-Encoding": "gzip"})))
    with QClient([node.url], max_content_size=2**22 - 1, **PATIENT) as client:
        with pytest.raises(UnexpectedServerResponse):
            client.get("key", {})
