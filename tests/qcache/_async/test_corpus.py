"""What QCache 0.9.3 was recorded to answer, it answers through the client.

A case is a table, a query and an answer, or a script of requests. What the client can say,
it says; the rest of a script goes over its transport.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from storekit.core._async.transport import AsyncHTTPTransport
from storekit.qcache import (
    AsyncQClient,
    MalformedQueryException,
    QClientException,
    ServerError,
    UnexpectedServerResponse,
    UnsupportedAcceptType,
    UnsupportedContentType,
)
from storekit.qcache.compression import decompress
from tools.qcache_server import QCacheServer

Case = dict[str, Any]

CORPUS = Path(
    os.environ.get("STOREKIT_QCACHE_CORPUS")
    or Path(__file__).parents[2] / "data" / "qcache-corpus.jsonl"
)
NO_CORPUS = pytest.mark.skip(reason=f"there is no {CORPUS.name}; STOREKIT_QCACHE_CORPUS names one")


def cases(form: Callable[[Case], bool]) -> list[Any]:
    if not CORPUS.is_file():
        return [pytest.param({}, id="none", marks=NO_CORPUS)]
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    recorded = [json.loads(line) for line in lines if line.strip()]
    return [pytest.param(case, id=case["id"]) for case in recorded if form(case)]


def is_script(case: Case) -> bool:
    return "steps" in case


def is_raw(case: Case) -> bool:
    """Whether the query is one that the client refuses to send."""
    return not is_script(case) and not ("query_raw" not in case and isinstance(case["query"], dict))


def is_plain(case: Case) -> bool:
    return not is_script(case) and not is_raw(case)


class Answer(NamedTuple):
    """An answer in the form in which it was recorded."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


class Wire:
    """One node, asked by the client where it can, else by its transport."""

    def __init__(self, client: AsyncQClient, transport: AsyncHTTPTransport, url: str) -> None:
        self.client = client
        self.url = url
        self._transport = transport

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        sent = dict(headers)
        if body is not None or method in ("POST", "PUT", "PATCH"):
            sent["Content-Length"] = str(len(body or b""))
        request = httpx.Request(
            method,
            self.url,
            headers=sent,
            stream=httpx.ByteStream(body or b""),
            extensions={
                "target": path.encode(),
                "timeout": {"connect": 20, "read": 20, "write": 20, "pool": 20},
            },
        )
        response = await self._transport.handle_async_request(request)
        content = b""
        async for piece in response.stream:
            content += piece
        encoding = response.headers.get("content-encoding")
        if encoding and content:
            content = decompress(content, encoding, 2**26)
        return Answer(response.status_code, response.headers, content)


@pytest.fixture
async def wire(qcache_node: QCacheServer) -> AsyncIterator[Wire]:
    client = AsyncQClient([qcache_node.url], connect_timeout=20, read_timeout=20)
    async with client, AsyncHTTPTransport() as transport:
        yield Wire(client, transport, qcache_node.url)


DOCUMENTED = {
    400: UnexpectedServerResponse,
    406: UnsupportedAcceptType,
    415: UnsupportedContentType,
    500: ServerError,
}


def assert_documented(error: QClientException, expected: Mapping[str, Any], *, query: bool) -> None:
    """A refusal is the documented exception, with the status and the words of the server."""
    status = expected["status"]
    assert error.status == status
    if query and status == 400:
        assert type(error) is MalformedQueryException
    else:
        assert type(error) is DOCUMENTED.get(status, UnexpectedServerResponse)
    assert expected.get("error_contains", "") in error.text


