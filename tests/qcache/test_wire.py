"""What is checked before anything is sent, and what is made of what comes back."""

from __future__ import annotations

import json
import types
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.options import RetryPolicy
from storekit.qcache import QClient
from storekit.qcache.addresses import check_node
from storekit.qcache.errors import UnexpectedServerResponse
from storekit.qcache.wire import (
    check_key,
    encode_query,
    encode_stand_ins,
    encode_types,
    merge_headers,
)
from tests.qcache.wire_values import unhurried

NODE = "http://127.0.0.1:9401"
PASSWORD = "s3cret"


class Unsendable(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.method} {request.url} was sent")


@pytest.fixture
def client() -> QClient:
    """A client for which sending anything is an error."""
    return QClient([NODE], transport=Unsendable())


BAD_KEYS = [
    ("", ValueError),
    ("a/b", ValueError),
    ("a b", ValueError),
    ("a?b", ValueError),
    ("a.b", ValueError),
    ("a%41", ValueError),
    ("key\n", ValueError),
    ("nyckelå", ValueError),
    ("\u0661", ValueError),  # a digit, but not of ours
    ("k" * 70_000, ValueError),
    (None, TypeError),
    (7, TypeError),
    (b"key", TypeError),
]

CALLS: dict[str, Callable[[QClient, object], object]] = {
    "get": lambda client, key: client.get(key, {}),
    "post": lambda client, key: client.post(key, "a\n1\n"),
    "query": lambda client, key: client.query(key, {}, lambda: "a\n1\n"),
    "delete": lambda client, key: client.delete(key),
    "pages": lambda client, key: list(client.pages(key, {})),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("key", "error"), BAD_KEYS)
def test_a_bad_key_is_refused(client: QClient, call: str, key: object, error: type) -> None:
    with pytest.raises(error, match="key") as caught:
        CALLS[call](client, key)
    assert len(str(caught.value)) < 300


@unhurried
@given(st.from_regex(r"\A[A-Za-z0-9_-]{1,300}\Z"))
def test_any_key_that_the_server_takes_is_taken(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    ("nodes", "error"),
    [
        ([], ValueError),
        ("http://host:1", TypeError),
        (b"http://host:1", TypeError),
        (["host:9401"], ValueError),
        (["host"], ValueError),
        (["ftp://host:9401"], ValueError),
        (["http://"], ValueError),
        ([""], ValueError),
        (["http://host:9401?a=b"], ValueError),
        (["http://host:9401#top"], ValueError),
        (["http://host:port"], ValueError),
        (["http://host:99999999"], ValueError),
        ([None], TypeError),
        ([("host", 9401)], TypeError),
        (["http://host:1", 5], TypeError),
    ],
)
def test_a_bad_list_of_nodes_is_refused(nodes: object, error: type) -> None:
    with pytest.raises(error, match="node"):
        QClient(nodes)


@pytest.mark.parametrize(
    "node",
    [
        f"http://user:{PASSWORD}@host:9401",
        f"http://{PASSWORD}@host:9401",
        f"http://user:{PASSWORD}@host:port",
        f"http://user:{PASSWORD}@host:99999999",
        f"user:{PASSWORD}@host",
        f"http://user:{PASSWORD}@",
        f"http://user:{PASSWORD}@host:9401".encode(),
    ],
)
def test_a_password_in_a_node_is_refused_and_not_repeated(node: object) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        QClient([node])
    assert_not_told(caught.value)


def assert_not_told(error: BaseException | None, secret: str = PASSWORD) -> None:
    while error is not None:
        assert secret not in str(error)
        assert secret not in repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ("http://host:9401", b"/"),
        ("http://host:9401/", b"/"),
        ("https://[::1]:9401", b"/"),
        ("http://host/below", b"/below/"),
        ("http://host/below/", b"/below/"),
        ("embedded:", b"/"),
        ("embedded:NAME", b"/"),
    ],
)
def test_the_path_of_a_node_ends_with_a_slash(node: str, path: bytes) -> None:
    assert check_node(node).raw_path == path


@pytest.mark.parametrize("query", [None, "{}", b"{}", [], 5, True, [("select", "a")]])
def test_a_query_must_be_a_dict(client: QClient, query: object) -> None:
    with pytest.raises(TypeError, match="a query must be a dict"):
        client.get("key", query)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"select": {1, 2}}, TypeError),
        ({"where": ["==", "a", b"x"]}, TypeError),
        ({("a", "b"): 1}, TypeError),
    ],
)
def test_a_query_that_is_no_json_is_refused(
    client: QClient, query: dict[str, object], error: type
) -> None:
    with pytest.raises(error, match="cannot be written as JSON"):
        client.get("key", query)


def test_a_query_that_holds_itself_is_refused(client: QClient) -> None:
    query: dict[str, object] = {}
    query["from"] = query
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        client.get("key", query)


