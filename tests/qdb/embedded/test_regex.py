"""Regular expressions over contents: what they know, refuse, and how long they take."""

from __future__ import annotations

import random
import time

import pytest

from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.embedded.regex import Regex
from storekit.qdb.errors import ErrorCode, QuasardbException


@pytest.mark.parametrize(
    ("pattern", "content", "matches"),
    [
        ("b+c", b"abbbc", True),
        ("^b", b"ab", False),
        ("é", "café".encode(), True),
        ("[é-]", b"a-b", True),
        ("[éü]", "grün".encode(), True),
        (r"\u00e9", "é".encode(), True),
        (r"\x00\xff", b"a\x00\xff", True),
        (r"\bcat\b", b"a cat.", True),
        (r"\bcat\b", b"concat", False),
        (r"a{2,3}b", b"ab aab", True),
        (r"^a{2,}$", b"a", False),
        (r"[]", b"a", False),
        (r"[^]", b"\n", True),
        (r"[\]\-\\]", b"]", True),
        (r"\cA\0", b"\x01\x00", True),
        ("a|", b"", True),
        (".", b"\r", False),
        ("(a*)*$", b"ab", True),
    ],
)
def test_syntax(pattern: str, content: bytes, matches: bool) -> None:
    assert Regex(pattern).search(content) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[a",
        "a**",
        "*",
        r"(a)\1",
        "(?=a)",
        "(?<n>a)",
        "[b-a]",
        "a{2,1}",
        "a{",
        r"\q",
        r"\x1",
        "[é-ü]",
        "[^é]",
        "^*",
        "a{,2}",
        "\\",
        "\ud800",
    ],
)
def test_what_it_cannot_read(pattern: str) -> None:
    with pytest.raises(QuasardbException) as caught:
        Regex(pattern)
    assert caught.value.error_code == ErrorCode.INVALID_REGEX


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("", ErrorCode.INVALID_ARGUMENT),
        ("a" * 1001, ErrorCode.ALIAS_TOO_LONG),
        ("((a{100}){100}){100}", ErrorCode.QUERY_TOO_COMPLEX),
        ("(" * 400 + ")" * 400, ErrorCode.QUERY_TOO_COMPLEX),
        ("a{99999999}", ErrorCode.QUERY_TOO_COMPLEX),
    ],
)
def test_what_is_too_much(pattern: str, code: ErrorCode) -> None:
    with pytest.raises(QuasardbException) as caught:
        Regex(pattern)
    assert caught.value.error_code == code


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*)(.*)(.*)(.*)x", "(a*)*b"])
def test_no_expression_runs_away(pattern: str) -> None:
    begin = time.process_time()
    assert Regex(pattern).search(b"a" * 200_000 + b"!") is False
    assert time.process_time() - begin < 5


def test_what_would_take_too_long_is_refused() -> None:
    content = bytes(97 + byte % 2 for byte in random.Random(1).randbytes(200_000))
    with pytest.raises(QuasardbException) as caught:
        Regex("(a|b)*a(a|b){150}c").search(content)
    assert caught.value.error_code == ErrorCode.QUERY_TOO_COMPLEX


def test_search_in_order_up_to_a_limit() -> None:
    session = EmbeddedEngine("embedded:").connect()
    for number in range(20):
        session.blob_put(f"{number:02}", b"even" if number % 2 == 0 else b"odd", 0)
    session.int_put("even", 1, 0)
    assert session.blob_scan_regex("^ev", 3) == ["00", "02", "04"]
    assert session.blob_scan(b"dd", 2) == ["01", "03"]
    assert session.blob_scan_regex("^ev", 0) == []
    assert len(session.blob_scan_regex("e", 1 << 40)) == 10
    session.close()
