"""Reading whole entries (content, expiry, tags), many in one transaction."""

# ruff: noqa: S608 - statements are put together from constants

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from storekit.qdb.embedded.connection import READING, Connection
from storekit.qdb.embedded.rows import (
    EntryRow,
    EntryRows,
    Stored,
    checked_aliases,
    damaged,
    of_stamp,
)
from storekit.qdb.engine import EntryType, WholeEntry

__all__ = ["EmbeddedWalks"]

_WALK = (
    "SELECT id, alias, type, expiry, content FROM entry WHERE id > ? AND id <= ? AND alias > '' "
    "AND (expiry = 0 OR expiry > ?) ORDER BY id LIMIT ?"
)
_AT_ONCE = 64  # aliases in one statement, which takes a third less time than one for each
_FIND = (
    "SELECT id, alias, type, expiry, content FROM entry "
    f"WHERE alias IN ({', '.join('?' * _AT_ONCE)}) AND (expiry = 0 OR expiry > ?)"
)
_TAGS = (
    "SELECT tagging.entry, tag.alias FROM tagging JOIN entry AS tag ON tag.id = tagging.tag "
    "WHERE tagging.entry BETWEEN ? AND ? AND (tag.expiry = 0 OR tag.expiry > ?)"
)
_TYPES: dict[int, EntryType] = {int(each): each for each in EntryType}
_TYPE_OF_BLOBS = EntryType.BLOB
_BLOB = int(EntryType.BLOB)
_DOUBLE = int(EntryType.DOUBLE)
_TIMESTAMP = int(EntryType.TIMESTAMP)
_CHUNK = 4 << 20  # bytes of content after which a chunk ends, whatever its number of entries
_MS = 1_000_000  # nanoseconds
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class _WalkCursor:
    position: int  # the id of the last returned entry
    end: int  # the highest id when the iteration began


class EmbeddedWalks:
    """Reads whole entries. Callers hold the lock, and have checked the aliases."""

    def __init__(self, rows: EntryRows) -> None:
        self._rows = rows
        self._connection: Connection = rows.connection
        self._now_ns: Callable[[], int] = rows.now_ns

    def walk(self, cursor: object, count: int) -> tuple[list[WholeEntry], object]:
        """Return the next entries in the order of their ids, and a cursor or None at the end."""
        if isinstance(cursor, _WalkCursor):
            at = cursor
        else:
            row = self._connection.one("SELECT max(id) FROM entry")
            at = _WalkCursor(0, row[0] if row else 0)
        now = self._now_ns() // _MS
        found: dict[int, WholeEntry] = {}
        size, last, complete = 0, at.position, True
        with self._connection.transaction(READING):  # keeps large contents and tags consistent
            chunks = self._connection.chunks(_WALK, (at.position, at.end, now, count))
            with closing(chunks):
                for rows in chunks:
                    for row in rows:
                        last = row[0]
                        entry = found[last] = self._entry(*row)
                        if isinstance(entry.content, (bytes, memoryview)):
                            size += len(entry.content)
                            if size >= _CHUNK:
                                break
                    if size >= _CHUNK:
                        complete = False
                        break
            self._add_tags(found, now)
        if complete and len(found) < count:
            return list(found.values()), None
        return list(found.values()), _WalkCursor(last, at.end)

    def read(self, aliases: Sequence[str]) -> list[WholeEntry | None]:
        """Return entries, None for those that do not exist."""
        now = self._now_ns() // _MS
        found: dict[str, WholeEntry] = {}
        with self._connection.transaction(READING):
            tagged = self._connection.one("SELECT 1 FROM tagging LIMIT 1") is not None
            for start in range(0, len(aliases), _AT_ONCE):
                some = aliases[start : start + _AT_ONCE]
                names = [*some, *[some[-1]] * (_AT_ONCE - len(some))]
                with closing(self._connection.chunks(_FIND, (*names, now))) as chunks:
                    entries = {row[0]: self._entry(*row) for rows in chunks for row in rows}
                for identity, entry in entries.items() if tagged else ():
                    self._add_tags({identity: entry}, now)
                found.update((entry.alias, entry) for entry in entries.values())
        return [found.get(alias) for alias in aliases]

    def _entry(
        self, identity: int, alias: str, kind: int, expiry: int, value: Stored
    ) -> WholeEntry:
        if type(alias) is not str or type(expiry) is not int or kind not in _TYPES:
            raise damaged("The row of an entry")
        if kind == _BLOB and type(value) is bytes:  # the most frequent case
            return WholeEntry(alias, _TYPE_OF_BLOBS, value, expiry)
        content = self._rows.content(EntryRow(identity, kind, expiry, value))
        if kind == _TIMESTAMP:
            return WholeEntry(alias, _TYPES[kind], of_stamp(content), expiry)
        if kind == _DOUBLE and content is None:
            content = _NAN
        return WholeEntry(alias, _TYPES[kind], content, expiry)

    def _add_tags(self, entries: dict[int, WholeEntry], now: int) -> None:
        """Set the tags of entries, whose ids are close to each other."""
        if not entries:
            return
        tags: dict[int, list[str]] = {}
        rows = self._connection.all(_TAGS, (min(entries), max(entries), now))
        for (identity, _), alias in zip(
            rows, checked_aliases([row[1:] for row in rows]), strict=True
        ):
            tags.setdefault(identity, []).append(alias)
        for identity, names in tags.items():
            if identity in entries:
                entries[identity].tags = sorted(names)