def test_any_mapping_can_be_a_query() -> None:
    query = types.MappingProxyType({"from": types.MappingProxyType({"limit": 1})})
    assert json.loads(encode_query(query)) == {"from": {"limit": 1}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@unhurried
@given(st.dictionaries(st.text(), json_values))
def test_a_query_is_written_as_ascii_json(query: dict[str, object]) -> None:
    text = encode_query(query)
    assert text.isascii()
    assert json.loads(text) == query


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ([1, 2], "text/csv"),
        (None, "text/csv"),
        (5, "text/csv"),
        ({"a": 1}, "application/json"),
        ([1, 2], "application/json"),
        ([{"a": {1, 2}}], "application/json"),
        ([{"a": b"x"}], "application/json"),
        (None, "application/json"),
        (iter([{"a": 1}]), "application/json"),
    ],
)
def test_content_of_another_kind_is_refused(
    client: QClient, content: object, content_type: str
) -> None:
    with pytest.raises(TypeError, match=r"content|column 'a'|a list of dicts"):
        client.post("key", content, content_type)


@pytest.mark.parametrize(
    ("content", "content_type", "sent"),
    [
        (b"a\n\xff\n", "text/csv", b"a\n\xff\n"),
        (bytearray(b"a\n"), "text/csv", b"a\n"),
        (memoryview(b"a\n"), "text/csv", b"a\n"),
        ("a\nå\n", "text/csv", "a\nå\n".encode()),
        ("[]", "application/json", b"[]"),
        ([{"a": 1}, {"a": None}], "application/json", b'[{"a":1},{"a":null}]'),
        (({"a": 1},), "application/json; charset=utf-8", b'[{"a":1}]'),
        ([types.MappingProxyType({"a": 1})], "application/json", b'[{"a":1}]'),
        ([], "application/json", b"[]"),
    ],
)
def test_content_is_sent_as_bytes(content: object, content_type: str, sent: bytes) -> None:
    received: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(request)
        return httpx.Response(201)

    with QClient([NODE], transport=httpx.MockTransport(answer)) as client:
        client.post("key", content, content_type)
    assert received[0].content == sent


CONTROLS = ["\r\nEvil: 1", "\n", "\r", "\0", "\x1f", "\x7f"]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_control_characters_in_a_header_value_are_refused(
    client: QClient, control: str, as_bytes: bool
) -> None:
    value: object = f"{PASSWORD}{control}x"
    if as_bytes:
        value = value.encode()
    with pytest.raises(ValueError, match="X-Mine has control characters") as caught:
        client.get("key", {}, query_headers={"X-Mine": value})
    assert_not_told(caught.value)
    with pytest.raises(ValueError, match="X-Mine has control characters") as caught:
        client.post("key", "a\n", post_headers={"X-Mine": value})
    assert_not_told(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "å", "a\0", 5, None, b"a"])
def test_a_bad_header_name_is_refused(client: QClient, name: object) -> None:
    with pytest.raises(ValueError, match="not a valid name of a header"):
        client.get("key", {}, query_headers={name: "x"})


@pytest.mark.parametrize("value", [None, 5, ["a"], {"a": "b"}])
def test_a_header_value_must_be_text(client: QClient, value: object) -> None:
    with pytest.raises(TypeError, match="the header X-Mine takes a str"):
        client.get("key", {}, query_headers={"X-Mine": value})


def test_a_lone_surrogate_in_a_header_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="lone surrogates") as caught:
        merge_headers({}, {"X-Mine": f"{PASSWORD}\udc80"})
    assert_not_told(caught.value)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "CONNECTION"])
