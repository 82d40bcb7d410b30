"""Queries as Python expressions: `Query().select(...).where(col("people") > 100_000)`."""

from storekit.qcache.query.build import Query
from storekit.qcache.query.expressions import Aliased, Column, Condition, Expression
from storekit.qcache.query.functions import (
    Aggregate,
    FunctionName,
    col,
    count,
    first,
    fn,
    last,
    lit,
    max_,
    mean,
    median,
    min_,
    nunique,
    std,
    sum_,
    var,
)

__all__ = [
    "Aggregate",
    "Aliased",
    "Column",
    "Condition",
    "Expression",
    "FunctionName",
    "Query",
    "col",
    "count",
    "first",
    "fn",
    "last",
    "lit",
    "max_",
    "mean",
    "median",
    "min_",
    "nunique",
    "std",
    "sum_",
    "var",
]
