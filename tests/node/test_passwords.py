"""A node with a password."""

from __future__ import annotations

import base64

import pytest

from storekit.qcache.node.http.requests import Request
from storekit.qcache.node.node import Node
from tests.node.asking import ask, body_of, headers_of, store

TABLE = b"a,b\n1,x\n2,y\n"


@pytest.fixture
def node() -> Node:
    node = Node(size=100_000)
    store(node, "k", TABLE)
    return node


# Passwords


def credentials(text: bytes) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text).decode()}"}


PATHS = ["/qcache/status", "/qcache/statistics", "/qcache/dataset/k", "/qcache/dataset/k/q"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic \xe9"},
        {"authorization": "Bearer token"},
        credentials(b""),
        credentials(b"ann"),
        credentials(b"ann:"),
        credentials(b"ann:secre"),
        credentials(b"ann:sec:ret2"),
        credentials(b"bob:sec:ret"),
        credentials(b"\xff\xfe"),
    ],
)
def test_who_has_no_password_gets_nothing(path, headers):
    node = Node(auth=("ann", "sec:ret"))
    for method in ("GET", "POST", "DELETE", "PUT"):
        answer = ask(node, method, path, headers=headers, query="q={}", body=TABLE)
        assert (answer.status, answer.body) == (401, b"")
        assert headers_of(answer)["www-authenticate"] == "Basic realm=Restricted"
    answer = ask(node, "GET", "/qcache/statistics", headers=credentials(b"ann:sec:ret"))
    assert body_of(answer)["dataset_count"] == 0


@pytest.mark.parametrize("path", PATHS)
def test_who_has_the_password_is_served(path):
    node = Node(auth=("ann", "sec:ret"))
    headers = credentials(b"ann:sec:ret")
    assert ask(node, "GET", path, headers=headers, query="q={}").status in (200, 404)


def test_unknown_paths_ask_for_no_password():
    assert ask(Node(auth=("ann", "secret")), "GET", "/").status == 404


def test_a_password_of_any_characters():
    node = Node(auth=("å", "ö€:"))
    assert ask(node, "GET", "/qcache/status", headers=credentials("å:ö€:".encode())).status == 200


def test_nothing_shows_the_password():
    node = Node(auth=("ann", "s3cret"))
    request = Request("GET", b"/", headers=credentials(b"ann:s3cret"))
    for text in (repr(node), repr(vars(node).keys()), repr(request)):
        assert "s3cret" not in text
        assert credentials(b"ann:s3cret")["authorization"] not in text
