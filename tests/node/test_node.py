"""What a node answers, whatever carried the request."""

from __future__ import annotations

import gzip
import json
import threading

import lz4.block
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node import node as node_module
from storekit.qcache.node.http.requests import Response
from storekit.qcache.node.node import Node
from tests.node.asking import ask, ask_query, body_of, error_of, headers_of, store

TABLE = b"a,b\n1,x\n2,y\n"
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.fixture
def node() -> Node:
    node = Node(size=100_000)
    store(node, "k", TABLE)
    return node


# Paths and methods


@pytest.mark.parametrize("path", ["/qcache/dataset/k", "/qcache/dataset/k/"])
def test_a_key_may_have_one_slash_behind_it(path):
    node = Node()
    assert ask(node, "POST", path, body=TABLE).status == 201
    assert body_of(ask(node, "GET", path, query="q={}")) == ROWS
    assert ask(node, "DELETE", path).status == 200
    assert ask(node, "GET", path, query="q={}").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/qcache",
        "/qcache/",
        "/qcache/status/",
        "/qcache/statistics/",
        "/qcache/dataset/",
        "/qcache/dataset/k//",
        "/qcache/dataset/k/q/",
        "/qcache/dataset/k/x",
        "/qcache/dataset/k%20",
        "/qcache/dataset/%6B",
        "/qcache/dataset/k\n",
        "/qcache/datasets/k",
        "//qcache/status",
        "/QCACHE/status",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
def test_other_paths_are_not_found(node, path, method):
    assert ask(node, method, path, body=b"{}").status == 404


@pytest.mark.parametrize(
    "path", ["/qcache/status", "/qcache/statistics", "/qcache/dataset/k", "/qcache/dataset/k/q"]
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD", "FOO"])
def test_other_methods_are_not_allowed(node, path, method):
    answer = ask(node, method, path)
    assert answer.status == 405
    assert "allow" in headers_of(answer)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("path", ["/qcache/status", "/qcache/statistics"])
def test_the_state_of_a_node_is_only_read(node, path, method):
    assert ask(node, method, path).status == 405


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_queries_in_a_body_are_posted(node, method):
    assert ask(node, method, "/qcache/dataset/k/q", query="q={}").status == 404
    assert body_of(ask_query(node, "k", {})) == ROWS


def test_the_answer_to_head_has_no_body(node):
    answer = ask(node, "HEAD", "/qcache/status")
    assert answer.body == b""
    assert int(headers_of(answer)["content-length"]) > 0


def test_status(node):
    answer = ask(node, "GET", "/qcache/status")
    assert (answer.status, answer.body) == (200, b"OK")
    assert headers_of(answer)["content-type"] == "text/html; charset=UTF-8"


@given(st.binary(max_size=40), st.binary(max_size=20), st.sampled_from(["GET", "POST", "HEAD"]))
def test_no_path_makes_a_node_fail(path, query, method):
    assert ask(Node(), method, path, query=query).status in (200, 201, 400, 404, 405)


# Queries


def test_a_query_in_the_url(node):
    answer = ask(node, "GET", "/qcache/dataset/k", query='q={"where":+["==",+"a",%202]}')
    assert body_of(answer) == ROWS[1:]
    assert headers_of(answer)["content-type"] == "application/json; charset=utf-8"
    assert headers_of(answer)["x-qcache-unsliced-length"] == "1"


def test_a_query_in_a_body(node):
    answer = ask(
        node,
        "POST",
        "/qcache/dataset/k/q",
        headers={"content-type": "text/html"},
        body=b'{"limit": 1}',
    )
    assert body_of(answer) == ROWS[:1]
    assert headers_of(answer)["x-qcache-unsliced-length"] == "2"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("q={}&q=%7B%22limit%22:1%7D", 1),
        ("x=1&q={}", 2),
        ("%71={}", 2),
        ("q=%20%01{}%00%0A", 2),
    ],
)
def test_how_the_query_is_found_in_a_url(node, query, rows):
    assert len(body_of(ask(node, "GET", "/qcache/dataset/k", query=query))) == rows


