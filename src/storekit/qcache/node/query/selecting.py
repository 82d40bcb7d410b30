"""`select`: the columns of a result."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.aggregates import (
    GROUP_FUNCTIONS,
    LABEL_FUNCTIONS,
    TABLE_FUNCTIONS,
    in_table,
)
from storekit.qcache.node.query.aliases import with_aliases
from storekit.qcache.node.query.grouping import count_groups, group
from storekit.qcache.node.query.refusing import bad_query
from storekit.qcache.node.query.rows import RowSelection
from storekit.qcache.node.tables import INT, unused_name

__all__ = ["Projection", "needed_columns", "project", "wants_labels"]

_COUNT = [["count"]]
_AGGREGATE, _ALIAS = 2, 3  # the lengths of their lists
_MORE = 1000  # parts of a select than columns of the table
_REPEATS = 10  # of the same column; each takes as much as the column


@dataclass(frozen=True, slots=True)
class Projection:
    """A table with a header of column names, in which a name may occur twice."""

    frame: pl.DataFrame
    header: tuple[str, ...]


def needed_columns(query: Mapping[str, object]) -> list[str] | None:
    """Return the columns that are needed after rows are selected, or None for all.

    The columns of `select` come first, in its order.
    """
    select, subset = query.get("select"), query.get("distinct")
    if not select or not isinstance(select, list) or not (subset or subset is None):
        return None
    names: list[str] = []
    if select != _COUNT:
        for part in select:
            name = part[1] if isinstance(part, list) and len(part) == _AGGREGATE else part
            if not isinstance(name, str):
                return None
            names.append(name)
    names += [*_strings(query.get("group_by")), *_strings(subset)]
    return list(dict.fromkeys(names))


def _strings(part: object) -> Iterable[str]:
    if isinstance(part, str):
        return [part]
    return [name for name in part if isinstance(name, str)] if isinstance(part, list) else []


def wants_labels(select: object) -> bool:
    """Whether a select has a function that returns a row number."""
    return isinstance(select, list) and any(
        isinstance(part, list)
        and len(part) == _AGGREGATE
        and isinstance(part[0], str)
        and part[0] in LABEL_FUNCTIONS
        for part in select
    )


def project(
    rows: RowSelection, select: object, keys: list[str] | None, budget: Budget
) -> Projection:
    """Return the selected columns, of groups if there are keys."""
    frame = rows.frame
    if not select:
        if keys is not None:
            raise bad_query("Aggregate function required when group_by is specified", select)
        return Projection(frame, tuple(frame.columns))
    if not isinstance(select, list):
        raise bad_query("Invalid format for project", select)
    if len(select) > frame.width + _MORE:
        raise BadQuery(f"A select has at most {frame.width + _MORE} parts for this table")
    if select == _COUNT:
        count = frame.height if keys is None else count_groups(frame, keys)
        return Projection(pl.DataFrame([pl.Series("count", [count], dtype=INT)]), ("count",))
    aggregates, aliases = _parts(select)
    if aggregates and aliases:
        raise bad_query("Cannot mix aliasing and aggregation functions", select)
    if keys is not None:
        frame = _grouped(rows, select, keys, aggregates, budget)
    elif aggregates:
        return _aggregated(rows, select, aggregates, budget)
    frame = with_aliases(frame, aliases, budget)
    return _chosen(frame, [part[1] if isinstance(part, list) else part for part in select])


def _parts(select: list[object]) -> tuple[list[list[object]], list[list[object]]]:
    aggregates, aliases = [], []
    for part in select:
        if not isinstance(part, list):
            continue
        if len(part) == _AGGREGATE:
            aggregates.append(part)
        elif len(part) == _ALIAS and part[0] == "=":
            aliases.append(part)
        else:
            raise bad_query("Invalid expression in select", part)
    return aggregates, aliases


def _grouped(
    rows: RowSelection,
    select: list[object],
    keys: list[str],
    aggregates: list[list[object]],
    budget: Budget,
) -> pl.DataFrame:
    if not aggregates:
        raise bad_query("Aggregate function required when group_by is specified", select)
    functions: dict[str, str] = {}
    stored = set(rows.frame.columns)
    for function, column in aggregates:
        if not isinstance(function, str) or function not in GROUP_FUNCTIONS:
            raise bad_query(f"Unknown aggregation function '{function}'", select)
        name = _aggregated_column(stored, column)
        if name in keys:
            raise BadQuery(f"Aggregation of a column that is grouped by: {name}")
        if name in functions:
            raise BadQuery(f"Only one aggregation for each column: {name}")
        functions[name] = function
    return group(rows, keys, functions, budget)


def _aggregated(
    rows: RowSelection, select: list[object], aggregates: list[list[object]], budget: Budget
) -> Projection:
    names = {str(name) for _, name in aggregates}
    if len(names) < len(select):
        raise bad_query(
            "Cannot mix aggregation functions and columns without group_by clause", select
        )
    functions: dict[str, str] = {}
    stored = set(rows.frame.columns)
    for function, name in aggregates:
        if not isinstance(function, str) or function not in TABLE_FUNCTIONS:
            raise bad_query("Unknown aggregation function", select)
        functions[_aggregated_column(stored, name)] = function
    header = tuple(sorted(functions))
    return Projection(in_table(rows, {name: functions[name] for name in header}, budget), header)


def _aggregated_column(stored: set[str], name: object) -> str:
    if not isinstance(name, str) or name not in stored:
        raise bad_query("Aggregated column not in table", name)
    return name


def _chosen(frame: pl.DataFrame, names: list[object]) -> Projection:
    known = frame.columns
    if names == known:
        return Projection(frame, tuple(known))
    stored = set(known)
    missing = [name for name in names if not isinstance(name, str) or name not in stored]
    if missing:
        raise bad_query("Selected columns not in table", missing)
    header = tuple(str(name) for name in names)
    if len(header) - len(set(header)) > _REPEATS:
        raise BadQuery(f"A select repeats columns at most {_REPEATS} times")
    columns: list[pl.Series] = []
    taken: set[str] = set()
    for name in header:
        column = frame.get_column(name)
        if name in taken:
            column = column.alias(unused_name({*taken, *header}, name))
        taken.add(column.name)
        columns.append(column)
    return Projection(pl.DataFrame(columns), header)
