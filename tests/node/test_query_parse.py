"""From the text of a query to its object."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.parse import MOST_NESTED
from tests.node.queries import ask, refusal
from tests.node.roomy import parse_query


def why(text: str) -> str:
    with pytest.raises(BadQuery) as caught:
        parse_query(text)
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "nope", '{"limit":1} x', "{'limit':1}", '{"a":', "\x00"])
def test_what_is_no_json_is_refused(text):
    assert why(text).startswith("Could not load JSON: ")


@pytest.mark.parametrize("text", ["[]", "null", "1", "true", '"x"'])
def test_a_query_is_an_object(text):
    assert why(text) == f'Query must be a dictionary, not "{text.strip(chr(34))}"'


def test_blanks_and_repeated_clauses_are_fine():
    assert parse_query(' {"limit":1,"limit":2} ') == {"limit": 2}


def test_nesting_is_limited():
    def nested(levels: int) -> str:
        return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"

    parse_query(nested(MOST_NESTED))
    assert "nested" in why(nested(MOST_NESTED + 1))
    assert why("[" * 100_000).startswith("Could not load JSON")
    assert why('{"a":' * 100_000).startswith("Could not load JSON")
    assert "at most 100000 lists" in why('{"a":' * 1_000_000)


def test_as_deep_as_a_query_may_be_it_can_be_run():
    condition: object = "b"
    expression: object = "i"
    query: dict[str, object] = {}
    for _ in range(MOST_NESTED - 5):
        condition, expression = ["!", condition], ["-", expression]
        query = {"from": query}
    assert len(ask({"where": condition})) == 2
    assert len(ask({"select": [["=", "x", expression]]})) == 4
    assert len(ask(query)) == 4


def test_numbers_of_thousands_of_digits_are_refused():
    assert why('{"limit":' + "9" * 100_000 + "}").startswith("Could not load JSON")


def test_half_a_character_is_no_text():
    assert why('{"where":["==","a","\'\\ud800\'"]}').startswith("Could not load JSON")
    assert parse_query('{"where":"\\ud83d\\ude00"}') == {"where": "😀"}


def test_a_message_shows_no_more_than_the_begin_of_a_long_part():
    message = refusal({"where": ["nope", *range(10_000)]})
    assert message.startswith('Unknown operator: ["nope", 0, 1, 2')
    assert len(message) < 300
    message = refusal({f"clause {at}": 1 for at in range(10_000)})
    assert message.startswith("Unknown query clauses: clause 0, clause 1, clause 10, ")
    assert len(message) < 300


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda part: st.lists(part) | st.dictionaries(st.text(), part),
        max_leaves=20,
    )
)
def test_any_json_is_an_object_or_refused(part):
    try:
        assert repr(parse_query(json.dumps(part))) == repr(part)
    except BadQuery:
        assert not isinstance(part, dict) or "\\ud" in json.dumps(part)
