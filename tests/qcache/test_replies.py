"""What is made of the replies of a server: words of errors, waits, statistics, results."""

from __future__ import annotations

import gzip
import time

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storekit.qcache import QueryResult
from storekit.qcache.errors import UnexpectedServerResponse
from storekit.qcache.result import request_statistics
from storekit.qcache.wire import Reply, error_text, parse_statistics, retry_after
from tests.qcache.wire_values import unhurried

NODE = "http://127.0.0.1:9401"


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
    with pytest.raises(UnexpectedServerResponse, match=f"{NODE} sent invalid JSON") as caught:
        parse_statistics(Reply(NODE, 200, {}, content))
    assert caught.value.node == NODE
    assert caught.value.status == 200


def test_statistics_are_an_object() -> None:
    with pytest.raises(UnexpectedServerResponse, match="JSON that is not an object"):
        parse_statistics(Reply(NODE, 200, {}, b"[1]"))
    assert parse_statistics(Reply(NODE, 200, {}, b'{"hit_count": 1}')) == {"hit_count": 1}


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
    with pytest.raises(ValueError, match="of unknown type"):
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
