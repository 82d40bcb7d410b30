"""Queries of the page, which are posted as JSON: rows of a result, or one cell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.budget import Budget
from storekit.qcache.node.console.cells import MOST_ROWS, columns_of, piece_of_cell, shown_rows
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.node import Node
from storekit.qcache.node.query import check_object, parse_query

__all__ = ["Question", "rows_of"]

_MOST_SQL = 20_000
"""Maximum characters of SQL, since parsing takes time."""

_MOST_SLICE = 2**62


@dataclass(frozen=True, slots=True)
class Question:
    """A query of a table, and which rows, or which cell, of its result are wanted."""

    key: str
    query: Mapping[str, object]
    offset: int = 0
    limit: int = MOST_ROWS
    column: int | None = None
    """The column of the single wanted cell, in the row `offset`; None for rows."""
    start: int = 0
    """The position in the text of that cell from which on it is wanted."""

    @classmethod
    def of(cls, content: bytes, budget: Budget) -> "Question":
        """Parse the content of a request. `BadQuery` if it is malformed."""
        try:
            posted = check_object(parse_query(content.decode(), budget))
        except UnicodeDecodeError as error:
            raise BadQuery(f"Could not load JSON: it is not UTF-8: {error}") from error
        key, query = _asked(posted)
        column = posted.get("column")
        return cls(
            key,
            query,
            offset=_whole(posted.get("offset", 0), "offset"),
            limit=min(_whole(posted.get("limit", MOST_ROWS), "limit"), MOST_ROWS),
            column=None if column is None else _whole(column, "column"),
            start=_whole(posted.get("start", 0), "start"),
        )


def rows_of(node: Node, question: Question, budget: Budget, *, peek: bool) -> dict[str, object]:
    """Return the wanted rows or cell. With `peek`, the table is not marked as used.

    Raises `Refusal`, and what `Budget.check` raises.
    """
    started = node.tables.now()
    part = _Part.of(question)
    answer = node.run(question.key, part.query, budget, peek=peek)
    frame = answer.frame.slice(part.skip, part.rows)
    if question.column is not None:
        return piece_of_cell(frame, question.column, question.start)
    return {
        "key": question.key,
        "query": question.query,
        "columns": columns_of(answer),
        "width": frame.width,
        "rows": shown_rows(frame),
        "offset": question.offset,
        "total": part.total(answer),
        "seconds": node.tables.now() - started,
    }


@dataclass(frozen=True, slots=True)
class _Part:
    """The query for some rows of the result of a query: only those, if that is possible."""

    query: Mapping[str, object]
    skip: int
    """Rows of that result to leave out."""
    rows: int
    own_offset: int | None
    """The offset of the original query; None if its whole result is fetched."""
    own_limit: int | None

    @classmethod
    def of(cls, question: Question) -> "_Part":
        query, offset = question.query, question.offset
        rows = question.limit if question.column is None else 1
        own_offset, own_limit = query.get("offset") or 0, query.get("limit") or None
        if not _is_place(own_offset) or not (own_limit is None or _is_place(own_limit)):
            return cls(query, offset, rows, None, None)  # counted from the end, or invalid
        if own_limit is not None:
            rows = max(min(rows, own_limit - offset), 0)
        # In QCache, a limit of 0 is no limit.
        asked = {**query, "offset": own_offset + offset, "limit": max(rows, 1)}
        return cls(asked, 0, rows, own_offset, own_limit)

    def total(self, answer: Answer) -> int:
        """Return the number of rows of the result of the original query."""
        if self.own_offset is None:
            return answer.frame.height
        rows = max(answer.unsliced_length - self.own_offset, 0)
        return rows if self.own_limit is None else min(rows, self.own_limit)


def _is_place(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_SLICE


def _whole(value: object, name: str) -> int:
    if not _is_place(value):
        raise BadQuery(f"{name} must be a whole number from 0 on")
    return value


def _asked(posted: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    if "sql" in posted:
        return _compiled(posted["sql"])
    key = posted.get("key")
    if not isinstance(key, str) or not key:
        raise BadQuery("The key of a table is missing")
    return key, check_object(posted.get("query", {}))


def _compiled(text: object) -> tuple[str, Mapping[str, object]]:
    if not isinstance(text, str):
        raise BadQuery("sql must be text")
    if len(text) > _MOST_SQL:
        raise BadQuery(f"SQL has at most {_MOST_SQL} characters here")
    from storekit.qcache.sql import parse  # noqa: PLC0415 - an extra, which the node does not need

    try:
        statement = parse(text)
    except (ValueError, ModuleNotFoundError) as error:
        raise BadQuery(str(error)) from error
    return statement.key, statement.query.to_dict()
