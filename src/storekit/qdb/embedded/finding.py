"""Finding entries by alias, content, tags and types, and scanning all blobs."""

# ruff: noqa: S608 - statements are put together from constants

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from storekit.qdb.embedded.checks import LARGE, above
from storekit.qdb.embedded.connection import READING, Connection
from storekit.qdb.embedded.large_contents import LargeContents
from storekit.qdb.embedded.queries import condition
from storekit.qdb.embedded.rows import checked_aliases, checked_content, damaged
from storekit.qdb.engine import EntryType

__all__ = ["EmbeddedSearches"]

_ALIVE = "(expiry = 0 OR expiry > ?)"
_BLOB = int(EntryType.BLOB)
_MS = 1_000_000  # nanoseconds
_CHUNK = 4 << 20  # bytes of content after which a chunk ends, whatever its number of entries


@dataclass(frozen=True, slots=True)
class _ScanCursor:
    position: int  # the id of the last returned entry
    end: int  # the highest id when the scan began


class EmbeddedSearches:
    """Searches. Callers hold the lock, and have checked the aliases."""

    def __init__(
        self, connection: Connection, large: LargeContents | None, now_ns: Callable[[], int]
    ) -> None:
        self._connection = connection
        self._large = large
        self._now_ns = now_ns

    def prefix(self, prefix: str, max_count: int) -> list[str]:
        """Return the first aliases with a prefix, in ascending order of their bytes."""
        where, bounds = _between(prefix)
        rows = self._connection.all(
            f"SELECT alias FROM entry WHERE {where} AND {_ALIVE} ORDER BY alias LIMIT ?",
            (*bounds, self._now(), max_count),
        )
        return checked_aliases(rows)

    def prefix_count(self, prefix: str) -> int:
        """Return how many aliases have a prefix."""
        where, bounds = _between(prefix)
        return self._count(f"{where} AND {_ALIVE}", (*bounds, self._now()))

    def suffix(self, suffix: str, max_count: int) -> list[str]:
        """Return the first aliases with a suffix, in ascending order; reads all aliases."""
        rows = self._connection.all(
            f"SELECT alias FROM entry WHERE substr(alias, ?) = ? AND {_ALIVE} "
            "ORDER BY alias LIMIT ?",
            (-len(suffix), suffix, self._now(), max_count),
        )
        return checked_aliases(rows)

    def suffix_count(self, suffix: str) -> int:
        """Return how many aliases have a suffix."""
        return self._count(
            f"substr(alias, ?) = ? AND {_ALIVE}", (-len(suffix), suffix, self._now())
        )

    def matching(self, query: str) -> list[str]:
        """Return the aliases of the entries that match a query, in ascending order."""
        where, parameters = condition(query, self._now())
        rows = self._connection.all(
            f"SELECT alias FROM entry WHERE {where} AND {_ALIVE} ORDER BY alias",
            (*parameters, self._now()),
        )
        return checked_aliases(rows)

    def containing(self, part: bytes, kind: int, max_count: int) -> list[str]:
        """Return the first aliases whose content contains these bytes, in ascending order."""
        sql = (
            f"SELECT alias FROM entry WHERE type = ? AND instr(content, ?) AND {_ALIVE} "
            "ORDER BY alias LIMIT ?"
        )
        with self._connection.transaction(READING):  # else an entry that changes may come twice
            rows = self._connection.all(sql, (kind, part, self._now(), max_count))
            if len(part) > LARGE:
                self._connection.all(sql, (None, None, None, 0))
            found = checked_aliases(rows) + self._large_containing(part, kind)
        return sorted(found)[:max_count]

    def _large_containing(self, part: bytes, kind: int) -> list[str]:
        if self._large is None:
            return []
        sql = f"SELECT id, alias FROM large JOIN entry ON id = entry WHERE type = ? AND {_ALIVE}"
        rows = self._connection.all(sql, (kind, self._now()))
        return [
            alias
            for identity, alias in rows
            if type(alias) is str and part in bytes(self._large.read(identity))
        ]

    def contents(self, after: str, kind: int) -> tuple[list[tuple[str, bytes]], bool]:
        """Return aliases after an alias, with contents, and whether these are all."""
        rows, complete = self._some(
            f"SELECT id, alias, content FROM entry WHERE alias > ? AND type = ? AND {_ALIVE} "
            "ORDER BY alias",
            (after, kind, self._now()),
        )
        return [(alias, content) for _, alias, content in rows], complete

    def scan(self, cursor: object, count: int) -> tuple[list[tuple[str, bytes]], object]:
        """Return the next blobs, at most `count`, and a cursor to continue from or None.

        They are in the order of their ids. An update keeps the id of an entry; a new entry, also
        for an alias that was removed, gets an id above all earlier ones.
        """
        if isinstance(cursor, _ScanCursor):
            at = cursor
        else:
            row = self._connection.one("SELECT max(id) FROM entry")
            at = _ScanCursor(0, row[0] if row else 0)
        rows, complete = self._some(
            "SELECT id, alias, content FROM entry WHERE id > ? AND id <= ? AND type = ? "
            f"AND {_ALIVE} ORDER BY id LIMIT ?",
            (at.position, at.end, _BLOB, self._now(), count),
        )
        found = [(alias, content) for _, alias, content in rows]
        if complete and len(rows) < count:
            return found, None
        return found, _ScanCursor(rows[-1][0], at.end)

    def _some(
        self, sql: str, parameters: Sequence[object]
    ) -> tuple[list[tuple[int, str, bytes]], bool]:
        """Return ids, aliases and contents, up to `_CHUNK` bytes, and whether these are all."""
        found: list[tuple[int, str, bytes]] = []
        size = 0
        with (
            self._connection.transaction(READING),  # keeps the files of large contents, too
            closing(self._connection.each(sql, parameters)) as rows,
        ):
            for identity, alias, value in rows:
                if type(alias) is not str:
                    raise damaged("An alias")
                if value is None and self._large is not None:
                    content = bytes(self._large.read(identity))
                else:
                    checked_content(value, _BLOB)  # strings are stored as bytes, too
                    content = value
                found.append((identity, alias, content))
                size += len(content)
                if size >= _CHUNK:
                    return found, False
        return found, True

    def totals(self) -> tuple[int, int]:
        """Return the number of entries, and the size of their contents in bytes."""
        row = self._connection.one(
            "SELECT count(*), coalesce(sum(CASE typeof(content) WHEN 'blob' THEN length(content) "
            "WHEN 'null' THEN coalesce((SELECT size FROM large WHERE entry = entry.id), 0) "
            f"ELSE 8 END), 0) FROM entry WHERE alias > '' AND {_ALIVE}",
            (self._now(),),
        )
        if row is None or type(row[1]) is not int:
            raise damaged("The size of an entry")
        return row[0], row[1]

    def _count(self, where: str, parameters: tuple[object, ...]) -> int:
        row = self._connection.one(f"SELECT count(*) FROM entry WHERE {where}", parameters)
        return int(row[0]) if row else 0

    def _now(self) -> int:
        return self._now_ns() // _MS


def _between(prefix: str) -> tuple[str, tuple[str, ...]]:
    end = above(prefix)
    if end is None:
        return "alias >= ?", (prefix,)
    return "alias >= ? AND alias < ?", (prefix, end)
