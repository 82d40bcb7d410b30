"""SQL for QCache: a SELECT becomes the query that means the same. Needs `storekit[sql]`."""

from storekit.qcache.sql.errors import UnsupportedSql
from storekit.qcache.sql.parse import Statement, parse

__all__ = ["Statement", "UnsupportedSql", "parse"]
