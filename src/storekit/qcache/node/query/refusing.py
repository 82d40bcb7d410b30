"""How a refusal shows the part of a query that it is about."""

import json

from storekit.qcache.node.errors import BadQuery

__all__ = ["Allowance", "bad_query", "shown"]

_LENGTH = 200  # of a part: enough to find it


def shown(part: object) -> str:
    """Return a part of a query as text, cut to a bearable length."""
    text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
    return text if len(text) <= _LENGTH else text[:_LENGTH] + " [...]"


def bad_query(message: str, part: object) -> BadQuery:
    """Return the error that says what is wrong, and with which part."""
    return BadQuery(f"{message}: {shown(part)}")


class Allowance:
    """How many things that look at all rows a query may ask for."""

    def __init__(self, most: int, what: str) -> None:
        self._most = self._left = most
        self._what = what

    def spend(self, count: int = 1) -> None:
        """Take some of it. `BadQuery` if no more is left."""
        self._left -= count
        if self._left < 0:
            raise BadQuery(f"A query has at most {self._most} {self._what}")