@pytest.mark.parametrize("query", ["", "q=", "q", "Q={}", "x={}", "q={}&q=", "q={", "q=%FF"])
def test_a_url_without_a_query_is_malformed(node, query):
    answer = ask(node, "GET", "/qcache/dataset/k", query=query)
    assert answer.status == 400
    assert "Could not load JSON" in error_of(answer)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"nonsense"])
def test_a_body_that_is_no_query(node, body):
    answer = ask(node, "POST", "/qcache/dataset/k/q", body=body)
    assert answer.status == 400
    assert "Could not load JSON" in error_of(answer)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("application/json", "application/json"),
        ("text/csv", "text/csv"),
        (" text/csv , application/json", "text/csv"),
        ("text/html, application/json, text/csv", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("application/*, text/csv;q=0.9", "application/json"),
        ("TEXT/CSV", "text/csv"),
        ("Text/Csv; Charset=UTF-8, application/json;q=0.1", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("application/json;q=0.1,text/csv;Q=0.2", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ('text/html;a="b,application/json", text/csv', "text/csv"),
    ],
)
def test_the_format_that_is_liked_best_is_taken_and_of_several_the_first(node, accept, kind):
    headers = {} if accept is None else {"accept": accept}
    answer = ask(node, "GET", "/qcache/dataset/k", query="q={}", headers=headers)
    assert headers_of(answer)["content-type"] == f"{kind}; charset=utf-8"
    assert answer.body == (
        TABLE if kind == "text/csv" else json.dumps(ROWS, separators=(",", ":")).encode()
    )


@pytest.mark.parametrize("accept", ["", ",", "image/*", "text/csv;q=0", "*/*;q=0", "json"])
def test_other_formats_are_not_acceptable(node, accept):
    answer = ask(node, "GET", "/qcache/dataset/k", query="q={}", headers={"accept": accept})
    assert answer.status == 406


def test_the_order_of_what_is_looked_at(node):
    def status(key: str, query: str, accept: str, stand_ins: str) -> int:
        headers = {"accept": accept, "x-qcache-stand-in-columns": stand_ins}
        return ask(
            node, "GET", f"/qcache/dataset/{key}", query=f"q={query}", headers=headers
        ).status

    assert status("none", "{", "*/*", "=") == 400
    assert status("none", "{}", "image/png", "=") == 406
    assert status("none", "{}", "text/csv", "=") == 404
    assert status("k", '{"bad":1}', "text/csv", "c=5") == 400
    assert status("k", "{}", "text/csv", "c=5") == 200


def test_stand_ins_of_a_query_are_for_that_query_alone(node):
    headers = {"x-qcache-stand-in-columns": "c=5"}
    answer = ask(node, "GET", "/qcache/dataset/k", query="q={}", headers=headers)
    assert body_of(answer) == [{**row, "c": 5} for row in ROWS]
    assert body_of(ask_query(node, "k", {})) == ROWS
    headers = {"x-qcache-stand-in-columns": "c=6"}
    answer = ask(node, "GET", "/qcache/dataset/k", query="q={}", headers=headers)
    assert body_of(answer)[0]["c"] == 6


def test_stand_ins_of_an_upload_are_stored(node):
    store(node, "k", TABLE, {"x-qcache-stand-in-columns": "c=5"})
    assert body_of(ask_query(node, "k", {})) == [{**row, "c": 5} for row in ROWS]


# Tags


def test_a_tag_is_the_same_however_the_answer_is_encoded(node):
    def tag(**headers: str) -> str:
        answer = ask(node, "GET", "/qcache/dataset/k", query="q={}", headers=headers)
        return headers_of(answer)["etag"]

    plain = tag()
    assert plain.startswith('"')
    assert tag(**{"accept-encoding": "gzip"}) == tag(**{"accept-encoding": "lz4"}) == plain
    assert tag(accept="text/csv") != plain
    store(node, "k", b"a\n1\n")
    assert tag() != plain


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_tag_that_matches_saves_the_body(node, form):
    tag = headers_of(ask(node, "GET", "/qcache/dataset/k", query="q={}"))["etag"]
    headers = {"if-none-match": form.format(tag)}
    answer = ask(node, "GET", "/qcache/dataset/k", query="q={}", headers=headers)
    assert (answer.status, answer.body) == (304, b"")
    assert headers_of(answer)["x-qcache-unsliced-length"] == "2"
    assert headers_of(answer)["etag"] == tag


@pytest.mark.parametrize("tag", ["", '"other"', "x"])
def test_a_tag_that_does_not_match(node, tag):
    headers = {"if-none-match": tag}
    assert ask(node, "GET", "/qcache/dataset/k", query="q={}", headers=headers).status == 200


def test_posted_queries_have_no_tag(node):
    assert "etag" not in headers_of(ask_query(node, "k", {}))


# Uploads


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/csv",
        "text/csv;",
        "text/csv; charset=utf-8",
        "text/csv;charset=utf-8",
        'text/csv; charset="utf-8"',
        "text/csv; other=1",
        "TEXT/CSV",
        "text/csv ; charset=UTF-8",
        'Text/Csv; other="a;b, c" ; CHARSET="Utf-8"',
    ],
)
def test_content_types_of_csv(content_type):
    node = Node()
    headers = {} if content_type is None else {"content-type": content_type}
    assert ask(node, "POST", "/qcache/dataset/k", headers=headers, body=TABLE).status == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/html",
        "text",
        "text/csv; charset=latin1",
        "text/csv; other=1; charset=latin1",
        "TEXT/CSV; CHARSET=UTF-16",
        "application/x-www-form-urlencoded",
    ],
)
def test_other_content_types_are_not_taken_and_leave_the_table_as_it_is(node, content_type):
    headers = {"content-type": content_type, "content-encoding": "nonsense"}
    answer = ask(node, "POST", "/qcache/dataset/k", headers=headers, body=b"c\n3\n")
    assert answer.status == 415
    assert body_of(ask_query(node, "k", {})) == ROWS


