"""How tests ask a node without a door."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from storekit.qcache.node.http.bodies import Lines, RequestBody
from storekit.qcache.node.http.requests import Request, Response
from storekit.qcache.node.node import Node


def ask(
    node: Node,
    method: str,
    path: str | bytes,
    *,
    query: str | bytes = b"",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Response:
    raw = path.encode() if isinstance(path, str) else path
    raw_query = query.encode() if isinstance(query, str) else query
    return node.handle(Request(method, raw, raw_query, headers or {}, body))


def store(node: Node, key: str, table: bytes, headers: Mapping[str, str] | None = None) -> None:
    answer = ask(node, "POST", f"/qcache/dataset/{key}", headers=headers, body=table)
    assert answer.status == 201, answer.body


def ask_query(node: Node, key: str, query: object) -> Response:
    return ask(node, "POST", f"/qcache/dataset/{key}/q", body=json.dumps(query).encode())


def statistics(node: Node) -> dict[str, Any]:
    return body_of(ask(node, "GET", "/qcache/statistics"))


def headers_of(answer: Response) -> dict[str, str]:
    headers = dict(answer.headers)
    assert len(headers) == len(answer.headers), "a header is there twice"
    return headers


def body_of(answer: Response) -> Any:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def error_of(answer: Response) -> str:
    assert headers_of(answer)["content-type"] == "application/json; charset=utf-8"
    (error,) = json.loads(answer.body).values()
    assert list(json.loads(answer.body)) == ["error"]
    return error


async def gathered(content: RequestBody, block: int = 100_000) -> bytes:
    """All the content of a request, which came in blocks of lines."""
    blocks: list[bytes] = []
    lines = Lines(blocks.append, block)
    while content.more:
        await content.next(lines)
    lines.finish()
    return b"".join(blocks)
