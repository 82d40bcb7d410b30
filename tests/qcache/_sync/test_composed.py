# Generated from tests/qcache/_async/test_composed.py by tools/generate_sync.py; do not edit.

"""Operations of several requests: one deadline, the methods of the object, loads that wait."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storekit.core.seam._sync import call_user_function, run_all, sleep
from storekit.options import RetryPolicy
from storekit.qcache import (
    CircularLoad,
    NodeTimeout,
    QClient,
    QClientException,
    QueryResult,
)
from tests.support.stub_node import WAIT, Answer, Request, StubNode, reply, result

TABLE = "a\n1\n"


@pytest.fixture
def start_node() -> Iterator[Callable[..., StubNode]]:
    with contextlib.ExitStack() as nodes:
        yield lambda answer: nodes.enter_context(StubNode(answer))


def slow(*, status: int = 404, content: bytes = b"", rows: int = 0) -> Callable[[Request], Answer]:
    """Answer each request late, but within its own limit."""

    def answer(request: Request) -> Answer:
        time.sleep(0.2)
        if request.method == "POST":
            return Answer(reply(201))
        return Answer(reply(status)) if status != 200 else Answer(result(content, rows))

    return answer


def test_a_query_that_loads_again_and_again_has_one_deadline(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(slow())
    with QClient([node.url], read_timeout=WAIT, total_timeout=0.5) as client:
        began = time.monotonic()
        with pytest.raises(QClientException):
            client.query("key", {}, lambda: TABLE)
        assert time.monotonic() - began < 0.5 + 0.5
    assert len(node.requests) <= 4


def test_all_pages_have_one_deadline_without_the_time_between_them(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(slow(status=200, content=b'[{"a":1}]', rows=100))
    with QClient([node.url], read_timeout=WAIT, total_timeout=0.5) as client:
        seen = 0
        with pytest.raises(NodeTimeout):
            for _ in client.pages("key", {}, 1):
                seen += 1
                sleep(0.3)  # which does not count
        assert seen == 2


def test_the_time_of_a_load_function_does_not_count() -> None:
    with QClient(["embedded:"], total_timeout=0.3) as client:

        def load() -> str:
            time.sleep(0.6)
            return TABLE

        assert client.query("key", {}, load).rows() == [{"a": 1}]
        others = run_all([lambda: client.query("other", {}, load)] * 3)
        assert [other.rows() for other in others] == [[{"a": 1}]] * 3


class Tenant(QClient[QueryResult]):
    """Gives each tenant keys of its own, as subclasses of the documented client do."""

    def __init__(self, name: str) -> None:
        super().__init__(["embedded:tenants"])
        self.name = name

    def get(self, key, q, accept="application/json", post_query=False, query_headers=None):  # type: ignore[no-untyped-def, override]
        return super().get(f"{self.name}-{key}", q, accept, post_query, query_headers)

    def post(self, key, content, content_type="text/csv", post_headers=None):  # type: ignore[no-untyped-def, override]
        return super().post(f"{self.name}-{key}", content, content_type, post_headers)


def test_query_goes_through_get_and_post_of_the_object() -> None:
    with Tenant("a") as a, Tenant("b") as b:
        a.query("orders", {}, lambda: "n\n1\n")
        assert b.query("orders", {}, lambda: "n\n2\n").rows() == [{"n": 2}]
        found = a.get("orders", {})
        assert found.rows() == [{"n": 1}]


def test_what_asks_goes_through_get_of_the_object(tmp_path: Path) -> None:
    with Tenant("a") as a, Tenant("b") as b:
        a.post("orders", "n\n1\n2\n")
        b.post("orders", "n\n3\n4\n")
        assert b.sql("select n from orders order by n").rows() == [{"n": 3}, {"n": 4}]
        pages = [page.rows() for page in b.pages("orders", {"order_by": ["n"]}, 1)]
        assert pages == [[{"n": 3}], [{"n": 4}]]
        assert a.export("orders", {"order_by": ["n"]}, tmp_path / "out.csv") == 2
        assert (tmp_path / "out.csv").read_text() == "n\n1\n2\n"


class Listing(QClient):
    """A client whose `get` gives lists."""

    def get(self, key, q, *args, **options):  # type: ignore[no-untyped-def, override]
        return [super().get(key, q, *args, **options)]


def test_a_get_that_gives_something_else_is_told_of_by_pages() -> None:
    with Listing(["embedded:"]) as client:
        client.post("key", TABLE)
        with pytest.raises(TypeError, match="get of Listing must return a QueryResult"):
            for _ in client.pages("key", {}):
                pass


def test_a_load_that_asks_for_its_own_key_is_an_error() -> None:
    with QClient(["embedded:"]) as client:

        def load() -> bytes:
            return client.query("key", {}, load).content

        with pytest.raises(CircularLoad, match="function for 'key' asks for 'key' itself"):
            client.query("key", {}, load)
        client.query("key", {}, lambda: TABLE)  # and the next one loads


def test_loads_that_wait_for_each_other_are_an_error() -> None:
    with QClient(["embedded:"]) as client:

        def load_a() -> bytes:
            return client.query("b", {}, load_b).content

        def load_b() -> bytes:
            return client.query("a", {}, load_a).content

        with pytest.raises(CircularLoad, match="'b' -> 'a'"):
            client.query("a", {}, load_a)


def test_loads_of_several_callers_that_wait_for_each_other_are_an_error() -> None:
    with QClient(["embedded:"]) as one, QClient(["embedded:"]) as other:

        def load_a() -> bytes:
            sleep(0.1)
            return other.query("b", {}, load_b, accept="text/csv").content

        def load_b() -> bytes:
            sleep(0.1)
            return one.query("a", {}, load_a, accept="text/csv").content

        errors: list[Exception] = []

        def ask(call: Callable[[], object]) -> None:
            try:
                call_user_function(call, {})
            except CircularLoad as error:
                errors.append(error)

        run_all(
            [
                lambda: ask(lambda: one.query("a", {}, load_a)),
                lambda: ask(lambda: other.query("b", {}, load_b)),
            ]
        )
        assert errors


def test_loads_may_ask_for_other_keys() -> None:
    with QClient(["embedded:"]) as client:

        def load() -> bytes:
            return client.query("base", {}, lambda: TABLE, accept="text/csv").content

        results = run_all([lambda: client.query("derived", {}, load)] * 4)
        assert [found.rows() for found in results] == [[{"a": 1}]] * 4


def test_a_query_too_heavy_for_read_timeout_is_sent_twice_at_most(
    start_node: Callable[..., StubNode],
) -> None:
    def heavy(request: Request) -> Answer:
        if "dataset" in request.target:
            time.sleep(0.6)
        return Answer(reply(200, b"OK"))

    nodes = [start_node(heavy), start_node(heavy)]
    for urls in ([nodes[0].url], [node.url for node in nodes]):
        for node in nodes:
            node.requests.clear()
        policy = RetryPolicy(attempts=10, initial_backoff=0)
        with QClient(urls, read_timeout=0.2, retry=policy) as client:
            with pytest.raises(NodeTimeout, match="raise read_timeout="):
                client.get("key", {})
        asked = [r for node in nodes for r in node.requests if "dataset" in r.target]
        assert len(asked) == 2


def test_the_repr_names_nodes_and_state_and_no_secret(
    start_node: Callable[..., StubNode],
) -> None:
    node = start_node(slow())
    client = QClient([node.url, "embedded:"], auth=("someone", "s3cret"))
    assert repr(client).endswith(f"(nodes: {node.url}, embedded:)")
    client.close()
    assert "closed" in repr(client)
    assert "s3cret" not in repr(client)