def test_json_is_stored_and_types_of_it_are_not_looked_at(node):
    headers = {"content-type": "application/json; charset=utf-8", "x-qcache-types": "nonsense"}
    body = b'[{"a": 1}]'
    assert ask(node, "POST", "/qcache/dataset/k", headers=headers, body=body).status == 201
    assert body_of(ask_query(node, "k", {})) == [{"a": 1}]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({}, b'a\n"open\n'),
        ({"x-qcache-types": "a=nonsense"}, b"a\n1\n"),
        ({"x-qcache-types": "a"}, b"a\n1\n"),
        ({"x-qcache-stand-in-columns": "c"}, b"a\n1\n"),
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "application/json"}, b"[" * 100_000),
        ({"content-encoding": "gzip"}, b"a\n1\n"),
        ({"content-encoding": "gzip"}, gzip.compress(b"a\n1\n", mtime=0) + b"rest"),
        ({"content-encoding": "gzip"}, gzip.compress(b"a\n1\n", mtime=0)[:-4]),
        ({"content-encoding": "lz4"}, b""),
        ({"content-encoding": "lz4"}, b"a\n1\n"),
        ({"content-encoding": "lz4"}, lz4.block.compress(b"a\n1\n", store_size=False)),
        ({"content-encoding": "lz4"}, lz4.block.compress(b"a\n1\n") + b"rest"),
        ({"content-encoding": "lz4-frame"}, b"a\n1\n"),
        ({"content-encoding": "gzip, gzip"}, gzip.compress(gzip.compress(TABLE, mtime=0), mtime=0)),
        ({"content-encoding": "gzip, br"}, gzip.compress(b"a\n1\n", mtime=0)),
    ],
)
def test_a_bad_upload_is_refused_and_leaves_the_table_as_it_is(node, headers, body):
    answer = ask(node, "POST", "/qcache/dataset/k", headers=headers, body=body)
    assert answer.status == 400
    assert error_of(answer)
    assert body_of(ask_query(node, "k", {})) == ROWS


