"""`group_by` and `distinct`: rows that belong together."""

from collections.abc import Mapping

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.categories import is_coded, with_text
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.aggregates import in_groups, memory_for
from storekit.qcache.node.query.few_groups import few_groups
from storekit.qcache.node.query.floats import without_nan
from storekit.qcache.node.query.mixed import sort_key
from storekit.qcache.node.query.refusing import bad_query
from storekit.qcache.node.query.rows import RowSelection
from storekit.qcache.node.query.whole_numbers import WIDE, within_64_bits
from storekit.qcache.node.tables import FLOAT, INT, UINT, is_mixed, unused_name

__all__ = ["check_keys", "count_groups", "distinct", "group"]

_PLACE = 24
"""Bytes a row while groups are determined."""

_LONG = 10_000
"""Rows: from this number, the optimizer of Polars saves more time than it takes."""


def distinct(rows: RowSelection, names: object) -> RowSelection:
    """Return the first of equal rows, by the named columns or else all. Nulls are equal."""
    frame = rows.frame
    if isinstance(names, str) and names:
        names = [names]
    keys = names or frame.columns
    stored = set(frame.columns)
    if not isinstance(keys, list) or not all(isinstance(k, str) and k in stored for k in keys):
        raise bad_query("Distinct column not in table", names)
    if not keys:
        return rows
    keys = list(dict.fromkeys(keys))
    if len(keys) == 1 and (frame.height < _LONG or is_coded(frame.get_column(keys[0]).dtype)):
        return rows.choose(frame.get_column(keys[0]).is_first_distinct())
    if frame.height < _LONG:
        return rows.choose(frame.select(keys).to_struct().is_first_distinct())
    row = unused_name(keys, "row")
    kinds = frame.lazy().select(keys).with_row_index(row).group_by(keys).agg(pl.col(row).min())
    return rows.choose(kinds.collect().get_column(row).sort())


def check_keys(frame: pl.DataFrame, keys: object) -> list[str]:
    """Return the columns to group by."""
    if not isinstance(keys, list):
        raise bad_query("Invalid format for group_by", keys)
    stored = set(frame.columns)
    if not all(isinstance(key, str) and key in stored for key in keys):
        raise bad_query("Group by column not in table", keys)
    if len(set(keys)) < len(keys):
        raise bad_query("Group by column occurs twice", keys)
    return keys


def count_groups(frame: pl.DataFrame, keys: list[str]) -> int:
    """Return how many groups pandas counts: nulls make some if there are several keys.

    Null floats are NaN, so that each of them is a group.
    """
    values = frame.select(keys)
    if len(keys) == 1:
        return values.drop_nulls().n_unique()
    nulls = {c.name: c.null_count() for c in values if c.dtype == FLOAT}
    floats = [key for key, count in nulls.items() if count < values.height]
    plain = values.drop_nulls(floats) if floats else values
    return plain.n_unique() + values.height - plain.height


def group(
    rows: RowSelection, keys: list[str], functions: Mapping[str, str], budget: Budget
) -> pl.DataFrame:
    """Return one row for each group, in the order of the keys: the keys and the results.

    `functions` has a function of `GROUP_FUNCTIONS` for each column that is to be aggregated.
    Rows with a null in a key are in no group.
    """
    places = _PLACE * rows.frame.height * len(keys)
    with budget.lend(places + memory_for(rows.frame, functions), "groups"):
        groups = None
        if len(keys) == 1 and rows.frame.height >= _LONG:
            groups = few_groups(rows.frame, keys[0], functions)
        if groups is None:
            frame, labels = rows.with_labels()
            groups = _groups(with_text(frame, functions), keys, functions, labels)
        budget.check()
        groups = _sorted(groups, keys, budget)
    for name in functions:
        column = groups.get_column(name)
        plain = _plain(column)
        if plain is not column:
            groups = groups.with_columns(plain)
    budget.take(groups.estimated_size(), "groups")
    return groups


def _groups(
    frame: pl.DataFrame, keys: list[str], functions: Mapping[str, str], labels: str
) -> pl.DataFrame:
    expressions = [
        in_groups(function, frame.get_column(name), labels).alias(name)
        for name, function in functions.items()
    ]
    if frame.height < _LONG:
        groups = frame.group_by(keys).agg(expressions)
    else:
        groups = frame.lazy().group_by(keys).agg(expressions).collect()
    nullable = [key for key in keys if frame.get_column(key).null_count()]
    return with_text(groups.drop_nulls(nullable) if nullable else groups)


def _sorted(groups: pl.DataFrame, keys: list[str], budget: Budget) -> pl.DataFrame:
    mixed = [key for key in keys if is_mixed(groups.get_column(key).dtype)]
    if not mixed:
        return groups.sort(keys)
    places = {key: unused_name(groups.columns, f"place of {key}") for key in mixed}
    ordered = groups.with_columns(
        sort_key(groups.get_column(key), budget).alias(place) for key, place in places.items()
    )
    return ordered.sort([places.get(key, key) for key in keys]).drop(places.values())


def _plain(column: pl.Series) -> pl.Series:
    """Return a result in a type that a table can have."""
    dtype = column.dtype
    if dtype == FLOAT:
        return without_nan(column)
    if dtype == WIDE:
        return _narrow(column)
    if dtype.is_integer() and column.null_count():
        return column.cast(FLOAT)
    return column


def _narrow(sums: pl.Series) -> pl.Series:
    """Return sums as whole numbers of 64 bits, or as floats if one of them has more."""
    try:
        return within_64_bits(sums, INT, UINT)
    except BadQuery:
        return sums.cast(FLOAT)
