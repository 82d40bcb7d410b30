"""Translates the text of a SELECT to a key and a query."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from storekit.qcache.query import Query
from storekit.qcache.sql.errors import Refused, UnsupportedSql

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Statement", "is_loaded", "parse"]

_CACHED = 512
"""Number of texts whose queries are cached: programs execute a few of them many times."""


class Statement(NamedTuple):
    """The meaning of a SELECT: a query on the table of a key."""

    key: str
    query: Query


def is_loaded() -> bool:
    """Return whether sqlglot is loaded, which takes a tenth of a second."""
    return "storekit.qcache.sql.select" in sys.modules


@lru_cache(maxsize=_CACHED)
def parse(text: str) -> Statement:
    """Translate a SELECT to a query; the table in it is the key.

    Numbers, text and null behave as in SQL, also where filters of QCache differ: neither a
    comparison with null nor its negation is true.

    Raises:
        TypeError: `text` is not a str.
        UnsupportedSql: The text is not a SELECT, or QCache has no equivalent of it.
        ModuleNotFoundError: `storekit[sql]` is not installed.

    """
    if not isinstance(text, str):
        raise TypeError(f"SQL must be text, not {type(text).__name__}")
    try:
        import sqlglot  # noqa: PLC0415 - an extra, loaded when asked for
        from sqlglot import errors, exp  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ModuleNotFoundError("SQL needs sqlglot: pip install 'storekit[sql]'") from error
    from storekit.qcache.sql.select import translate  # noqa: PLC0415 - needs sqlglot

    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except errors.SqlglotError as error:
        raise UnsupportedSql(f"{_first_line(error)}: {text[:200]!r}") from error
    except RecursionError:
        raise UnsupportedSql(f"it is nested too deeply: {text[:200]!r}") from None
    try:
        if not isinstance(tree, exp.Select):
            _refuse(tree, "only SELECT can be translated to a query")
        key, query = translate(tree)
        query.to_dict()
    except Refused as error:
        raise UnsupportedSql(f"{_place(text, error.node)}: {error.reason}") from error
    except RecursionError:
        raise UnsupportedSql(f"it is nested too deeply: {text[:200]!r}") from None
    except (TypeError, ValueError) as error:
        raise UnsupportedSql(f"{error}: {text[:200]!r}") from error
    return Statement(key, query)


def _refuse(node: exp.Expr, reason: str) -> NoReturn:
    raise Refused(node, reason)


def _first_line(error: Exception) -> str:
    found = getattr(error, "errors", None)
    if found:
        first = found[0]
        return f"line {first['line']}, column {first['col']}: this cannot be parsed as SQL"
    return "this cannot be parsed as SQL"


def _place(text: str, node: exp.Expr) -> str:
    """Return the line and column at which a part of a text begins, and the part."""
    starts = [each.meta["start"] for each in node.walk() if "start" in each.meta]
    shown = node.sql(dialect="duckdb")
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    if not starts:
        return f"{shown!r}"
    start = min(starts)
    line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    return f"line {line}, column {column}, {shown!r}"
