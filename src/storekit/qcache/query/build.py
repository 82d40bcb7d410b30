"""The builder of queries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Self

from storekit.qcache.query.expressions import (
    Aliased,
    Column,
    Condition,
    Flag,
)
from storekit.qcache.query.functions import Aggregate
from storekit.qcache.query.plan import Parts, plan

__all__ = ["Query", "Selected"]

Selected = str | Column | Aliased | Aggregate
"""What a query selects: a column, an expression with a name, or an aggregate."""

_JSON = json.JSONEncoder(separators=(",", ":"))


class Query(Mapping[str, object]):
    """A query for QCache. Each method returns a new query and leaves this one as it is.

    It is a mapping in the form of QCache, and can be used wherever such a dict can.

    ```python
    from storekit.qcache.query import Query, col, sum_

    query = (
        Query()
        .select("country", sum_("people").as_("total"))
        .where((col("people") > 100_000) & col("country").is_in(["SE", "NO"]))
        .group_by("country")
        .order_by("-total")
        .limit(10)
    )
    ```
    """

    __slots__ = ("_json", "_made", "_parts")

    def __init__(self) -> None:
        self._parts = Parts()
        self._made: dict[str, object] | None = None
        self._json: str | None = None

    # Parts

    def from_(self, query: Query) -> Self:
        """Query the result of another query instead of the table."""
        if not isinstance(query, Query):
            raise TypeError(f"from_ takes a Query, not {query!r}")
        return self._with(source=query.to_dict(), source_names=query.names)

    def where(self, *conditions: Condition | Column) -> Self:
        """Keep the rows for which all conditions hold, including those of earlier calls."""
        if not conditions:
            raise TypeError("where takes at least one condition")
        found = self._parts.condition
        for each in conditions:
            if not isinstance(each, Condition | Column):
                raise TypeError(f"where takes conditions such as col('a') > 1, not {each!r}")
            condition = Flag(each) if isinstance(each, Column) else each
            found = condition if found is None else found & condition
        return self._with(condition=found)

    def group_by(self, *columns: str | Column | Aliased) -> Self:
        """Group rows by columns. QCache drops rows that have a null in one of these."""
        if not columns:
            raise TypeError("group_by takes at least one column")
        groups = tuple(
            each if isinstance(each, Aliased) else Column(_name(each, "group_by"))
            for each in columns
        )
        return self._with(groups=groups)

    def distinct(self, *columns: str | Column) -> Self:
        """Keep one of the rows that are equal in these columns, by default those of the result."""
        return self._with(distinct=tuple(_name(each, "distinct") for each in columns))

    def select(self, *columns: Selected) -> Self:
        """Choose the columns of the result. Without this, it has all columns of the table.

        An expression refers to an earlier column of the same select rather than to a column of
        the table if both have the same name, as in QCache.
        """
        if not columns:
            raise TypeError("select takes at least one column; leave it out for all of them")
        selected = tuple(
            each if isinstance(each, Aliased | Aggregate) else Column(_name(each, "select"))
            for each in columns
        )
        names = [each.name for each in selected]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two columns are named {name!r}: rename one with .as_(...)")
        return self._with(selected=selected)

    def order_by(self, *columns: str) -> Self:
        """Sort by columns of the result, by `"-name"` in descending order. Nulls come last."""
        for each in columns:
            if not isinstance(each, str):
                raise TypeError(f"order_by takes 'name' or '-name', not {each!r}")
        return self._with(order=columns)

    def offset(self, rows: int) -> Self:
        """Skip so many rows at the start of the result."""
        return self._with(offset=_rows("offset", rows, 0))

    def limit(self, rows: int) -> Self:
        """Return at most so many rows, 1 or more: for QCache, 0 means no limit."""
        return self._with(limit=_rows("limit", rows, 1))

    def _with(self, **changes: object) -> Self:
        made = type(self)()
        made._parts = self._parts._replace(**changes)  # type: ignore[arg-type]  # noqa: SLF001
        return made

    # Forms

    @property
    def names(self) -> tuple[str, ...] | None:
        """The columns of the result; None for those of the table."""
        selected = tuple(each.name for each in self._parts.selected)
        return selected or self._parts.source_names

    def to_dict(self) -> dict[str, object]:
        """Return the query in the form of QCache. Raises `ValueError` if it is invalid."""
        return self._mapping().copy()

    def to_json(self) -> str:
        """Return the query as JSON. Raises `ValueError` if it is invalid."""
        if self._json is None:
            self._json = _JSON.encode(self._mapping())
        return self._json

    def __getitem__(self, clause: str) -> object:
        return self._mapping()[clause]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())

    def __bool__(self) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        try:
            return f"Query({json.dumps(self._mapping())})"
        except ValueError as error:
            return f"<invalid Query: {error}>"

    def _mapping(self) -> dict[str, object]:
        if self._made is None:
            self._made = plan(self._parts)
        return self._made


def _name(column: str | Column, where: str) -> str:
    if isinstance(column, Column):
        return column.name
    if not isinstance(column, str):
        raise TypeError(
            f"{where} takes names of columns, not {column!r}; give an expression a name with "
            ".as_(...)"
        )
    return Column(column).name


def _rows(what: str, rows: int, least: int) -> int:
    if isinstance(rows, bool) or not isinstance(rows, int):
        raise TypeError(f"{what} takes a number of rows, not {rows!r}")
    if rows < least:
        raise ValueError(f"{what} takes {least} or more rows, not {rows}")
    return rows
