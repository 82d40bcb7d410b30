"""What is checked before anything is sent, and what is made of what comes back."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
import tracemalloc
import types
from collections.abc import Callable

import httpx
import lz4.block
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storekit.options import RetryPolicy
from storekit.qcache import QClient, QueryResult
from storekit.qcache.addresses import check_node
from storekit.qcache.compression import ContentTooLarge, compress, decompress, require
from storekit.qcache.errors import UnexpectedServerResponse
from storekit.qcache.result import request_statistics
from storekit.qcache.wire import (
    Reply,
    check_key,
    encode_query,
    encode_stand_ins,
    encode_types,
    error_text,
    merge_headers,
    parse_statistics,
    retry_after,
)

NODE = "http://127.0.0.1:9401"
PASSWORD = "s3cret"

unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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
    with pytest.raises(TypeError, match=r"content|column 'a'"):
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
    with pytest.raises(ValueError, match="no name for a header"):
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


# What the server says


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"error": "Unknown column x"}', "Unknown column x"),
        (b'{"error": 5}', "5"),
        (b'{"other": 5}', '{"other": 5}'),
        (b"[1, 2]", "[1, 2]"),
        (b'"text"', '"text"'),
        (b"  plain \n text ", "plain text"),
        (b"", ""),
        (b"<html><title>406: Not Acceptable</title><body>x</body></html>", "406: Not Acceptable"),
        (b"<HTML><TITLE>a &amp; b</TITLE></HTML>", "a & b"),
        (b"<html><body><p>no</p> <b>title</b></body></html>", "no title"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_the_words_of_an_error_are_found(content: bytes, text: str) -> None:
    assert error_text(content) == text


@unhurried
@given(st.binary(max_size=500))
@example(b"[" * 100_000)
@example(b'{"error":' * 20_000)
@example(b"1" * 5000)
def test_any_error_page_gives_a_short_text(content: bytes) -> None:
    assert len(error_text(content)) <= 1010


@pytest.mark.parametrize("filler", ["<", "<title>", "<title", "<p ", "&amp;"])
def test_a_hostile_error_page_costs_little_time(filler: str) -> None:
    page = ("<html" + filler * 20_000).encode()
    started = time.process_time()
    error_text(page)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("Thu, 01 Jan 1970 00:16:50 GMT", 10.0),
        ("Thu, 01 Jan 1970 00:16:30 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:16:30 GMT", 0.0),
    ],
)
def test_the_wait_that_a_server_asks_for(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}, now=1000.0) == seconds


def test_a_server_may_ask_for_no_wait() -> None:
    assert retry_after({}, now=1000.0) == 0.0


@unhurried
@given(st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ .{0,8}\Z"))
@example("Mon, 01 Jan 0001 00:00:00 -0000")
@example("Mon, 01 Jan 9999 00:00:00 -2359")
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
@example("Mon, 01 Jan 2000 00:00:00 +99999999999999999999")
def test_any_wait_that_a_server_asks_for_is_understood(value: str) -> None:
    assert retry_after({"retry-after": value}, now=1000.0) >= 0


@pytest.mark.parametrize("content", [b"", b"<html>", b"[" * 100_000])
def test_statistics_that_are_no_json_are_told(content: bytes) -> None:
    with pytest.raises(UnexpectedServerResponse, match=f"{NODE} sent no JSON") as caught:
        parse_statistics(Reply(NODE, 200, {}, content))
    assert caught.value.node == NODE
    assert caught.value.status == 200


def test_statistics_are_an_object() -> None:
    with pytest.raises(UnexpectedServerResponse, match="JSON that is no object"):
        parse_statistics(Reply(NODE, 200, {}, b"[1]"))
    assert parse_statistics(Reply(NODE, 200, {}, b'{"hit_count": 1}')) == {"hit_count": 1}


# Encodings


@unhurried
@given(st.binary(max_size=5000), st.sampled_from(["gzip", "lz4"]))
@example(b"", "gzip")
@example(b"", "lz4")
@example(b"x" * 100_000, "lz4")
def test_what_is_packed_can_be_unpacked(content: bytes, encoding: str) -> None:
    assert decompress(compress(content, encoding), encoding, len(content)) == content


def test_packed_content_is_what_any_reader_of_the_format_reads() -> None:
    content = b"a,b\n1,2\n" * 1000
    assert gzip.decompress(compress(content, "gzip")) == content
    assert lz4.block.decompress(compress(content, "lz4")) == content


def test_a_gzip_file_of_several_members_is_unpacked() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two ") + gzip.compress(b"three")
    assert decompress(packed, "gzip", 100) == b"one two three"


@unhurried
@given(st.binary(max_size=300), st.sampled_from(["gzip", "lz4"]))
def test_random_bytes_are_refused_in_one_way(content: bytes, encoding: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(decompress(content, encoding, 1000)) <= 1000


@unhurried
@given(st.binary(max_size=300), st.data(), st.sampled_from(["gzip", "lz4"]))
def test_damaged_content_is_refused_in_one_way(
    content: bytes, data: st.DataObject, encoding: str
) -> None:
    packed = bytearray(compress(content, encoding))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(packed[: data.draw(st.integers(0, len(packed)))])
    for hostile in (bytes(packed), cut):
        with contextlib.suppress(ValueError):
            assert len(decompress(hostile, encoding, 1000)) <= 1000


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
def test_content_of_exactly_the_limit_is_allowed_and_no_byte_more(encoding: str) -> None:
    packed = compress(b"x" * 1000, encoding)
    assert len(decompress(packed, encoding, 1000)) == 1000
    with pytest.raises(ContentTooLarge, match="999"):
        decompress(packed, encoding, 999)


def most_memory_of(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    def unpack() -> None:
        with pytest.raises(ContentTooLarge):
            decompress(bomb, "gzip", 1_000_000)

    assert most_memory_of(unpack) < 10_000_000


def test_a_bomb_of_many_gzip_members_is_stopped() -> None:
    with pytest.raises(ValueError, match="members"):
        decompress(gzip.compress(b"") * 1000, "gzip", 1_000_000)


@pytest.mark.parametrize("announced", [2**32 - 1, 2**31, 600_000_000])
def test_an_lz4_block_that_announces_too_much_gets_no_memory(announced: int) -> None:
    bomb = announced.to_bytes(4, "little") + lz4.block.compress(b"x", store_size=False)

    def unpack() -> None:
        with pytest.raises(ValueError, match="lz4 content"):
            decompress(bomb, "lz4", 2**30)

    assert most_memory_of(unpack) < 1_000_000


def test_an_lz4_block_that_holds_less_than_announced_is_refused() -> None:
    block = (5).to_bytes(4, "little") + lz4.block.compress(b"abcd", store_size=False)
    with pytest.raises(ValueError, match="4 bytes where 5 were announced"):
        decompress(block, "lz4", 100)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, br", "lz4-frame"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match="unknown content encoding"):
        decompress(b"x", encoding, 100)


def test_lz4_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lz4.block", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'storekit\[lz4\]'"):
        require("lz4")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'storekit\[lz4\]'"):
        QClient([NODE], compression="lz4")


# Results


def response(content: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, content=content, headers={"x-qcache-unsliced-length": "1", **named})


def test_a_result_is_made_of_a_response() -> None:
    result = QueryResult(
        response(
            gzip.compress(b'[{"a":1}]'),
            content_type="application/json; charset=utf-8",
            content_encoding="gzip",
            x_qcache_stats="query=0.5",
        )
    )
    assert result.content == b'[{"a":1}]'
    assert result.content_type == "application/json"
    assert result.encoding == "gzip"
    assert result.unsliced_result_len == 1
    assert result.statistics == {"get_query": 0.5}
    assert list(result) == result.rows() == result.json() == [{"a": 1}]


def test_rows_of_csv_are_text() -> None:
    result = QueryResult(response(b'a,b\n1,"x,\n""y"""\n,2\n', content_type="text/csv"))
    assert result.rows() == [{"a": "1", "b": 'x,\n"y"'}, {"a": "", "b": "2"}]
    with pytest.raises(ValueError, match="text/csv, not JSON"):
        result.json()


def test_a_result_of_no_type_has_no_rows() -> None:
    with pytest.raises(ValueError, match="of no type"):
        QueryResult(response(b"x")).rows()


@pytest.mark.parametrize("size", [0, 10, 100, 10_000_000])
def test_the_repr_of_a_result_is_short(size: int) -> None:
    shown = repr(QueryResult(response(b"x" * size, content_type="text/csv")))
    assert len(shown) < 200
    assert f"size={size}" in shown


def test_results_are_equal_by_what_they_hold() -> None:
    one, same, other = (
        QueryResult(response(body, content_type="text/csv")) for body in (b"a\n", b"a\n", b"b\n")
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != b"a\n"


@pytest.mark.parametrize(
    ("header", "figures"),
    [
        (None, {}),
        ("", {}),
        ("a=1.5,b=2", {"get_a": 1.5, "get_b": 2.0}),
        (" a = 1 , b=x, =, c", {"get_a": 1.0}),
        ("a=1=2,b=3", {"get_b": 3.0}),
    ],
)
def test_figures_of_the_server_are_read_as_far_as_they_go(
    header: str | None, figures: dict[str, float]
) -> None:
    headers = {} if header is None else {"x-qcache-stats": header}
    assert request_statistics(headers, "get_") == figures


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
