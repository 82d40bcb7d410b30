"""Translates the clauses of a `Query` to the JSON form of QCache.

QCache runs clauses in a fixed order: from, where, group_by, distinct, select, order_by, offset,
limit. One query computes either columns or aggregates, and cannot name an aggregate. A `Query` that
needs more becomes nested queries, by `from`:

    columns computed for a filter or an aggregate  ->  aggregates  ->  names, order and limit
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from storekit.qcache.query.expressions import Aliased, Column, Condition, Expression, LiteralValue
from storekit.qcache.query.forms import columns_of, computed_in, to_select, to_where, with_columns
from storekit.qcache.query.functions import Aggregate

__all__ = ["Parts", "plan"]

QueryDict = dict[str, object]


class Parts(NamedTuple):
    """The clauses of a query. `distinct` is empty for whole rows of the result, None for none."""

    source: QueryDict | None = None
    source_names: tuple[str, ...] | None = None
    condition: Condition | None = None
    groups: tuple[Column | Aliased, ...] = ()
    distinct: tuple[str, ...] | None = None
    selected: tuple[Column | Aliased | Aggregate, ...] = ()
    order: tuple[str, ...] = ()
    offset: int | None = None
    limit: int | None = None


@dataclass(slots=True)
class _Stage:
    """One of the nested queries, while it is built."""

    source: QueryDict | None
    condition: Condition | None = None
    groups: list[str] = field(default_factory=list)
    distinct: list[str] | None = None
    selected: list[object] = field(default_factory=list)

    def make(self) -> QueryDict:
        made: QueryDict = {}
        if self.source is not None:
            made["from"] = self.source
        if self.condition is not None:
            where = to_where(self.condition)
            # QCache rejects the bare name of a column as a filter, but takes a list with one.
            made["where"] = where if isinstance(where, list) else ["&", where]
        if self.groups:
            made["group_by"] = self.groups
        if self.distinct is not None:
            made["distinct"] = self.distinct
        if self.selected:
            made["select"] = self.selected
        return made


def plan(parts: Parts) -> QueryDict:
    """Return the query in the form of QCache. Raises `ValueError` if it is invalid."""
    _check_known(parts)
    _check_order(parts)
    aggregates = [each for each in parts.selected if isinstance(each, Aggregate)]
    grouped = bool(aggregates or parts.groups)
    made = _plan_aggregates(parts, aggregates) if grouped else _plan_rows(parts)
    if parts.order:
        made["order_by"] = list(parts.order)
    if parts.offset:
        made["offset"] = parts.offset
    if parts.limit is not None:
        made["limit"] = parts.limit
    return made


def _plan_rows(parts: Parts) -> QueryDict:
    stage = _Stage(parts.source, parts.condition)
    if parts.condition is not None and parts.selected:
        needed = [*_columns(parts.selected), *(parts.distinct or ())]
        _compute_for_filter(stage, needed, _Fresh(parts))
    stage.selected = [_select(each) for each in parts.selected]
    if parts.distinct is None:
        return stage.make()
    if parts.distinct or all(isinstance(each, Column) for each in parts.selected):
        # QCache applies distinct before select.
        stage.distinct = list(parts.distinct or (each.name for each in parts.selected))
        return stage.make()
    return {"from": stage.make(), "distinct": []}


def _plan_aggregates(parts: Parts, aggregates: list[Aggregate]) -> QueryDict:
    keys = {each.name for each in parts.groups}
    _check_aggregates(parts, aggregates, keys)
    if not keys and len(aggregates) == 1 and _counts_rows(aggregates[0]):
        stage = _Stage(parts.source, parts.condition, selected=[["count"]])
        if parts.condition is not None:
            _compute_for_filter(stage, [], _Fresh(parts))
        return stage.make()

    fresh = _Fresh(parts)
    computed: list[object] = [_select(each) for each in parts.groups if isinstance(each, Aliased)]
    places = _place_aggregates(aggregates, keys, fresh, computed)
    stage = _Stage(parts.source, parts.condition)
    if computed:
        plain = [each.name for each in parts.groups if isinstance(each, Column)]
        plain += [place for each, place in zip(aggregates, places, strict=True)
                  if isinstance(each.argument, Column) and each.argument.name == place]  # fmt: skip
        if parts.condition is not None:
            needed = [*_columns(parts.groups), *_columns(aggregates)]
            _compute_for_filter(stage, needed, fresh)
        stage.selected = [*dict.fromkeys(plain), *computed]
        stage = _Stage(stage.make())
    elif parts.condition is not None:
        _compute_for_filter(stage, [*keys, *places], fresh)

    place_of = {id(each): place for each, place in zip(aggregates, places, strict=True)}
    stage.groups = [each.name for each in parts.groups]
    stage.selected = [
        [each.function, place_of[id(each)]] if isinstance(each, Aggregate) else _key_of(each)
        for each in parts.selected
    ]
    made = stage.make()
    if all(
        each.name == place_of[id(each)] if isinstance(each, Aggregate) else isinstance(each, Column)
        for each in parts.selected
    ):
        return made
    names: list[object] = []
    for each in parts.selected:
        place = place_of[id(each)] if isinstance(each, Aggregate) else _key_of(each)
        renamed = ["=", each.name, to_select(Column(place))]
        names.append(place if place == each.name else renamed)
    return {"from": made, "select": names}


def _counts_rows(aggregate: Aggregate) -> bool:
    """Whether this is the count of rows, the only aggregate of QCache without a column."""
    return aggregate.argument is None and aggregate.name == "count"


def _place_aggregates(
    aggregates: list[Aggregate], keys: set[str], fresh: _Fresh, computed: list[object]
) -> list[str]:
    """Return the column of each aggregate; add the columns to compute first to `computed`.

    QCache allows one aggregate of a column, none of a column in group_by, and none of an
    expression. The name of an aggregate must not be that of the column of another one.
    """
    own = [each.argument.name if isinstance(each.argument, Column) else "" for each in aggregates]
    clash = any(
        each.name != name and each.name in {*own, *keys}
        for each, name in zip(aggregates, own, strict=True)
    )
    places: list[str] = []
    for each, name in zip(aggregates, own, strict=True):
        if name and name not in keys and name not in places and not clash:
            places.append(name)
            continue
        place = fresh.name()
        argument = LiteralValue(1) if each.argument is None else each.argument  # rows are counted
        computed.append(["=", place, to_select(argument)])
        places.append(place)
    return places


def _compute_for_filter(stage: _Stage, needed: Iterable[str], fresh: _Fresh) -> None:
    """Move calculations in the filter to an inner query, which also selects `needed` columns."""
    condition = stage.condition
    if condition is None:
        return
    computed = list(computed_in(condition))
    if not computed:
        return
    names = {id(each): (fresh.name(), each) for each in computed}
    columns = dict.fromkeys([*needed, *columns_of(condition)])
    inner = _Stage(stage.source)
    inner.selected = [
        *columns,
        *(["=", name, to_select(expression)] for name, expression in names.values()),
    ]
    stage.source = inner.make()
    stage.condition = with_columns(condition, {key: name for key, (name, _) in names.items()})


class _Fresh:
    """Makes names of columns that a query does not use."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._taken: set[str] | None = None
        self._count = 0

    def name(self) -> str:
        if self._taken is None:
            self._taken = self._find_taken()
        while True:
            self._count += 1
            if (name := f"q_{self._count}") not in self._taken:
                return name

    def _find_taken(self) -> set[str]:
        parts = self._parts
        taken = {each.name for each in parts.selected} | set(parts.source_names or ())
        taken.update(_columns(parts.selected), _columns(parts.groups))
        if parts.condition is not None:
            taken.update(columns_of(parts.condition))
        return taken


