"""What observers are told of the operations of a client."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from storekit import CodecError
from storekit.observers import CallStarted, LoggingObserver
from storekit.options import RetryPolicy
from storekit.qcache import (
    AsyncQClient,
    DatasetChanged,
    MalformedQueryException,
    NodeUnreachable,
    ServerBusy,
    TooManyConsecutiveErrors,
)
from tests.support.stub_node import key_of

NODE = "http://host1:9401"
NODES = [NODE, "http://host2:9401"]
KEY = key_of(NODE, NODES)
QUICK = RetryPolicy(attempts=3, initial_backoff=0)
Answer = Callable[[httpx.Request], httpx.Response]


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def start(self, event):
        self.events.append(("start", event.store, event.operation, event.node, event.key))
        return event

    def retry(self, token, event):
        assert token is event.call
        self.events.append(("retry", event.attempt, type(event.error), event.node, event.pause))

    def end(self, token, event):
        assert token is event.call
        assert event.duration >= 0
        self.events.append(("end", type(event.error), event.attempts, event.node))


def started(operation: str, key: str | None = KEY) -> tuple[Any, ...]:
    return ("start", "qcache", operation, None, key)


def ended(error: type | None = None, attempts: int = 1, node: str | None = NODE) -> tuple[Any, ...]:
    return ("end", error or type(None), attempts, node)


def result(rows: int = 0, content: bytes = b"[]") -> httpx.Response:
    headers = {"X-QCache-unsliced-length": str(rows), "Content-Type": "application/json"}
    return httpx.Response(200, content=content, headers=headers)


def well(request: httpx.Request) -> httpx.Response:
    path = request.url.path
    if path.endswith("/status") or request.method == "DELETE":
        return httpx.Response(200, content=b"OK")
    if path.endswith("/statistics"):
        return httpx.Response(200, content=b"{}")
    return httpx.Response(201) if request.method == "POST" else result()


class Answers:
    """Gives these answers, one for each request that is no probe, and then good ones."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.left = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.left or request.url.path.endswith("/status"):
            return well(request)
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def client_of(answer: Answer, *observers: Any, nodes: list[str] = NODES) -> AsyncQClient:
    transport = httpx.MockTransport(answer)
    return AsyncQClient(nodes, transport=transport, observers=observers, retry=QUICK)


async def test_observers_are_told_of_start_and_end() -> None:
    first, second = Recorder(), Recorder()
    async with client_of(well, first, second) as client:
        await client.post(KEY, "a\n1\n")
        await client.get(KEY, {})
        await client.delete(KEY)
        await client.query(KEY, {}, lambda: "")
        await client.status()
        await client.statistics()
        client.get_statistics()
    expected = []
    for operation in ("post", "get", "delete", "query"):
        expected += [started(operation), ended()]
    for operation in ("status", "statistics"):  # which ask all nodes
        expected += [started(operation, None), ended(node=None)]
    assert first.events == expected
    assert second.events == expected


async def test_the_only_node_is_named_where_all_are_asked() -> None:
    seen = Recorder()
    async with client_of(well, seen, nodes=[NODE]) as client:
        await client.status()
    assert seen.events == [started("status", None), ended()]


async def test_each_page_is_a_call() -> None:
    seen = Recorder()
    async with client_of(Answers(result(3), result(3), result(4)), seen) as client:
        with pytest.raises(DatasetChanged):
            async for _ in client.pages(KEY, {}, 1):
                pass
    page = [started("pages"), ended()]
    assert seen.events == [*page, *page, started("pages"), ended(DatasetChanged)]


async def test_a_load_is_part_of_its_query() -> None:
    seen, missing = Recorder(), httpx.Response(404)
    async with client_of(Answers(missing), seen) as client:
        await client.query(KEY, {}, lambda: "a\n1\n")
    assert seen.events == [started("query"), ended()]


async def test_the_error_of_a_load_function_ends_the_query() -> None:
    def load() -> str:
        raise RuntimeError("no data")

    seen = Recorder()
    async with client_of(Answers(httpx.Response(404)), seen) as client:
        with pytest.raises(RuntimeError):
            await client.query(KEY, {}, load)
    assert seen.events == [started("query"), ended(RuntimeError)]


async def test_what_a_node_refuses_is_the_end() -> None:
    seen = Recorder()
    async with client_of(Answers(httpx.Response(400)), seen) as client:
        with pytest.raises(MalformedQueryException):
            await client.get(KEY, {"bad": 1})
    assert seen.events == [started("get"), ended(MalformedQueryException)]


