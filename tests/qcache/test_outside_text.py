"""What a node writes is not trusted: headers in any case, numbers within bounds, text escaped."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache import QueryResult
from storekit.qcache.compression import ContentTooLarge, codings_of, compress, decompress
from storekit.qcache.result import request_statistics
from storekit.qcache.wire import error_text, headers_of, printable, retry_after


class Response:
    content = b'[{"a":1}]'

    def __init__(self, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def test_a_result_finds_headers_however_they_are_written():
    result = QueryResult(
        Response(
            X_QCache_unsliced_length="3",
            Content_Type="Application/JSON; Charset=UTF-8",
            CONTENT_ENCODING="gzip",
        )
    )
    assert result.unsliced_result_len == 3
    assert result.content_type == "application/json"
    assert result.encoding == "gzip"
    assert result.json() == [{"a": 1}]


@pytest.mark.parametrize(
    "length", ["-7", "+7", "1_000", "9" * 4000, "9223372036854775808", "\u0663", "3.0", "0x3", ""]
)
def test_a_length_is_digits_of_64_bits(length):
    with pytest.raises(ValueError, match="not a number of rows"):
        QueryResult(Response(X_QCache_unsliced_length=length))


def test_the_largest_length_is_taken():
    result = QueryResult(Response(X_QCache_unsliced_length="9223372036854775807"))
    assert result.unsliced_result_len == 2**63 - 1


def test_repeated_headers_are_a_list_or_count_once():
    headers = headers_of(
        [
            (b"Content-Encoding", b"gzip"),
            (b"content-encoding", b" gzip "),
            (b"Content-Type", b"text/csv"),
            (b"CONTENT-TYPE", b"text/csv"),
            (b"X-A", b"1"),
            (b"x-a", b"2"),
        ]
    )
    assert headers == {"content-encoding": "gzip, gzip", "content-type": "text/csv", "x-a": "1, 2"}


@pytest.mark.parametrize(
    ("header", "codings"),
    [
        ("GZIP", ["gzip"]),
        ("x-gzip", ["gzip"]),
        ("LZ4", ["lz4"]),
        ("Identity", []),
        ("", []),
        ("gzip, , lz4", ["gzip", "lz4"]),
    ],
)
def test_codings_are_compared_without_case(header, codings):
    assert codings_of(header) == codings


def test_two_codings_are_undone_from_the_last_and_more_are_refused():
    packed = compress(gzip.compress(b"text"), "lz4")
    assert decompress(packed, "gzip, lz4", 1000) == b"text"
    with pytest.raises(ContentTooLarge):
        decompress(gzip.compress(gzip.compress(b"x" * 5000)), "gzip, gzip", 1000)
    with pytest.raises(ValueError, match="more than 2 content encodings"):
        decompress(packed, "gzip, gzip, lz4", 1000)


@given(st.text())
def test_text_from_outside_has_no_control_characters(text):
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or len(text) > 1000 or not text.isprintable()


@given(st.binary())
def test_the_text_of_an_error_is_one_printable_line(content):
    assert error_text(content).isprintable()


def test_escapes_of_terminals_and_line_ends_are_shown_as_escapes():
    body = b'{"error": "x\\n2026 CRITICAL forged\\u001b[2J\\u202e"}'
    assert error_text(body) == r"x\n2026 CRITICAL forged\x1b[2J\u202e"


def test_figures_that_are_no_plain_numbers_are_left_out():
    headers = {"x-qcache-stats": "a=1.5, b=nan, c=1e999, d=1_0, e=-1, f=2,\x1b=3, g"}
    assert request_statistics(headers, "get_") == {"get_a": 1.5, "get_f": 2.0, r"get_\x1b": 3.0}


@pytest.mark.parametrize("value", ["1e300", "9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_server_can_ask_for_a_pause_without_end(value):
    assert retry_after({"retry-after": value}, 0.0) <= 3600