def _columns(items: Iterable[Column | Aliased | Aggregate]) -> Iterator[str]:
    """Yield the columns that items refer to, without those that are names of earlier items."""
    made: set[str] = set()
    for each in items:
        expression = _expression(each)
        if expression is not None:
            yield from (name for name in columns_of(expression) if name not in made)
        if isinstance(each, Aliased):
            made.add(each.name)


def _expression(item: Column | Aliased | Aggregate) -> Expression | None:
    if isinstance(item, Aggregate):
        return item.argument
    return item.expression if isinstance(item, Aliased) else item


def _select(item: Column | Aliased | Aggregate) -> object:
    if isinstance(item, Aliased):
        return ["=", item.name, to_select(item.expression)]
    return item.name


def _key_of(item: Column | Aliased) -> str:
    """Return the column of group_by that is selected, perhaps under another name."""
    return item.expression.name if isinstance(item, Aliased) else item.name  # type: ignore[attr-defined]


def _check_aggregates(parts: Parts, aggregates: list[Aggregate], keys: set[str]) -> None:
    if not aggregates:
        raise ValueError(
            "with group_by, select(...) must have an aggregate such as count(); for the groups "
            "alone, use distinct(...)"
        )
    if parts.distinct is not None:
        raise ValueError(
            "distinct would drop rows before they are aggregated: put it into an inner query, "
            "with from_(...)"
        )
    for each in aggregates:
        if not keys and each.function in ("first", "last"):
            raise ValueError(f"{each!r} needs group_by(...)")
    for item in parts.selected:
        if isinstance(item, Aggregate):
            continue
        column = item.expression if isinstance(item, Aliased) else item
        if not isinstance(column, Column) or column.name not in keys:
            raise ValueError(
                f"{column!r} has many values for a group: put it in group_by(...), or in an "
                "aggregate"
            )


def _check_known(parts: Parts) -> None:
    """Raise `ValueError` for columns that the inner query does not have."""
    if parts.source_names is None:
        return
    used = [*_columns(parts.selected), *_columns(parts.groups), *(parts.distinct or ())]
    if parts.condition is not None:
        used += columns_of(parts.condition)
    for name in used:
        if name not in parts.source_names:
            known = ", ".join(parts.source_names)
            raise ValueError(f"the query in from_(...) has no column {name!r}; it has {known}")


def _check_order(parts: Parts) -> None:
    names = tuple(each.name for each in parts.selected) or parts.source_names
    if names is None:
        return
    for each in parts.order:
        if each.removeprefix("-") not in names:
            raise ValueError(
                f"order_by sorts the result, which has no column {each.removeprefix('-')!r}; "
                f"it has {', '.join(names)}"
            )