def test_an_upload_replaces_the_table(node):
    store(node, "k", b"c\n3\n")
    assert body_of(ask_query(node, "k", {})) == [{"c": 3}]


def test_deleting_twice_is_fine(node):
    assert ask(node, "DELETE", "/qcache/dataset/k").status == 200
    assert ask(node, "DELETE", "/qcache/dataset/k").status == 200


# Trouble


@pytest.mark.parametrize(
    "error",
    [RuntimeError("inside"), MemoryError(), pl.exceptions.PanicException("inside")],
    ids=["error", "memory", "panic"],
)
def test_a_fault_of_the_node_is_answered_and_logged(node, monkeypatch, caplog, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(node_module, "run_query", fail)
    answer = ask_query(node, "k", {})
    assert answer.status == 500
    assert "inside" not in error_of(answer)
    assert "the node failed at POST" in caplog.text
    monkeypatch.undo()
    assert body_of(ask_query(node, "k", {})) == ROWS


def test_nesting_without_end_is_refused(node, monkeypatch):
    deep = b'{"where":' + b"[" * 200_000
    assert ask(node, "POST", "/qcache/dataset/k/q", body=deep).status in (400, 413)

    def recurse(frame, query, budget):  # Python 3.13.0 does not count calls of functions with *args
        recurse(frame, query, budget)

    monkeypatch.setattr(node_module, "run_query", recurse)
    assert ask_query(node, "k", {}).status == 400


def test_a_query_goes_on_with_the_table_that_it_found(node, monkeypatch):
    found, go_on = threading.Event(), threading.Event()
    real = node_module.run_query

    def slow(frame, query, budget):
        found.set()
        assert go_on.wait(20)
        return real(frame, query, budget)

    monkeypatch.setattr(node_module, "run_query", slow)
    answers: list[Response] = []
    thread = threading.Thread(target=lambda: answers.append(ask_query(node, "k", {})))
    thread.start()
    assert found.wait(20)
    # The lock is free meanwhile, too.
    store(node, "k", b"c\n3\n")
    assert ask(node, "GET", "/qcache/statistics").status == 200
    go_on.set()
    thread.join(20)
    assert body_of(answers[0]) == ROWS
    monkeypatch.undo()
    assert body_of(ask_query(node, "k", {})) == [{"c": 3}]


def test_many_threads_see_whole_tables_only():
    node = Node(size=10_000_000)
    tables = {n: b"n,m\n" + b"%d,%d\n" % (n, n) * 50 for n in range(4)}
    store(node, "k", tables[0])
    errors: list[BaseException] = []

    def write(n: int) -> None:
        for _ in range(25):
            store(node, "k", tables[n])

    def read() -> None:
        try:
            for _ in range(25):
                rows = body_of(ask_query(node, "k", {}))
                assert len(rows) == 50
                assert len({(row["n"], row["m"]) for row in rows}) == 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in tables]
    threads += [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors


# Options


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"size": 0}, ValueError),
        ({"size": 1.5}, TypeError),
        ({"size": True}, TypeError),
        ({"age": -1}, ValueError),
        ({"age": float("nan")}, ValueError),
        ({"age": "1"}, TypeError),
        ({"statistics_buffer_size": -1}, ValueError),
        ({"auth": "ann:secret"}, TypeError),
        ({"auth": ("a:n", "secret")}, ValueError),
    ],
)
def test_bad_options_are_refused(options, error):
    with pytest.raises(error) as caught:
        Node(**options)
    assert "secret" not in str(caught.value)
