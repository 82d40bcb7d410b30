"""What is sent for a frame, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pytest

from storekit import CodecError
from storekit.codecs.tables import Csv, PolarsTable, Rows, TableContent, TableRegistry
from storekit.qcache import AsyncQClient

FRAME = pl.DataFrame({"a": ["007"], "n": [1], "x": [0.5]})


class Node:
    """Takes every upload, and answers every query with the same."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer = b"[]"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.method == "POST":
            return httpx.Response(201)
        headers = {"X-QCache-unsliced-length": "0", "Content-Type": "application/json"}
        return httpx.Response(200, content=self.answer, headers=headers)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
async def client(node: Node) -> AsyncIterator[AsyncQClient]:
    async with AsyncQClient(["http://node"], transport=httpx.MockTransport(node)) as client:
        yield client


async def test_a_frame_brings_its_format_and_types(client: AsyncQClient, node: Node) -> None:
    await client.post("key", FRAME)
    (request,) = node.requests
    assert request.headers["content-type"] == "text/csv"
    assert request.headers["x-qcache-types"] == "a=string;x=float"
    assert request.content == b"a,n,x\n007,1,0.5\n"


async def test_headers_of_the_caller_go_before_those_of_the_frame(
    client: AsyncQClient, node: Node
) -> None:
    mine = {"content-type": "text/csv; charset=utf-8", "X-QCACHE-TYPES": {"n": "string"}}
    await client.post("key", FRAME, post_headers=mine)
    (request,) = node.requests
    assert request.headers["content-type"] == "text/csv; charset=utf-8"
    assert request.headers["x-qcache-types"] == "n=string"


async def test_types_of_the_caller_are_merged_column_by_column(
    client: AsyncQClient, node: Node
) -> None:
    await client.post("key", FRAME, "text/csv", types={"a": "enum", "n": "string"})
    assert node.requests[0].headers["x-qcache-types"] == "a=enum;x=float;n=string"


async def test_content_that_is_encoded_already(client: AsyncQClient, node: Node) -> None:
    await client.post("key", TableContent(b"a\n1\n", "text/csv", {"a": "string"}))
    await client.post("key", [{"a": 1}], codec="rows")
    await client.post("key", [{"a": 1}], "application/json", codec=Rows())
    csv, *json = node.requests
    assert (csv.content, csv.headers["x-qcache-types"]) == (b"a\n1\n", "a=string")
    for request in json:
        assert request.content == b'[{"a":1}]'
        assert request.headers["content-type"] == "application/json"
        assert "x-qcache-types" not in request.headers


async def test_the_codec_says_what_is_accepted(client: AsyncQClient, node: Node) -> None:
    await client.get("key", {}, codec="polars")
    with pytest.raises(CodecError):
        await client.get("key", {}, codec=Csv())
    await client.get("key", {}, "text/csv", codec="polars")
    accepted = [request.headers["accept"] for request in node.requests]
    assert accepted == ["application/json", "text/csv", "text/csv"]


class NoCodec:
    name = content_type = "none"
    accept = "application/json"

    def __init__(self, made: object) -> None:
        self.made = made

    def encode(self, table: object, /) -> Any:
        return self.made

    def decode(self, content: object, content_type: str, /) -> Any:
        raise RuntimeError("not for eyes: secret")


