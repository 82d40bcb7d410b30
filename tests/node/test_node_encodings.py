"""Encodings of content and limits of its size, at a node."""

from __future__ import annotations

import gzip

import lz4.block
import pytest

from storekit.qcache.node.node import Node
from tests.node.asking import ask, ask_query, body_of, error_of, headers_of, store

TABLE = b"a,b\n1,x\n2,y\n"
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.fixture
def node() -> Node:
    node = Node(size=100_000)
    store(node, "k", TABLE)
    return node


# Encodings


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
def test_uploads_and_queries_may_be_encoded(node, encoding):
    encode = {"gzip": gzip.compress, "lz4": lz4.block.compress}[encoding]
    headers = {"content-encoding": encoding}
    assert ask(node, "POST", "/qcache/dataset/e", headers=headers, body=encode(TABLE)).status == 201
    answer = ask(node, "POST", "/qcache/dataset/e/q", headers=headers, body=encode(b"{}"))
    assert body_of(answer) == ROWS


@pytest.mark.parametrize(
    ("told", "body"),
    [
        ("GZIP", gzip.compress(TABLE, mtime=0)),
        ("x-gzip", gzip.compress(TABLE, mtime=0)),
        ("identity", TABLE),
        ("Identity, GZip", gzip.compress(TABLE, mtime=0)),
        ("", TABLE),
        ("Lz4", lz4.block.compress(TABLE)),
    ],
)
def test_encodings_are_named_in_any_case_and_in_lists(node, told, body):
    headers = {"content-encoding": told}
    assert ask(node, "POST", "/qcache/dataset/e", headers=headers, body=body).status == 201
    assert body_of(ask_query(node, "e", {})) == ROWS


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("lz4", "lz4"),
        ("gzip, lz4", "lz4"),
        ("deflate, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000, lz4;q=0", None),
        ("gzip, lz4;q=0.5", "gzip"),
        ("gzip;q=0.5,LZ4;q=0.5", "lz4"),
        ("lz4-frame", None),
        ("*", None),
        ("br", None),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/qcache/dataset/k"), ("GET", "/qcache/status"), ("DELETE", "/qcache/dataset/k")],
)
def test_good_answers_are_encoded_on_demand(node, accepted, encoding, method, path):
    plain = ask(node, method, path, query="q={}").body
    answer = ask(node, method, path, query="q={}", headers={"accept-encoding": accepted})
    store(node, "k", TABLE)
    assert headers_of(answer).get("content-encoding") == encoding
    assert int(headers_of(answer)["content-length"]) == len(answer.body)
    decode = {"gzip": gzip.decompress, "lz4": lz4.block.decompress, None: bytes}[encoding]
    assert decode(answer.body) == plain


@pytest.mark.parametrize("query", ['{"bad":1}', "{"])
def test_refusals_are_plain(node, query):
    headers = {"accept-encoding": "gzip, lz4"}
    answer = ask(node, "GET", "/qcache/dataset/k", query=f"q={query}", headers=headers)
    assert "content-encoding" not in headers_of(answer)
    assert error_of(answer)


def test_without_lz4_uploads_say_what_is_missing_and_answers_are_plain(node, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lz4.block", None)
    headers = {"content-encoding": "lz4"}
    answer = ask(node, "POST", "/qcache/dataset/e", headers=headers, body=b"x")
    assert answer.status == 400
    assert "pip install 'storekit[lz4]'" in error_of(answer)
    answer = ask(node, "GET", "/qcache/status", headers={"accept-encoding": "lz4"})
    assert answer.body == b"OK"
    answer = ask(node, "GET", "/qcache/status", headers={"accept-encoding": "lz4, gzip"})
    assert gzip.decompress(answer.body) == b"OK"


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
@pytest.mark.parametrize("path", ["/qcache/dataset/k", "/qcache/dataset/k/q"])
def test_a_bomb_is_refused_before_it_goes_off(node, encoding, path):
    encode = {"gzip": gzip.compress, "lz4": lz4.block.compress}[encoding]
    bomb = encode(b"a" * 2**25)
    assert len(bomb) < 2**18
    headers = {"content-encoding": encoding}
    answer = ask(node, "POST", path, headers=headers, body=bomb)
    assert answer.status == 413
    assert body_of(ask_query(node, "k", {})) == ROWS


@pytest.mark.parametrize(
    ("path", "kind"), [("k", "text/csv"), ("k", "application/json"), ("k/q", "application/json")]
)
def test_a_body_above_the_size_is_refused_whatever_carried_it(path, kind):
    node = Node(size=100)
    body = b'[{"a": "' + b"x" * 100 + b'"}]'
    answer = ask(node, "POST", f"/qcache/dataset/{path}", headers={"content-type": kind}, body=body)
    assert answer.status == 413
    assert "the limit is 100" in error_of(answer)


def test_a_size_that_lz4_content_only_claims_is_not_believed(node):
    body = (90_000).to_bytes(4, "little") + b"\x10a"
    answer = ask(node, "POST", "/qcache/dataset/k", headers={"content-encoding": "lz4"}, body=body)
    assert answer.status == 400
