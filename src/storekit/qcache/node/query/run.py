"""Runs a query: from, where, group_by, distinct, select, order_by, offset and limit."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.budget import Budget
from storekit.qcache.node.categories import is_coded, with_text
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.grouping import check_keys, distinct
from storekit.qcache.node.query.ordering import check_order, check_slice, ordered
from storekit.qcache.node.query.parse import check_object
from storekit.qcache.node.query.refusing import bad_query
from storekit.qcache.node.query.rows import RowSelection
from storekit.qcache.node.query.selecting import needed_columns, project, wants_labels
from storekit.qcache.node.query.where import Conditions

__all__ = ["CLAUSES", "run_query"]

_VIEW = 16
"""Bytes of each row of a text column besides the text."""

CLAUSES = frozenset(
    {"select", "where", "group_by", "distinct", "order_by", "offset", "limit", "from"}
)
"""The clauses of a query."""


def run_query(frame: pl.DataFrame, query: Mapping[str, object], budget: Budget) -> Answer:
    """Return the result of a query of a table.

    `BadQuery` if it is invalid, or exceeds the budget; and what `Budget.check` raises.
    """
    try:
        answer = _QueryRun(frame, budget).answer(frame, query)
    except RecursionError:
        raise BadQuery("The query is nested too deeply") from None
    rows = answer.frame
    coded = sum(map(is_coded, rows.dtypes))
    if not coded:
        return answer
    budget.take(_VIEW * rows.height * coded, "text in the answer")
    return replace(answer, frame=with_text(rows))


class _QueryRun:
    def __init__(self, stored: pl.DataFrame, budget: Budget) -> None:
        self._stored = stored
        self._budget = budget

    def answer(self, frame: pl.DataFrame, clauses: object) -> Answer:
        query = check_object(clauses)
        if unknown := query.keys() - CLAUSES:
            raise bad_query("Unknown query clauses", ", ".join(sorted(unknown)))
        if "from" not in query:
            return self._answer(frame, query)
        frame = _as_table(self.answer(frame, query["from"]))
        # It is held until this stage ends.
        with self._budget.lend(frame.estimated_size(), "the table that a query is from"):
            return self._answer(frame, query)

    def _answer(self, frame: pl.DataFrame, query: Mapping[str, object]) -> Answer:
        self._budget.check()
        select = query.get("select")
        rows = self._where(RowSelection.of(frame, labelled=wants_labels(select)), query)
        keys = check_keys(rows.frame, query["group_by"]) if query.get("group_by") else None
        if query.get("distinct") is not None:
            if keys is not None:
                raise BadQuery("distinct and group_by cannot be in one query")
            self._budget.check()
            rows = distinct(rows, query["distinct"])
        self._budget.check()
        result = project(rows, select, keys, self._budget)
        order = query.get("order_by")
        places = check_order(result.header, order) if order else []
        length = result.frame.height
        wanted = check_slice(query.get("offset"), query.get("limit"), length)
        if places:
            self._budget.check()
            chosen = ordered(result.frame, places, wanted, self._budget)
        elif wanted == (0, length):
            chosen = result.frame
        else:
            chosen = result.frame.slice(wanted[0], wanted[1] - wanted[0])
        return Answer(chosen, result.header, length)

    def _where(self, rows: RowSelection, query: Mapping[str, object]) -> RowSelection:
        """Return the selected rows, possibly with the needed columns only."""
        condition = query.get("where")
        if not condition:
            return rows
        mask = Conditions(rows.frame, self._stored_answer, self._budget).rows(condition)
        self._budget.check()
        names = rows.frame.columns
        needed = needed_columns(query)
        if needed is not None:
            # at least one column, for the number of rows
            known = {*names}
            names = [name for name in needed if name in known] or names[:1]
        return rows.filter(mask, names)

    def _stored_answer(self, query: Mapping[str, object]) -> Answer:
        return self.answer(self._stored, query)


def _as_table(answer: Answer) -> pl.DataFrame:
    if len(set(answer.header)) < len(answer.header):
        raise bad_query("A column is selected twice in from", list(answer.header))
    return answer.frame
