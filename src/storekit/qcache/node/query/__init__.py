"""The query language of QCache, on Polars.

A query is checked and translated to operations on columns. No text of a query is evaluated as
code, and the time and memory of a query are bounded by its length and the size of the table.
"""

from storekit.qcache.node.query.parse import check_object, parse_query
from storekit.qcache.node.query.run import run_query

__all__ = ["check_object", "parse_query", "run_query"]
