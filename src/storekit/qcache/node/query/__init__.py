"""The query language of QCache, on Polars.

A query is checked against what the language has and turned into operations on columns. No
text of a query is ever evaluated as code, and no query takes time or memory that does not
follow from its own length and the size of the table.
"""

from storekit.qcache.node.query.parse import check_object, parse_query
from storekit.qcache.node.query.run import run_query

__all__ = ["check_object", "parse_query", "run_query"]
