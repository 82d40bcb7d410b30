"""Error messages that show the part of a query that they are about."""

import json

from storekit.qcache.node.errors import BadQuery

__all__ = ["bad_query", "shown"]

_LENGTH = 200  # of a part: enough to find it


def shown(part: object) -> str:
    """Return a part of a query as text, cut to a limited length."""
    text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
    return text if len(text) <= _LENGTH else text[:_LENGTH] + " [...]"


def bad_query(message: str, part: object) -> BadQuery:
    """Return the error for a part of a query."""
    return BadQuery(f"{message}: {shown(part)}")