async def test_what_the_codec_refuses_is_the_end() -> None:
    seen = Recorder()
    async with client_of(Answers(result(1, b"{")), seen) as client:
        with pytest.raises(CodecError):
            await client.get(KEY, {}, codec="rows")
    assert seen.events == [started("get"), ended(CodecError)]


async def test_attempts_that_failed_are_told_with_their_node_and_pause() -> None:
    seen = Recorder()
    busy = httpx.Response(503, headers={"Retry-After": "0.01"})
    async with client_of(Answers(busy, busy), seen) as client:
        await client.get(KEY, {})
    assert seen.events == [
        started("get"),
        ("retry", 1, ServerBusy, NODE, 0.01),
        ("retry", 2, ServerBusy, NODE, 0.01),
        ended(attempts=3),
    ]


@pytest.mark.parametrize("operation", ["get", "post", "delete", "query", "pages"])
async def test_a_move_to_another_node_is_a_retry_without_pause(operation: str) -> None:
    async def run(client: AsyncQClient) -> None:
        if operation == "pages":
            async for _ in client.pages(KEY, {}):
                pass
        elif operation == "query":
            await client.query(KEY, {}, lambda: "")
        elif operation == "delete":
            await client.delete(KEY)
        elif operation == "post":
            await client.post(KEY, "a\n1\n")
        else:
            await client.get(KEY, {})

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "host1":
            raise httpx.ConnectError("refused")
        return well(request)

    seen = Recorder()
    async with client_of(answer, seen) as client:
        await run(client)
    assert seen.events == [
        started(operation),
        ("retry", 1, NodeUnreachable, NODE, 0.0),
        ended(attempts=2, node=NODES[1]),
    ]


async def test_an_upload_in_a_query_that_moves_is_a_retry_of_the_query() -> None:
    seen, missing = Recorder(), httpx.Response(404)
    answers = Answers(missing, httpx.ConnectError("refused"))
    async with client_of(answers, seen) as client:
        await client.query(KEY, {}, lambda: "a\n1\n")
    assert seen.events[:2] == [started("query"), ("retry", 1, NodeUnreachable, NODE, 0.0)]
    assert seen.events[2:] == [ended(attempts=2, node=NODES[1])]


async def test_the_last_attempt_is_no_retry() -> None:
    seen = Recorder()
    lost = [httpx.ReadError("gone") for _ in range(3)]
    async with client_of(Answers(*lost), seen, nodes=[NODE]) as client:
        with pytest.raises(TooManyConsecutiveErrors):
            await client.get(KEY, {})
    assert [event[0] for event in seen.events] == ["start", "retry", "retry", "end"]
    assert seen.events[-1] == ended(TooManyConsecutiveErrors, 3)


async def test_wrong_arguments_are_no_calls() -> None:
    seen = Recorder()
    async with client_of(well, seen) as client:
        for wrong in (
            lambda: client.get("no/key", {}),
            lambda: client.get(KEY, {}, codec="none"),
            lambda: client.post(KEY, object()),
            lambda: client.post("no/key", "a\n"),
            lambda: client.delete("no/key"),
            lambda: client.query("no/key", {}, lambda: ""),
        ):
            with pytest.raises((TypeError, ValueError)):
                await wrong()
    assert seen.events == []


async def test_a_failing_observer_changes_nothing_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def start(self, event):
            raise RuntimeError("start")

        def retry(self, token, event):
            raise RuntimeError("retry")

        def end(self, token, event):
            raise RuntimeError("end")

    seen = Recorder()
    async with client_of(Answers(httpx.Response(503)), Broken(), seen) as client:
        await client.get(KEY, {})
    assert [event[0] for event in seen.events] == ["start", "retry", "end"]
    assert [record.message for record in caplog.records] == ["an observer failed"] * 3


async def test_the_log_has_calls_and_no_contents(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "storekit.calls")
    async with client_of(Answers(httpx.Response(404)), LoggingObserver()) as client:
        await client.get(KEY, {"where": ["==", "a", "'secret'"]})
        await client.post(KEY, "a\nsecret\n")
    assert [record.message.split(":")[0] for record in caplog.records] == [
        f"qcache get {KEY!r} at http",
        f"qcache post {KEY!r} at http",
    ]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("observers", [[object()], [CallStarted]])
def test_what_is_no_observer_is_refused(observers: Any) -> None:
    with pytest.raises(TypeError, match="start, retry and end"):
        AsyncQClient([NODE], observers=observers)