def fits(got: Any, wanted: Any) -> bool:
    """Whether two JSON values are the same, with the last digits of numbers forgiven."""
    if isinstance(wanted, Mapping):
        return (
            isinstance(got, Mapping)
            and got.keys() == wanted.keys()
            and all(fits(got[name], wanted[name]) for name in wanted)
        )
    if isinstance(wanted, list):
        return (
            isinstance(got, list)
            and len(got) == len(wanted)
            and all(fits(*pair) for pair in zip(got, wanted, strict=True))
        )
    if is_number(got) and is_number(wanted):
        return got == wanted or math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9)
    return type(got) is type(wanted) and got == wanted


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def assert_rows_fit(got: list[Any], wanted: list[Any], order: str | list[str] | None) -> None:
    """Rows are in the order recorded, or in that of the sort keys, or in any ("none")."""
    assert len(got) == len(wanted)
    if got and isinstance(got[0], Mapping):
        assert list(got[0]) == list(wanted[0]), "the columns are in another order"
    if order is None:
        assert fits(got, wanted)
        return
    if isinstance(order, list):
        for name in (name.removeprefix("-") for name in order):
            assert fits([row.get(name) for row in got], [row.get(name) for row in wanted])
    left = list(got)
    for row in wanted:
        match = next((index for index, other in enumerate(left) if fits(other, row)), None)
        assert match is not None, f"{row} is missing"
        del left[match]


def cells(text: str) -> list[list[object]]:
    return [
        [cell(value) for value in row or [""]] for row in csv.reader(io.StringIO(text, newline=""))
    ]


def cell(value: str) -> object:
    number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value, re.ASCII)
    return float(value) if number else value


def assert_csv_fits(got: str, wanted: str, order: str | list[str] | None) -> None:
    got_rows, wanted_rows = cells(got), cells(wanted)
    assert got_rows[:1] == wanted_rows[:1]
    assert_rows_fit(got_rows[1:], wanted_rows[1:], None if order is None else "none")


def assert_content_fits(case: Case, content: bytes, content_type: str, length: int | None) -> None:
    expected = case["expect"]
    order = case.get("row_order")
    assert length == expected["unsliced_length"]
    assert content_type == expected["content_type"].partition(";")[0]
    if "csv" in expected:
        assert_csv_fits(content.decode("utf-8", "replace"), expected["csv"], order)
    elif "json" in expected:
        rows = json.loads(content)
        if isinstance(rows, list) and isinstance(expected["json"], list):
            assert_rows_fit(rows, expected["json"], order)
        else:
            assert fits(rows, expected["json"])
    else:
        assert content.decode() == expected.get("text", "")


async def stored(wire: Wire, case: Case, key: str) -> bool:
    """Store the table of a case; False if it was refused, as recorded."""
    data, expected = case.get("data"), case["expect"]
    if data is None:
        return True
    try:
        await wire.client.post(
            key, data["body"], data["content_type"], post_headers=data.get("headers") or None
        )
    except QClientException as error:
        assert expected.get("stage") == "store"
        assert_documented(error, expected, query=False)
        assert await wire.client.get(key, {}) is None
        return False
    assert expected.get("stage", "query") == "query"
    return True


async def status_of(wire: Wire, case: Case, key: str, query: Case) -> int:
    try:
        result = await wire.client.get(
            key, query["query"], case["accept"], query_headers=query.get("query_headers") or None
        )
    except QClientException as error:
        return error.status
    return 404 if result is None else 200


@pytest.mark.parametrize("case", cases(is_plain))
async def test_queries(wire: Wire, fresh_key: Callable[[], str], case: Case) -> None:
    key, expected = fresh_key(), case["expect"]
    if not await stored(wire, case, key):
        return
    statuses = [await status_of(wire, case, key, query) for query in case.get("pre") or ()]
    assert statuses == expected.get("pre_status", [])
    accept = {} if case["accept"] is None else {"accept": case["accept"]}
    try:
        result = await wire.client.get(
            key,
            case["query"],
            post_query=case.get("via") == "POST",
            query_headers=case.get("query_headers") or None,
            **accept,
        )
    except QClientException as error:
        assert_documented(error, expected, query=True)
    else:
        if result is None:
            assert expected["status"] == 404
        else:
            assert expected["status"] == 200
            length = result.unsliced_result_len
            assert_content_fits(case, result.content, result.content_type, length)
    await wire.client.delete(key)


