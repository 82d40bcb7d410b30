# Generated from tests/qcache/_async/test_writes.py by tools/generate_sync.py; do not edit.

"""Posts and deletes that fail: which of them are repeated."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from storekit.options import RetryPolicy
from storekit.qcache import (
    NoCacheAvailable,
    NodeTimeout,
    NodeUnreachable,
    QClient,
    TruncatedResponse,
)
from tests.qcache._sync.failing import FAILURES, PATIENT, TABLE, WRITES
from tests.support.stub_node import WAIT, StubNode, always, key_of, resets, silent

AFTERMATH = {"post": "may hold no dataset", "delete": "may or may not have been deleted"}


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("name", FAILURES)
def test_a_write_whose_fate_is_unknown_is_not_repeated(
    start_node: Callable[..., StubNode], operation: str, name: str
) -> None:
    answer, kind, _ = FAILURES[name]
    bad, good = start_node(answer), start_node()
    key = key_of(bad.url, [bad.url, good.url])
    with QClient([bad.url, good.url], **PATIENT) as client:
        with pytest.raises(kind, match=AFTERMATH[operation]) as caught:
            WRITES[operation](client, key)
    assert caught.value.reached is True
    assert caught.value.node == bad.url
    assert len(bad.requests) == 1
    assert not good.requests


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_is_not_sent_again_when_a_kept_connection_breaks(
    start_node: Callable[..., StubNode], operation: str
) -> None:
    node = start_node()
    with QClient([node.url], **PATIENT) as client:
        assert client.get("key", {}) is not None
        node.answer = always(b"", "close")
        with pytest.raises(TruncatedResponse, match=AFTERMATH[operation]):
            WRITES[operation](client, "key")
    assert len(node.requests) == 2


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_is_repeated_when_the_caller_asks_for_it(
    start_node: Callable[..., StubNode], operation: str
) -> None:
    bad, good = start_node(resets), start_node()
    key = key_of(bad.url, [bad.url, good.url])
    policy = RetryPolicy(initial_backoff=0, retry_writes=True)
    with QClient([bad.url, good.url], WAIT, WAIT, retry=policy) as client:
        WRITES[operation](client, key)
    assert len(bad.requests) == 1
    assert len(good.requests) == 1


@pytest.mark.parametrize("operation", WRITES)
def test_a_repeated_write_that_failed_everywhere_may_have_reached_a_node(
    start_node: Callable[..., StubNode], refusing: str, operation: str
) -> None:
    bad = start_node(resets)
    key = key_of(bad.url, [bad.url, refusing])
    policy = RetryPolicy(initial_backoff=0, retry_writes=True)
    with QClient([bad.url, refusing], WAIT, WAIT, retry=policy) as client:
        with pytest.raises(NoCacheAvailable, match=AFTERMATH[operation]) as caught:
            WRITES[operation](client, key)
    assert caught.value.reached is True


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_to_a_node_that_refuses_goes_to_the_next(
    start_node: Callable[..., StubNode], refusing: str, operation: str
) -> None:
    good = start_node()
    key = key_of(refusing, [refusing, good.url])
    with QClient([refusing, good.url], **PATIENT) as client:
        WRITES[operation](client, key)
    assert len(good.requests) == 1


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_that_no_node_got_changed_nothing(refusing: str, operation: str) -> None:
    with QClient([refusing], **PATIENT) as client:
        with pytest.raises(NodeUnreachable) as caught:
            WRITES[operation](client, "key")
    assert caught.value.reached is False
    assert AFTERMATH[operation] not in str(caught.value)


def test_an_upload_may_take_ten_times_as_long(start_node: Callable[..., StubNode]) -> None:
    node = start_node(silent)
    with QClient([node.url], connect_timeout=WAIT, read_timeout=0.03) as client:
        started = time.monotonic()
        with pytest.raises(NodeTimeout, match="may hold no dataset"):
            client.post("key", TABLE)
        assert time.monotonic() - started >= 0.29
    assert len(node.requests) == 1
