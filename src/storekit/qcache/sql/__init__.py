"""SQL for QCache: a SELECT is translated to an equivalent query. Needs `storekit[sql]`."""

from storekit.qcache.sql.errors import UnsupportedSql
from storekit.qcache.sql.parse import Statement, parse

__all__ = ["Statement", "UnsupportedSql", "parse"]
