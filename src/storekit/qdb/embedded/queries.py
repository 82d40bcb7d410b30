"""Parsing queries for entries by tags and types, and translating them to SQL conditions.

    query     = "find" "(" any ")"
    any       = all { "or" all }
    all       = one { "and" one }
    one       = "not" one | "(" any ")" | "tag" "=" text | "type" "=" name
    text      = "'" characters "'" | '"' characters '"'

Words are case-insensitive. Quoted text has no escapes: a tag that contains one kind of quotes is
put in the other kind.
"""

# ruff: noqa: S608 - statements are put together from constants

import re

from storekit.qdb.engine import EntryType
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["condition"]

_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z_]+)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<mark>[()=]))")
_TYPES = {
    "blob": EntryType.BLOB,
    "double": EntryType.DOUBLE,
    "int": EntryType.INTEGER,
    "integer": EntryType.INTEGER,
    "string": EntryType.STRING,
    "tag": EntryType.TAG,
    "timestamp": EntryType.TIMESTAMP,
}
_NOT_HERE = frozenset({"deque", "stream", "table", "ts"})
"""Types of entries that only clusters have."""

_MOST_TERMS = 200  # SQLite allows a depth of 1000 for an expression
_DEEPEST = 50

_TAGGED = (
    "id IN (SELECT tagging.entry FROM tagging JOIN entry AS tag ON tag.id = tagging.tag "
    f"WHERE tag.alias = ? AND tag.type = {int(EntryType.TAG)} "
    "AND (tag.expiry = 0 OR tag.expiry > ?))"
)


def condition(query: str, now: int) -> tuple[str, list[object]]:
    """Return an SQL condition on entries, and its parameters. `now` is in milliseconds.

    Raises `INVALID_QUERY` for a malformed query, `QUERY_TOO_COMPLEX` for one that is too large.
    """
    return _Reader(query, now).read()


class _Reader:
    """Parses one query. Each method parses one rule of the grammar."""

    def __init__(self, query: str, now: int) -> None:
        self._query = query
        self._now = now
        self._at = 0
        self._token = ""  # the next one, in lower case unless it is text; empty at the end
        self._terms = 0
        self._depth = 0
        self._parameters: list[object] = []
        self._advance()

    def read(self) -> tuple[str, list[object]]:
        self._expect("find")
        self._expect("(")
        found = self._any()
        self._expect(")")
        if self._token:
            raise self._refusal("the end")
        return found, self._parameters

    def _any(self) -> str:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return f"({' OR '.join(parts)})"

    def _all(self) -> str:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return f"({' AND '.join(parts)})"

    def _one(self) -> str:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise error_for(ErrorCode.QUERY_TOO_COMPLEX, "The query is nested too deep.")
        if self._take("not"):
            found = f"NOT {self._one()}"
        elif self._take("("):
            found = self._any()
            self._expect(")")
        else:
            found = self._term()
        self._depth -= 1
        return found

    def _term(self) -> str:
        self._terms += 1
        if self._terms > _MOST_TERMS:
            detail = f"The query has more than {_MOST_TERMS} terms."
            raise error_for(ErrorCode.QUERY_TOO_COMPLEX, detail)
        if self._take("tag"):
            self._expect("=")
            if self._token[:1] not in ("'", '"'):
                raise self._refusal("a tag in quotes")
            self._parameters += [self._token[1:-1], self._now]
            self._advance()
            return _TAGGED
        if self._take("type"):
            self._expect("=")
            name = self._token
            if name not in _TYPES and name not in _NOT_HERE:
                raise self._refusal("the name of a type")
            self._advance()
            return f"type = {int(_TYPES[name])}" if name in _TYPES else "0"
        raise self._refusal("tag, type, not or a parenthesis")

    def _take(self, token: str) -> bool:
        if self._token != token:
            return False
        self._advance()
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._refusal(token)

    def _advance(self) -> None:
        rest = self._query[self._at :]
        if not rest.strip():
            self._token = ""
            return
        matched = _TOKEN.match(self._query, self._at)
        if matched is None:
            raise self._refusal("a word, a quoted text or a parenthesis")
        self._at = matched.end()
        text = matched["text"]
        self._token = text if text is not None else matched[0].strip().lower()

    def _refusal(self, wanted: str) -> QuasardbException:
        detail = f"Before character {self._at + 1}, {wanted} was expected."
        return error_for(ErrorCode.INVALID_QUERY, detail)