def test_headers_that_frame_a_request_cannot_be_set(client: QClient, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is set by the client itself"):
        client.get("key", {}, query_headers={name: "1"})
    with pytest.raises(ValueError, match=f"{name} is set by the client itself"):
        client.post("key", "a\n", post_headers={name: "1"})


def test_more_headers_than_the_server_takes_are_refused(client: QClient) -> None:
    with pytest.raises(ValueError, match="bytes of headers"):
        client.get("key", {}, query_headers={"X-Mine": "x" * 70_000})


def test_later_headers_replace_earlier_ones_whatever_their_case() -> None:
    merged = merge_headers({"accept": "a", "x-one": "1"}, {"Accept": "b"}, {"ACCEPT": " c "})
    assert merged == {"accept": b"c", "x-one": b"1"}


def test_text_in_headers_is_sent_as_utf_8_and_bytes_as_they_are() -> None:
    merged = merge_headers({}, {"X-Text": "å", "X-Bytes": b"\xe5\xa0"})
    assert merged == {"x-text": b"\xc3\xa5", "x-bytes": b"\xe5\xa0"}


@pytest.mark.parametrize(
    "types",
    [
        {"a": "date"},
        {"a": None},
        {"a": "STRING"},
        {"a;b": "string"},
        {"a=b": "string"},
        {"å": "string"},
        {"": "string"},
        {" a": "string"},
        {"a ": "string"},
        {"a\n": "string"},
    ],
)
def test_types_that_a_header_cannot_carry_are_refused(
    client: QClient, types: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="types"):
        client.post("key", "a\n", types=types)
    with pytest.raises(ValueError, match="types"):
        client.post("key", "a\n", post_headers={"X-QCache-types": types})


def test_types_are_written_in_order() -> None:
    kinds = {"a": "string", "b c": "enum", "d": "float", "e": "int", "f": "bool"}
    assert encode_types(kinds) == "a=string;b c=enum;d=float;e=int;f=bool"


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"a": "x;y"}, ValueError),
        ({"a": "x=y"}, ValueError),
        ({"a": "å"}, ValueError),
        ({"a": "x\ny"}, ValueError),
        ({"a;b": 1}, ValueError),
        ({" a": 1}, ValueError),
        ({"a": None}, TypeError),
        ({"a": True}, TypeError),
        ({"a": [1]}, TypeError),
        ({5: 1}, TypeError),
    ],
)
def test_stand_ins_that_a_header_cannot_carry_are_refused(
    client: QClient, columns: dict[str, object], error: type
) -> None:
    with pytest.raises(error, match="stand-in columns"):
        client.post("key", "a\n", stand_in_columns=columns)
    with pytest.raises(error, match="stand-in columns"):
        client.get("key", {}, stand_in_columns=columns)
    with pytest.raises(error, match="stand-in columns"):
        client.get("key", {}, query_headers={"X-QCache-stand-in-columns": columns})


def test_stand_ins_are_written_in_order() -> None:
    columns = {"a": 5, "b": 1.5, "c": "a", "d": '"n/a"'}
    assert encode_stand_ins(columns) == 'a=5;b=1.5;c=a;d="n/a"'


@pytest.mark.parametrize(
    "auth",
    [
        f"alice:{PASSWORD}",
        PASSWORD,
        ("alice",),
        ("alice", PASSWORD, "x"),
        ("alice", PASSWORD.encode()),
        (None, PASSWORD),
        {"alice": PASSWORD},
        ("al:ice", PASSWORD),
        ("alice", f"{PASSWORD}\udc80"),
        5,
    ],
)
def test_auth_of_the_wrong_shape_is_refused_and_not_repeated(auth: object) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        QClient([NODE], auth=auth)
    assert_not_told(caught.value)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"connect_timeout": 0}, ValueError),
        ({"read_timeout": -1}, ValueError),
        ({"read_timeout": "2"}, TypeError),
        ({"consecutive_error_count_limit": 0}, ValueError),
        ({"consecutive_error_count_limit": 2.5}, TypeError),
        ({"compression": "zstd"}, ValueError),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], error: type) -> None:
    with pytest.raises(error):
        QClient([NODE], **options)


def test_certificates_that_cannot_be_used_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="verify: no certificates"):
        QClient(["https://host:1"], verify=str(tmp_path / "none.pem"))
    with pytest.raises(ValueError, match="cert: no usable certificate"):
        QClient(["https://host:1"], cert=str(tmp_path / "none.pem"))


@pytest.mark.parametrize(("page_size", "error"), [(0, ValueError), (-1, ValueError)])
@pytest.mark.parametrize("q", [{}, {"limit": 5}])
def test_a_page_has_rows(
    client: QClient, q: dict[str, object], page_size: int, error: type
) -> None:
    with pytest.raises(error, match="page_size"):
        list(client.pages("key", q, page_size))


@pytest.mark.parametrize(
    ("q", "page_size", "error"),
    [
        ({}, 1.5, TypeError),
        ({}, True, TypeError),
        ({"limit": "5"}, 10, TypeError),
        ({"offset": 1.5}, 10, TypeError),
        ({"offset": -1}, 10, ValueError),
        ({"limit": -1}, 10, ValueError),
    ],
)
def test_the_window_of_a_paged_query_is_whole_numbers(
    client: QClient, q: dict[str, object], page_size: int, error: type
) -> None:
    with pytest.raises(error, match=r"page_size|offset and limit"):
        list(client.pages("key", q, page_size))


def test_the_retry_policy_of_a_client_replaces_the_count_limit() -> None:
    asked = []

    class Refuses(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(503)

    policy = RetryPolicy(attempts=3, initial_backoff=0)
    client = QClient([NODE], consecutive_error_count_limit=7, retry=policy, transport=Refuses())
    with pytest.raises(UnexpectedServerResponse):
        client.get("key", {})
    assert len(asked) == 3
