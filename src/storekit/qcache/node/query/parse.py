"""Parses the text of a query to an object."""

import json
from collections.abc import Mapping
from typing import Any

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.refusing import bad_query, shown

__all__ = ["MOST_NESTED", "check_object", "parse_query"]

MOST_NESTED = 200
"""Maximum nesting of lists and objects. Running a query recurses as deep."""

_MOST_LISTS = 100_000  # more than the limits of conditions, operators, and parts of a select
_LIST = 150  # bytes of a list or object, with a reference to it
_ITEM = 50  # bytes of a value besides its text


def parse_query(text: str, budget: Budget) -> object:
    """Parse the JSON of a query. `BadQuery` if it is malformed, or too large for the budget.

    `check_object` checks that it is an object.
    """
    lists = text.count("[") + text.count("{")
    if lists > _MOST_LISTS:
        raise BadQuery(f"A query has at most {_MOST_LISTS} lists and objects")
    budget.take(2 * len(text) + _LIST * lists + _ITEM * text.count(","), "the query")
    try:
        query = json.loads(text)
    except (ValueError, RecursionError) as error:
        # ValueError: also for a number of more digits than Python converts
        raise BadQuery(f"Could not load JSON: {error}") from error
    if lists > MOST_NESTED and isinstance(query, list | dict):
        _check_depth(query)
    if "\\u" in text:
        _check_characters(query)
    return query


def check_object(query: object) -> Mapping[str, object]:
    """Return a query or sub-query if it is an object."""
    if not isinstance(query, Mapping):
        raise BadQuery(f'Query must be a dictionary, not "{shown(query)}"')
    return query


def _check_depth(query: list[Any] | dict[str, Any]) -> None:
    level: list[Any] = [query]
    for _ in range(MOST_NESTED):
        below: list[Any] = []
        for part in level:
            parts = part.values() if isinstance(part, dict) else part
            below += [each for each in parts if isinstance(each, list | dict)]
        if not below:
            return
        level = below
    raise BadQuery(f"Could not load JSON: it is nested more than {MOST_NESTED} levels deep")


def _check_characters(query: object) -> None:
    try:
        json.dumps(query, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise bad_query("Could not load JSON", "half of a surrogate pair is no text") from error
