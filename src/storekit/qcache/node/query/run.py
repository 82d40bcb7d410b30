"""Runs a query: from, where, group_by, distinct, select, order_by, offset and limit."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.categories import with_text
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.grouping import check_keys, distinct
from storekit.qcache.node.query.ordering import check_order, check_slice, ordered
from storekit.qcache.node.query.parse import check_object
from storekit.qcache.node.query.refusing import Allowance, bad_query
from storekit.qcache.node.query.selecting import needed_columns, project, wants_labels
from storekit.qcache.node.query.where import Conditions
from storekit.qcache.node.tables import unused_name

__all__ = ["run_query"]

_CONDITIONS = 5000
_OPERATIONS = 2000

_CLAUSES = frozenset(
    {"select", "where", "group_by", "distinct", "order_by", "offset", "limit", "from"}
)


def run_query(frame: pl.DataFrame, query: Mapping[str, object]) -> Answer:
    """Return the answer to a query about a table. `BadQuery` if there can be none."""
    try:
        answer = _Run(frame).answer(frame, query)
    except RecursionError:
        raise BadQuery("The query is nested too deeply") from None
    return replace(answer, frame=with_text(answer.frame))


class _Run:
    def __init__(self, stored: pl.DataFrame) -> None:
        self._stored = stored
        self._conditions = Allowance(_CONDITIONS, "conditions")
        self._operations = Allowance(_OPERATIONS, "operators and functions in aliases")

    def answer(self, frame: pl.DataFrame, clauses: object) -> Answer:
        query = check_object(clauses)
        if unknown := query.keys() - _CLAUSES:
            raise bad_query("Unknown query clauses", ", ".join(sorted(unknown)))
        if "from" in query:
            frame = _as_table(self.answer(frame, query["from"]))
        select = query.get("select")
        labels = ""
        if wants_labels(select):
            labels = unused_name(frame.columns, "row")
            frame = frame.with_row_index(labels)
        frame = self._where(frame, query, labels)
        keys = check_keys(frame, query["group_by"]) if query.get("group_by") else None
        if query.get("distinct") is not None:
            if keys is not None:
                raise BadQuery("distinct and group_by cannot be in one query")
            frame = distinct(frame, query["distinct"], labels)
        result = project(frame, select, keys, labels, self._operations)
        order = query.get("order_by")
        places = check_order(result.header, order) if order else []
        length = result.frame.height
        wanted = check_slice(query.get("offset"), query.get("limit"), length)
        if places:
            rows = ordered(result.frame, places, wanted)
        elif wanted == (0, length):
            rows = result.frame
        else:
            rows = result.frame.slice(wanted[0], wanted[1] - wanted[0])
        return Answer(rows, result.header, length)

    def _where(self, frame: pl.DataFrame, query: Mapping[str, object], labels: str) -> pl.DataFrame:
        """Return the chosen rows; of their columns, perhaps only those that matter."""
        condition = query.get("where")
        if not condition:
            return frame
        mask = Conditions(frame, self._stored_answer, self._conditions).rows(condition)
        needed = needed_columns(query)
        names = frame.columns
        if needed is not None:
            # one column at least: it tells the number of rows
            known = {*names}
            names = [name for name in (*needed, labels) if name in known] or names[:1]
        # twice as fast as DataFrame.filter for a small table, and no slower for a large one
        return pl.DataFrame([frame.get_column(name).filter(mask) for name in names])

    def _stored_answer(self, query: Mapping[str, object]) -> Answer:
        return self.answer(self._stored, query)


def _as_table(answer: Answer) -> pl.DataFrame:
    if len(set(answer.header)) < len(answer.header):
        raise bad_query("A column is selected twice in from", list(answer.header))
    return answer.frame
