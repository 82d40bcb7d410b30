"""Queries that load the table when it is not there."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import pytest

from storekit.core.seam._async import call_blocking, run_all
from storekit.options import RetryPolicy
from storekit.qcache import (
    AsyncQClient,
    MalformedQueryException,
    QueryResult,
    ServerError,
    TooManyConsecutiveErrors,
)
from tests.support.stub_node import WAIT, Answer, Request, StubNode, reply, result
from tools.qcache_server import QCacheServer

TABLE = b"a\n1\n"
FEW = RetryPolicy(attempts=3, initial_backoff=0)


class Datasets:
    """A behaviour that keeps what is posted, unless it `forgets`, and gives it back whole."""

    def __init__(self) -> None:
        self.tables: dict[str, bytes] = {}
        self.uploads: list[Request] = []
        self.forgets = False

    def __call__(self, request: Request) -> Answer:
        path = request.target.partition("?")[0]
        key = path.removesuffix("/q").rpartition("/")[2]
        if request.method == "POST" and not path.endswith("/q"):
            self.uploads.append(request)
            if not self.forgets:
                self.tables[key] = request.body
            return Answer(reply(201, b"", {"X-QCache-stats": "duration=0.5"}))
        if key not in self.tables:
            return Answer(reply(404, b"<html>none</html>"))
        return Answer(result(self.tables[key], 1))


class Loader:
    """A load function that counts its calls."""

    def __init__(self, content: object = TABLE) -> None:
        self.content = content
        self.calls: list[dict[str, object]] = []

    def __call__(self, **kwargs: object) -> object:
        self.calls.append(kwargs)
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


@pytest.fixture
def datasets() -> Datasets:
    return Datasets()


@pytest.fixture
def node(datasets: Datasets) -> Iterator[StubNode]:
    with StubNode(datasets) as node:
        yield node


@pytest.fixture
async def client(node: StubNode) -> AsyncIterator[AsyncQClient]:
    async with AsyncQClient([node.url], WAIT, WAIT, retry=FEW) as client:
        yield client


@pytest.fixture
async def real_client(qcache_node: QCacheServer) -> AsyncIterator[AsyncQClient]:
    async with AsyncQClient([qcache_node.url], WAIT, WAIT) as client:
        yield client


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"a,b\n1,x\n", "text/csv"),
        ("a,b\n1,x\n", "text/csv"),
        (bytearray(b'[{"a":1,"b":"x"}]'), "application/json"),
        ('[{"a":1,"b":"x"}]', "application/json"),
        ([{"a": 1, "b": "x"}], "application/json"),
    ],
)
async def test_what_the_load_function_returns_is_stored_and_queried(
    real_client: AsyncQClient, fresh_key: Callable[[], str], content: object, content_type: str
) -> None:
    key, load = fresh_key(), Loader(content)
    query = {"select": ["b"]}
    for _ in range(2):
        answer = await real_client.query(
            key, query, load, {"n": 1, "text": "t"}, content_type=content_type
        )
        assert answer.json() == [{"b": "x"}]
    assert load.calls == [{"n": 1, "text": "t"}]
    assert (await real_client.get(key, {})).json() == [{"a": 1, "b": "x"}]


async def test_a_table_that_is_there_is_not_loaded(
    client: AsyncQClient, datasets: Datasets
) -> None:
    datasets.tables["key"] = b"there"
    load = Loader()
    assert (await client.query("key", {}, load)).content == b"there"
    assert not load.calls
    assert not datasets.uploads


async def test_each_option_goes_with_its_request(
    client: AsyncQClient, node: StubNode, datasets: Datasets
) -> None:
    await client.query(
        "key",
        {"limit": 1},
        Loader(),
        post_headers={"X-Upload": "u"},
        query_headers={"X-Query": "q"},
        accept="text/csv",
        post_query=True,
        types={"a": "string"},
        stand_in_columns={"b": 5},
    )
    miss, upload, hit = node.requests
    for query in (miss, hit):
        assert (query.method, query.target) == ("POST", "/qcache/dataset/key/q")
        assert query.body == b'{"limit":1}'
        assert query.headers["accept"] == "text/csv"
        assert query.headers["x-query"] == "q"
        assert not query.headers.keys() & {"x-upload", "x-qcache-types"}
    assert upload.body == TABLE
    assert upload.headers["content-type"] == "text/csv"
    assert upload.headers["x-upload"] == "u"
    assert upload.headers["x-qcache-types"] == "a=string"
    assert upload.headers["x-qcache-stand-in-columns"] == "b=5"
    assert "x-query" not in upload.headers


async def test_figures_of_the_upload_come_with_the_result(client: AsyncQClient) -> None:
    answer = await client.query("key", {}, Loader())
    assert answer.statistics == {"insert_duration": 0.5}
    assert (await client.query("key", {}, Loader())).statistics == {}


async def test_callers_that_miss_together_load_once(
    client: AsyncQClient, node: StubNode, datasets: Datasets
) -> None:
    load = Loader()
    answers: list[QueryResult] = []

    def load_when_all_have_missed() -> object:
        node.wait_for(lambda node: len(node.queries) >= 8)
        return load()

    async def query() -> None:
        answers.append(await client.query("key", {}, load_when_all_have_missed))

    await run_all([query] * 8)
    assert [answer.content for answer in answers] == [TABLE] * 8
    assert len(load.calls) == 1
    assert len(datasets.uploads) == 1


async def test_a_miss_that_was_seen_before_the_load_of_another_ended_loads_nothing(
    client: AsyncQClient, node: StubNode, datasets: Datasets
) -> None:
    ended = threading.Event()

    def late_for_one(request: Request) -> Answer:
        answer = datasets(request)
        if "x-late" in request.headers and not ended.is_set():
            assert ended.wait(WAIT)
        return answer

    node.answer = late_for_one
    early, late = Loader(b"early"), Loader(b"late")

    async def first() -> None:
        try:
            await call_blocking(
                node.wait_for, lambda node: any("x-late" in r.headers for r in node.requests)
            )
            assert (await client.query("key", {}, early)).content == b"early"
        finally:
            ended.set()

    async def second() -> None:
        answer = await client.query("key", {}, late, query_headers={"X-Late": "1"})
        assert answer.content == b"early"

    await run_all([first, second])
    assert (len(early.calls), len(late.calls)) == (1, 0)
    assert len(datasets.uploads) == 1


async def test_different_keys_load_at_the_same_time(client: AsyncQClient) -> None:
    both = threading.Barrier(2, timeout=WAIT)

    def load() -> bytes:
        both.wait()
        return TABLE

    one, two = partial(client.query, "one", {}, load), partial(client.query, "two", {}, load)
    answers = await run_all([one, two])
    assert [answer.content for answer in answers] == [TABLE] * 2


async def test_an_error_in_a_load_reaches_everyone_who_waits_for_it(
    client: AsyncQClient, node: StubNode, datasets: Datasets
) -> None:
    failure = LookupError("the source is down")
    errors = []

    def load() -> object:
        node.wait_for(lambda node: len(node.queries) >= 5)
        raise failure

    async def query() -> None:
        with pytest.raises(LookupError) as caught:
            await client.query("key", {}, load)
        errors.append(caught.value)

    await run_all([query] * 5)
    assert errors == [failure] * 5
    assert not datasets.uploads


async def test_after_a_load_that_failed_the_next_caller_loads_anew(client: AsyncQClient) -> None:
    load = Loader(LookupError("the source is down"))
    with pytest.raises(LookupError):
        await client.query("key", {}, load)
    load.content = TABLE
    assert (await client.query("key", {}, load)).content == TABLE
    assert len(load.calls) == 2


async def test_a_table_that_never_stays_is_given_up(
    client: AsyncQClient, datasets: Datasets
) -> None:
    datasets.forgets = True
    load = Loader()
    with pytest.raises(TooManyConsecutiveErrors, match="missing again after each of 3 uploads"):
        await client.query("key", {}, load)
    assert len(datasets.uploads) == 3
    assert len(load.calls) == 1


async def test_a_table_that_stays_at_the_second_try(
    client: AsyncQClient, datasets: Datasets, node: StubNode
) -> None:
    def forget_once(request: Request) -> Answer:
        datasets.forgets = not datasets.uploads
        return datasets(request)

    node.answer = forget_once
    assert (await client.query("key", {}, Loader())).content == TABLE
    assert len(datasets.uploads) == 2


async def test_a_table_that_is_larger_than_the_cache(
    start_qcache: Callable[..., QCacheServer],
) -> None:
    small = start_qcache(size=2000)
    load = Loader(b"a\n" + b"some text\n" * 500)
    async with AsyncQClient([small.url], WAIT, WAIT, retry=FEW) as client:
        with pytest.raises(Exception, match="key") as caught:
            await client.query("key", {}, load)
    assert len(load.calls) == 1
    assert type(caught.value).__module__.startswith("storekit.")


@pytest.mark.parametrize("content", [None, 5, object(), {"a": 1}])
async def test_a_load_function_that_returns_no_table(
    client: AsyncQClient, datasets: Datasets, content: object
) -> None:
    with pytest.raises(TypeError, match="content must be bytes or str"):
        await client.query("key", {}, Loader(content))
    assert not datasets.uploads


async def test_arguments_that_the_load_function_does_not_take(client: AsyncQClient) -> None:
    with pytest.raises(TypeError, match="surplus"):
        await client.query("key", {}, lambda: TABLE, {"surplus": 1})


async def test_a_refused_upload_is_told(
    real_client: AsyncQClient, fresh_key: Callable[[], str]
) -> None:
    with pytest.raises(ServerError, match="may hold no dataset"):
        await real_client.query(fresh_key(), {}, lambda: "")


async def test_a_malformed_query_is_told_after_the_load(
    real_client: AsyncQClient, fresh_key: Callable[[], str]
) -> None:
    load = Loader()
    with pytest.raises(MalformedQueryException):
        await real_client.query(fresh_key(), {"where": ["==", "none", 1]}, load)
    assert len(load.calls) == 1