@pytest.mark.parametrize("case", cases(is_raw))
async def test_queries_that_the_client_does_not_send(
    wire: Wire, fresh_key: Callable[[], str], case: Case
) -> None:
    key, expected = fresh_key(), case["expect"]
    if not await stored(wire, case, key):
        return
    if "query_raw" not in case:
        with pytest.raises(TypeError, match="a query must be a dict"):
            await wire.client.get(key, case["query"])
    text = case["query_raw"] if "query_raw" in case else json.dumps(case["query"])
    headers = dict(case.get("query_headers") or {})
    if case["accept"] is not None:
        headers["Accept"] = case["accept"]
    path = f"/qcache/dataset/{key}"
    if case.get("via") == "POST":
        answer = await wire.ask("POST", f"{path}/q", headers, text.encode())
    else:
        answer = await wire.ask("GET", f"{path}?q={quote(text, safe='')}", headers)
    assert answer.status == expected["status"]
    if answer.status == 200:
        content_type = answer.headers.get("content-type", "").partition(";")[0]
        length = answer.headers.get("x-qcache-unsliced-length")
        assert_content_fits(case, answer.content, content_type, length and int(length))
    else:
        assert expected.get("error_contains", "") in answer.text
    await wire.client.delete(key)


# Scripts


async def said_by_client(wire: Wire, key: str, step: Case, body: bytes | None) -> int | None:
    """The status of a step that the client can say for itself, else None."""
    headers = {name.lower(): value for name, value in step.get("headers", {}).items()}
    checks_more = step["check"] != ["status"]
    dataset = step["path"] == "/qcache/dataset/{key}"
    try:
        if step["method"] == "DELETE" and dataset and not headers and not checks_more:
            await wire.client.delete(key)
            return 200
        if step["method"] == "POST" and dataset and "content-type" in headers and not checks_more:
            content_type = headers.pop("content-type")
            await wire.client.post(key, body or b"", content_type, post_headers=headers or None)
            return 201
    except QClientException as error:
        assert_documented(error, step["expect"], query=False)
        return error.status
    return None


def check_holds(check: str, answer: Answer) -> object:
    """What the check of a step sees in an answer."""
    kind, _, argument = check.partition(":")
    if kind == "status":
        return answer.status
    if kind == "text":
        return answer.text
    if kind == "header":
        return answer.headers.get(argument)
    if kind == "save_etag":
        return "etag" in answer.headers
    found = json.loads(answer.content)
    names = argument.split(",")
    if kind == "json":
        return found
    if kind == "json_keys":
        return all(name in found for name in names)
    if kind == "json_nokeys":
        return not any(name in found for name in names)
    if kind == "json_value":
        pairs: Sequence[Sequence[str]] = [name.split("=") for name in names]
        return all(str(found.get(name)) == value for name, value in pairs)
    raise ValueError(f"a check of another kind: {check}")


@pytest.mark.parametrize("case", cases(is_script))
async def test_scripts(wire: Wire, fresh_key: Callable[[], str], case: Case) -> None:
    key, etag = fresh_key(), ""
    for number, step in enumerate(case["steps"]):
        body = None
        if "body_b64" in step:
            body = base64.b64decode(step["body_b64"])
        elif "body" in step:
            body = step["body"].encode()
        status = await said_by_client(wire, key, step, body)
        if status is not None:
            assert status == step["expect"]["status"], f"step {number}"
            continue
        headers = {
            name: etag if value == "{etag}" else value
            for name, value in step.get("headers", {}).items()
        }
        path = step["path"].replace("{key}", key)
        answer = await wire.ask(step["method"], path, headers, body)
        for check in step["check"]:
            seen, wanted = check_holds(check, answer), step["expect"][check]
            assert fits(seen, wanted), f"step {number}, {check}: {seen!r} is not {wanted!r}"
        if "save_etag" in step["check"]:
            etag = answer.headers["etag"]
    await wire.client.delete(key)
