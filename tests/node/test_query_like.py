"""What the patterns of like and ilike mean."""

from __future__ import annotations

import re
import time
import warnings

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.patterns import PatternKind, parse_pattern
from tests.node.queries import refusal, where

TEXTS = [
    "abcd",
    "defg",
    "ghij",
    "gxyj",
    None,
    "a.c",
    "ABCD",
    "räksmörgås",
    "a%b",
    "a_b",
    "",
    "ab\n",
]
TABLE = pl.DataFrame({"i": range(1, len(TEXTS) + 1), "s": TEXTS})


def like(pattern: str, operator: str = "like") -> list[str]:
    return [TEXTS[i - 1] for i in where(operator, "s", f"'{pattern}'", table=TABLE)]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("abcd", ["abcd"]),
        ("ab%", ["abcd", "ab\n"]),
        ("%ij", ["ghij"]),
        ("%c%", ["abcd", "a.c"]),
        ("", [""]),
        ("%", [text for text in TEXTS if text is not None]),
        ("%%", [text for text in TEXTS if text is not None]),
        ("a.c", ["a.c"]),
        ("a%b", ["a%b"]),
        ("a_b", ["a_b"]),
        ("a.*d", ["abcd"]),
        ("%g[a-z]{2}j%", ["ghij", "gxyj"]),
        ("(?i)abcd", ["abcd", "ABCD"]),
        ("r%", ["räksmörgås"]),
        ("%ö%", ["räksmörgås"]),
        ("a|j", ["abcd", "ghij", "gxyj", "a.c", "a%b", "a_b", "ab\n"]),  # ^a or j$
        ("ab", ["ab\n"]),  # the end is also before a line feed
        ("%b", ["a%b", "a_b", "ab\n"]),
        (r"\w{4}", ["abcd", "defg", "ghij", "gxyj", "ABCD"]),
    ],
)
def test_a_pattern_finds_text(pattern, found):
    assert like(pattern) == found


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("ABCD", ["abcd", "ABCD"]), ("%D%", ["abcd", "defg", "ABCD"]), ("RÄK%", ["räksmörgås"])],
)
def test_ilike_takes_capitals_for_small_letters(pattern, found):
    assert like(pattern, "ilike") == found


def test_patterns_find_the_text_of_enums():
    assert where("like", "e", "'a'") == [-4]
    assert where("like", "e", "'%'") == [1, 2, -4]
    assert where("ilike", "e", "'[BC]'") == [1, 2]


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (["like", "s"], "Invalid number of arguments"),
        (["like", "s", 12], "Invalid type in argument"),
        (["like", "s", None], "Invalid type in argument"),
        (["like", "s", ["a"]], "like expects a quoted string as second argument"),
        (["like", "s", "%a%"], "like expects a quoted string as second argument"),
        (["like", "s", "'a\""], "like expects a quoted string as second argument"),
        (["like", "nope", "'a'"], "Column is not defined"),
        (["like", "i", "'a'"], "Invalid column type for (i)like"),
    ],
)
def test_like_wants_text_and_a_pattern_in_quotes(condition, why):
    assert refusal({"where": condition}, TABLE).startswith(why)


@pytest.mark.parametrize(
    "pattern",
    [
        *("[", "(", ")", "|*", "a**", "a{2}{3}", "a{3,2}", "[b-a]", "(?P<n", "^*", "a\\%", "(?#a"),
        *("(?=a)", "(?<!a)", r"(a)\1", "(?P=n)", "(?(1)a)", "(?x)a b", r"\x1", "x{999999}"),
    ],
)
def test_what_is_no_expression_or_one_that_is_not_supported_is_refused(pattern):
    with pytest.raises(BadQuery, match=r"^like: no regular expression"):
        parse_pattern(f"%.{pattern}", ignore_case=False)


@pytest.mark.parametrize("pattern", ["a{1001}", "(a{100}){11}", "((a{20}){20}){20}", "." * 1001])
def test_a_pattern_that_is_too_large_is_refused(pattern):
    with pytest.raises(BadQuery, match=r"^like: "):
        parse_pattern(pattern + "b?", ignore_case=False)


def test_the_depth_of_groups_is_limited():
    with pytest.raises(BadQuery, match="levels deep"):
        parse_pattern("(" * 60 + "a" + ")" * 60, ignore_case=False)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "([ab]*a){20}b", "(.*){30}x"])
def test_no_pattern_takes_long(pattern):
    table = pl.DataFrame({"i": [1], "s": ["a" * 20_000 + "c"]})
    begin = time.perf_counter()
    assert where("like", "s", f"'%{pattern}'", table=table) == []
    assert time.perf_counter() - begin < 5


def test_plain_patterns_need_no_engine():
    assert parse_pattern("%a-b%", ignore_case=False).kind is PatternKind.INSIDE
    assert parse_pattern("a b%", ignore_case=False).kind is PatternKind.START
    assert parse_pattern("%ä", ignore_case=False).kind is PatternKind.END
    assert parse_pattern("a", ignore_case=False).kind is PatternKind.WHOLE
    assert parse_pattern("a", ignore_case=True).kind is PatternKind.REGEX
    assert parse_pattern("a.", ignore_case=False).kind is PatternKind.REGEX


_ATOMS = st.sampled_from(
    [
        *"abä.-&#<%_ {}]^$",
        *(r"\.", r"\w", r"\W", r"\d", r"\s", r"\S", r"\-", r"\n", r"\x61", r"\b", "a{b"),
        *("[ab]", "[^a]", "[a-c1-3]", "[]a]", "[^]a]", r"[\w-]", "[a-]", "[[]", "[&&b]", "[a~~]"),
        *(r"[\n]", "(?:a|b)", "(a)", "()", "(?P<n>b)"),
    ]
)
_REPEATED = st.tuples(
    _ATOMS, st.sampled_from(["", "", "", "*", "+", "?", "*?", "{2}", "{1,}", "{,2}"])
)
_PATTERNS = st.lists(_REPEATED.map("".join), max_size=5).map("".join)
_TEXTS = st.text(alphabet="abcABC123ä.-&#<%_ {}[]~\n", max_size=6)


@given(_PATTERNS, st.booleans(), st.lists(_TEXTS, min_size=1, max_size=8))
def test_patterns_mean_what_they_mean_to_python(pattern, ignore_case, texts):
    start, end = pattern.startswith("%"), pattern.removeprefix("%").endswith("%")
    inner = pattern.removeprefix("%").removesuffix("%")
    flags = re.ASCII | (re.IGNORECASE if ignore_case else re.NOFLAG)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about sets that look nested
            expected = re.compile(f"{'' if start else '^'}{inner}{'' if end else '$'}", flags)
    except re.error:
        return
    # Here, capitals beyond ASCII are capitals, too, and \W is a character. $ is an end once only.
    texts = [text for text in texts if not (ignore_case and "ä" in text)]
    if r"\b" in inner or "$" in inner:
        texts = [text for text in texts if text.isascii() and "\n" not in text]
    table = pl.DataFrame({"i": range(len(texts)), "s": texts}, schema_overrides={"s": pl.String})
    operator = "ilike" if ignore_case else "like"
    try:
        found = where(operator, "s", f"'{pattern}'", table=table)
    except BadQuery:
        assert re.search(r"[$^]|\\b|\(\)", inner), pattern  # what has no length is not repeated
        return
    assert found == [at for at, text in enumerate(texts) if expected.search(text)]