@pytest.mark.parametrize(
    ("content", "options", "error", "words"),
    [
        (pl.DataFrame({"a": [[1]]}), {}, TypeError, "column 'a'"),
        (pl.DataFrame({"a": [2**63]}, {"a": pl.UInt64}), {}, ValueError, "column 'a'"),
        (pl.DataFrame({"å": [1]}), {}, ValueError, "column 'å'"),
        (pl.DataFrame(), {}, ValueError, "without columns"),
        (pd.DataFrame({"a": [b"x"]}), {}, TypeError, "column 'a'"),
        (FRAME.lazy(), {}, TypeError, "collect"),
        (FRAME["n"], {}, TypeError, "Series: for one column, post its frame"),
        (object(), {}, TypeError, "a frame of polars, pandas or pyarrow, not object"),
        ({"a": [1]}, {}, TypeError, "content must be bytes or str"),
        (FRAME, {"codec": "pandas"}, TypeError, "the codec pandas takes pandas.DataFrame"),
        (FRAME, {"codec": "polar"}, ValueError, "no codec of tables named 'polar'"),
        (FRAME, {"codec": PolarsTable}, TypeError, "a codec of tables"),
        (FRAME, {"content_type": "application/json"}, ValueError, "leave it out"),
        (FRAME, {"content_type": 5}, TypeError, "content_type must be a str"),
        (
            TableContent(b"a\n", "text/csv"),
            {"content_type": "application/json"},
            ValueError,
            "leave",
        ),
        (TableContent("a", "text/csv"), {}, TypeError, "bytes, not str"),  # type: ignore[arg-type]
        (1, {"codec": NoCodec(b"a")}, TypeError, "must return TableContent, not bytes"),
        (FRAME, {"types": {"a": "date"}}, ValueError, "cannot be 'date'"),
    ],
)
async def test_refused_before_anything_is_sent(
    client: AsyncQClient,
    node: Node,
    content: object,
    options: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        await client.post("key", content, **options)
    assert node.requests == []


@pytest.mark.parametrize(
    ("codec", "error"), [("polar", ValueError), (PolarsTable, TypeError), (5, TypeError)]
)
async def test_what_is_no_codec_is_refused(
    client: AsyncQClient, node: Node, codec: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="codec of tables"):
        await client.get("key", {}, codec=codec)
    with pytest.raises(error, match="codec of tables"):
        await client.query("key", {}, lambda: "", codec=codec)
    with pytest.raises(error, match="codec of tables"):
        async for _ in client.pages("key", {}, codec=codec):
            pass
    with pytest.raises(error, match="codec of tables"):
        AsyncQClient(["http://node"], codec=codec)
    assert node.requests == []


async def test_the_registry_of_the_client_is_the_one_that_counts(node: Node) -> None:
    transport = httpx.MockTransport(node)
    async with AsyncQClient(
        ["http://node"], transport=transport, tables=TableRegistry().with_codecs(Csv())
    ) as client:
        with pytest.raises(ValueError, match="there are csv"):
            await client.get("key", {}, codec="polars")
        with pytest.raises(TypeError, match="give codec="):
            await client.post("key", FRAME)
        await client.post("key", FRAME, codec=PolarsTable())
        await client.post("key", "a\n1\n", codec="csv")
    assert [request.content for request in node.requests] == [b"a,n,x\n007,1,0.5\n", b"a\n1\n"]
    with pytest.raises(TypeError, match="tables must be a TableRegistry"):
        AsyncQClient(["http://node"], tables={})


@pytest.mark.parametrize("answer", [b"", b"{", b"5", b'[{"a":1},{"b":1}]', b"\xff"])
async def test_what_a_codec_cannot_read_names_codec_and_key(
    client: AsyncQClient, node: Node, answer: bytes
) -> None:
    node.answer = answer

    def load() -> str:
        raise AssertionError("it is there")

    async def one_page() -> None:
        async for _ in client.pages("key-1", {}, codec="polars"):
            pass

    for call in (
        lambda: client.get("key-1", {}, codec="polars"),
        lambda: client.query("key-1", {}, load, codec="polars"),
        one_page,
    ):
        with pytest.raises(CodecError) as caught:
            await call()
        assert (caught.value.codec, caught.value.key) == ("polars", "key-1")
    with pytest.raises(CodecError) as caught:
        (await client.get("key-1", {})).to_polars()
    assert caught.value.key == "key-1"


async def test_a_codec_that_fails_raises_a_codec_error_without_content(
    client: AsyncQClient,
) -> None:
    with pytest.raises(CodecError) as caught:
        await client.get("key", {}, codec=NoCodec(None))
    assert str(caught.value) == "the codec failed (RuntimeError) (codec none, key 'key')"
    assert isinstance(caught.value.__cause__, RuntimeError)


async def test_a_result_is_decoded_by_codecs_only(client: AsyncQClient) -> None:
    result = await client.get("key", {})
    for codec in ("polars", PolarsTable, None):
        with pytest.raises(TypeError, match="must be a table codec"):
            result.decode(codec)
